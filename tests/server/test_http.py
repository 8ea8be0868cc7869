"""The HTTP door: who is let in before anything is routed or read, and what no client can do."""

import gzip
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.tools import TOOLS
from tests.support.ports import free_port
from tests.support.remote import Remote, read_all
from tests.support.service import Service, World
from tests.support.service import world as a_world

pytestmark = pytest.mark.system

ROUTES = sorted({(tool.rest[0], tool.rest[1]) for tool in TOOLS} | {("GET", "/healthz")})
MB = 1024 * 1024


class Door:
    """A service with the door open, and an administrator's token for it."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.port = port
        world.api.call("POST", "/api/first-administrator", {"person": "lee"})
        self.token = str(world.api.call("POST", "/api/tokens", {"role": "admin"})["token"])
        self.remote = Remote(port, self.token)

    def request(self, line: str, *headers: str, body: bytes = b"") -> bytes:
        """The bytes of a request with a good token."""
        lines = [line, f"Authorization: Bearer {self.token}", "Connection: close", *headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def memory(self) -> int:
        """Resident bytes of the service."""
        text = Path(f"/proc/{self.world.service.pid}/statm").read_text(encoding="utf-8")
        return int(text.split()[1]) * 4096


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    port = free_port()
    with a_world("--http", f"127.0.0.1:{port}") as world:
        yield Door(world, port)


@pytest.mark.attack("HT01", "a foreign, missing, doubled or absolute Host on every route", "421")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_request_for_another_host_is_refused_on_every_route(
    door: Door, method: str, path: str
) -> None:
    own = f"Host: 127.0.0.1:{door.port}"
    for hosts in (
        ["Host: evil.test"],
        [f"Host: evil.test:{door.port}"],
        ["Host: 127.0.0.1:1"],
        [f"Host: 127.0.0.1.evil.test:{door.port}"],
        [f"Host: 127.0.0.1:{door.port}@evil.test"],
        [own, "Host: evil.test"],
        ["Host:"],
        [],
    ):
        found = door.remote.status(door.request(f"{method} {path} HTTP/1.1", *hosts))
        assert found == 421, hosts
    absolute = door.request(f"{method} http://evil.test{path} HTTP/1.1", own)
    assert door.remote.status(absolute) == 421
    assert door.remote.status(door.request("GET /healthz HTTP/1.1", own)) == 200


@pytest.mark.attack("HT02", "a page of another origin asks, on every route", "403")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_page_of_another_origin_is_refused_on_every_route(
    door: Door, method: str, path: str
) -> None:
    own = f"Host: localhost:{door.port}"
    for origin in (
        "https://evil.test",
        "null",
        f"http://localhost.evil.test:{door.port}",
        f"http://localhost:{door.port}.evil.test",
        f"https://localhost:{door.port}",
        "http://localhost:1",
        "file://",
    ):
        sent = door.request(f"{method} {path} HTTP/1.1", own, f"Origin: {origin}")
        assert door.remote.status(sent) == 403, origin
    mine = door.request("GET /api/access HTTP/1.1", own, f"Origin: http://localhost:{door.port}")
    assert door.remote.status(mine) == 200


@pytest.mark.attack(
    "HT06", "paths that a pattern would let through, without a token", "the same 401"
)
def test_who_has_no_token_gets_one_answer_whatever_the_path(door: Door) -> None:
    paths = (
        "/api/overview", "/api;.json", "//api/overview", "/%2e%2e/api", "/api/../healthz",
        "/API/OVERVIEW", "/api/overview.", "/healthz/", "/healthz/../api/overview",
        "/healthz%2f..%2fapi", "/healthz;x", "/%68ealthz", "/", "/api/nothing", "/static/x.css",
        "/healthz/api/overview", "/api/overview?token=x",
    )  # fmt: skip
    stranger = Remote(door.port)
    said = set()
    for path in paths:
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            more = {"x_http_method_override": "GET"} if method == "POST" else {}
            answer = stranger.call(method, path, **more)
            assert answer.status == 401, (method, path)
            said.add(json.dumps([answer.told, answer.headers["www-authenticate"]]))
    assert len(said) == 1


@pytest.mark.attack("HT13", "tokens of others as bearer", "the same 401")
@pytest.mark.parametrize("token", ["ghp_" + "a" * 36, "eyJhbGciOiJub25lIn0.e30.", "x" * 5000])
def test_a_token_of_somebody_else_is_none(door: Door, token: str) -> None:
    answer = Remote(door.port, token).call("GET", "/api/access")
    assert (answer.status, answer.code) == (401, "unauthenticated")


@pytest.mark.parametrize("scheme", ["Basic", "", "Bearer\t", "Digest"])
def test_only_a_bearer_is_heard(door: Door, scheme: str) -> None:
    answer = Remote(door.port).call(
        "GET", "/api/access", authorization=f"{scheme} {door.token}".strip()
    )
    assert answer.status == 401


@pytest.mark.attack("HT07", "the door is opened to other machines without TLS", "it does not start")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--http", "0.0.0.0:0"], "--tls-cert"),
        (["--http", "[::]:0"], "--tls-cert"),
        (["--http", "192.0.2.1:0"], "--tls-cert"),
        (["--http", "localhost:0"], "not an address"),
        (["--http", "127.0.0.1"], "not an address"),
        (["--http", "127.0.0.1:0", "--tls-cert", "nothing.pem"], "belong together"),
    ],
    ids=str,
)
def test_an_open_door_without_locks_does_not_start(
    home: Path, options: list[str], said: str
) -> None:
    service = Service(home, tuple(options))
    assert service.start_and_wait() == 2
    assert said in (home / "stderr.log").read_text(encoding="utf-8")


def test_with_a_certificate_it_serves_the_names_it_was_given(home: Path, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key,
         "-out", cert, "-subj", "/CN=deploy.test", "-addext", "subjectAltName=DNS:deploy.test"],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    service = Service(
        home,
        ("--http", f"0.0.0.0:{port}", "--tls-cert", str(cert), "--tls-key", str(key),
         "--name", "deploy.test"),
    )  # fmt: skip
    service.start()
    try:
        trust = ssl.create_default_context(cafile=cert)
        for host, status in ((f"deploy.test:{port}", 200), (f"127.0.0.1:{port}", 421)):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
                with trust.wrap_socket(plain, server_hostname="deploy.test") as link:
                    link.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    assert link.recv(4096).split(b" ")[1] == str(status).encode()
    finally:
        service.stop()


# -- what is too much


@pytest.mark.attack("HT11", "a body of 100 MB, by one who has no token", "401 before it is read")
def test_a_large_body_is_not_read_before_a_token_was_seen(door: Door) -> None:
    before = door.memory()
    lines = ("POST /api/plans HTTP/1.1", f"Host: 127.0.0.1:{door.port}",
             f"Content-Length: {100 * MB}", "", "")  # fmt: skip
    head = "\r\n".join(lines)
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as link:
        link.sendall(head.encode())
        found = link.recv(65536)
    assert found.startswith(b"HTTP/1.1 401 ")
    assert door.memory() - before < 16 * MB


@pytest.mark.attack("HT11", "100 MB of body, in one and in chunks without end", "refused at 4 MB")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_to_its_limit(door: Door, chunked: bool) -> None:
    before = door.memory()
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {100 * MB}"
    own = f"Host: 127.0.0.1:{door.port}"
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as link:
        link.sendall(door.request("POST /api/plans HTTP/1.1", own, length))
        part = b" " * 65536
        try:
            for _ in range(100 * MB // len(part)):
                link.sendall(b"10000\r\n" + part + b"\r\n" if chunked else part)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert door.memory() - before < 64 * MB
    assert door.remote.call("GET", "/healthz").status == 200


@pytest.mark.attack("HT11", "10,000 headers, a header of 1 MB, an address of 1 MB", "refused")
@pytest.mark.parametrize("what", ["many", "long", "at_once", "address", "endless"])
def test_a_head_is_read_to_its_limit(door: Door, what: str) -> None:
    before = door.memory()
    own = f"Host: 127.0.0.1:{door.port}"
    sent = {
        "many": door.request(
            "GET /api/access HTTP/1.1", own, *(f"X-{n}: y" for n in range(10_000))
        ),
        "long": door.request("GET /api/access HTTP/1.1", own, "X-Long: " + "y" * MB),
        # Small enough to arrive whole, with nothing that comes after.
        "at_once": door.request("GET /api/access HTTP/1.1", own, "X-Long: " + "y" * 40_000),
        "address": door.request(f"GET /api/{'a' * MB} HTTP/1.1", own),
        "endless": b"GET / HTTP/1.1\r\nX-Long: " + b"y" * MB,
    }[what]
    assert door.remote.status(sent) in (400, 0)
    assert door.memory() - before < 32 * MB
    assert door.remote.call("GET", "/healthz").status == 200


@pytest.mark.attack(
    "HT11", "a request that is sent a byte at a time, or never ends", "cut off in time"
)
@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nHost: x", b"", b"POST /healthz HTTP/1.1\r\nX: y\r\n"]
)
def test_a_client_that_does_not_go_on_is_cut_off(door: Door, sent: bytes) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as link:
        link.sendall(sent)
        assert read_all(link) == b""
    assert time.monotonic() - began < 55, "well before the test's own patience ends"


@pytest.mark.attack(
    "HT11", "JSON 10,000 deep, a name twice, a packed bomb", "a problem, and no harm"
)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"environment": "a", "environment": "b"}',
        gzip.compress(b" " * 100 * MB),
    ],
    ids=["lists", "objects", "twice", "packed"],
)
def test_json_that_would_do_harm_is_a_problem(door: Door, body: bytes) -> None:
    before = door.memory()
    answer = door.remote.call("POST", "/api/plans", body, content_encoding="gzip")
    assert (answer.status, answer.code) == (400, "invalid_input")
    assert door.memory() - before < 64 * MB


def test_the_command_line_speaks_to_it_with_a_token(door: Door, tmp_path: Path) -> None:
    def run(*words: str, typed: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        given = {
            **door.world.service.surroundings(),
            "ORCHESTRATE_HOME": str(tmp_path),
            "ORCHESTRATE_URL": f"http://127.0.0.1:{door.port}",
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            **more,
        }
        command = [sys.executable, "-m", "orchestrate", *words]
        return subprocess.run(
            command, env=given, input=typed, capture_output=True, text=True, timeout=60, check=False
        )

    without = run("auth", "status")
    assert without.returncode == 1 and "a token of this service is needed" in without.stderr
    with_one = run("auth", "status", ORCHESTRATE_TOKEN=door.token)
    assert with_one.returncode == 0 and "you are   lee, by token:" in with_one.stdout
    assert run("auth", "login", typed=door.token + "\n").returncode == 0
    (kept,) = (tmp_path / "config").rglob("tokens/*")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert run("auth", "status").returncode == 0
    kept.chmod(0o644)
    assert "others can read it" in run("auth", "status").stderr
    kept.chmod(0o600)
    assert "forgotten" in run("auth", "logout").stdout
    assert run("auth", "status").returncode == 1
