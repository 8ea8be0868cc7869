"""Who must approve a change: the keys `requires_approval` and `approvals` of an environment."""

from typing import Literal

from orchestrate.core.approval import Approvals, Factor
from orchestrate.core.config.nodes import Items, Node, Scalar
from orchestrate.core.config.problems import shown
from orchestrate.core.config.scalars import kind_of
from orchestrate.core.config.section import Section, suggestion
from orchestrate.core.environment import EnvironmentType
from orchestrate.core.identity import Role

APPROVAL_KEYS = ("count", "roles", "expires", "from", "same_person")
LONGEST_S = 604800.0
_Role = Literal[Role.APPROVER, Role.ADMIN]
_ROLES: dict[str, _Role] = {"approver": Role.APPROVER, "admin": Role.ADMIN}
_FACTORS = {each.value: each for each in Factor}


def approvals_of(section: Section, kind: EnvironmentType) -> Approvals | None:
    """The rule of an environment of this type; None when no more is said than
    `requires_approval`."""
    rule = section.section("approvals", APPROVAL_KEYS)
    if rule is None:
        return None
    usual = Approvals()
    if "requires_approval" in section.entries and not section.flag("requires_approval", False):
        section.wrong("requires_approval", "is false beside approvals", "remove one of them")
    if "same_person" in rule.entries:
        rule.choice("same_person", ("never",))
    return Approvals(
        count=rule.whole("count", usual.count, 1, 10),
        roles=_roles(rule) or usual.roles,
        expires_s=_expires(rule, usual.expires_s),
        factors=_factors(rule, kind) or usual.factors,
    )


def _expires(rule: Section, default: float) -> float:
    found = rule.duration("expires", default, LONGEST_S)
    if found >= 1:
        return found
    rule.wrong("expires", f"is {found:g}s", "write at least 1s")
    return default


def _roles(rule: Section) -> tuple[_Role, ...]:
    return tuple(_ROLES[word] for word in _words(rule, "roles", tuple(_ROLES)))


def _factors(rule: Section, kind: EnvironmentType) -> tuple[Factor, ...]:
    found = tuple(_FACTORS[word] for word in _words(rule, "from", tuple(_FACTORS)))
    if Factor.ELICITATION in found and kind is EnvironmentType.PRODUCTION:
        rule.wrong(
            "from",
            "takes elicitation, which an agent's client can answer by itself",
            "leave it out in production",
        )
        return tuple(each for each in found if each is not Factor.ELICITATION)
    return found


def _words(rule: Section, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The list below `key`, each one of `known` and none twice."""
    if key not in rule.entries:
        return ()
    node = rule.entries[key][1]
    right = f"write a list of {' and '.join(known)}"
    if not isinstance(node, Items) or not node.nodes:
        rule.wrong(key, f"is {kind_of(node)}" if not isinstance(node, Items) else "is empty", right)
        return ()
    found = [word for each in node.nodes if (word := _word(rule, key, each, known)) is not None]
    return tuple(dict.fromkeys(found))


def _word(rule: Section, key: str, node: Node, known: tuple[str, ...]) -> str | None:
    if isinstance(node, Scalar) and node.text in known:
        return node.text
    said = shown(node.text) if isinstance(node, Scalar) else kind_of(node)
    hint = suggestion(node.text, known) if isinstance(node, Scalar) else ""
    rule.problems.add(
        node.place, f"{rule.path(key)} holds {said}", f"{hint}known are {', '.join(known)}"
    )
    return None
