"""Objects of a cluster as plain dicts: their kinds, their parts, and the names we give them.

No typed models: strict ones have failed on real answers (a Lease without microseconds, an event
without a time), and the fields read here are few.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

Json = dict[str, object]

PREFIX = "orchestrate/"
MANAGER = "orchestrate"
"""Owner of the fields that a revision decides."""
SCALER = "orchestrate-scale"
"""Owner of `spec.replicas`, apart, so that an autoscaler can have that field alone."""


@dataclass(frozen=True)
class Kind:
    """A kind of object as the API's paths have it."""

    api: str
    """`v1`, or group and version such as `apps/v1`."""
    name: str
    plural: str

    @property
    def group(self) -> str:
        return self.api.rpartition("/")[0]

    def path(self, namespace: str, name: str = "", part: str = "") -> str:
        root = "api" if "/" not in self.api else "apis"
        words = [root, self.api, "namespaces", namespace, self.plural, name, part]
        return "/" + "/".join(word for word in words if word)


DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
POD = Kind("v1", "Pod", "pods")
EVENT = Kind("v1", "Event", "events")
SERVICE = Kind("v1", "Service", "services")
SECRET = Kind("v1", "Secret", "secrets")
SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")


def part(found: Mapping[str, object], *names: str) -> Json:
    """An object inside an object; empty when it is not there."""
    here: object = found
    for name in names:
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}


def items(found: Mapping[str, object], *names: str) -> list[Json]:
    """The objects of a list inside an object."""
    here = part(found, *names[:-1]).get(names[-1])
    return [each for each in here if isinstance(each, dict)] if isinstance(here, list) else []


def text(found: Mapping[str, object], *names: str) -> str:
    """A text inside an object; empty when it is not there."""
    here = part(found, *names[:-1]).get(names[-1])
    return here if isinstance(here, str) else ""


def number(found: Mapping[str, object], *names: str) -> int:
    """A whole number inside an object, as a number or a text; 0 when it is not there."""
    here = part(found, *names[:-1]).get(names[-1])
    if isinstance(here, str) and here.isdigit():
        return int(here)
    return here if isinstance(here, int) and not isinstance(here, bool) else 0


def name_of(found: Mapping[str, object]) -> str:
    return text(found, "metadata", "name")


def uid_of(found: Mapping[str, object]) -> str:
    return text(found, "metadata", "uid")


def version_of(found: Mapping[str, object]) -> str:
    return text(found, "metadata", "resourceVersion")


def label(found: Mapping[str, object], name: str) -> str:
    return text(found, "metadata", "labels", PREFIX + name)


def note(found: Mapping[str, object], name: str) -> str:
    """One of our annotations."""
    return text(found, "metadata", "annotations", PREFIX + name)


def condition(found: Mapping[str, object], kind: str) -> Json:
    """The condition of a kind in an object's status; empty when it is not there."""
    for each in items(found, "status", "conditions"):
        if each.get("type") == kind:
            return each
    return {}


def owners_of(found: Mapping[str, object], *path: str) -> list[str]:
    """Field managers that own the field at `path`, such as `f:spec`, `f:replicas`: `name`, or
    `name (scale)` for one that writes a subresource."""
    owners = []
    for entry in items(found, "metadata", "managedFields"):
        here = part(entry, "fieldsV1", *path[:-1])
        if path[-1] in here:
            sub = text(entry, "subresource")
            owners.append(text(entry, "manager") + (f" ({sub})" if sub else ""))
    return owners


def template_owners(found: Mapping[str, object]) -> list[str]:
    """Others who own a field of a Deployment's template: those that came after our last apply,
    where the API tells the times, the last first."""
    entries = items(found, "metadata", "managedFields")
    mine = [e for e in entries if (text(e, "manager"), text(e, "operation")) == (MANAGER, "Apply")]
    since = max((text(e, "time") for e in mine), default="")
    others = [e for e in entries if e not in mine and part(e, "fieldsV1", "f:spec", "f:template")]
    late = [e for e in others if text(e, "time") >= since] or others
    late.sort(key=lambda e: text(e, "time"), reverse=True)
    return list(dict.fromkeys(text(e, "manager") for e in late))


def micro_time(at: datetime) -> str:
    """A time with exactly six decimals: the API refuses a Lease with fewer."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
