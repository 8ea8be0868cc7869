"""The `config` of an environment on Amazon ECS, checked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from orchestrate.core.environment import StrategyName
from orchestrate.providers.settings import Reader, count, duration

Way = Literal["rolling", "blue-green", "linear", "canary"]
WAYS: Mapping[str, StrategyName] = {
    "rolling": StrategyName.ROLLING,
    "blue-green": StrategyName.BLUE_GREEN,
    "linear": StrategyName.CANARY,
    "canary": StrategyName.CANARY,
}
"""The strategies of ECS, and which of ours each is: linear and canary both let a growing part of
the traffic reach the new revision."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_CLUSTER = re.compile(r"(?:arn:aws[a-z-]*:ecs:([a-z0-9-]+):\d{12}:cluster/)?[A-Za-z0-9_-]{1,255}")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_GROUP = re.compile(r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:targetgroup/\S+")
_RULE = re.compile(r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:listener-rule/app/\S+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*:[A-Za-z0-9_.-]*\{version\}[A-Za-z0-9_.-]*")
_URL = re.compile(r"https?://[^\s/@]+/?")


@dataclass(frozen=True)
class Slot:
    """A place for one revision: a service, and the target group its tasks are registered with."""

    service: str
    target_group: str | None = None


@dataclass(frozen=True)
class Traffic:
    """Two slots behind one rule of an Application Load Balancer, whose weights we set."""

    rule: str
    slots: tuple[Slot, Slot]


@dataclass(frozen=True)
class Deploying:
    """How ECS changes a service by itself."""

    way: Way = "rolling"
    bake_minutes: int = 0
    """Both revisions stay after the shift, for an instant return. Not for rolling."""
    percent: float = 10.0
    """Of the traffic: the canary's part, or each linear step."""
    step_minutes: int = 10
    alarms: tuple[str, ...] = ()
    """CloudWatch alarms upon which ECS takes the change back."""


@dataclass(frozen=True)
class Credentials:
    """Who we are to AWS. Without any: the environment's secrets named AWS_..."""

    ambient: bool = False
    """What the service itself has: its variables, files, or the role of its machine."""
    profile: str | None = None
    role: str | None = None
    external_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Settings:
    """What runs, where, and who changes it."""

    root: str
    cluster: str
    region: str | None
    service: str | None
    traffic: Traffic | None
    deploying: Deploying = Deploying()
    image: str | None = None
    """Repository and tag with `{version}` in the tag; None: the repository the service runs."""
    task_definition: str | dict[str, JsonValue] | None = None
    """A file below `root`, or the thing itself; None: the service's own."""
    container: str | None = None
    """Whose image it is; None: the first essential one."""
    replicas: int | None = None
    """None: what the service wants now."""
    ask_tasks: bool = False
    """Ask each task's private address for its health, beside what AWS says of it."""
    kms_key: str | None = None
    credentials: Credentials = Credentials()
    endpoint: str | None = None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Where revisions can be."""
        return self.traffic.slots if self.traffic else (Slot(self.service or ""),)


def settings_of(config: Mapping[str, JsonValue]) -> Settings:
    """The settings in `config`. Raises ProviderConfigInvalid with every problem at once."""
    reader = Reader("aws_ecs", config)
    cluster = reader.take("cluster", _matching(_CLUSTER, "a cluster's name or ARN"), "default")
    of_arn = _CLUSTER.fullmatch(cluster)
    found = Settings(
        root=reader.take("root", str, "."),
        cluster=cluster,
        region=reader.take("region", _matching(_REGION, "a region such as eu-west-1"), None)
        or (of_arn[1] if of_arn else None),
        service=reader.take("service", _matching(_NAME, "a service's name"), None),
        traffic=reader.take("traffic", _traffic, None),
        deploying=reader.take("deployment", _deploying, Deploying()),
        image=reader.take("image", _matching(_IMAGE, "such as registry/shop:{version}"), None),
        task_definition=reader.take("task_definition", _template, None),
        container=reader.take("container", _matching(_NAME, "a container's name"), None),
        replicas=reader.take("replicas", count(1, 5000), None),
        ask_tasks=reader.take("ask_tasks", _truth, False),
        kms_key=reader.take("kms_key", _text, None),
        credentials=Credentials(
            ambient=reader.take("credentials", _ambient, False),
            profile=reader.take("profile", _text, None),
            role=reader.take("role_arn", _matching(_ROLE, "the ARN of a role"), None),
            external_id=reader.take("external_id", _text, None),
        ),
        endpoint=reader.take("endpoint_url", _matching(_URL, "an http url"), None),
    )
    _agree(reader, found)
    reader.finish()
    return found


def _agree(reader: Reader, found: Settings) -> None:
    """What is wrong only together."""
    given = reader.config
    if "service" not in given and "traffic" not in given:
        reader.demand("service", "shop, or `traffic` with two slots")
    if "service" in given and "traffic" in given:
        reader.problems.append("service: the services are those of traffic.slots; leave it out")
    if "deployment" in given and "traffic" in given:
        reader.problems.append(
            "deployment: with `traffic` Orchestrate shifts the traffic, not ECS; keep one of them"
        )
    if found.credentials.ambient and found.credentials.profile:
        reader.problems.append("credentials: ambient and a profile exclude each other")
    if found.credentials.external_id and not found.credentials.role:
        reader.problems.append("external_id: it goes with role_arn")


def _traffic(value: JsonValue) -> Traffic:
    if not isinstance(value, dict) or set(value) != {"rule", "slots"}:
        raise ValueError("it must be {rule: ARN, slots: [two of them]}")
    slots = value["slots"]
    if not isinstance(slots, list) or len(slots) != 2:
        raise ValueError("slots: there must be two of them")
    one, two = (_slot(each) for each in slots)
    if one.service == two.service or one.target_group == two.target_group:
        raise ValueError("slots: each needs a service and a target group of its own")
    return Traffic(_matching(_RULE, "the ARN of a listener rule")(value["rule"]), (one, two))


def _slot(value: JsonValue) -> Slot:
    if not isinstance(value, dict) or set(value) != {"service", "target_group"}:
        raise ValueError("slots: each must be {service: NAME, target_group: ARN}")
    return Slot(
        _matching(_NAME, "a service's name")(value["service"]),
        _matching(_GROUP, "the ARN of a target group")(value["target_group"]),
    )


def _deploying(value: JsonValue) -> Deploying:
    if isinstance(value, str):
        value = {"strategy": value}
    if not isinstance(value, dict):
        raise ValueError(f"it must be one of {', '.join(WAYS)}, or a mapping with `strategy`")
    way = str(value.get("strategy", "rolling")).lower().replace("_", "-")
    if way not in WAYS:
        raise ValueError(f"strategy: it must be one of {', '.join(WAYS)}")
    known = {"strategy", "alarms", *_KEYS[way]}
    unknown = sorted(set(value) - known)
    if unknown:
        raise ValueError(f"{way} has no {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    percent_least = 3.0 if way == "linear" else 0.1
    return Deploying(
        way=way,  # type: ignore[arg-type]  # one of WAYS, which mypy cannot see
        bake_minutes=_minutes("bake", value.get("bake", 0)),
        percent=_percent(value.get("percent", 5 if way == "canary" else 10), percent_least),
        step_minutes=_minutes("every", value.get("every", "6m" if way == "linear" else "10m")),
        alarms=tuple(_texts(value.get("alarms", []))),
    )


_KEYS: Mapping[str, tuple[str, ...]] = {
    "rolling": (),
    "blue-green": ("bake",),
    "linear": ("bake", "percent", "every"),
    "canary": ("bake", "percent", "every"),
}


def _minutes(name: str, value: JsonValue) -> int:
    seconds = duration(value)
    if seconds % 60 or seconds > 86400:
        raise ValueError(f"{name}: it must be whole minutes, at most 24h")
    return int(seconds // 60)


def _percent(value: JsonValue, least: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= 100:
        return float(value)
    raise ValueError(f"percent: it must be a number from {least:g} to 100")


def _texts(value: JsonValue) -> list[str]:
    if isinstance(value, list) and all(isinstance(x, str) and x for x in value):
        return [str(x) for x in value]
    raise ValueError("alarms: it must be a list of names of CloudWatch alarms")


def _template(value: JsonValue) -> str | dict[str, JsonValue]:
    if isinstance(value, dict) and isinstance(value.get("containerDefinitions"), list):
        return value
    if isinstance(value, str) and value and not value.startswith("/") and ".." not in value:
        return value
    raise ValueError("it must be a file beside orchestrate.yaml, or a task definition itself")


def _ambient(value: JsonValue) -> bool:
    if value == "ambient":
        return True
    raise ValueError("it can only be `ambient`; keys belong into `secrets`")


def _truth(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("it must be true or false")


def _text(value: JsonValue) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ValueError("it must be a text")


def _matching(form: re.Pattern[str], what: str) -> Callable[[JsonValue], str]:
    def read(value: JsonValue) -> str:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        raise ValueError(f"it must be {what}")

    return read
