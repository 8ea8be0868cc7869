"""An HTTPRoute that is somebody else's: what of it is ours to change, as a JSON patch. Pure.

In each rule that leads to the main Service that one's weight is set, and the entry of a colour is
added beside it or taken away. Other backends, filters and rules stay as they are. SSA would own and
replace a rule's whole list; the patch tests what it changes instead, and the write's number.
"""

import math
import re
from collections.abc import Iterable

from orchestrate.core.errors import EdgeFailed
from orchestrate.core.protocols import Write
from orchestrate.providers.kubernetes.colors import NAMES
from orchestrate.providers.kubernetes.objects import (
    PREFIX,
    Json,
    items,
    name_of,
    note,
    number,
    part,
    text,
    version_of,
)
from orchestrate.providers.kubernetes.shape import marks

MOST = 1_000_000
"""The greatest weight that the Gateway API knows."""


def color_of(backend: Json, service: str) -> str | None:
    """The colour whose Service a backend is; None for the main one, and for somebody else's."""
    color = text(backend, "name").removeprefix(f"{service}-")
    return color if color in NAMES or re.fullmatch(r"c\d+", color) else None


def weight_of(backend: Json) -> int:
    """Without a weight it is 1."""
    return number(backend, "weight") if "weight" in backend else 1


def leading_to(rules: Iterable[Json], service: str) -> list[int]:
    """The rules that lead to the main Service."""
    return [
        at
        for at, rule in enumerate(rules)
        if any(text(backend, "name") == service for backend in items(rule, "backendRefs"))
    ]


def operations(
    found: Json, service: str, beside: str | None, percent: int, write: Write
) -> list[Json]:
    """A patch that leads `percent` of what `service` gets to the Service of colour `beside`; none
    where all is so already, by this very write. Raises EdgeFailed."""
    rules = items(found, "spec", "rules")
    at = leading_to(rules, service)
    if not at:
        raise EdgeFailed(
            f"HTTPRoute {name_of(found)} leads nowhere that this program knows",
            why=[f"none of its rules has the backend {service}"],
            fix=[f"give it a rule whose backend is Service {service}"],
        )
    changes: list[Json] = []
    for rule in at:
        path = f"/spec/rules/{rule}/backendRefs"
        changes += _of_rule(path, items(rules[rule], "backendRefs"), service, beside, percent)
    if not changes and note(found, "write-key") == write.key:
        return []
    version: Json = {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(found)}
    return [version, *_marked(found, write), *changes]


def _of_rule(
    path: str, backends: list[Json], service: str, beside: str | None, percent: int
) -> list[Json]:
    """The weights of one rule. Where somebody else's backend shares it all weights grow alike, if
    they must so that ours can be divided: the proportions stay."""
    ours = {at for at, b in enumerate(backends) if text(b, "name") == service}
    main = min(ours)
    colors = {at: color_of(b, service) for at, b in enumerate(backends)}
    mine = {main, *(at for at, color in colors.items() if color)}
    total = sum(weight_of(backends[at]) for at in mine)
    times = 100 // math.gcd(100, total * percent) if percent and total else 1
    if mine == set(range(len(backends))):
        total, times = (100, 1) if percent else (total, 1)
    given = total * times * percent // 100
    wanted = {at: weight_of(b) * times for at, b in enumerate(backends) if at not in mine}
    wanted[main] = total * times - given
    kept = next((at for at, color in colors.items() if color and color == beside), None)
    if percent and kept is not None:
        wanted[kept] = given
    if max(wanted.values()) > MOST:
        raise EdgeFailed(
            "the weights of a route that is not ours cannot be divided so finely",
            why=[f"{path} would have a weight of {max(wanted.values())}, more than {MOST}"],
            fix=["give its backends smaller weights"],
        )
    found: list[Json] = []
    for at, weight in wanted.items():
        if weight_of(backends[at]) != weight:
            found += [_tested(path, at, backends[at]), _weighing(path, at, weight)]
    if percent and kept is None:
        new = {**backends[main], "name": f"{service}-{beside}", "weight": given}
        found += [_tested(path, main, backends[main])]
        found += [{"op": "add", "path": f"{path}/-", "value": new}]
    for at in sorted(mine - set(wanted), reverse=True):
        found += [_tested(path, at, backends[at]), {"op": "remove", "path": f"{path}/{at}"}]
    return found


def _tested(path: str, at: int, backend: Json) -> Json:
    return {"op": "test", "path": f"{path}/{at}/name", "value": text(backend, "name")}


def _weighing(path: str, at: int, weight: int) -> Json:
    # `add` sets a member whether it is there or not.
    return {"op": "add", "path": f"{path}/{at}/weight", "value": weight}


def _marked(found: Json, write: Write) -> list[Json]:
    """Which write made it so, and a test of the one before: a later one is not undone by it."""
    notes = part(found, "metadata", "annotations")
    where = "/metadata/annotations"
    if not notes:
        return [{"op": "add", "path": where, "value": marks(write)}]
    before = text(notes, f"{PREFIX}write")
    path = f"{where}/{PREFIX}write".replace(PREFIX, PREFIX.replace("/", "~1"))
    test: list[Json] = [{"op": "test", "path": path, "value": before}] if before else []
    return test + [
        {"op": "add", "path": f"{where}/{key.replace('/', '~1')}", "value": value}
        for key, value in marks(write).items()
    ]
