"""What a release, its checks and its migrations say is kept without the values of secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.real import need_program
from tests.support.service import World, world

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

VALUE = "pa55 of/the:shop?&co"
FORMS = (VALUE, quote(VALUE), quote(VALUE, safe=""), "".join(f"%{b:02x}" for b in VALUE.encode()))
LONG = "x" * 190
"""After it a line is cut in the middle of the value."""
APP = """
import http.server, json, os, urllib.parse

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        value = os.environ["TOKEN"]
        forms = [value, urllib.parse.quote(value), urllib.parse.quote(value, safe=""),
                 "".join(f"%{b:02x}" for b in value.encode())]
        body = json.dumps({"said": forms, "v": forms[2]}).encode()
        self.send_response(200)
        self.send_header("X-Version", "1.0.0")
        self.send_header("X-Said", forms[3])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
ASKS = """
import sys, urllib.request
said = urllib.request.urlopen(sys.argv[1]).read().decode()
print(said)
print("x" * 190 + said.partition('"said": ["')[2])
raise SystemExit(3)
"""
MIGRATES = """
import os, sys, urllib.parse
value = os.environ["TOKEN"]
if sys.argv[1] == "list":
    print('["0001_init"]')
elif sys.argv[1] == "applied":
    print("[]")
else:
    print(value, urllib.parse.quote(value), urllib.parse.quote(value, safe=""))
    print("x" * 190 + value)
    raise SystemExit(4)
"""
CASES: dict[str, dict[str, object]] = {
    "smoke": {"verify": {"smoke": [{"name": "a", "path": "/a", "expect": {"contains": "never"}}]}},
    "values": {
        "verify": {"smoke": [{"name": "a", "path": "/a", "expect": {"values": {"$.said": 1}}}]}
    },
    "headers": {
        "verify": {"smoke": [{"name": "a", "path": "/a", "expect": {"headers": {"X-Said": "1"}}}]}
    },
    "command": {
        "verify": {"commands": [{"name": "a", "command": [sys.executable, "-c", ASKS, "{url}"]}]}
    },
    "version": {"verify": {"version": {"path": "/version", "value": "$.v"}}},
    "migration": {
        "migrations": {
            "expand": [sys.executable, "-c", MIGRATES, "run"],
            "contract": [sys.executable, "-c", MIGRATES, "run"],
            "applied": [sys.executable, "-c", MIGRATES, "applied"],
            "listed": [sys.executable, "-c", MIGRATES, "list"],
        }
    },
}


@pytest.fixture(scope="module")
def stage() -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with world() as found:
        found.release("1.0.0", APP)
        yield found


@pytest.mark.attack(
    "SK07", "checks and migrations that print a secret: encoded, and where a line is cut", "masked"
)
@pytest.mark.parametrize("case", CASES)
def test_what_it_says_is_recorded_without_the_value_in_any_form(stage: World, case: str) -> None:
    settings = json.loads(json.dumps(CASES[case]))
    verify = {**settings.pop("verify", {}), "patience_s": 0.2}
    site = stage.small(
        case, strategy={"type": "recreate"}, secrets=["TOKEN"], verify=verify, **settings
    )
    body = {"environment": case, "name": "TOKEN", "value": VALUE}
    stage.api.call("POST", "/api/secrets", body)
    done = site.deploy("1.0.0")
    assert done.phase != "succeeded"
    followed = stage.api.call("GET", f"/api/deployments/{done.id}/follow?timeout_s=0")
    everything = json.dumps([done.document, followed], ensure_ascii=False)
    assert "********" in everything, "it was said"
    kept = _written(stage.home)
    for form in (*FORMS, *(form[:9] for form in FORMS)):
        assert form not in everything, form
        assert form.encode() not in kept, form


def _written(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.glob("*.db*"))
