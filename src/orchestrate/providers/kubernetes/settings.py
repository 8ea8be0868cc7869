"""The `config` of an environment in a cluster, checked."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.kubernetes.access import Access
from orchestrate.providers.settings import Reader, count, duration, words

_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_REPOSITORY = re.compile(
    r"[A-Za-z0-9.-]+(?::\d+)?/[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_.-]*\{version\}[A-Za-z0-9_.-]*")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?")
_PERCENT = re.compile(r"\d{1,3}%")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,256}")

NO_TEXT: str | None = None
NO_WORDS: tuple[str, ...] = ()
KUSTOMIZE: tuple[str, ...] = ("kubectl", "kustomize", "{directory}")
ONE: int | str = 1
NONE: int | str = 0
Source = Literal["built-in", "manifests", "kustomize", "render"]


@dataclass(frozen=True)
class Credentials:
    """Names of the environment's secrets that hold a registry's user and password."""

    username: str
    password: str


@dataclass(frozen=True)
class Gateway:
    """The Gateway that an HTTPRoute of ours hangs on, or a route of somebody else's."""

    name: str = ""
    namespace: str | None = None
    hostnames: tuple[str, ...] = ()
    path: str = "/"
    testers: tuple[str, str] | None = None
    """A header and its value: requests with it go to the new revision while there is one beside."""
    route: str | None = None
    """An HTTPRoute that is there already, and not ours: in each rule that leads to the Service its
    weight is set, and a colour's backend is added beside it for as long as traffic is divided."""


@dataclass(frozen=True)
class IngressNginx:
    """The host and path of an Ingress pair for ingress-nginx. Legacy: the project is archived."""

    host: str
    path: str = "/"
    class_name: str = "nginx"


@dataclass(frozen=True)
class Settings:
    """What runs, where, and how the traffic reaches it."""

    name: str
    namespace: str
    access: Access
    image: str
    """Registry, repository and tag with `{version}` in the tag."""
    container: str
    port: int
    root: str
    source: Source = "built-in"
    path: str = ""
    """Of `manifests` or `kustomize`, below root."""
    command: tuple[str, ...] = ()
    """Of `kustomize` and `render`: what writes the manifests to its standard output."""
    deployment: str | None = None
    """Which Deployment of the manifests, where they have several."""
    replicas: int = 1
    autoscaled: bool = False
    run: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    pull_secret: str | None = None
    service_account: str | None = None
    grace_s: float = 30.0
    min_ready_s: float = 2.0
    progress_deadline_s: float = 600.0
    max_surge: int | str = 1
    max_unavailable: int | str = 0
    patience_s: float = 30.0
    """How long a new Pod may be in one bad state before the release is given up."""
    gateway: Gateway | None = None
    ingress: IngressNginx | None = None
    credentials: Credentials | None = None
    take_over: bool = False
    """The operator's word: fields that somebody else has set are taken from them."""


def settings_of(config: Mapping[str, JsonValue], slug: str) -> Settings:
    """The settings in `config`; `slug` names what has no `name`. Raises ProviderConfigInvalid with
    every problem at once."""
    reader = Reader("kubernetes", config)
    given = {name for name in ("manifests", "kustomize", "render") if name in config}
    rendered = reader.take("render", words, NO_WORDS)
    kustomize = reader.take("kustomize", _inside, "")
    manifests = reader.take("manifests", _inside, "")
    builder = reader.take("kustomize_command", words, KUSTOMIZE)
    source: Source = "built-in"
    if "render" in given:
        source = "render"
    elif "kustomize" in given:
        source = "kustomize"
    elif "manifests" in given:
        source = "manifests"
    found = Settings(
        name=reader.take("name", _matching(_LABEL, "a name such as shop"), _short(slug)),
        namespace=reader.take("namespace", _matching(_DNS_LABEL, "the name of a namespace"), ""),
        access=Access(
            kubeconfig=reader.take("kubeconfig", _text, None),
            context=reader.take("context", _text, None),
            secret=reader.take("kubeconfig_secret", _matching(_SECRET, "a secret's name"), None),
            in_cluster=reader.take("in_cluster", _truth, False),
        ),
        image=reader.take("image", _image, ""),
        container=reader.take("container", _matching(_DNS_LABEL, "a container's name"), "app"),
        port=reader.take("port", count(1, 65535), 0),
        root=reader.take("root", _text, NO_TEXT) or os.getcwd(),
        source=source,
        path=kustomize or manifests,
        command=rendered or (builder if source == "kustomize" else ()),
        deployment=reader.take("deployment", _matching(_SUBDOMAIN, "a Deployment's name"), None),
        replicas=reader.take("replicas", count(1, 1000), 1),
        autoscaled=reader.take("autoscaled", _truth, False),
        run=reader.take("command", words, None),
        args=reader.take("args", words, None),
        requests=reader.take("requests", _quantities, {}),
        limits=reader.take("limits", _quantities, {}),
        pull_secret=reader.take("pull_secret", _matching(_SUBDOMAIN, "a Secret's name"), None),
        service_account=reader.take(
            "service_account", _matching(_SUBDOMAIN, "a ServiceAccount's name"), None
        ),
        grace_s=reader.take("grace", duration, 30.0),
        min_ready_s=reader.take("min_ready", duration, 2.0),
        progress_deadline_s=reader.take("progress_deadline", duration, 600.0),
        max_surge=reader.take("max_surge", _part_of, ONE),
        max_unavailable=reader.take("max_unavailable", _part_of, NONE),
        patience_s=reader.take("patience", duration, 30.0),
        gateway=reader.take("gateway", _gateway, None),
        ingress=reader.take("ingress", _ingress, None),
        credentials=reader.take("credentials", _credentials, None),
        take_over=reader.take("take_over", _truth, False),
    )
    reader.demand("namespace", "shop")
    reader.demand("image", "registry.example.com/shop:{version}")
    reader.demand("port", "8080")
    _agree(reader, found, given)
    reader.finish()
    return found


def _agree(reader: Reader, found: Settings, given: set[str]) -> None:
    """What is wrong only together."""
    if len(given) > 1:
        reader.problems.append(f"only one of {', '.join(sorted(given))} can be the manifests")
    ways = [found.access.kubeconfig, found.access.secret, found.access.in_cluster or None]
    if sum(way is not None for way in ways) > 1:
        reader.problems.append("only one of kubeconfig, kubeconfig_secret, in_cluster can be used")
    if found.gateway is not None and found.ingress is not None:
        reader.problems.append("only one of gateway and ingress can divide the traffic")
    if found.max_surge in (0, "0%") and found.max_unavailable in (0, "0%"):
        reader.problems.append("max_surge and max_unavailable cannot both be 0")
    if found.source != "built-in":
        own = {"command", "args", "requests", "limits", "service_account"} & set(reader.config)
        for name in sorted(own):
            reader.problems.append(f"{name}: it belongs into the manifests")


def _short(slug: str) -> str:
    """A slug as a name that leaves room for a colour."""
    found = re.sub(r"-+", "-", slug)[:40].strip("-")
    return found if found[:1].isalpha() else f"app-{found}"[:40].strip("-")


def _image(value: JsonValue) -> str:
    if isinstance(value, str):
        repository, _, tag = value.rpartition(":")
        if _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag):
            return value
    raise ValueError(
        "it must be registry, repository and tag such as registry.example.com/shop:{version}"
    )


def _inside(value: JsonValue) -> str:
    if isinstance(value, str) and value and not os.path.isabs(value):
        path = os.path.normpath(value)
        if path != ".." and not path.startswith("../"):
            return path
    raise ValueError("it must be a path below the directory of orchestrate.yaml")


def _text(value: JsonValue) -> str | None:
    if isinstance(value, str) and value:
        return value
    raise ValueError("it must be a text")


def _truth(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("it must be true or false")


def _matching(form: re.Pattern[str], what: str) -> Callable[[JsonValue], str]:
    def read(value: JsonValue) -> str:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        raise ValueError(f"it must be {what}")

    return read


def _quantities(value: JsonValue) -> dict[str, str]:
    if isinstance(value, dict) and set(value) <= {"cpu", "memory", "ephemeral-storage"}:
        found = {name: str(amount) for name, amount in value.items()}
        if all(_QUANTITY.fullmatch(amount) for amount in found.values()):
            return found
    raise ValueError("it must be {cpu: 100m, memory: 128Mi} or one of these")


def _part_of(value: JsonValue) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000:
        return value
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    raise ValueError("it must be a number of replicas, or a part such as 25%")


def _mapping(value: JsonValue, known: set[str], example: str) -> dict[str, JsonValue]:
    if isinstance(value, dict) and set(value) <= known:
        return value
    raise ValueError(f"it must be {example}; known: {', '.join(sorted(known))}")


def _word(found: Mapping[str, JsonValue], name: str, form: re.Pattern[str]) -> str | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, str) and form.fullmatch(value):
        return value
    raise ValueError(f"{name} in it is not right")


def _path(found: Mapping[str, JsonValue]) -> str:
    value = found.get("path", "/")
    if isinstance(value, str) and re.fullmatch(r"/[A-Za-z0-9._~/-]{0,500}", value):
        return value
    raise ValueError("path in it must begin with /")


def _gateway(value: JsonValue) -> Gateway:
    known = {"name", "namespace", "hostnames", "path", "testers", "route"}
    found = _mapping(value, known, "{name: GATEWAY, hostnames: [shop.example.com]}")
    hosts = found.get("hostnames", [])
    good = isinstance(hosts, list) and all(
        isinstance(h, str) and _SUBDOMAIN.fullmatch(h.removeprefix("*.")) for h in hosts
    )
    if not good:
        raise ValueError("hostnames in it must be a list of host names")
    name, route = _word(found, "name", _SUBDOMAIN), _word(found, "route", _SUBDOMAIN)
    if (name is None) == (route is None):
        raise ValueError("it needs `name`, of a Gateway, or `route`, of an HTTPRoute that is there")
    needless = sorted(set(found) & {"namespace", "hostnames", "path", "testers"})
    if route is not None and needless:
        raise ValueError(f"{', '.join(needless)}: of a `route` that is there, its own say")
    return Gateway(
        name=name or "",
        namespace=_word(found, "namespace", _SUBDOMAIN),
        hostnames=tuple(str(host) for host in hosts) if isinstance(hosts, list) else (),
        path=_path(found),
        testers=_testers(found.get("testers")),
        route=route,
    )


def _testers(value: JsonValue) -> tuple[str, str] | None:
    if value is None:
        return None
    found = _mapping(value, {"header", "value"}, "{header: X-Tester, value: yes}")
    header, wanted = found.get("header"), found.get("value")
    if isinstance(header, str) and _HEADER.fullmatch(header) and isinstance(wanted, str):
        return header, wanted
    raise ValueError("testers in it must be {header: NAME, value: TEXT}")


def _ingress(value: JsonValue) -> IngressNginx:
    found = _mapping(value, {"host", "path", "class"}, "{host: shop.example.com}")
    host = _word(found, "host", _SUBDOMAIN)
    if host is None:
        raise ValueError("it needs a host")
    return IngressNginx(host, _path(found), _word(found, "class", _SUBDOMAIN) or "nginx")


def _credentials(value: JsonValue) -> Credentials:
    if isinstance(value, dict) and set(value) == {"username", "password"}:
        read = _matching(_SECRET, "the name of a secret of this environment")
        return Credentials(read(value["username"]), read(value["password"]))
    raise ValueError("it must be {username: NAME, password: NAME}, names of secrets")


def refuse_other_namespace(settings: Settings, where: str, namespace: str) -> None:
    """Raises ProviderConfigInvalid for an object that wants to be elsewhere."""
    if namespace not in ("", settings.namespace):
        raise ProviderConfigInvalid(
            f"{where} is for namespace {namespace}, the environment for {settings.namespace}",
            fix=["leave metadata.namespace out of the manifests"],
        )
