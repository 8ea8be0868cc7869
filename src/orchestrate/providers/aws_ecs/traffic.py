"""The rule of an Application Load Balancer that divides the traffic between two target groups."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrate.core.errors import EdgeFailed, ProviderUnavailable, TemporaryError
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told

if TYPE_CHECKING:
    from types_boto3_elbv2.type_defs import ActionOutputTypeDef, ActionUnionTypeDef

NOTHING = "nothing is deployed here"
READ_BACK_S = 10.0
"""Longest wait for the rule to be read as it was written; then the engine sends it once more."""
AGAIN_S = 0.2
_FINAL = ("forward", "redirect", "fixed-response")


class Rule:
    """One listener rule. Weights by target group; none when it answers by itself."""

    def __init__(self, account: Account, arn: str, read_back_s: float = READ_BACK_S) -> None:
        self._account = account
        self.arn = arn
        self.read_back_s = read_back_s

    def weights(self) -> dict[str, int]:
        """Percent of the traffic by target group, as the rule says now."""
        final = [a for a in self._actions() if a["Type"] in _FINAL]
        if not final or final[0]["Type"] != "forward":
            return {}
        return percents(_forwarded(final[0]))

    def set(self, percent: Mapping[str, int]) -> None:
        """Divide the traffic; nothing given means that the rule answers 404 itself. Returns when it
        was read back so."""
        before = self._actions()
        if not _same(percents_of(before), percent):
            # Whoever must log in first, still must.
            kept: list[ActionUnionTypeDef] = [a for a in before if a["Type"] not in _FINAL]
            with told("the traffic was not divided anew"):
                self._account.elbv2.modify_rule(
                    RuleArn=self.arn, Actions=[*kept, _final(percent, len(kept) + 1)]
                )
        self._read_back(percent)

    def _read_back(self, percent: Mapping[str, int]) -> None:
        until = time.monotonic() + self.read_back_s
        while not _same(found := self.weights(), percent):
            if time.monotonic() >= until:
                raise TemporaryError(
                    "the load balancer does not show the new weights yet",
                    why=[f"asked for {dict(percent)}, it says {found}"],
                    retry_after_s=2.0,
                )
            time.sleep(AGAIN_S)

    def _actions(self) -> Sequence[ActionOutputTypeDef]:
        try:
            with told("the listener rule was not looked at"):
                rules = self._account.elbv2.describe_rules(RuleArns=[self.arn])["Rules"]
        except Absent as problem:
            raise ProviderUnavailable(
                f"there is no listener rule {self.arn}",
                fix=["make it (docs/providers/aws_ecs.md, Setting up), or correct traffic.rule"],
            ) from problem
        return rules[0].get("Actions", []) if rules else []


def percents_of(actions: Sequence[ActionOutputTypeDef]) -> dict[str, int]:
    """Percent by target group in a rule's actions."""
    final = [a for a in actions if a["Type"] in _FINAL]
    return percents(_forwarded(final[0])) if final and final[0]["Type"] == "forward" else {}


def percents(weights: Mapping[str, int]) -> dict[str, int]:
    """Percent from weights between 0 and 999, those without any left out."""
    total = sum(weights.values())
    return {arn: round(100 * w / total) for arn, w in weights.items() if w} if total else {}


def _forwarded(action: ActionOutputTypeDef) -> dict[str, int]:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    if not groups and "TargetGroupArn" in action:
        return {action["TargetGroupArn"]: 1}
    return {g["TargetGroupArn"]: g.get("Weight", 1) for g in groups if "TargetGroupArn" in g}


def _final(percent: Mapping[str, int], order: int) -> ActionUnionTypeDef:
    if not percent:
        return {
            "Type": "fixed-response",
            "Order": order,
            "FixedResponseConfig": {
                "StatusCode": "404",
                "ContentType": "text/plain",
                "MessageBody": NOTHING,
            },
        }
    return {
        "Type": "forward",
        "Order": order,
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": a, "Weight": w} for a, w in percent.items()],
            # A cookie would keep people on a canary that was taken back.
            "TargetGroupStickinessConfig": {"Enabled": False},
        },
    }


def _same(found: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    return {k: v for k, v in found.items() if v} == {k: v for k, v in wanted.items() if v}


def refuse_unhealthy(version: str, serving: int, reasons: Sequence[str]) -> None:
    """Raises EdgeFailed when a revision has no task that could take requests."""
    if serving == 0:
        raise EdgeFailed(
            f"{version} has no healthy target; the traffic was not changed", why=list(reasons)
        )
