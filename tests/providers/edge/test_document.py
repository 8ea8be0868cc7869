"""The document says what was asked for, reads back the same, and lets nothing else in."""

from __future__ import annotations

import json

import pytest

from orchestrate.core.environment import HealthGate
from orchestrate.core.errors import EdgeFailed
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Share
from orchestrate.providers.edge.document import (
    Backend,
    Present,
    Traffic,
    build,
    check,
    encode,
    parse,
)

pytestmark = pytest.mark.unit

OLD, NEW = Ref(key="a" * 12, version="1.0.0"), Ref(key="b" * 12, version="1.1.0+build.5")
WRITE = Write(17, "deploy-3/route-10/apply", "lease")
GATE = HealthGate(path="/healthz", expect_status=204, timeout_s=1.5)


def backend(ref: Ref, percent: int = 0, replicas: int | None = None, *ports: int) -> Backend:
    addresses = tuple(f"http://127.0.0.1:{port}" for port in ports or (1, 2))
    return Backend(ref, addresses, GATE, percent, replicas)


def document(
    *backends: Backend, fallback: Backend | None = None, rule: str = "PathPrefix(`/`)"
) -> dict[str, object]:
    traffic = Traffic(rule, backends, fallback)
    return build("shop--dev", traffic, WRITE, token="secret.invalid", nonce="n1")


def test_it_reads_back_as_it_was_written() -> None:
    made = document(backend(OLD, 90), backend(NEW, 10, 1, 7), fallback=None)
    assert parse(encode(made)) == Present(
        number=17,
        key="deploy-3/route-10/apply",
        nonce="n1",
        rule="PathPrefix(`/`)",
        shares=(
            Share(revision=OLD, percent=90),
            Share(revision=NEW, percent=10, replicas=1),
        ),
        fallback=None,
        addresses={
            OLD.key: ("http://127.0.0.1:1", "http://127.0.0.1:2"),
            NEW.key: ("http://127.0.0.1:7",),
        },
    )


def test_a_fallback_takes_over_only_when_it_has_no_share() -> None:
    whole = parse(encode(document(backend(NEW, 100), fallback=backend(OLD))))
    assert whole.fallback == OLD
    assert whole.shares == (Share(revision=NEW, percent=100),)
    part = parse(encode(document(backend(OLD, 50), backend(NEW, 50), fallback=backend(OLD))))
    assert part.fallback is None


@pytest.mark.trap(39)
def test_a_share_of_nothing_is_left_out() -> None:
    found = parse(encode(document(backend(OLD, 100), backend(NEW, 0))))
    assert [share.revision for share in found.shares] == [OLD]
    assert NEW.key not in found.addresses


def test_no_shares_leave_the_number_and_no_route() -> None:
    found = parse(encode(document()))
    assert (found.number, found.key, found.shares, found.rule) == (17, WRITE.key, (), None)


def test_replicas_are_asked_for_their_health_as_the_gate_says() -> None:
    http = json.loads(encode(document(backend(OLD, 100))))["http"]
    asked = http["services"][f"shop--dev-{OLD.key}"]["loadBalancer"]["healthCheck"]
    assert (asked["path"], asked["status"], asked["timeout"]) == ("/healthz", 204, "1500ms")
    assert http["services"]["shop--dev-split"]["weighted"]["healthCheck"] == {}


def test_a_host_rule_wins_over_the_rest() -> None:
    def priority(rule: str) -> int:
        http = json.loads(encode(document(backend(OLD, 100), rule=rule)))["http"]
        found: int = http["routers"]["shop--dev"]["priority"]
        return found

    assert priority("Host(`shop.localhost`)") > priority("PathPrefix(`/`)")


def test_nothing_reaches_the_template_engine() -> None:
    gate = GATE.model_copy(update={"path": '/{{ env "HOME" }}'})
    text = encode(document(Backend(OLD, ("http://127.0.0.1:1",), gate, 100)))
    assert "{{" not in text
    service = json.loads(text)["http"]["services"][f"shop--dev-{OLD.key}"]
    assert service["loadBalancer"]["healthCheck"]["path"] == '/{{ env "HOME" }}'


@pytest.mark.parametrize("key", ["line\nbreak", "ünïcode", "percent%20", "{{x}}", 'quo"te'])
def test_any_key_survives_its_header(key: str) -> None:
    traffic = Traffic("PathPrefix(`/`)", (), None)
    made = build("s", traffic, Write(1, key, ""), token="t", nonce="n")
    assert parse(encode(made)).key == key
    headers = json.dumps(made).encode()
    assert b"\n" not in headers


def test_weights_that_do_not_sum_up_are_refused() -> None:
    with pytest.raises(EdgeFailed):
        document(backend(OLD, 90), backend(NEW, 20))


def test_a_revision_without_an_address_is_refused() -> None:
    with pytest.raises(EdgeFailed):
        document(Backend(OLD, (), GATE, 100))


def test_a_name_that_leads_nowhere_is_refused() -> None:
    made = json.loads(encode(document(backend(OLD, 100))))
    del made["http"]["services"][f"shop--dev-{OLD.key}"]
    with pytest.raises(EdgeFailed):
        check(made)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"http": {"middlewares": {}}}'])
def test_what_is_no_document_says_so(text: str) -> None:
    found = parse(text)
    assert found.broken
    assert (found.number, found.shares) == (0, ())
