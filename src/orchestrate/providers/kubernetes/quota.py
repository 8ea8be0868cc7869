"""Whether the namespace's quotas leave room for one replica more."""

import re
from decimal import Decimal

from orchestrate.core.protocols import Finding
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.objects import Json, Kind, items, name_of, part, text

QUOTA = Kind("v1", "ResourceQuota", "resourcequotas")
RIGHT = ("", QUOTA.plural, "list")
"""Group, resource, verb; a deployment goes without it."""
NAME = "quota"
CODE = "quota_used_up"
COUNTED = ("pods", "count/pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu",
           "limits.memory")  # fmt: skip
"""What every replica takes some of."""
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_UNITS = {
    "": Decimal(1), "m": Decimal("0.001"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip


def findings(api: Api, beside: bool) -> list[Finding]:
    """What is used up of the quotas of every Pod; one with scopes is about some, and is left out.
    Nothing where these credentials may not list quotas: it is a right that is not needed.

    `beside`: the new replicas start while the old ones run, so that what is used up ends the
    deployment; else the old ones may make room.
    """
    if not api.allowed(RIGHT[2], RIGHT[0], RIGHT[1]):
        return []
    listed = items(api.call("get", QUOTA.path(api.namespace), missing=True), "items")
    whole = [q for q in listed if not part(q, "spec").keys() & {"scopes", "scopeSelector"}]
    full = [said for quota in whole for said in _used_up(quota)]
    if full:
        said = f"used up in the namespace: {', '.join(full)}"
        if beside:
            fix = "have the quota raised, or end something else that runs in the namespace"
            return [Finding(NAME, False, said, fix, CODE)]
        return [Finding(NAME, True, f"{said}; what replaces something may still fit")]
    if not whole:
        return []
    return [Finding(NAME, True, f"room in {', '.join(map(name_of, whole))}")]


def _used_up(quota: Json) -> list[str]:
    hard, used = part(quota, "status", "hard"), part(quota, "status", "used")
    return [
        f"{name} ({text(used, name)} of {text(hard, name)}, quota {name_of(quota)})"
        for name in COUNTED
        if (most := _amount(hard.get(name))) is not None
        and (now := _amount(used.get(name))) is not None
        and now >= most
    ]


def _amount(value: object) -> Decimal | None:
    """A quantity as a number; None for what is not there, or not in a usual form."""
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else Decimal(found[1]) * _UNITS[found[2] or ""]
