"""What must be known of a version before it is deployed: the `checks` of an environment."""

from datetime import date
from typing import Literal, get_args

from pydantic import Field, field_validator

from orchestrate.core.canonical import digest
from orchestrate.core.model import Model
from orchestrate.core.names import check_version

Severity = Literal["low", "medium", "high", "critical"]
Report = Literal["sarif", "pip-audit", "npm-audit"]
Name = Literal["artifact", "signature", "tests", "security", "window", "rollback"]
"""Checks that can be asked for by name, so that one that was not configured blocks."""
GITHUB = "https://api.github.com"
_DAY_S = 86400.0


class Key(Model):
    """A public key, as it was when the environment was set: who may write the repository does not
    thereby change whom the environment trusts."""

    file: str
    text: str


class Sigstore(Model):
    """Who signs without a key: an identity that an OpenID issuer vouched for."""

    identity: str = Field(min_length=1)
    issuer: str = Field(pattern=r"^https://")


class Signature(Model):
    """Whose signature an artifact must have; one of these."""

    cosign: Key | None = None
    sigstore: Sigstore | None = None
    gpg: Key | None = None
    minisign: Key | None = None

    @property
    def who(self) -> str:
        """`cosign key ci.pub`: as a line shows it."""
        for kind, key in (("cosign", self.cosign), ("gpg", self.gpg), ("minisign", self.minisign)):
            if key is not None:
                return f"{kind} key {key.file}"
        return f"sigstore {self.sigstore.identity}" if self.sigstore else "nobody"


class Tests(Model):
    """Where the result of the tests of a version's commit comes from."""

    command: tuple[str, ...] = ()
    """Run in a clean checkout of the commit; a list of arguments, no shell."""
    junit: str | None = None
    """The JUnit XML it leaves, relative to the checkout."""
    timeout_s: float = Field(default=1800.0, gt=0, le=_DAY_S)
    github: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")
    """`owner/repository`: the commit's combined status and its check runs."""
    names: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    """Of these, the check runs and status contexts that must be there and decide the age; none:
    whatever is found."""


class Allowance(Model):
    """A finding that is known and accepted, by whom it is read: why, and until when."""

    id: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    until: date
    """The last day, UTC."""


class Security(Model):
    """Where the findings of a security scan come from, and which of them block."""

    command: tuple[str, ...] = ()
    report: Report = "sarif"
    file: str | None = None
    """Where the command leaves its report; None: on its standard output."""
    timeout_s: float = Field(default=1800.0, gt=0, le=_DAY_S)
    github: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")
    """`owner/repository`: code scanning and Dependabot."""
    threshold: Severity = "high"
    """The least severity that blocks; a finding without one always does."""
    allow: tuple[Allowance, ...] = ()


class Source(Model):
    """Where the commit of a version is found when its artifact does not say."""

    repository: str | None = None
    """A path or an address; None: where orchestrate.yaml is."""
    tag: str | None = None
    """`v{version}`; None: only what the artifact says counts."""


class GitHub(Model):
    """How GitHub is asked."""

    url: str = Field(default=GITHUB, pattern=r"^https?://")
    """Of its API; a GitHub Enterprise has its own."""
    token: str | None = None
    """The name of the environment's secret that holds a token."""


class Checks(Model):
    """All of it. What is not configured is skipped, unless it is in `required`."""

    tests: Tests | None = None
    security: Security | None = None
    signature: Signature | None = None
    source: Source = Source()
    github: GitHub = GitHub()
    max_age_s: float = Field(default=7 * _DAY_S, gt=0, le=366 * _DAY_S)
    """Evidence that is older is none."""
    floor: str | None = None
    """The lowest version that may be deployed; a rollback is not asked."""
    required: tuple[Name, ...] = ()

    @property
    def digest(self) -> str:
        """Of what is asked: evidence of another question is none for this one."""
        return digest(self.model_dump(mode="json"))

    @field_validator("floor")
    @classmethod
    def _version(cls, floor: str | None) -> str | None:
        return None if floor is None else check_version(floor)


SEVERITIES: tuple[Severity, ...] = get_args(Severity)
NAMES: tuple[Name, ...] = get_args(Name)
