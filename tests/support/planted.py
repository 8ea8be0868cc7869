"""Values that are planted as secrets, the forms they could come out in, and a search for them."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

COUNT = 40
_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_ODD = ('"', "\\", "'", "%", "+", "/", "&", "<", "$", " ", "ü", ":", "@", "=")

APP = """
import base64, http.server, json, os, sys, traceback, urllib.parse

def told(name, value):
    half = len(value) // 2
    print(name, "is", value, flush=True)
    print(name, base64.b64encode(value.encode()).decode(), urllib.parse.quote(value, safe=""),
          json.dumps(value), repr(value), value[half:] + value[:half], flush=True)

for name in sorted(os.environ):
    if name.startswith("PLANTED"):
        told(name, os.environ[name])
        try:
            raise RuntimeError("cannot connect with " + os.environ[name])
        except RuntimeError:
            traceback.print_exc()
if {failing}:
    sys.exit("cannot start with " + os.environ["PLANTED_0"])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = [n for n in os.environ if n.startswith("PLANTED")]
        body = json.dumps(sorted(names)).encode()
        status = 500 if "{version}" == "1.3.0" and self.path == "/healthz" else 200
        self.send_response(status)
        if "{version}" == "1.3.0":
            self.send_header("X-Leak", os.environ["PLANTED_0"].encode("latin-1", "replace").hex())
        self.send_header("X-Version", "{version}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
"""An application that gives away what it can."""


def planted(seed: int) -> list[str]:
    """40 values, no two alike, with every character that some escaping is about."""
    dice = random.Random(seed)
    found = []
    for number in range(COUNT):
        text = "".join(dice.choice(_ALPHABET) for _ in range(24))
        odd = _ODD[number % len(_ODD)] if number % 2 else ""
        found.append(f"{text[:12]}{odd}{text[12:]}")
    return found


def needles(value: str) -> Iterator[bytes]:
    """The value as it may be written, and its halves the other way round."""
    half = len(value) // 2
    raw = value.encode()
    yield raw
    yield base64.b64encode(raw).rstrip(b"=")[:-1]
    yield base64.urlsafe_b64encode(raw).rstrip(b"=")[:-1]
    yield quote(value, safe="").encode()
    yield json.dumps(value)[1:-1].encode()
    yield (value[half:] + value[:half]).encode()
    yield value[::-1].encode()


class Looker:
    """Looks for every value in every form."""

    def __init__(self, values: list[str]) -> None:
        self._needles = {needle: value for value in values for needle in needles(value)}

    def hits(self, text: bytes) -> set[str]:
        """The values that `text` gives away."""
        return {value for needle, value in self._needles.items() if needle in text}

    def on_disk(self, root: Path, but: str) -> dict[str, set[str]]:
        """Files below `root` with a value in them, those that `but` is part of left out."""
        found = {}
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink() and but not in str(path):
                hits = self.hits(path.read_bytes())
                if hits:
                    found[str(path.relative_to(root))] = hits
        return found

    def in_processes(self, pids: Mapping[int, str]) -> dict[str, set[str]]:
        """Processes that have a value in their command line or in the environment they began
        with."""
        found = {}
        for pid, command in pids.items():
            for name in ("cmdline", "environ"):
                hits = self.hits(Path(f"/proc/{pid}/{name}").read_bytes())
                if hits:
                    found[f"{pid} {name} {command}"] = hits
        return found


def backed_up(database: Path, to: Path) -> None:
    """A backup of the database as SQLite makes one, and a vacuumed copy beside it."""
    source, copy = sqlite3.connect(database), sqlite3.connect(to)
    source.backup(copy)
    copy.execute("VACUUM INTO ?", (str(to.with_suffix(".vacuumed")),))
    source.close()
    copy.close()
