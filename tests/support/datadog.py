"""Datadog's `GET /api/v1/query`, imitated: keys, limits, late points, partial answers.

The answer's form is that of the reference (docs.datadoghq.com, "Query timeseries points"), of which
ANSWER is an excerpt; every answer is checked against it before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import jsonschema

from tests.support.hosted import Asked, Hosted, Point, Reply, hosted

API_KEY, APP_KEY = "planted-api-key", "planted-app-key"
ROLLUP = re.compile(r"(.*)\.rollup\(sum, (\d+)\)")
ANSWER = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "error": {"type": "string"},
        "from_date": {"type": "integer"},
        "group_by": {"type": "array", "items": {"type": "string"}},
        "message": {"type": "string"},
        "query": {"type": "string"},
        "res_type": {"type": "string"},
        "series": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "aggr": {"type": ["string", "null"]},
                    "display_name": {"type": "string"},
                    "end": {"type": "integer"},
                    "expression": {"type": "string"},
                    "interval": {"type": "integer"},
                    "length": {"type": "integer"},
                    "metric": {"type": "string"},
                    "pointlist": {
                        "type": "array",
                        "items": {
                            "type": "array",
                            "items": {"type": ["number", "null"]},
                            "minItems": 2,
                            "maxItems": 2,
                        },
                    },
                    "query_index": {"type": "integer"},
                    "scope": {"type": "string"},
                    "start": {"type": "integer"},
                    "tag_set": {"type": "array", "items": {"type": "string"}},
                    "unit": {"type": ["array", "null"]},
                },
            },
        },
        "status": {"type": "string"},
        "to_date": {"type": "integer"},
    },
}


@dataclass
class Datadog:
    """Points by query, and the server that answers with them."""

    points: dict[str, list[Point]] = field(default_factory=dict)
    interval_s: int | None = None
    """Counts over this span whatever is asked, as for a long past."""
    fails: str | None = None
    server: Hosted = field(default_factory=Hosted)

    def answer(self, asked: Asked) -> Reply:
        keys = asked.headers.get("dd-api-key"), asked.headers.get("dd-application-key")
        if keys != (API_KEY, APP_KEY):
            return Reply(403, {"errors": ["Forbidden"]})
        found = ROLLUP.fullmatch(asked.query["query"])
        if asked.path != "/api/v1/query" or found is None:
            return Reply(400, {"errors": ["Error parsing query"]})
        start, end = int(asked.query["from"]), int(asked.query["to"])
        interval = self.interval_s or int(found[2])
        kept = [(at, v) for at, v in self.points.get(found[1], []) if start <= at <= end]
        series = {
            "metric": found[1],
            "expression": found[1],
            "scope": "service:shop",
            "interval": interval,
            "length": len(kept),
            "start": start * 1000,
            "end": end * 1000 + 999,
            "aggr": "sum",
            "query_index": 0,
            "pointlist": [[at * 1000, value] for at, value in kept],
        }
        document = {
            "status": "error" if self.fails else "ok",
            "res_type": "time_series",
            "from_date": start * 1000,
            "to_date": end * 1000,
            "query": asked.query["query"],
            "message": "",
            "group_by": [],
            "series": [series] if kept else [],
            **({"error": self.fails} if self.fails else {}),
        }
        jsonschema.validate(document, ANSWER)
        return Reply(200, document)


@contextmanager
def datadog() -> Iterator[Datadog]:
    found = Datadog()
    with hosted(found.answer) as server:
        found.server = server
        yield found
