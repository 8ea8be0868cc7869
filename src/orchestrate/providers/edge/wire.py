"""Questions to a running Traefik, over one kept connection."""

import http.client
from collections.abc import Mapping

from orchestrate.core.errors import NoDataError

TIMEOUT_S = 2.0


class Wire:
    """GETs to one address. A lost connection is opened again at the next question."""

    def __init__(self, address: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)

    def headers(self, path: str, host: str) -> Mapping[str, str] | None:
        """Headers of the answer, None when nobody answered."""
        found = self._ask(path, host)
        return None if found is None else found[0]

    def text(self, path: str) -> str:
        """Body of the answer. Raises NoDataError when nobody answered."""
        found = self._ask(path, "localhost")
        if found is None:
            raise NoDataError("the edge does not answer", fix=["orchestrate doctor"])
        return found[1].decode()

    def close(self) -> None:
        self._connection.close()

    def _ask(self, path: str, host: str) -> tuple[Mapping[str, str], bytes] | None:
        try:
            self._connection.request("GET", path, headers={"Host": host})
            answer = self._connection.getresponse()
            body = answer.read()
            return dict(answer.headers.items()), body
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None
