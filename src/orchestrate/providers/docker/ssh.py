"""HTTP to an engine through the program `ssh`: one process a connection, its pipe our socket.

docker-py has the same, and asks for paramiko to be installed even where it is not used.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

PATIENCE_S = 5.0


def command(url: str) -> list[str]:
    """What is run for `ssh://user@host:port`: never a question, never an option out of a name."""
    parts = urlsplit(url)
    return [
        *("ssh", "-o", "BatchMode=yes"),
        *(("-l", parts.username) if parts.username else ()),
        *(("-p", str(parts.port)) if parts.port else ()),
        *("--", parts.hostname or "", "docker", "system", "dial-stdio"),
    ]


class SshAdapter(HTTPAdapter):
    """Sends every request through `ssh` to the engine at `url`."""

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__()
        self._pool = _Pool(command(url), timeout_s)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class _Pool(HTTPConnectionPool):
    def __init__(self, words: list[str], timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s, maxsize=4)
        self._words, self._timeout_s = words, timeout_s

    def _new_conn(self) -> _Connection:
        return _Connection(self._words, self._timeout_s)


class _Connection(HTTPConnection):
    def __init__(self, words: list[str], timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._words, self._timeout_s = words, timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    self._words,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                raise
        ours.settimeout(self._timeout_s)
        self.sock = ours

    def close(self) -> None:
        super().close()
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
