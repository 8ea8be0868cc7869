"""What each check answers, and that nothing passes because it was not looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrate.core.check import CheckResult
from orchestrate.core.config.checks import CHECK_KEYS
from orchestrate.core.deployment import Kind
from orchestrate.core.errors import SecretMissing
from orchestrate.core.protocols import Finding, Restorable
from orchestrate.core.revision import Artifact, snapshot
from orchestrate.core.secret import Secret
from orchestrate.core.validation import Checks, Key, Security, Signature
from orchestrate.core.validation import Tests as AskedOf  # pytest takes Tests for a test
from orchestrate.core.windows import Calendar, Exemption, Freeze, Window
from orchestrate.engine.checks import (
    BEFORE,
    artifact,
    floor,
    reachable,
    rollback_target,
    run,
    security,
    signature,
    tests,
    window,
)
from orchestrate.engine.checks.subject import Target
from orchestrate.providers.artifacts.registry import REVISION_LABEL
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import read
from tests.support.docker.registry import registry
from tests.support.forge import Forge, forge
from tests.support.images import Images, Pair
from tests.support.subjects import NOW, Asking

pytestmark = pytest.mark.system

SHA = "a" * 40
ARCHIVE = Artifact(kind="archive", reference="a.tgz", digest="sha256:" + "1" * 64)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    made = Asking(tmp_path)
    made.provider.artifacts["1.0.0"] = ARCHIVE
    yield made
    made.close()


def one(found: list[CheckResult]) -> CheckResult:
    (answer,) = found
    return answer


# -- all of them


def test_every_pass_shows_what_it_stands_on(asking: Asking) -> None:
    found = run(asking.subject(), BEFORE)
    passed = [each for each in found if each.result == "pass"]
    assert passed and all(each.evidence is not None for each in passed)
    assert {e.name for e in found if e.result == "skipped"} == {
        "signature", "tests", "security", "window", "rollback",
    }  # fmt: skip


def test_a_pass_without_evidence_is_an_error(asking: Asking) -> None:
    answer = one(run(asking.subject(), [lambda subject: [CheckResult("x", "pass", "fine")]]))
    assert answer.result == "error" and "nothing shows it" in answer.text


@pytest.mark.attack("AR09", "a check that is required and was not configured", "blocks")
def test_what_is_required_and_skipped_blocks(asking: Asking) -> None:
    asking.checks = Checks(required=("signature", "tests"))
    found = {each.name: each for each in run(asking.subject(), BEFORE) if each.blocks}
    assert set(found) == {"signature", "tests"}
    assert "required, and nothing was looked at" in found["tests"].text


def test_a_first_deployment_where_a_way_back_and_a_window_are_required_is_not_kept_out(
    asking: Asking,
) -> None:
    asking.checks = Checks(required=("rollback", "window", "artifact"))
    found = {each.name: each for each in run(asking.subject(), BEFORE)}
    assert [each for each in found.values() if each.blocks] == []
    assert found["rollback"].text == "nothing to go back to yet: nothing was verified here"
    assert found["rollback"].evidence is not None and found["window"].evidence is not None


def test_what_to_do_about_a_required_check_is_a_key_that_the_file_takes(asking: Asking) -> None:
    asking.checks = Checks(required=("signature", "tests"), tests=AskedOf(command=("true",)))
    found = {each.name: each for each in run(asking.subject("9.9.9"), BEFORE) if each.blocks}
    assert str(found["signature"].fix).startswith("configure checks.signature")
    assert found["tests"].fix == "mend what the other checks say, and ask again"
    assert "signature" in CHECK_KEYS


def test_without_an_artifact_one_check_says_so_and_the_others_are_quiet(asking: Asking) -> None:
    asking.checks = Checks(
        tests=AskedOf(command=("true",)),
        security=Security(command=("true",)),
        signature=Signature(cosign=Key(file="ci.pub", text="x")),
    )
    found = run(asking.subject("9.9.9"), BEFORE)
    assert [each.name for each in found if each.blocks] == ["artifact"]


# -- artifact, version, signature


@pytest.mark.trap(57)
@pytest.mark.attack("AR07", "a tag that moved between plan and start", "refused: plan changed")
def test_an_artifact_that_is_another_than_the_plans_is_refused(asking: Asking) -> None:
    pinned = ARCHIVE.model_copy(update={"digest": "sha256:" + "2" * 64})
    answer = one(run(asking.subject(pinned=pinned), [artifact.check]))
    assert (answer.result, answer.code) == ("fail", "plan_changed")


@pytest.mark.attack("AR09", "an older version, signed as it may be, below the floor", "refused")
@pytest.mark.parametrize(
    ("version", "result"),
    [("1.3.9", "fail"), ("1.4.0-rc.1", "fail"), ("1.4.0", "pass"), ("1.10.0", "pass"),
     ("v1.4", "pass")],
)  # fmt: skip
def test_a_version_below_the_floor_is_refused(asking: Asking, version: str, result: str) -> None:
    asking.checks = Checks(floor="1.4.0")
    assert one(run(asking.subject(version), [floor.check])).result == result
    assert run(asking.subject(version, kind=Kind.ROLLBACK), [floor.check]) == []


@pytest.mark.attack("AR09", "an older version under a name that has no order", "no answer")
@pytest.mark.parametrize(
    "version", ["V1.0.0", "latest", "release-1.0.0", "1.old", "0a1b2c3", "old_1.0.0"]
)
def test_a_version_that_has_no_order_is_not_above_the_floor(asking: Asking, version: str) -> None:
    asking.checks = Checks(floor="1.4.0")
    answer = one(run(asking.subject(version), [floor.check]))
    assert answer.result == "error" and version in answer.text and answer.fix


@pytest.mark.trap(57)
@pytest.mark.attack("AR07", "a tag moved to an unsigned image after the plan", "refused")
def test_the_digest_of_the_plan_is_verified_whatever_the_tag_says(tmp_path: Path) -> None:
    with registry(tmp_path / "registry") as real:
        here, pair = Images(real.host), Pair.new()
        signed = here.image("1.0.0")
        here.tag_signature(signed, pair)
        image = Artifact(kind="image", reference=here.reference("1.0.0"), digest=signed)
        asking = Asking(tmp_path, allowed=real.host)
        asking.checks = Checks(signature=Signature(cosign=Key(file="ci.pub", text=pair.pem)))
        moved = here.image("1.0.0", text="another")
        asking.provider.artifacts["1.0.0"] = image.model_copy(update={"digest": moved})
        found = {
            r.name: r for r in run(asking.subject(pinned=image), [artifact.check, signature.check])
        }
        assert found["signature"].result == "pass"
        assert found["signature"].evidence is not None
        assert found["signature"].evidence.about == signed
        assert found["artifact"].code == "plan_changed"
        answer = one(run(asking.subject(), [signature.check]))
        assert (answer.result, answer.code) == ("fail", "unsigned")
        asking.close()


def test_a_signature_of_another_kind_is_refused(asking: Asking) -> None:
    asking.checks = Checks(signature=Signature(cosign=Key(file="ci.pub", text="x")))
    answer = one(run(asking.subject(), [signature.check]))
    assert answer.result == "fail" and "of another kind" in answer.text


def test_a_registry_that_is_not_listed_is_no_pass(asking: Asking) -> None:
    image = Artifact(kind="image", reference="127.0.0.1:1/a:1", digest="sha256:" + "1" * 64)
    asking.provider.artifacts["1.0.0"] = image
    asking.checks = Checks(signature=Signature(cosign=Key(file="ci.pub", text=Pair.new().pem)))
    answer = one(run(asking.subject(), [signature.check]))
    assert answer.result == "error" and "ORCHESTRATE_ALLOW_OUTBOUND" in str(answer.fix)


# -- tests and scans at GitHub


@pytest.fixture
def hub() -> Iterator[Forge]:
    with forge() as found:
        yield found


def of_github(asking: Asking, hub: Forge, at: datetime = NOW, **checks: object) -> CheckResult:
    asking.provider.artifacts["1.0.0"] = Artifact(
        kind="git", reference=str(asking.home), digest=f"git:{SHA}"
    )
    asking.outbound = Outbound(read(hub.place))
    given = {"github": {"url": hub.url}, **checks}
    asking.checks = Checks.model_validate(given)
    check = tests.check if "tests" in checks else security.check
    return one(run(asking.subject(now=at), [check]))


TESTS = {"tests": {"github": "acme/shop"}}
SECURITY = {"security": {"github": "acme/shop"}}


def test_checks_at_github_pass_with_their_age(asking: Asking, hub: Forge) -> None:
    hub.run(SHA, "job", "success")
    hub.status(SHA, "ci", "success")
    answer = of_github(asking, hub, **TESTS)
    assert (answer.result, answer.text) == (
        "pass", "2 passed for aaaaaaa, 38m 00s ago (GitHub: ci, job)",
    )  # fmt: skip
    assert answer.evidence is not None
    assert answer.evidence.at == datetime(2026, 11, 25, 11, 22, tzinfo=UTC)


@pytest.mark.trap(58)
@pytest.mark.attack("AR09", "checks at GitHub that are older than the limit", "refused: too old")
def test_old_checks_at_github_are_refused(asking: Asking, hub: Forge) -> None:
    hub.run(SHA, "job", "success")
    answer = of_github(asking, hub, NOW + timedelta(days=8), **TESTS)
    assert answer.result == "fail" and "8d 0h old" in answer.text


LAST_YEAR, NEXT_YEAR = "2025-10-21T11:22:00Z", "2027-11-25T12:00:00Z"


@pytest.mark.attack("AR09", "old tests at GitHub beside a status of today", "refused: too old")
def test_the_oldest_of_the_checks_that_count_decides(asking: Asking, hub: Forge) -> None:
    hub.run(SHA, "unit tests", "success", LAST_YEAR)
    hub.status(SHA, "cla", "success")
    answer = of_github(asking, hub, **TESTS)
    assert answer.result == "fail" and "400d" in answer.text


@pytest.mark.attack("AR09", "checks and scans at GitHub dated into the future", "no answer")
def test_what_github_dates_ahead_of_the_clock_is_no_answer(asking: Asking, hub: Forge) -> None:
    hub.run(SHA, "job", "success")
    hub.run(SHA, "job 2", "success", NEXT_YEAR)
    answer = of_github(asking, hub, **TESTS)
    assert answer.result == "error" and "365d" in answer.text and "ahead" in answer.text
    hub.analysis(SHA, at=NEXT_YEAR)
    answer = of_github(asking, hub, **SECURITY)
    assert answer.result == "error" and "ahead" in answer.text


def test_clocks_that_differ_by_minutes_are_the_same(asking: Asking, hub: Forge) -> None:
    hub.run(SHA, "job", "success", "2026-11-25T12:04:00Z")
    assert of_github(asking, hub, **TESTS).result == "pass"


@pytest.mark.attack("AR09", "code scanning that is older than the limit", "refused: too old")
def test_an_old_scan_at_github_is_refused(asking: Asking, hub: Forge) -> None:
    hub.analysis(SHA, at=LAST_YEAR, category="javascript")
    hub.analysis(SHA)
    answer = of_github(asking, hub, **SECURITY)
    assert answer.result == "fail" and "400d" in answer.text


@pytest.mark.attack("AR09", "the status of a bot in the place of the tests", "no answer: not there")
def test_checks_that_are_asked_for_by_name_must_be_there(asking: Asking, hub: Forge) -> None:
    named = {"tests": {"github": "acme/shop", "names": ["unit tests"]}}
    hub.status(SHA, "cla", "success", LAST_YEAR)
    answer = of_github(asking, hub, **named)
    assert answer.result == "error" and "no passed check unit tests" in answer.text
    hub.run(SHA, "unit tests", "skipped")
    assert of_github(asking, hub, **named).result == "error"
    hub.run(SHA, "unit tests", "success")
    answer = of_github(asking, hub, **named)
    assert answer.text == "1 passed for aaaaaaa, 38m 00s ago (GitHub: unit tests)"
    assert answer.evidence is not None
    assert answer.evidence.facts["passed"] == ["cla", "unit tests"]
    hub.run(SHA, "lint", "failure")
    assert of_github(asking, hub, **named).result == "fail"


@pytest.mark.parametrize(
    ("conclusion", "result"), [("failure", "fail"), (None, "error"), ("skipped", "error")]
)
def test_checks_that_did_not_pass_block(
    asking: Asking, hub: Forge, conclusion: str | None, result: str
) -> None:
    hub.run(SHA, "job", conclusion)
    assert of_github(asking, hub, **TESTS).result == result


def test_a_commit_without_any_check_is_no_pass(asking: Asking, hub: Forge) -> None:
    answer = of_github(asking, hub, **TESTS)
    assert answer.result == "error" and "no finished check" in answer.text


def test_alerts_at_github_block_from_the_threshold_on(asking: Asking, hub: Forge) -> None:
    assert of_github(asking, hub, **SECURITY).result == "error"
    hub.analysis(SHA, holes=[hub.alert("py/style", None, "note")])
    assert of_github(asking, hub, **SECURITY).result == "pass"
    hub.dependency("GHSA-1", "high")
    answer = of_github(asking, hub, **SECURITY)
    assert answer.result == "fail" and "GHSA-1 in flask" in answer.text


def test_the_commit_of_an_image_is_that_of_its_label(tmp_path: Path, hub: Forge) -> None:
    with registry(tmp_path / "registry") as real:
        here = Images(real.host)
        digest = here.image("1.0.0", {REVISION_LABEL: SHA})
        asking = Asking(tmp_path, allowed=f"{real.host} {hub.place}")
        image = Artifact(kind="image", reference=here.reference("1.0.0"), digest=digest)
        asking.provider.artifacts["1.0.0"] = image
        asking.checks = Checks.model_validate({"github": {"url": hub.url}, **TESTS})
        hub.run(SHA, "job", "success")
        answer = one(run(asking.subject(now=NOW), [tests.check]))
        assert answer.evidence is not None and answer.evidence.about == f"git:{SHA}"
        unlabelled = here.image("1.1.0", {REVISION_LABEL: "main"})
        asking.provider.artifacts["1.0.0"] = image.model_copy(update={"digest": unlabelled})
        answer = one(run(asking.subject(), [tests.check]))
        assert answer.result == "error" and "nothing says which commit" in answer.text
        asking.close()


# -- window


HOURS = Calendar(windows=(Window(days=(0, 1, 2, 3, 4), start_min=540, end_min=1020, zone="UTC"),))
AUDIT = Freeze(name="audit", start=datetime(2026, 11, 25), end=datetime(2026, 11, 27), zone="UTC")
FROZEN = HOURS.model_copy(update={"freezes": (AUDIT,)})
YES = Exemption(reason="fire", asked_by="lee", approved_by="dana")


def test_an_open_window_passes_with_its_rules_as_evidence(asking: Asking) -> None:
    asking.calendar = HOURS
    answer = one(run(asking.subject(now=NOW), [window.check]))
    assert (answer.result, answer.text) == ("pass", "open until 17:00 UTC")
    assert answer.evidence is not None and answer.evidence.source == "Mon-Fri 09:00-17:00 UTC"


def test_a_closed_window_says_when_it_opens_and_the_way_around(asking: Asking) -> None:
    asking.calendar = FROZEN
    answer = one(run(asking.subject(now=NOW), [window.check]))
    assert (answer.result, answer.code) == ("fail", "window_closed")
    assert answer.text == 'freeze "audit" until Fri 27 Nov 09:00 UTC, in 1d 21h'
    assert answer.fix is not None and "--break-glass" in answer.fix


@pytest.mark.trap(54)
def test_a_deployment_that_would_end_after_the_window_is_refused(asking: Asking) -> None:
    asking.calendar = HOURS
    answer = one(run(asking.subject(now=NOW, needs_s=6 * 3600), [window.check]))
    assert answer.result == "fail" and "takes at least 6h 00m" in answer.text


def test_a_rollback_is_never_kept_out(asking: Asking) -> None:
    asking.calendar = FROZEN
    answer = one(run(asking.subject(now=NOW, kind=Kind.ROLLBACK), [window.check]))
    assert not answer.blocks


def test_an_exemption_passes_and_stands_in_the_evidence(asking: Asking) -> None:
    asking.calendar = FROZEN
    answer = one(run(asking.subject(now=NOW, exemption=YES), [window.check]))
    assert answer.result == "pass" and "passed by lee with dana" in answer.text
    assert answer.evidence is not None
    assert answer.evidence.facts["exemption"] == YES.model_dump()


def test_an_exemption_that_is_only_asked_for_passes_nothing_and_stops_nothing_yet(
    asking: Asking,
) -> None:
    asking.calendar = FROZEN
    answer = one(run(asking.subject(now=NOW, asks_exemption=True), [window.check]))
    assert answer.result == "skipped" and "a second person must agree" in answer.text


# -- reachable, rollback


def test_a_probe_is_told_finding_by_finding(asking: Asking) -> None:
    asking.provider.findings = [
        Finding("host", True, "docker on web-1 as deploy@"),
        Finding("ports", False, "8080 is taken", "free it", "port_taken"),
    ]
    answer = one(run(asking.subject(), [reachable.check]))
    assert (answer.name, answer.result, answer.code) == ("reachable: ports", "fail", "port_taken")
    assert answer.evidence is not None
    assert answer.evidence.facts["host"] == "docker on web-1 as deploy@"


def test_a_rollback_is_not_refused_for_want_of_room(asking: Asking) -> None:
    full = Finding("disk", False, "3 MB free at /var/lib/docker", "prune", "disk_full")
    asking.provider.findings = [Finding("engine", True, "docker"), full]
    assert one(run(asking.subject(), [reachable.check])).blocks
    answer = one(run(asking.subject(kind=Kind.ROLLBACK), [reachable.check]))
    assert not answer.blocks and "3 MB free" in answer.text
    asking.provider.findings += [Finding("host", False, "gone")]
    assert any(e.blocks for e in run(asking.subject(kind=Kind.ROLLBACK), [reachable.check]))


def test_a_probe_that_looked_at_nothing_is_no_pass(asking: Asking) -> None:
    asking.provider.findings = []
    assert one(run(asking.subject(), [reachable.check])).result == "error"


class Kept:
    """Secrets of which some are gone."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def get(self, name: str, version: str | None = None) -> Secret:
        if name not in self.names:
            raise SecretMissing(f"there is no {name}")
        return Secret("planted-4")


def rehearsed(asking: Asking, restorable: Restorable, *names: str) -> CheckResult:
    made = snapshot(asking.environment, "1.0.0", ARCHIVE)
    pinned = made.model_copy(update={"secret_versions": {"DB": "v3", "KEY": "v1"}})
    target = Target("r86", pinned, restorable, Kept(*names))
    return one(run(asking.subject(target=target), [rollback_target.check]))


def test_the_way_back_is_rehearsed_with_artifact_and_secrets(asking: Asking) -> None:
    answer = rehearsed(asking, Restorable(True), "DB", "KEY")
    assert answer.text == "1.0.0 (r86): its artifact is present, 2 of 2 secrets readable"
    assert answer.evidence is not None and "planted" not in str(answer.evidence)


def test_a_way_back_without_its_secret_or_artifact_is_none(asking: Asking) -> None:
    answer = rehearsed(asking, Restorable(True), "DB")
    assert answer.result == "fail" and "secret KEY v1 cannot be read" in answer.text
    answer = rehearsed(asking, Restorable(False, lost=("image is gone",)), "DB", "KEY")
    assert answer.result == "fail" and "image is gone" in answer.text
