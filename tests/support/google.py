"""Google's token and `timeSeries.list` endpoints, imitated: signed assertions, pages, errors.

Forms are those of Cloud Monitoring's v3 discovery document, of which ANSWER is an excerpt; every
answer is checked against it before it is sent. Tokens are given for assertions whose RS256
signature is right alone.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs

import jsonschema
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.hosted import Asked, Hosted, Point, Reply, hosted

TOKEN = "planted-token"
_STATUS = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}
_MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT[\d:.]+Z$"}
_INTERVAL = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"startTime": _MOMENT, "endTime": _MOMENT},
}
_VALUE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "boolValue": {"type": "boolean"},
        "int64Value": {"type": "string", "pattern": r"^-?\d+$"},
        "doubleValue": {"type": "number"},
        "stringValue": {"type": "string"},
        "distributionValue": {"type": "object"},
    },
}
_POINT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"interval": _INTERVAL, "value": _VALUE},
}
ANSWER = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "timeSeries": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "metric": {"type": "object"},
                    "resource": {"type": "object"},
                    "metricKind": {"enum": ["GAUGE", "DELTA", "CUMULATIVE"]},
                    "valueType": {"type": "string"},
                    "points": {"type": "array", "items": _POINT},
                },
            },
        },
        "nextPageToken": {"type": "string"},
        "executionErrors": {"type": "array", "items": _STATUS},
        "unit": {"type": "string"},
    },
}


@dataclass
class Google:
    """Deltas by filter, and the server that answers with them, `page` points at a time."""

    points: dict[str, list[Point]] = field(default_factory=dict)
    page: int = 1000
    fails: str | None = None
    tokens: int = 0
    """How many were given."""
    server: Hosted = field(default_factory=Hosted)
    key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    def account(self) -> str:
        """The JSON of a service account's key."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return json.dumps(
            {
                "type": "service_account",
                "client_email": "deployer@shop.iam.gserviceaccount.com",
                "private_key_id": "k1",
                "private_key": pem.decode(),
                "token_uri": f"{self.server.url}/token",
            }
        )

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            return self._token(asked)
        if asked.headers.get("authorization") != f"Bearer {TOKEN}{self.tokens}":
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if asked.path != "/v3/projects/shop-1/timeSeries":
            return _error(404, "NOT_FOUND", "Unknown project")
        return self._series(asked)

    def _token(self, asked: Asked) -> Reply:
        form = {name: each[0] for name, each in parse_qs(asked.body.decode()).items()}
        head, claims, signature = form["assertion"].split(".")
        try:
            self.key.public_key().verify(
                _bytes(signature),
                f"{head}.{claims}".encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except InvalidSignature:
            return Reply(400, {"error": "invalid_grant"})
        told = json.loads(_bytes(claims))
        assert told["scope"] == "https://www.googleapis.com/auth/monitoring.read"
        assert told["aud"] == f"{self.server.url}/token" and told["exp"] - told["iat"] == 3600
        self.tokens += 1
        return Reply(200, {"access_token": f"{TOKEN}{self.tokens}", "expires_in": 3599})

    def _series(self, asked: Asked) -> Reply:
        query = asked.query
        period = int(re.fullmatch(r"(\d+)s", query["aggregation.alignmentPeriod"])[1])  # type: ignore[index]
        if period < 60 or query["aggregation.perSeriesAligner"] != "ALIGN_DELTA":
            return _error(400, "INVALID_ARGUMENT", "The alignment period must be at least 60s")
        start, end = _seconds(query["interval.startTime"]), _seconds(query["interval.endTime"])
        kept = [(at, v) for at, v in self.points.get(query["filter"], []) if start <= at < end]
        kept = kept[::-1]  # newest first, as there
        begin = int(query.get("pageToken", "0"))
        here = kept[begin : begin + self.page]
        more = begin + self.page < len(kept)
        document = {
            "timeSeries": [
                {
                    "metricKind": "DELTA",
                    "valueType": "INT64",
                    "points": [_point(at, value, period) for at, value in here],
                }
            ]
            if here
            else [],
            **({"nextPageToken": str(begin + self.page)} if more else {}),
            **({"executionErrors": [{"code": 14, "message": self.fails}]} if self.fails else {}),
            "unit": "1",
        }
        jsonschema.validate(document, ANSWER)
        return Reply(200, document)


@contextmanager
def google() -> Iterator[Google]:
    found = Google()
    with hosted(found.answer) as server:
        found.server = server
        yield found


def _point(at: float, value: float, period: int) -> dict[str, object]:
    whole = {"int64Value": str(int(value))} if value == int(value) else {"doubleValue": value}
    interval = {"startTime": _moment(at), "endTime": _moment(at + period)}
    return {"interval": interval, "value": whole}


def _error(status: int, name: str, text: str) -> Reply:
    return Reply(status, {"error": {"code": status, "message": text, "status": name}})


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
