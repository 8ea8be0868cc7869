"""GitHub: both places where tests are reported, every page, and what is no answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orchestrate.core.errors import NoDataError, OutboundRefused, ProviderUnavailable, RateLimited
from orchestrate.core.secret import Secret
from orchestrate.providers.forge.github import GitHub
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import read
from tests.support.forge import Forge, forge

pytestmark = pytest.mark.system

SHA, OTHER = "a" * 40, "b" * 40
REPOSITORY = "acme/shop"


@pytest.fixture
def hub() -> Iterator[Forge]:
    with forge() as found:
        yield found


def ask(hub: Forge, token: str | None = None, now: float = 1000.0) -> GitHub:
    secret = Secret(token) if token else None
    return GitHub(hub.url, Outbound(read(hub.place)), secret, now=lambda: now)


def test_statuses_and_check_runs_both_count_over_all_pages(hub: Forge) -> None:
    for n in range(5):
        hub.status(SHA, f"ci/{n}", "success")
        hub.run(SHA, f"job {n}", "success")
    hub.run(OTHER, "other", "failure")
    found = ask(hub).checks_of(REPOSITORY, SHA)
    assert (len(found.passed), found.failed, found.pending) == (10, (), ())
    assert {at for _, at in found.passed} == {datetime(2026, 11, 25, 11, 22, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("add", "failed", "pending"),
    [
        (lambda hub: hub.status(SHA, "ci", "failure"), ("ci",), ()),
        (lambda hub: hub.status(SHA, "ci", "error"), ("ci",), ()),
        (lambda hub: hub.status(SHA, "ci", "pending"), (), ("ci",)),
        (lambda hub: hub.run(SHA, "job", "failure"), ("job (failure)",), ()),
        (lambda hub: hub.run(SHA, "job", "cancelled"), ("job (cancelled)",), ()),
        (lambda hub: hub.run(SHA, "job", "timed_out"), ("job (timed_out)",), ()),
        (lambda hub: hub.run(SHA, "job", "action_required"), ("job (action_required)",), ()),
        (lambda hub: hub.run(SHA, "job", None), (), ("job",)),
    ],
)
def test_what_did_not_pass_is_named_also_on_the_last_page(
    hub: Forge, add: object, failed: tuple[str, ...], pending: tuple[str, ...]
) -> None:
    for n in range(3):
        hub.status(SHA, f"ci/{n}", "success")
        hub.run(SHA, f"job {n}", "success")
    add(hub)  # type: ignore[operator]
    found = ask(hub).checks_of(REPOSITORY, SHA)
    assert (found.failed, found.pending) == (failed, pending)


def test_what_was_skipped_has_not_passed(hub: Forge) -> None:
    hub.run(SHA, "job", "skipped")
    hub.run(SHA, "lint", "neutral")
    assert ask(hub).checks_of(REPOSITORY, SHA).passed == ()


def test_an_unchanged_answer_is_not_fetched_again(hub: Forge) -> None:
    hub.run(SHA, "job", "success")
    first = ask(hub).checks_of(REPOSITORY, SHA)
    hub.asked.clear()
    assert ask(hub).checks_of(REPOSITORY, SHA) == first
    assert [status for _, status in hub.asked] == [304, 304]
    hub.run(SHA, "late", "failure")
    assert ask(hub).checks_of(REPOSITORY, SHA).failed == ("late (failure)",)


def test_an_answer_that_was_kept_is_for_whom_it_was_given(hub: Forge) -> None:
    hub.token = "t1"
    hub.run(SHA, "job", "success")
    assert len(ask(hub, "t1").checks_of(REPOSITORY, SHA).passed) == 1
    with pytest.raises(ProviderUnavailable, match="does not take the token"):
        ask(hub, "t2").checks_of(REPOSITORY, SHA)


@pytest.mark.attack("HT13", "a next page at another server, to which the token would go", "refused")
@pytest.mark.parametrize("place", ["https://evil.example/x", "http://127.0.0.1:1/x"])
def test_the_token_goes_to_no_other_server(hub: Forge, place: str) -> None:
    hub.next_at = place
    for n in range(3):
        hub.run(SHA, f"job {n}", "success")
    with pytest.raises(NoDataError, match="another server"):
        ask(hub).checks_of(REPOSITORY, SHA)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "30"}, 30),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1090"}, 90),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "900"}, 1),
        ({"Retry-After": "999999"}, 3600),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(
    hub: Forge, headers: dict[str, str], wait: float
) -> None:
    hub.limited = headers
    with pytest.raises(RateLimited) as caught:
        ask(hub).checks_of(REPOSITORY, SHA)
    assert caught.value.retry_after_s == wait


def test_a_repository_that_is_not_there_is_no_answer(hub: Forge) -> None:
    with pytest.raises(NoDataError, match="has nothing at"):
        ask(hub).checks_of("acme/other", SHA)


def test_code_scanning_is_about_the_commit(hub: Forge) -> None:
    holes = [
        hub.alert("py/sql", "critical"),
        hub.alert("py/style", None, "note"),
        hub.alert("py/odd", None, "error"),
    ]
    hub.analysis(SHA, holes=holes)
    found = ask(hub).code_scanning(REPOSITORY, SHA)
    assert found.tools == ("CodeQL",)
    assert [(f.id, f.severity) for f in found.findings] == [
        ("py/sql", "critical"),
        ("py/style", "low"),
        ("py/odd", "high"),
    ]
    assert found.findings[0].text == "app.py:3 a hole"


@pytest.mark.attack("AR09", "a hole of this commit that was mended later on its branch", "found")
def test_what_the_branch_mended_since_still_counts(hub: Forge) -> None:
    hub.analysis(SHA, holes=[hub.alert("py/sql", "critical")])
    hub.analysis(OTHER)
    found = ask(hub).code_scanning(REPOSITORY, SHA)
    assert [f.id for f in found.findings] == ["py/sql"]
    assert ask(hub).code_scanning(REPOSITORY, OTHER).findings == ()


def test_of_each_category_the_newest_analysis_of_the_commit_counts(hub: Forge) -> None:
    first, second = hub.alert("py/sql", "critical"), hub.alert("js/xss", "high")
    hub.analysis(SHA, holes=[second], category="javascript")
    hub.analysis(SHA, holes=[], at="2026-11-25T12:00:00Z", ref="refs/heads/other")
    hub.analysis(SHA, holes=[first])
    found = ask(hub).code_scanning(REPOSITORY, SHA)
    assert [f.id for f in found.findings] == ["js/xss"]


def test_what_was_dismissed_at_github_is_none(hub: Forge) -> None:
    hub.analysis(SHA, holes=[hub.alert("py/sql", "critical", dismissed=True)])
    assert ask(hub).code_scanning(REPOSITORY, SHA).findings == ()


def test_an_analysis_whose_results_are_not_shown_is_no_answer(hub: Forge) -> None:
    hub.analysis(SHA, holes=[hub.alert("py/sql", "critical")])
    hub.holes[0] = ()
    with pytest.raises(NoDataError, match="does not show what"):
        ask(hub).code_scanning(REPOSITORY, SHA)


@pytest.mark.trap(58)
@pytest.mark.attack("AR09", "code scanning that looked at another commit, or at none", "no answer")
def test_no_analysis_of_the_commit_is_no_answer(hub: Forge) -> None:
    with pytest.raises(NoDataError, match="has no analysis"):
        ask(hub).code_scanning(REPOSITORY, SHA)
    hub.analysis(OTHER)
    with pytest.raises(NoDataError, match="has no analysis"):
        ask(hub).code_scanning(REPOSITORY, SHA)


def test_an_analysis_that_broke_is_no_answer(hub: Forge) -> None:
    hub.analysis(SHA, error="out of memory")
    with pytest.raises(NoDataError, match="did not succeed"):
        ask(hub).code_scanning(REPOSITORY, SHA)


def test_a_scan_that_is_not_enabled_is_no_answer(hub: Forge) -> None:
    hub.scanning = False
    with pytest.raises(ProviderUnavailable, match="refuses"):
        ask(hub).code_scanning(REPOSITORY, SHA)


def test_dependabot_alerts_are_read_over_all_pages(hub: Forge) -> None:
    for n, severity in enumerate(["low", "medium", "high", "critical", "high"]):
        hub.dependency(f"GHSA-{n}", severity)
    found = ask(hub).dependabot(REPOSITORY)
    assert [f.severity for f in found] == ["low", "medium", "high", "critical", "high"]


def test_github_is_not_asked_inside_the_network_unless_it_is_listed(hub: Forge) -> None:
    with pytest.raises(OutboundRefused):
        GitHub(hub.url, Outbound(read(""))).checks_of(REPOSITORY, SHA)
    assert hub.asked == []
