"""The load generator counts honestly: each way to lose a request is seen, none is repaired."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from orchestrate.cli.load.wire import Address, Answer
from orchestrate.core.errors import InvalidInput
from tests.support.load import Load, LoadFailed, slow_posts, sse_stream, until
from tests.support.scripted import GOOD, Scripted

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nX-Version: good\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\n10\r\n, world of chunk\r\n0\r\nTrailer: yes\r\n\r\n"
)
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nX-Version: good\r\n\r\nhello"
NO_CONTENT = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX-Version: good\r\n\r\n"
BROKEN = [
    b"hello\r\n\r\n",
    b"HTTP/1.1 abc\r\n\r\n",
    b"HTTP/1.1 999 No\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
    GOOD + b"more",
    b"x" * 70_000,
]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.unit
@pytest.mark.parametrize("whole", [GOOD, CHUNKED, NO_CONTENT])
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_an_answer_is_whole_with_its_last_byte_and_not_before(whole: bytes, piece: int) -> None:
    answer = Answer()
    whole_after = []
    for at in range(0, len(whole), piece):
        answer.feed(whole[at : at + piece])
        whole_after.append(answer.whole)
    assert whole_after == [False] * (len(whole_after) - 1) + [True]
    assert (answer.reusable, answer.garbled) == (True, False)
    assert answer.version == "good"


@pytest.mark.unit
@pytest.mark.parametrize("whole", [GOOD, CHUNKED, NO_CONTENT])
def test_an_answer_cut_at_any_byte_is_never_whole(whole: bytes) -> None:
    for length in range(1, len(whole)):
        answer = Answer()
        answer.feed(whole[:length])
        answer.end()
        assert not answer.whole and not answer.garbled, whole[:length]


@pytest.mark.unit
def test_an_answer_without_a_length_is_whole_when_the_connection_ends() -> None:
    answer = Answer(keep=True)
    states = []
    answer.feed(UNTIL_CLOSE)
    states.append(answer.whole)
    answer.end()
    states.append(answer.whole)
    assert (states, answer.reusable) == ([False, True], False)
    assert answer.kept == b"hello"


@pytest.mark.unit
def test_a_chunked_body_is_kept_without_its_chunks() -> None:
    answer = Answer(keep=True)
    answer.feed(CHUNKED)
    assert answer.kept == b"hello, world of chunk"


@pytest.mark.unit
@pytest.mark.parametrize("said", BROKEN)
def test_what_is_not_one_answer_is_garbled(said: bytes) -> None:
    answer = Answer()
    answer.feed(said)
    assert answer.garbled


@pytest.mark.unit
@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "ftp://x", "http://", "127.0.0.1:99999"])
def test_an_address_that_cannot_be_used_is_refused_with_a_fix(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Load.start(url)
    assert refused.value.fix


@pytest.mark.unit
def test_a_target_is_a_path_or_a_method_and_a_path() -> None:
    address = Address("127.0.0.1:8080/shop", "shop.localhost")
    request = address.request("POST /checkout", b"{}")
    assert request.startswith(b"POST /shop/checkout HTTP/1.1\r\nHost: shop.localhost\r\n")
    assert request.endswith(b"Content-Length: 2\r\n\r\n{}")
    assert address.request("/").startswith(b"GET /shop/ HTTP/1.1\r\n")
    with pytest.raises(InvalidInput):
        address.request("checkout")


@pytest.mark.system
def test_each_way_to_lose_a_request_is_counted_as_what_it_is() -> None:
    story = [
        ("ok", ("", 200, "good")),
        ("nothing", ("stale", 0, "-")),
        ("nothing", ("reset", 0, "-")),  # the first on its connection
        ("reset", ("reset", 0, "-")),
        ("ok", ("", 200, "good")),
        ("reset", ("stale", 0, "-")),
        ("503", ("5xx", 503, "-")),
        ("404", ("4xx", 404, "good")),
        ("half a head", ("short", 0, "-")),
        ("half a body", ("short", 200, "good")),
        ("half the chunks", ("short", 200, "-")),
        ("noise", ("garbled", 0, "-")),
        ("too much", ("garbled", 200, "good")),
        ("hang", ("timeout", 0, "-")),
        ("says close", ("", 200, "good")),
        ("ok", ("", 200, "good")),
    ]
    with Scripted([act for act, _ in story]) as server:
        with Load.start(server.url, rate=100, connections=1, timeout_s=0.5) as load:
            until(load, lambda counts: counts.requests >= len(story))
            result = load.stop()
        told = [(event.kind, event.status, event.version) for event in result.events]
        assert told[: len(story)] == [outcome for _, outcome in story]
        assert result.by_kind == {
            "stale": 2, "reset": 2, "5xx": 1, "4xx": 1, "short": 3, "garbled": 2, "timeout": 1,
        }  # fmt: skip
        assert result.failed == sum(result.by_kind.values())
        assert len(server.seen) == result.requests, "a request was sent twice"


@pytest.mark.system
def test_no_connection_is_a_failed_dial(closed_port: int) -> None:
    with Load.start(f"127.0.0.1:{closed_port}", rate=100, connections=4) as load:
        until(load, lambda counts: counts.requests >= 20)
        result = load.stop()
    assert result.by_kind == {"dial": result.requests}
    assert result.by_version == {}


@pytest.mark.system
def test_a_connection_closed_between_requests_is_replaced_and_nothing_failed() -> None:
    with Scripted(["ok, then close"] * 3) as server:
        with Load.start(server.url, rate=4, connections=1) as load:
            until(load, lambda counts: counts.requests >= 4)
            result = load.stop()
    assert (result.failed, result.idle_closed) == (0, 3)


@pytest.mark.system
def test_a_request_without_an_answer_does_not_hold_back_the_others() -> None:
    with Scripted(["hang"]) as server:
        with Load.start(server.url, rate=200, connections=2, timeout_s=30) as load:
            counts = until(load, lambda counts: counts.requests >= 50)
    assert (counts.failed, counts.in_flight >= 1) == (0, True)


@pytest.mark.system
def test_requests_for_which_no_connection_was_free_are_reported_and_not_sent() -> None:
    with Scripted(["hang"]) as server:
        with Load.start(server.url, rate=100, connections=1, timeout_s=2) as load:
            until(load, lambda counts: counts.unsent > 0 and counts.requests > 10)
            result = load.stop()
        assert result.by_kind == {"timeout": 1}
        assert len(server.seen) == result.requests


@pytest.mark.system
def test_targets_are_sent_in_turn_and_events_tell_when() -> None:
    with Scripted() as server:
        with Load.start(server.url, rate=200, connections=1, path=["/a", "POST /b"]) as load:
            until(load, lambda counts: counts.requests >= 20)
            result = load.stop()
            assert load.stop() is result and load.counts() is result
        assert server.seen == ["GET /a HTTP/1.1", "POST /b HTTP/1.1"] * (result.requests // 2) + [
            "GET /a HTTP/1.1"
        ] * (result.requests % 2)
    assert result.by_version == {"good": result.requests} == {"good": len(result.events)}
    assert all(event.start_ns < event.end_ns for event in result.events)
    assert 0 < result.latency_ms(50) <= result.latency_ms(99) <= result.latency_ms(100)


@pytest.mark.fault
def test_a_generator_that_died_is_an_error_and_no_count() -> None:
    with Scripted() as server, Load.start(server.url) as load:
        os.kill(load.pid, signal.SIGKILL)
        with pytest.raises(LoadFailed) as failed:
            load.stop()
    assert "-9" in failed.value.why[0]


@pytest.mark.fault
def test_the_generator_ends_when_whoever_started_it_is_gone() -> None:
    with Scripted() as server:
        command = [sys.executable, "-P", "-m", "orchestrate.cli.load", server.url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as generator:
            assert generator.stdin is not None and generator.stdout is not None
            generator.stdout.readline()
            generator.stdin.close()
            try:
                assert generator.wait(30) == 0
            finally:
                generator.kill()


@pytest.mark.system
@pytest.mark.parametrize(
    ("act", "kind"),
    [
        ("ok", ""),
        ("nothing", "reset"),
        ("reset", "reset"),
        ("half a body", "short"),
        ("503", "5xx"),
        ("noise", "garbled"),
    ],
)
def test_a_slow_post_says_how_it_ended(act: str, kind: str) -> None:
    with Scripted([act]) as server:
        (probe,) = slow_posts(server.url, 1, seconds=0)
        outcome = probe.result()
        assert server.seen == ["POST /slow?s=0 HTTP/1.1"]
    assert (outcome.kind, outcome.whole) == (kind, kind == "")


@pytest.mark.system
@pytest.mark.parametrize("act", ["half the chunks", "ok"])
def test_a_stream_without_its_last_event_is_short(act: str) -> None:
    with Scripted([act]) as server:
        assert sse_stream(server.url, seconds=0).result().kind == "short"


@pytest.mark.system
def test_a_probe_that_finds_nobody_is_a_failed_dial(closed_port: int) -> None:
    assert sse_stream(f"127.0.0.1:{closed_port}").result().kind == "dial"
