"""Who must approve a change: the keys `requires_approval` and `approvals` of an environment."""

from typing import Literal

from orchestrate.core.approval import Approvals, Factor
from orchestrate.core.config.nodes import Items, Node, Scalar
from orchestrate.core.config.problems import shown
from orchestrate.core.config.scalars import kind_of
from orchestrate.core.config.section import Section, suggestion
from orchestrate.core.identity import Role

APPROVAL_KEYS = ("count", "roles", "expires", "from", "same_person")
LONGEST_S = 604800.0
_Role = Literal[Role.APPROVER, Role.ADMIN]
_ROLES: dict[str, _Role] = {"approver": Role.APPROVER, "admin": Role.ADMIN}
_FACTORS = {each.value: each for each in Factor if each is not Factor.ELICITATION}


def approvals_of(section: Section) -> Approvals | None:
    """The rule of an environment; None when no more is said than `requires_approval`."""
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
        factors=_factors(rule) or usual.factors,
    )


def _expires(rule: Section, default: float) -> float:
    found = rule.duration("expires", default, LONGEST_S)
    if found >= 1:
        return found
    rule.wrong("expires", f"is {found:g}s", "write at least 1s")
    return default


def _roles(rule: Section) -> tuple[_Role, ...]:
    return tuple(_ROLES[word] for word in _words(rule, "roles", tuple(_ROLES)))


def _factors(rule: Section) -> tuple[Factor, ...]:
    """What an agent's client answers is not counted by anything here: a rule that takes it would
    promise a way that does not exist, and alone it could never be met."""
    words = _words(rule, "from", tuple(_FACTORS), refused=Factor.ELICITATION.value)
    if Factor.ELICITATION.value in words:
        rule.wrong(
            "from",
            "takes elicitation, which is not counted: an agent's client can answer by itself",
            f"leave it out; write some of {', '.join(_FACTORS)}",
        )
    return tuple(_FACTORS[word] for word in words if word in _FACTORS)


def _words(
    rule: Section, key: str, known: tuple[str, ...], refused: str | None = None
) -> tuple[str, ...]:
    """The list below `key`, each one of `known` and none twice; `refused` is for who calls."""
    if key not in rule.entries:
        return ()
    node = rule.entries[key][1]
    right = f"write a list of {' and '.join(known)}"
    if not isinstance(node, Items) or not node.nodes:
        rule.wrong(key, f"is {kind_of(node)}" if not isinstance(node, Items) else "is empty", right)
        return ()
    found: dict[str, None] = {}
    for each in node.nodes:
        if refused is not None and isinstance(each, Scalar) and each.text == refused:
            found[refused] = None
        elif (word := _word(rule, key, each, known)) is not None:
            found[word] = None
    return tuple(found)


def _word(rule: Section, key: str, node: Node, known: tuple[str, ...]) -> str | None:
    if isinstance(node, Scalar) and node.text in known:
        return node.text
    said = shown(node.text) if isinstance(node, Scalar) else kind_of(node)
    hint = suggestion(node.text, known) if isinstance(node, Scalar) else ""
    rule.problems.add(
        node.place, f"{rule.path(key)} holds {said}", f"{hint}known are {', '.join(known)}"
    )
    return None
