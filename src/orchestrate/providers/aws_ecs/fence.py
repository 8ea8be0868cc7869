"""Who wrote last, kept in tags of the services and of the listener rule.

Each write leaves a tag of its own, named by its number, reads all of them again, and goes on only
when none is higher. So a late writer does not hide a newer one by writing over its tag. AWS has no
write that is conditional on a tag: what remains is the moment between that reading and the call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrate.core.errors import FencedOut
from orchestrate.core.protocols import Write
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import told

PREFIX = "orchestrate:"
_WRITE = re.compile(rf"{PREFIX}write-(\d+)")
_FIT = re.compile(r"[^\w .:/=+@-]")
LONGEST = 256
"""Characters of a tag's value."""

Tags = Mapping[str, str]


@dataclass(frozen=True)
class Mark:
    """One write that was seen."""

    number: int
    lease: str
    key: str


def marks(tags: Tags) -> list[Mark]:
    """Writes in the tags of a resource, newest first."""
    found = []
    for name, value in tags.items():
        if match := _WRITE.fullmatch(name):
            lease, _, key = value.partition(" ")
            found.append(Mark(int(match[1]), lease, key))
    return sorted(found, key=lambda mark: mark.number, reverse=True)


def marks_in(every: Iterable[Tags]) -> list[Mark]:
    """Writes in the tags of several resources."""
    return [mark for tags in every for mark in marks(tags)]


def check(write: Write, seen: list[Mark]) -> bool:
    """Whether this very write was seen before. Raises FencedOut when a newer one was, or another
    of its number."""
    newest = max(seen, key=lambda mark: mark.number, default=None)
    if newest is not None and newest.number > write.number:
        raise _late(write, newest)
    twins = [mark for mark in seen if mark.number == write.number]
    for mark in twins:
        if mark.key != value_of(write).partition(" ")[2]:
            raise _late(write, mark)
    return bool(twins)


def value_of(write: Write) -> str:
    """`lease key`, as a tag can hold it."""
    lease = _FIT.sub("_", write.lease.replace(" ", "_")) or "-"
    return f"{lease[:60]} {_FIT.sub('_', write.key)}"[:LONGEST]


def name_of(write: Write) -> str:
    return f"{PREFIX}write-{write.number}"


def outdated(tags: Tags, write: Write) -> list[str]:
    """Names of the tags of earlier writes."""
    return [
        name for name in tags if (match := _WRITE.fullmatch(name)) and int(match[1]) < write.number
    ]


def _late(write: Write, newest: Mark) -> FencedOut:
    return FencedOut(
        "a newer change of this environment was made already; this one was not",
        why=[f"write {write.number} ({write.key}) came after {newest.number} ({newest.key})"],
    )


class Tagging:
    """Tags of services and of a listener rule."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def put(self, arn: str, tags: Tags, gone: list[str]) -> None:
        """Write tags, and take others away."""
        if ":listener-rule/" in arn:
            self._put_rule(arn, tags, gone)
        else:
            self._put_service(arn, tags, gone)

    def of_rule(self, arn: str) -> dict[str, str]:
        """The tags of a listener rule."""
        with told("the rule's tags were not read"):
            answer = self._account.elbv2.describe_tags(ResourceArns=[arn])
        found = [d for d in answer["TagDescriptions"] if d.get("ResourceArn") == arn]
        return {t["Key"]: t.get("Value", "") for d in found for t in d.get("Tags", ())}

    def _put_service(self, arn: str, tags: Tags, gone: list[str]) -> None:
        with told("the service was not tagged; nothing was changed"):
            self._account.ecs.tag_resource(
                resourceArn=arn, tags=[{"key": k, "value": v} for k, v in tags.items()]
            )
            if gone:
                self._account.ecs.untag_resource(resourceArn=arn, tagKeys=gone)

    def _put_rule(self, arn: str, tags: Tags, gone: list[str]) -> None:
        with told("the rule was not tagged; nothing was changed"):
            self._account.elbv2.add_tags(
                ResourceArns=[arn], Tags=[{"Key": k, "Value": v} for k, v in tags.items()]
            )
            if gone:
                self._account.elbv2.remove_tags(ResourceArns=[arn], TagKeys=gone)
