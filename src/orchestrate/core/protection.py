"""What protects an environment, and in what a change of its settings would protect it less."""

from orchestrate.core.approval import Approvals
from orchestrate.core.environment import Environment, EnvironmentType


def rule_of(environment: Environment) -> Approvals | None:
    """What a change of `environment` must be approved by; None when by nobody."""
    if environment.approvals is not None:
        return environment.approvals
    return Approvals() if environment.requires_approval else None


def weakened(before: Environment, after: Environment) -> tuple[str, ...]:
    """In what `after` asks less of a change than `before`; empty where it asks as much or more."""
    found: list[str] = []
    if before.type is EnvironmentType.PRODUCTION and after.type is not EnvironmentType.PRODUCTION:
        found.append(f"type {before.type.value} -> {after.type.value}")
    found += _times(before, after)
    was, now = rule_of(before), rule_of(after)
    if was is None:
        return tuple(found)
    if now is None:
        return (*found, "approvals are no longer required")
    if now.count < was.count:
        found.append(f"approvers {was.count} -> {now.count}")
    if more := sorted(role.value for role in set(now.roles) - set(was.roles)):
        found.append(f"further roles may approve: {', '.join(more)}")
    if ways := sorted(each.value for each in set(now.factors) - set(was.factors)):
        found.append(f"further ways to approve: {', '.join(ways)}")
    if now.expires_s > was.expires_s:
        found.append(f"an approval is good for {was.expires_s:g}s -> {now.expires_s:g}s")
    return tuple(found)


def _times(before: Environment, after: Environment) -> list[str]:
    """In what times and checks that kept changes of a protected environment out are fewer. Of two
    sets of windows nobody can say in one line which is the stricter: any other one is told."""
    if not before.guarded and rule_of(before) is None:
        return []
    found: list[str] = []
    was, now = before.calendar, after.calendar
    if was.windows and was.windows != now.windows:
        found.append("other windows")
    if set(now.openings) - set(was.openings):
        found.append("further openings")
    if set(was.freezes) - set(now.freezes):
        found.append("a freeze is gone")
    if gone := sorted(set(before.checks.required) - set(after.checks.required)):
        found.append(f"checks no longer required: {', '.join(gone)}")
    return found
