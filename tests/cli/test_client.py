"""The service's REST API, as this client hears it: whole answers, or errors that say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrate.cli import start
from orchestrate.cli.client import Answered, Client, over_socket, segment
from orchestrate.cli.remote import dialler
from orchestrate.core.errors import (
    EnvironmentBusy,
    InvalidInput,
    PermanentError,
    ServiceUnreachable,
    UnknownEnvironment,
)
from tests.support import documents as docs
from tests.support.pretend import Pretend, Reply, Request


def client(home: Path) -> Client:
    def connect() -> start.socket.socket:
        found = start.connect(str(home / "run" / "api.sock"))
        assert found is not None
        return found

    return over_socket(connect)


def test_a_document_comes_with_the_very_bytes_of_the_service(home: Path) -> None:
    with Pretend(home, {"GET /api/overview": Reply(docs.OVERVIEW)}):
        answer = client(home).get("/api/overview")
    assert answer.document == docs.OVERVIEW
    assert answer.body.startswith(b'{"schema":"orchestrate.overview.v1"')


def test_names_with_a_slash_or_a_space_are_one_part_of_the_path(home: Path) -> None:
    assert segment("shop/eu west") == "shop%2Feu%20west"
    with Pretend(home, {"GET /api/environments/shop%2Feu": Reply(docs.ENVIRONMENT)}) as service:
        client(home).get("/api/environments/shop%2Feu", {"include": "settings", "tail": None})
    assert service.requests == [
        Request("GET", "/api/environments/shop%2Feu", "include=settings", {})
    ]


def test_an_error_arrives_as_its_class_with_the_body_it_came_in(home: Path) -> None:
    document = docs.error("environment_busy", "taken by d142", 409, why=("one at a time",))
    with Pretend(home, {"POST /api/plans": Reply(document, 409)}):
        with pytest.raises(EnvironmentBusy) as caught:
            client(home).post("/api/plans", {"version": "1.4.2"})
    assert caught.value.why == ("one at a time",)
    assert isinstance(caught.value.__cause__, Answered)
    assert b'"request_id":"q8f2k"' in caught.value.__cause__.body


def test_an_error_of_a_newer_service_keeps_its_words(home: Path) -> None:
    document = docs.error("of_the_future", "not yet", 409, fix=("wait",))
    with Pretend(home, {"GET /api/overview": Reply(document, 409)}):
        with pytest.raises(PermanentError, match="not yet") as caught:
            client(home).get("/api/overview")
    assert caught.value.fix == ("wait",)


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_an_answer_that_is_cut_short_is_an_error_and_never_half_a_document(
    home: Path, cut: int
) -> None:
    with Pretend(home, {"GET /api/overview": Reply(docs.OVERVIEW, cut=cut)}):
        with pytest.raises(ServiceUnreachable, match="lost") as caught:
            client(home).get("/api/overview")
    assert "cut short" in caught.value.why[0]


def test_a_service_that_goes_away_instead_of_answering_is_told(home: Path) -> None:
    service = Pretend(home, {"GET /api/overview": Reply({}, hang=True)})
    with service:
        pending = client(home).begin("/api/overview", timeout_s=20)
        assert not pending.ready(0.01)
        service.end()
        assert pending.ready(5)
        with pytest.raises(ServiceUnreachable, match="lost"):
            pending.answer()


@pytest.mark.parametrize("document", [{"error": "text"}, {}])
def test_what_is_not_the_service_s_is_not_taken_for_it(
    home: Path, document: dict[str, object]
) -> None:
    with Pretend(home, {"GET /api/overview": Reply(document, 502)}):
        with pytest.raises(PermanentError, match="HTTP 502"):
            client(home).get("/api/overview")


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://deploy.example.com", "not encrypted"),
        ("ftp://deploy.example.com", "not an address"),
        ("deploy.example.com", "not an address"),
        ("https://lee:secret@deploy.example.com", "not an address"),
    ],
)
def test_a_token_is_never_sent_in_the_clear_nor_to_no_address(url: str, wrong: str) -> None:
    with pytest.raises(InvalidInput, match=wrong):
        dialler(url, "token")


def test_a_service_elsewhere_is_asked_with_the_token(home: Path) -> None:
    import http.server
    import json
    import threading

    seen: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            body = json.dumps(docs.error("unknown_environment", "no such", 404)).encode()
            self.send_response(404 if self.path != "/base/api/overview" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            remote = Client(dialler(f"http://127.0.0.1:{server.server_port}/base", "t0ken"))
            assert remote.get("/api/overview").document["title"] == "unknown environment"
            with pytest.raises(UnknownEnvironment):
                remote.get("/api/environments/x")
        finally:
            server.shutdown()
            thread.join()
    assert seen == ["Bearer t0ken", "Bearer t0ken"]


def test_a_service_elsewhere_that_is_not_there_is_told_with_its_address() -> None:
    remote = Client(dialler("http://127.0.0.1:9", "t0ken"))
    with pytest.raises(ServiceUnreachable, match=r"cannot reach http://127\.0\.0\.1:9"):
        remote.get("/api/overview")
