"""Requests over real sockets: what is asked, what is not, and to which address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orchestrate.core.errors import OutboundFailed, OutboundRefused
from orchestrate.core.secret import Secret
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import read

pytestmark = pytest.mark.system


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer() as running:
        yield running


def listing(server: HTTPServer) -> Outbound:
    return Outbound(read(f"{server.host}:{server.port} 127.0.0.1:{server.port}"))


def test_what_is_listed_is_asked_with_its_headers(server: HTTPServer) -> None:
    server.expect_request("/a", headers={"X-Token": "planted-1"}).respond_with_data("hello")
    answer = listing(server).send(
        "GET", server.url_for("/a"), headers={"X-Token": Secret("planted-1")}
    )
    assert (answer.status, answer.ok, answer.body) == (200, True, b"hello")


def test_what_is_not_listed_gets_no_connection(server: HTTPServer) -> None:
    with pytest.raises(OutboundRefused) as caught:
        Outbound(read("")).send("GET", server.url_for("/a"))
    assert "loopback" in caught.value.why[0]
    assert f"ORCHESTRATE_ALLOW_OUTBOUND={server.host}:{server.port}" in caught.value.fix[0]
    assert server.log == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "0", "[::1]",
     "[::ffff:127.0.0.1]", "[::]"],
)  # fmt: skip
def test_every_spelling_of_this_machine_is_refused(server: HTTPServer, host: str) -> None:
    with pytest.raises(OutboundRefused):
        Outbound(read("")).send("GET", f"http://{host}:{server.port}/a")
    assert server.log == []


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pass@example.com/",
        "http://example.com#@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://example.com/a\r\nHost: x",
        "http://example.com/ a",
        "http://exämple.com/",
        "gopher://example.com/",
        "file:///etc/passwd",
        "unix:///run/docker.sock",
        "//example.com/",
        "http:///path",
        "http://example.com:99999/",
        "",
    ],
)
def test_a_url_that_readers_could_disagree_about_is_refused(url: str) -> None:
    def never(host: str, port: int) -> Sequence[str]:
        pytest.fail(f"{host} was looked up")

    with pytest.raises(OutboundRefused):
        Outbound(read(""), resolve=never).send("GET", url)


@pytest.mark.parametrize("port", [22, 25, 6379])
def test_a_public_host_is_asked_on_the_ports_of_web_services_alone(port: int) -> None:
    public = Outbound(read(""), resolve=lambda host, port: ["93.184.216.34"])
    with pytest.raises(OutboundRefused) as caught:
        public.send("GET", f"https://example.com:{port}/")
    assert f"port {port}" in caught.value.why[0]


def test_a_public_host_is_not_asked_over_plain_http() -> None:
    public = Outbound(read(""), resolve=lambda host, port: ["93.184.216.34"])
    with pytest.raises(OutboundRefused) as caught:
        public.send("GET", "http://example.com/")
    assert "readable" in caught.value.why[0]


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    mixed = Outbound(read(""), resolve=lambda host, port: ["93.184.216.34", "10.0.0.7"])
    with pytest.raises(OutboundRefused) as caught:
        mixed.send("GET", "https://example.com/")
    assert "10.0.0.7" not in " ".join([caught.value.message, *caught.value.why])


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    with HTTPServer(host="127.0.0.2") as judged:
        judged.expect_request("/a").respond_with_data("judged")
        with HTTPServer(host="127.0.0.1", port=judged.port) as other:
            outbound = Outbound(
                read(f"127.0.0.2:{judged.port}"), resolve=lambda host, port: next(answers)
            )
            url = f"http://moving.example:{judged.port}/a"
            assert outbound.send("GET", url).body == b"judged"
            assert judged.log[0][0].host == f"moving.example:{judged.port}"
            with pytest.raises(OutboundRefused):
                outbound.send("GET", url)
            assert other.log == []


def test_a_redirect_is_an_answer_and_not_followed(server: HTTPServer) -> None:
    server.expect_request("/a").respond_with_data(
        status=302, headers={"Location": "http://169.254.169.254/"}
    )
    answer = listing(server).send("GET", server.url_for("/a"))
    assert (answer.status, answer.headers["location"]) == (302, "http://169.254.169.254/")


@pytest.mark.parametrize(
    ("place", "said"),
    [("http://example.com/", "plain http"), ("https://169.254.169.254/", "is not asked")],
)
def test_where_redirects_are_followed_each_hop_is_judged(
    server: HTTPServer, place: str, said: str
) -> None:
    server.expect_request("/a").respond_with_data(status=307, headers={"Location": place})
    with pytest.raises(OutboundRefused, match=said):
        listing(server).send("GET", server.url_for("/a"), redirects=3)


def test_an_answer_that_does_not_end_is_cut(server: HTTPServer) -> None:
    def endless(request: Request) -> Response:
        return Response(b"x" * 1024 for _ in range(10**6))

    server.expect_request("/a").respond_with_handler(endless)
    with pytest.raises(OutboundRefused, match="more than 64 kB"):
        listing(server).send("GET", server.url_for("/a"))


def test_a_compressed_answer_is_not_asked_for_and_not_unpacked(server: HTTPServer) -> None:
    server.expect_request("/a", headers={"Accept-Encoding": "identity"}).respond_with_data(
        b"\x1f\x8b bomb", headers={"Content-Encoding": "gzip"}
    )
    assert listing(server).send("GET", server.url_for("/a")).body == b"\x1f\x8b bomb"


def test_an_answer_that_drips_ends_at_the_deadline() -> None:
    with _dripping() as port:
        outbound = Outbound(read(f"127.0.0.1:{port}"))
        with pytest.raises(OutboundFailed) as caught:
            outbound.send("GET", f"http://127.0.0.1:{port}/", timeout_s=1.0)
    assert caught.value.retryable


def test_the_addresses_a_deployment_published_are_asked(server: HTTPServer) -> None:
    server.expect_request("/up").respond_with_data("ok")
    own = [f"127.0.0.1:{server.port}"]
    url = f"http://127.0.0.1:{server.port}/up"
    assert Outbound(read("")).send("GET", url, own=own).ok
    with pytest.raises(OutboundRefused):
        Outbound(read("")).send("GET", url, own=[f"127.0.0.1:{server.port + 1}"])


def test_an_error_tells_neither_path_nor_body_nor_address(server: HTTPServer) -> None:
    server.expect_request("/hooks/planted-2").respond_with_data("internal planted-3", status=403)
    url = Secret(server.url_for("/hooks/planted-2"))
    assert listing(server).send("POST", url, content=b"{}").said == "answered 4xx"
    with pytest.raises(OutboundRefused) as caught:
        Outbound(read("")).send("POST", url)
    assert "planted" not in str(caught.value.as_dict())


def test_a_header_cannot_bring_another_header(server: HTTPServer) -> None:
    with pytest.raises(OutboundRefused):
        listing(server).send("GET", server.url_for("/a"), headers={"X-A": "b\r\nX-C: d"})
    assert server.log == []


@contextmanager
def _dripping() -> Iterator[int]:
    """A server that sends one byte of an endless body at a time."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        link, _ = listener.accept()
        with link:
            link.recv(65536)
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
            while not ended.wait(0.05):
                try:
                    link.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        ended.set()
        thread.join(timeout=10)
        listener.close()
