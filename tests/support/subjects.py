"""What checks are asked about, with a provider that finds what a test says."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from orchestrate.core.check import CheckResult
from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import ArtifactMissing
from orchestrate.core.protocols import Finding
from orchestrate.core.revision import Artifact
from orchestrate.core.validation import Checks
from orchestrate.core.windows import Calendar
from orchestrate.engine.checks.subject import Subject
from orchestrate.engine.site import Place, Site, secrets_of
from orchestrate.engine.validating import _recall
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import read
from orchestrate.store import environments, evidence
from orchestrate.store.database import Store
from tests.support.pretended import Pretended
from tests.support.real import need_program

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class Finds(Pretended):
    """A provider whose versions are these artifacts."""

    artifacts: dict[str, Artifact] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=lambda: [Finding("x", True, "as lee")])

    def resolve(self, version: str) -> Artifact:
        if version not in self.artifacts:
            raise ArtifactMissing(f"there is no {version}")
        return self.artifacts[version]

    def probe(self) -> list[Finding]:
        return self.findings


@dataclass
class Asking:
    """Makes subjects of one environment whose evidence is kept in a real store."""

    home: Path
    checks: Checks = field(default_factory=Checks)
    calendar: Calendar = field(default_factory=Calendar)
    allowed: str = ""
    provider: Finds = field(default_factory=Finds)
    config: dict[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Store(f"sqlite:///{self.home / 'store.db'}")
        self.store.migrate()
        self.outbound = Outbound(read(self.allowed))

    @property
    def environment(self) -> Environment:
        return Environment(
            app="shop",
            name="production",
            type=EnvironmentType.PRODUCTION,
            provider="local",
            config=self.config,
            checks=self.checks,
            calendar=self.calendar,
        )

    def subject(self, version: str | None = "1.0.0", **more: object) -> Subject:
        with self.store.session() as session:
            row = environments.put(session, self.environment)
            number = row.id or 0
        given: dict[str, object] = {"outbound": self.outbound, **more}
        place = Place(self.home, self.store)
        return Subject(
            site=Site(number, self.environment, self.provider, secrets_of(self.environment, place)),
            home=self.home,
            version=version,
            recall=_recall(place, number, self.environment),
            **given,  # type: ignore[arg-type]
        )

    def keep(self, subject: Subject, results: list[CheckResult], *, age_s: float = 0) -> None:
        """Record results, as if they had been looked at so long ago."""
        aged = [
            CheckResult(
                **{
                    **vars(each),
                    "evidence": each.evidence.model_copy(
                        update={"at": each.evidence.at - timedelta(seconds=age_s)}
                    )
                    if each.evidence
                    else None,
                }
            )
            for each in results
        ]
        with self.store.session() as session:
            evidence.record(session, subject.site.id, aged, subject.checks.digest)

    def close(self) -> None:
        self.store.close()


@dataclass
class Repository:
    """A git repository with commits of a test's choice."""

    path: Path

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        program = need_program("git", "apt-get install git")
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            [program, "-C", str(self.path), *who, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        """Commit files, `a_py` for `a.py`; returns the commit."""
        for name, text in files.items():
            (self.path / name.replace("_", ".")).write_text(text)
        self.git("add", ".")
        self.git("commit", "-qm", "x", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    def artifact(self, commit: str) -> Artifact:
        return Artifact(kind="git", reference=str(self.path), digest=f"git:{commit}")
