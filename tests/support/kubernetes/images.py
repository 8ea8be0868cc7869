"""A registry that knows digests and tags, and has no images."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = re.compile(r"/v2/(?P<repository>.+)/(?:manifests/(?P<reference>[^/]+)|tags/list)")


@dataclass
class Images:
    """A registry at `host`. `tags` are those of every repository."""

    host: str = ""
    tags: set[str] = field(default_factory=set)

    def manifest(self, tag: str) -> bytes:
        return json.dumps(
            {"schemaVersion": 2, "manifests": [], "annotations": {"tag": tag}}
        ).encode()

    def digest(self, tag: str) -> str:
        return f"sha256:{hashlib.sha256(self.manifest(tag)).hexdigest()}"

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, digest, body."""
        match = PATH.fullmatch(path)
        if match is None:
            return 404, "", b"{}"
        if match["reference"] is None:
            return (
                200,
                "",
                json.dumps({"name": match["repository"], "tags": sorted(self.tags)}).encode(),
            )
        for tag in self.tags:
            if match["reference"] in (tag, self.digest(tag)):
                return 200, self.digest(tag), self.manifest(tag)
        return 404, "", b"{}"


@contextmanager
def images(*tags: str) -> Iterator[Images]:
    """A registry on a free loopback port."""
    made = Images(tags=set(tags))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, digest, body = made.answer(self.path)
            self.send_response(status)
            if digest:
                self.send_header("Docker-Content-Digest", digest)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    made.host = f"127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
