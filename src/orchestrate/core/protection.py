"""What protects an environment, and in what a change of its settings would protect it less."""

import math

from orchestrate.core.approval import Approvals
from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.names import version_key
from orchestrate.core.validation import SEVERITIES, Checks, Security


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
    # Without windows and openings every time is open: the first of either closes the others.
    if was.windows or was.openings:
        if was.windows != now.windows:
            found.append("other windows")
        if set(now.openings) - set(was.openings):
            found.append("further openings")
        if was.openings and not (now.windows or now.openings):
            found.append("every time is open")
    if set(was.freezes) - set(now.freezes):
        found.append("a freeze is gone")
    most, more = _hourly(before), _hourly(after)
    if more > most:
        found.append(f"deployments an hour {_said(most)} -> {_said(more)}")
    return found + _asked(before.checks, after.checks)


def _hourly(environment: Environment) -> float:
    limit = environment.limits.deployments_per_hour if environment.limits else None
    return math.inf if limit is None else limit


def _said(hourly: float) -> str:
    return f"{hourly:g}" if hourly < math.inf else "no limit"


def _asked(was: Checks, now: Checks) -> list[str]:
    """In what a version is asked less, or otherwise, before it is deployed. Which of two commands
    or keys is the stricter nobody can say: only a question more is none the weaker."""
    found: list[str] = []
    if gone := sorted(set(was.required) - set(now.required)):
        found.append(f"checks no longer required: {', '.join(gone)}")
    if was.tests is not None and now.tests != was.tests:
        found.append("tests are run otherwise")
    if was.security is not None and not _as_secure(was.security, now.security):
        found.append("other security findings block")
    if was.signature is not None and now.signature != was.signature:
        found.append("other signatures are accepted")
    if (was.tests or was.security) and now.source != was.source:
        found.append("the commit of a version is found otherwise")
    told_by_github = (was.tests and was.tests.github) or (was.security and was.security.github)
    if told_by_github and now.github != was.github:
        found.append("another GitHub is asked")
    if now.max_age_s > was.max_age_s:
        found.append(f"evidence is good for {was.max_age_s:g}s -> {now.max_age_s:g}s")
    if was.floor and (not now.floor or version_key(now.floor) < version_key(was.floor)):
        found.append(f"the oldest version {was.floor} -> {now.floor or 'any'}")
    return found


def _as_secure(was: Security, now: Security | None) -> bool:
    """Whether at least the same findings of the same scan block."""
    if now is None:
        return False
    stricter = SEVERITIES.index(now.threshold) <= SEVERITIES.index(was.threshold)
    fewer = set(now.allow) <= set(was.allow)
    same = now.model_copy(update={"threshold": was.threshold, "allow": was.allow}) == was
    return same and stricter and fewer
