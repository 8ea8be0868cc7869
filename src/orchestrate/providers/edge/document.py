"""The document that tells Traefik how one environment's traffic is divided. Pure.

It is made, checked and read back here. The number and key of the write that asked for it, and the
versions behind the revision keys, are in the same file as the split: they change with it in one
rename. A router that nobody but us can name (its host is a secret token) answers with them, on the
public entry point: seeing them there proves that the split is live.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from orchestrate.core.environment import HealthGate
from orchestrate.core.errors import EdgeFailed
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Share

Document = dict[str, object]

NONCE, NUMBER, KEY = "X-Write-Nonce", "X-Write-Number", "X-Write-Key"
VERSION, REPLICAS = "X-Version-", "X-Replicas-"
PUBLIC = "web"
_PROOF, _HOST, _REST = 1_000_000, 1_000, 1


@dataclass(frozen=True)
class Backend:
    """A revision with the addresses (`http://127.0.0.1:41001`) that take its requests."""

    revision: Ref
    addresses: tuple[str, ...]
    health: HealthGate
    percent: int = 0
    replicas: int | None = None
    """The limit that led to these addresses, to be read back."""


@dataclass(frozen=True)
class Traffic:
    """How an environment's requests are to be divided. Nothing to divide: it answers 404."""

    rule: str
    backends: tuple[Backend, ...]
    fallback: Backend | None
    """Takes all requests while no address of the backends is healthy."""


@dataclass(frozen=True)
class Present:
    """What a document says. Number 0 and no nonce: there is no document."""

    number: int = 0
    key: str = ""
    nonce: str = ""
    rule: str | None = None
    shares: tuple[Share, ...] = ()
    fallback: Ref | None = None
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By revision key."""
    broken: str | None = None
    """Why the document cannot be read. Then Traefik serves nothing by it, or what it said last."""


def build(slug: str, traffic: Traffic, write: Write, *, token: str, nonce: str) -> Document:
    """The document for `traffic`. Checked: Traefik answers 404 to a dangling name, not an error."""
    used = [backend for backend in traffic.backends if backend.percent > 0]
    fallback = traffic.fallback
    if fallback is not None and fallback.revision.key in {b.revision.key for b in used}:
        fallback = None
    http: Document = {
        "routers": {f"{slug}-proof": _proof_router(slug, token)},
        "middlewares": {f"{slug}-write": _write_headers(used, fallback, write, nonce)},
    }
    if used:
        _serve(http, slug, traffic, used, fallback)
    document: Document = {"http": http}
    check(document)
    return document


def encode(document: Document) -> str:
    """The document as text. Traefik runs files through a template engine first: no `{{` gets in."""
    return json.dumps(document, indent=1).replace("{{", "\\u007b\\u007b")


def parse(text: str) -> Present:
    """What a document of `build` says; of anything else, what is wrong with it."""
    try:
        http = json.loads(text)["http"]
        ((write_name, middleware),) = (
            (n, m) for n, m in http["middlewares"].items() if n.endswith("-write")
        )
        headers: dict[str, str] = middleware["headers"]["customResponseHeaders"]
        return _present(write_name.removesuffix("-write"), http, headers)
    except (ValueError, KeyError, TypeError) as problem:
        return Present(broken=f"{type(problem).__name__}: {problem}")


def check(document: Document) -> None:
    """Every name that is used must exist, weights must sum up, addresses must be there."""
    http = _object(document, "http")
    services, middlewares = _object(http, "services"), _object(http, "middlewares")
    transports = _object(http, "serversTransports")
    for name, router in _object(http, "routers").items():
        _need(router["service"] in services or router["service"] == "ping@internal", name)
        _need(all(m in middlewares for m in router.get("middlewares", [])), name)
    for name, service in services.items():
        parts = service.get("weighted", {}).get("services", [])
        _need(all(part["name"] in services for part in parts), name)
        _need(not parts or sum(part["weight"] for part in parts) == 100, name)
        _need(all(other in services for other in service.get("failover", {}).values()), name)
        if "loadBalancer" in service:
            _need(bool(service["loadBalancer"]["servers"]), name)
            _need(service["loadBalancer"]["serversTransport"] in transports, name)


def service_of(slug: str, key: str) -> str:
    """Traefik's name for a revision, in documents and in metrics."""
    return f"{slug}-{key}"


def _proof_router(slug: str, token: str) -> Document:
    return {
        "entryPoints": [PUBLIC],
        "rule": f"Host(`{token}`) && Path(`/{slug}`)",
        "priority": _PROOF,
        "service": "ping@internal",
        "middlewares": [f"{slug}-write"],
    }


def _write_headers(
    used: Sequence[Backend], fallback: Backend | None, write: Write, nonce: str
) -> Document:
    headers = {NUMBER: str(write.number), KEY: quote(write.key, safe="/:~@ "), NONCE: nonce}
    for backend in (*used, *((fallback,) if fallback else ())):
        headers[VERSION + backend.revision.key] = backend.revision.version
        if backend.replicas is not None:
            headers[REPLICAS + backend.revision.key] = str(backend.replicas)
    return {"headers": {"customResponseHeaders": headers}}


def _serve(
    http: Document,
    slug: str,
    traffic: Traffic,
    used: Sequence[Backend],
    fallback: Backend | None,
) -> None:
    services = {service_of(slug, b.revision.key): _pool(slug, b) for b in used}
    top = f"{slug}-split"
    services[top] = {
        "weighted": {
            "services": [
                {"name": service_of(slug, b.revision.key), "weight": b.percent} for b in used
            ],
            "healthCheck": {},  # or it would not see which of its parts are up
        }
    }
    if fallback is not None:
        safe = service_of(slug, fallback.revision.key)
        services[safe] = _pool(slug, fallback)
        services[f"{slug}-safe"] = {"failover": {"service": top, "fallback": safe}}
        top = f"{slug}-safe"
    http["services"] = services
    http["serversTransports"] = {f"{slug}-transport": _TRANSPORT}
    _object(http, "middlewares")[f"{slug}-retry"] = _RETRY
    _object(http, "routers")[slug] = {
        "entryPoints": [PUBLIC],
        "rule": traffic.rule,
        "priority": _HOST if traffic.rule.startswith("Host") else _REST,
        "service": top,
        "middlewares": [f"{slug}-retry"],
    }


# An idle connection is given up well before the application would (5 s is a common default).
_TRANSPORT: Document = {
    "maxIdleConnsPerHost": 256,
    "forwardingTimeouts": {"dialTimeout": "2s", "idleConnTimeout": "2s"},
}
_RETRY: Document = {"retry": {"attempts": 3, "initialInterval": "20ms"}}


def _pool(slug: str, backend: Backend) -> Document:
    health = backend.health
    return {
        "loadBalancer": {
            "servers": [{"url": address} for address in backend.addresses],
            "passHostHeader": True,
            "serversTransport": f"{slug}-transport",
            "healthCheck": {
                "path": health.path,
                "status": health.expect_status,
                "interval": "500ms",
                "unhealthyInterval": "250ms",
                "timeout": f"{round(health.timeout_s * 1000)}ms",
            },
        }
    }


def _present(slug: str, http: Document, headers: Mapping[str, str]) -> Present:
    services = _object(http, "services")
    keys = [name.removeprefix(VERSION) for name in headers if name.startswith(VERSION)]
    refs = {key: Ref(key=key, version=headers[VERSION + key]) for key in keys}
    weights = {
        part["name"]: part["weight"]
        for part in services.get(f"{slug}-split", {}).get("weighted", {}).get("services", [])
    }
    shares = tuple(
        Share(
            revision=refs[key],
            percent=weights[service_of(slug, key)],
            replicas=int(headers[REPLICAS + key]) if REPLICAS + key in headers else None,
        )
        for key in keys
        if service_of(slug, key) in weights
    )
    spare = services.get(f"{slug}-safe", {}).get("failover", {}).get("fallback")
    return Present(
        number=int(headers[NUMBER]),
        key=unquote(headers[KEY]),
        nonce=headers[NONCE],
        rule=_object(http, "routers").get(slug, {}).get("rule"),
        shares=shares,
        fallback=next((ref for key, ref in refs.items() if service_of(slug, key) == spare), None),
        addresses={
            key: tuple(
                server["url"]
                for server in services[service_of(slug, key)]["loadBalancer"]["servers"]
            )
            for key in keys
        },
    )


def _object(data: Document, name: str) -> dict:  # type: ignore[type-arg]  # any JSON
    found = data.get(name) or {}
    if not isinstance(found, dict):
        raise TypeError(f"{name} is not an object")
    return found


def _need(holds: bool, name: str) -> None:
    if not holds:
        raise EdgeFailed(
            f"the edge's document is wrong at {name}; it was not written",
            why=["it names something that is not in it, or its weights do not make 100 percent"],
        )
