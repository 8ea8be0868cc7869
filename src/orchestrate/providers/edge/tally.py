"""Counters that only grow, made of Traefik's, which start again at zero when it does."""

import json
import os
from collections.abc import Mapping

from orchestrate.core.protocols import RequestCounts
from orchestrate.providers.edge import metrics
from orchestrate.providers.edge.engine import Engine
from orchestrate.providers.edge.wire import Wire
from orchestrate.providers.processes.files import (
    Json,
    locked,
    private_directory,
    read_json,
    replace,
)

KEPT = 50
"""Revisions remembered per environment: those that take requests now, and the newest others."""


def counts(directory: str, slug: str, engine: Engine) -> Mapping[str, RequestCounts]:
    """Requests by revision key. What came between the last look and a crash of Traefik is lost."""
    folder = private_directory(os.path.join(directory, "counts"))
    path = os.path.join(folder, f"{slug}.json")
    with locked(f"{path}.lock"):
        now = _now(slug, engine)
        who = _process(engine)
        saved = read_json(path) or {}
        base, last = _read(saved.get("base")), _read(saved.get("last"))
        for key, counted in last.items():
            if saved.get("process") != who or counted.total > _total(now, key):
                base[key] = metrics.added(base.get(key, RequestCounts()), counted)
        base = dict(sorted(base.items(), key=lambda item: item[0] in now))  # those of now are last
        text = json.dumps({"process": who, "base": _write(base), "last": _write(now)})
        replace(path, text, durable=False)
    keys = list(dict.fromkeys([*now, *base]))
    empty = RequestCounts()
    return {key: metrics.added(base.get(key, empty), now.get(key, empty)) for key in keys}


def _now(slug: str, engine: Engine) -> dict[str, RequestCounts]:
    wire = Wire("127.0.0.1", engine.record().internal_port)
    try:
        return metrics.counts(wire.text("/metrics"), slug)
    finally:
        wire.close()


def _process(engine: Engine) -> str:
    seen = engine.process()
    return f"{seen.identity.pid} {seen.identity.start}" if seen and seen.identity else ""


def _total(found: Mapping[str, RequestCounts], key: str) -> int:
    return found[key].total if key in found else 0


def _read(data: object) -> dict[str, RequestCounts]:
    if not isinstance(data, dict):
        return {}
    return {
        key: metrics.made(item["codes"], {float(k): v for k, v in item["buckets"].items()})
        for key, item in data.items()
    }


def _write(found: Mapping[str, RequestCounts]) -> Json:
    newest = list(found.items())[-KEPT:]
    return {
        key: {
            "codes": dict(item.codes),
            "buckets": {str(bound): n for bound, n in item.latency_buckets.items()},
        }
        for key, item in newest
    }
