"""Tests and scans by a command, run for real in a clean checkout of a real repository."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrate.core.check import CheckResult
from orchestrate.core.errors import NoDataError, ReportInvalid
from orchestrate.core.revision import Artifact
from orchestrate.core.validation import Allowance, Checks, Security, Source
from orchestrate.core.validation import Tests as AskedOf  # pytest would take it for a test
from orchestrate.engine.checks import artifact, run, security, tests
from orchestrate.engine.checks.running import read_inside
from tests.support.subjects import Asking, Finds, Repository

pytestmark = pytest.mark.system

PYTHON = (sys.executable, "-I", "-B")
JUNIT = "r.xml"


def junit(body: str) -> str:
    return (
        f"open('{JUNIT}','w').write('''<testsuites><testsuite>{body}</testsuite></testsuites>''')"
    )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    made = Asking(tmp_path)
    yield made
    made.close()


def try_out(asking: Asking, repository: Repository, code: str, **more: object) -> CheckResult:
    commit = repository.commit(t_py=code)
    asking.provider.artifacts["1.0.0"] = repository.artifact(commit)
    settings = {"command": (*PYTHON, "t.py"), "junit": JUNIT, **more}
    asking.checks = Checks(tests=AskedOf(**settings))  # type: ignore[arg-type]
    (found,) = run(asking.subject(), [tests.check])
    return found


def test_tests_that_pass_are_counted_and_are_about_the_commit(
    asking: Asking, repository: Repository
) -> None:
    found = try_out(asking, repository, junit("<testcase name='a'/><testcase name='b'/>"))
    commit = repository.git("rev-parse", "HEAD")
    assert (found.result, found.text) == ("pass", f"2 tests passed for {commit[:7]}")
    assert found.evidence is not None
    assert found.evidence.about == f"git:{commit}"
    assert found.evidence.facts["passed"] == 2
    assert list((asking.home / "checks").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (junit("<testcase name='a'><failure/></testcase>"), "1 of 1 failed: a"),
        (junit("<testcase name='a'/>") + "; raise SystemExit(2)", "exit code 2, though no test"),
        (junit("<testcase name='a'><failure/></testcase>") + "; raise SystemExit(0)", "1 of 1"),
    ],
)
def test_tests_that_fail_block(
    asking: Asking, repository: Repository, code: str, said: str
) -> None:
    found = try_out(asking, repository, code)
    assert found.result == "fail" and said in found.text


@pytest.mark.attack("AR10", "a test run with no test, or with all skipped", "not a pass")
@pytest.mark.parametrize(
    ("body", "said"),
    [("", "there was none"), ("<testcase name='a'><skipped/></testcase>", "all 1 were skipped")],
)
def test_a_run_without_a_test_is_no_pass(
    asking: Asking, repository: Repository, body: str, said: str
) -> None:
    found = try_out(asking, repository, junit(body))
    assert found.result == "fail" and said in found.text


@pytest.mark.parametrize(
    ("code", "more", "said"),
    [
        ("pass", {}, "left no r.xml"),
        ("open('r.xml','w').write('no xml')", {}, "no XML"),
        ("import time; time.sleep(999)", {"timeout_s": 0.5}, "did not end within 0.5s"),
        ("pass", {"command": ("no-such-program",)}, "is not installed"),
        ("import os; os.symlink('/etc/passwd', 'r.xml')", {}, "cannot be read"),
        ("import os; os.mkdir('d'); os.symlink('/etc', 'd/e')", {"junit": "d/e/passwd"}, "cannot"),
        ("import os; os.mkfifo('r.xml')", {}, "is empty"),
        ("import os; os.mkdir('r.xml')", {}, "is a directory"),
    ],
)
@pytest.mark.attack("FS02", "a report that is a link, a pipe or a directory", "refused, no pass")
def test_what_cannot_be_known_is_an_error_and_no_pass(
    asking: Asking, repository: Repository, code: str, more: dict[str, object], said: str
) -> None:
    found = try_out(asking, repository, code, **more)
    assert found.result == "error" and found.blocks
    assert said in found.text


GOOD = "<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>"


@pytest.mark.attack(
    "AR10", "a report that was committed, and that the command does not leave", "no answer"
)
def test_a_report_that_the_commit_brings_along_is_none_of_its_run(
    asking: Asking, repository: Repository
) -> None:
    (repository.path / "d").mkdir()
    (repository.path / "d" / "r.xml").write_text(GOOD)
    (repository.path / JUNIT).write_text(GOOD)
    for path in (JUNIT, "d/r.xml"):
        found = try_out(asking, repository, "pass", junit=path)
        assert found.result == "error" and f"left no {path}" in found.text
    assert try_out(asking, repository, junit("<testcase name='b'/>")).result == "pass"


@pytest.mark.attack(
    "AR10", "a committed report, behind a link out of the checkout", "not a pass; nothing removed"
)
def test_what_lies_behind_a_link_of_the_commit_is_left_alone(
    asking: Asking, repository: Repository, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / JUNIT).write_text(GOOD)
    (repository.path / "d").symlink_to(outside)
    found = try_out(asking, repository, "pass", junit=f"d/{JUNIT}")
    assert found.result == "error" and "cannot be read" in found.text
    assert (outside / JUNIT).read_text() == GOOD


def test_without_junit_the_exit_code_decides(asking: Asking, repository: Repository) -> None:
    assert try_out(asking, repository, "pass", junit=None).result == "pass"
    found = try_out(asking, repository, "import sys; sys.exit('it broke')", junit=None)
    assert found.result == "fail" and "it broke" in found.text


def test_what_is_changed_beside_the_commit_is_not_tested(
    asking: Asking, repository: Repository
) -> None:
    found = try_out(asking, repository, junit("<testcase name='a'><failure/></testcase>"))
    assert found.result == "fail"
    (repository.path / "t.py").write_text(junit("<testcase name='a'/>"))
    (again,) = run(asking.subject(), [tests.check])
    assert again.result == "fail"


def test_a_version_whose_commit_nobody_knows_is_an_error(asking: Asking, tmp_path: Path) -> None:
    found = Artifact(kind="archive", reference="a.tgz", digest="sha256:" + "1" * 64)
    asking.provider.artifacts["1.0.0"] = found
    asking.checks = Checks(tests=AskedOf(command=("true",)))
    (answer,) = run(asking.subject(), [tests.check])
    assert answer.result == "error" and "nothing says which commit" in answer.text


def test_the_commit_of_an_archive_is_found_by_its_tag(
    asking: Asking, repository: Repository
) -> None:
    commit = repository.commit(t_py=junit("<testcase name='a'/>"))
    repository.git("tag", "-a", "v1.0.0", "-m", "x")
    repository.commit(t_py="raise SystemExit(1)")
    found = Artifact(kind="archive", reference="a.tgz", digest="sha256:" + "1" * 64)
    asking.provider.artifacts["1.0.0"] = found
    asking.checks = Checks(
        tests=AskedOf(command=(*PYTHON, "t.py"), junit=JUNIT),
        source=Source(repository=str(repository.path), tag="v{version}"),
    )
    (answer,) = run(asking.subject(), [tests.check])
    assert answer.result == "pass" and answer.evidence is not None
    assert answer.evidence.about == f"git:{commit}"


# -- evidence that is used again, and evidence that is not


ONE = junit("<testcase name='a'/>")
COUNTING = f"open({{log!r}}, 'a').write('x'); {ONE}"


@pytest.fixture
def counted(asking: Asking, repository: Repository, tmp_path: Path) -> Path:
    """A file with a character for each time the tests really ran; they ran once."""
    log = tmp_path / "log"
    first = try_out(asking, repository, COUNTING.replace("{log!r}", repr(str(log))))
    assert first.result == "pass" and log.read_text() == "x"
    asking.keep(asking.subject(), [first])
    return log


def again(asking: Asking) -> CheckResult:
    (found,) = run(asking.subject(), [tests.check])
    return found


def test_fresh_evidence_of_the_same_commit_is_used_again(asking: Asking, counted: Path) -> None:
    found = again(asking)
    assert found.evidence is not None and found.evidence.reused
    assert counted.read_text() == "x"
    asking.keep(asking.subject(), [found])
    assert again(asking).text.count("(seen ") == 1


@pytest.mark.attack("AR09", "evidence of another commit", "not used: looked at anew")
def test_another_commit_is_tested_itself(
    asking: Asking, counted: Path, repository: Repository
) -> None:
    commit = repository.commit(other_py="1")
    asking.provider.artifacts["1.0.0"] = repository.artifact(commit)
    found = again(asking)
    assert found.evidence is not None and not found.evidence.reused
    assert counted.read_text() == "xx"


@pytest.mark.attack("AR09", "evidence older than its limit", "not used: looked at anew")
def test_stale_evidence_is_looked_at_anew(asking: Asking, repository: Repository) -> None:
    first = try_out(asking, repository, junit("<testcase name='a'/>"))
    asking.keep(asking.subject(), [first], age_s=asking.checks.max_age_s + 60)
    found = again(asking)
    assert found.evidence is not None and not found.evidence.reused


@pytest.mark.attack("AR09", "evidence dated into the future", "not used: looked at anew")
def test_evidence_from_the_future_is_none(asking: Asking, repository: Repository) -> None:
    first = try_out(asking, repository, junit("<testcase name='a'/>"))
    asking.keep(asking.subject(), [first], age_s=-3600)
    found = again(asking)
    assert found.evidence is not None and not found.evidence.reused


@pytest.mark.attack("AG04", "evidence of another command for the same commit", "not used")
def test_evidence_of_another_question_is_none(asking: Asking, counted: Path) -> None:
    assert asking.checks.tests is not None
    other = asking.checks.tests.model_copy(update={"timeout_s": 77.0})
    asking.checks = asking.checks.model_copy(update={"tests": other})
    found = again(asking)
    assert found.evidence is not None and not found.evidence.reused
    assert counted.read_text() == "xx"


def test_a_failure_after_a_pass_is_not_forgotten(asking: Asking, counted: Path) -> None:
    passed = again(asking)
    failed = CheckResult("tests", "fail", "later", evidence=passed.evidence)
    asking.keep(asking.subject(), [failed])
    again(asking)
    assert counted.read_text() == "xx"


def test_whoever_gives_up_ends_the_command(asking: Asking, repository: Repository) -> None:
    commit = repository.commit(t_py="import time; time.sleep(999)")
    asking.provider.artifacts["1.0.0"] = repository.artifact(commit)
    asking.checks = Checks(tests=AskedOf(command=(*PYTHON, "t.py")))
    stop = threading.Event()
    stop.set()
    (found,) = run(asking.subject(stop=stop), [tests.check])
    assert found.result == "error" and "stopped" in found.text


def test_who_may_only_read_has_nothing_run_and_sees_what_is_known(
    asking: Asking, counted: Path, repository: Repository
) -> None:
    (known,) = run(asking.subject(may_run=False), [tests.check])
    assert known.result == "pass"
    commit = repository.commit(other_py="1")
    asking.provider.artifacts["1.0.0"] = repository.artifact(commit)
    (unknown,) = run(asking.subject(may_run=False), [tests.check])
    assert unknown.result == "error" and "may only read" in unknown.text
    assert counted.read_text() == "x"


def test_manifests_that_a_command_writes_are_not_asked_for_by_who_only_reads(
    tmp_path: Path,
) -> None:
    class Renders(Finds):
        @property
        def renders(self) -> bool:
            return True

        def resolve(self, version: str) -> Artifact:
            self.asked.append(version)
            return Artifact(kind="image", reference="shop", digest="sha256:" + "1" * 64)

    made = Asking(tmp_path, provider=Renders())
    (unknown,) = run(made.subject(may_run=False), [artifact.check])
    assert unknown.result == "error" and "may only read" in unknown.text
    assert made.provider.asked == []
    run(made.subject(), [artifact.check])
    assert made.provider.asked == ["1.0.0"]
    made.close()


@pytest.mark.attack("FS01", "a path whose name begins as the allowed one does", "refused")
@pytest.mark.parametrize("path", ["../checkout-evil/r.xml", "..", "a/../../r.xml", "/etc/passwd"])
def test_a_report_is_read_below_the_checkout_alone(tmp_path: Path, path: str) -> None:
    (tmp_path / "checkout" / "a").mkdir(parents=True)
    (tmp_path / "checkout-evil").mkdir()
    (tmp_path / "checkout-evil" / "r.xml").write_text("planted")
    with pytest.raises((ReportInvalid, NoDataError)):
        read_inside(str(tmp_path / "checkout"), path)


@pytest.mark.attack("FS05", "a predictable place for temporary files", "private, and unguessable")
def test_checkouts_lie_where_nobody_else_can_go(asking: Asking, repository: Repository) -> None:
    where = str(asking.home / "where")
    code = f"import os; open({where!r}, 'w').write(os.getcwd())"
    try_out(asking, repository, code, junit=None)
    place = Path((asking.home / "where").read_text())
    assert (asking.home / "checks").stat().st_mode & 0o777 == 0o700
    assert place.parent.parent == asking.home / "checks" and not place.exists()


# -- security scans


def scanned(asking: Asking, repository: Repository, output: object, **more: object) -> CheckResult:
    code = f"print({json.dumps(output)!r}); raise SystemExit(1)"
    commit = repository.commit(s_py=code)
    asking.provider.artifacts["1.0.0"] = repository.artifact(commit)
    settings: dict[str, object] = {"command": (*PYTHON, "s.py"), "report": "pip-audit", **more}
    asking.checks = Checks(security=Security(**settings))  # type: ignore[arg-type]
    (found,) = run(asking.subject(), [security.check])
    return found


VULN = {"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": ["CVE-2019-1010083"]}
FLASK = {"name": "flask", "version": "0.5", "vulns": [VULN]}
CLEAN = {"name": "click", "version": "8.1.7", "vulns": []}


def allow(name: str, days: int) -> Allowance:
    return Allowance(
        id=name, reason="no path", until=datetime.now(UTC).date() + timedelta(days=days)
    )


def test_a_scan_that_finds_nothing_passes_and_says_at_what_it_looked(
    asking: Asking, repository: Repository
) -> None:
    found = scanned(asking, repository, {"dependencies": [CLEAN]})
    assert found.result == "pass"
    assert "pip-audit, 1 packages" in found.text


def test_a_finding_blocks_and_says_how_to_go_on(asking: Asking, repository: Repository) -> None:
    found = scanned(asking, repository, {"dependencies": [FLASK, CLEAN]})
    assert found.result == "fail"
    assert "PYSEC-2019-179 in flask 0.5, fixed in 1.0" in found.text
    assert found.fix is not None and "checks.security.allow" in found.fix


@pytest.mark.parametrize("name", ["PYSEC-2019-179", "cve-2019-1010083"])
def test_an_accepted_finding_passes_by_any_of_its_names(
    asking: Asking, repository: Repository, name: str
) -> None:
    report = {"dependencies": [FLASK, CLEAN]}
    found = scanned(asking, repository, report, allow=(allow(name, 0),))
    assert found.result == "pass" and "1 accepted" in found.text
    assert found.evidence is not None and "no path" in str(found.evidence.facts["accepted"])


def test_an_acceptance_that_has_ended_accepts_nothing(
    asking: Asking, repository: Repository
) -> None:
    report = {"dependencies": [FLASK]}
    found = scanned(asking, repository, report, allow=(allow("PYSEC-2019-179", -1),))
    assert found.result == "fail"
    assert found.fix is not None and "was accepted until" in found.fix


def test_what_a_scan_could_not_look_at_is_no_pass(asking: Asking, repository: Repository) -> None:
    report = {"dependencies": [CLEAN, {"name": "shop", "skip_reason": "not on PyPI"}]}
    found = scanned(asking, repository, report)
    assert found.result == "error" and "could not look at shop" in found.text
    assert scanned(asking, repository, report, allow=(allow("shop", 9),)).result == "pass"


@pytest.mark.parametrize("accepted", ["shop", "PYSEC-2019-179"])
def test_a_pass_is_not_used_again_once_what_it_stands_on_has_ended(
    asking: Asking, repository: Repository, accepted: str
) -> None:
    bad = FLASK if accepted != "shop" else {"name": "shop", "skip_reason": "not on PyPI"}
    allowed = allow(accepted, -1)
    scanned(asking, repository, {"dependencies": [CLEAN, bad]}, allow=(allowed,))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    (first,) = run(asking.subject(now=yesterday), [security.check])
    assert first.result == "pass"
    asking.keep(asking.subject(), [first])
    (found,) = run(asking.subject(), [security.check])
    assert found.blocks and found.evidence is not None and not found.evidence.reused


@pytest.mark.attack(
    "AR10", "a clean scan that was committed, and a scanner that breaks", "no answer"
)
def test_a_scan_that_the_commit_brings_along_is_none(
    asking: Asking, repository: Repository
) -> None:
    clean = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": []}]}
    (repository.path / "s.sarif").write_text(json.dumps(clean))
    found = scanned(asking, repository, {}, report="sarif", file="s.sarif")
    assert found.result == "error" and "left no s.sarif" in found.text


def test_a_scan_without_a_report_is_no_pass(asking: Asking, repository: Repository) -> None:
    assert scanned(asking, repository, "it broke").result == "error"
    found = scanned(asking, repository, {}, report="sarif", file="s.sarif")
    assert found.result == "error" and "left no s.sarif" in found.text
