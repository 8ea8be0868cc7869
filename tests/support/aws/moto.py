"""moto's server: one process for all tests of a worker, emptied for each."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
from functools import cache, partial

from tests.support.ending import at_end
from tests.support.ports import free_port
from tests.support.waiting import eventually

START_S = 60.0
# It ends with the tests even when they are killed: PR_SET_PDEATHSIG, SIGKILL.
_LAUNCH = (
    "import ctypes, sys; ctypes.CDLL(None).prctl(1, 9);"
    "from moto.server import main; main(sys.argv[1:])"
)


@cache
def moto() -> str:
    """`host:port` of the server; it ends with this run."""
    port = free_port()
    # Nothing of the test that happens to be first: it outlives that.
    given = {k: v for k, v in os.environ.items() if not k.startswith(("ORCHESTRATE_", "PYTEST"))}
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=given,
        cwd=tempfile.gettempdir(),
    )
    at_end(partial(_end, process))
    address = f"127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, "moto's server ended: python -m moto.server says why"
        try:
            return emptied(address)
        except OSError:
            return False

    eventually(answers, within_s=START_S)
    return address


def emptied(address: str) -> bool:
    """Forget all that was made."""
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("POST", "/moto-api/reset")
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # it keeps nothing
    process.wait(timeout=10)
