"""Does it log errors that the old revision does not log, or logs far less often?

Lines are errors by words, not by regular expressions, which a line could make slow. Lines that
differ in nothing but numbers, identifiers and quoted texts are one kind.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import JsonValue

from orchestrate.core.chance import at_least
from orchestrate.core.protocols import LogLine
from orchestrate.core.untrusted import clean
from orchestrate.core.verification import LogRules
from orchestrate.engine.checks.observed import (
    Found,
    Logged,
    Memory,
    Observed,
    failed,
    passed,
    skipped,
)

NAME = "logs"
FIX = "mend it, or list lines that are no errors below verify.logs.allow"
BY_ACCIDENT = 0.001
SHOWN = 5
RECORDED = 40
"""Kinds that are kept: the next release's are compared with them."""
LONGEST = 500
"""Characters of a line that are looked at."""
_VARYING = re.compile(r"\"[^\"]*\"|'[^']*'|\b(?=[0-9a-fA-F-]*[0-9])[0-9a-fA-F-]{4,}\b|[0-9]+")
"""Linear: no part of it can match what another part has just matched."""


def check(subject: Observed, memory: Memory) -> Found:
    """Reads the newest lines of both revisions once, after everything else was asked.

    The new one's begin at its start and the old one's usually do not, so what the old one logged
    when it was verified itself counts too. Where its start was not recorded then, errors that the
    new one logs at its own start alone are not held against it.
    """
    rules = subject.revision.verify.logs
    if rules is None:
        return skipped(NAME, "not asked")
    lines = list(subject.provider.logs(subject.ref, rules.lines))
    before = _before(subject, rules)
    mine = kinds([line.text for line in lines], rules)
    errors = sum(mine.values())
    evidence: dict[str, JsonValue] = {
        "lines": len(lines),
        "whole": _whole(lines, rules),
        "errors": errors,
        "baseline_lines": sum(each.lines for each in before),
        "baseline_errors": sum(sum(each.kinds.values()) for each in before),
        "untrusted_kinds": dict(mine.most_common(RECORDED)),
    }
    if subject.baseline is not None and not before:
        text = f"{errors} of {len(lines)} lines are errors; nothing of the old one's log is left"
        return replace(skipped(NAME, f"{text}, so nothing is compared"), evidence=evidence)
    if subject.baseline is not None and not (subject.beginning and subject.beginning.whole):
        mine = kinds(_later(lines), rules)
    bad = _bad(mine, len(lines), before, rules)
    if not bad:
        text = f"{errors} of {len(lines)} lines are errors, none of them new or much more often"
        return passed(NAME, text, **evidence)
    number = "1 kind of error" if len(bad) == 1 else f"{len(bad)} kinds of errors"
    found = failed(NAME, f"{number} logged: {bad[0][0]}", FIX, **evidence)
    shown = tuple(f"untrusted | {kind}" for _, kind in bad[:SHOWN])
    return replace(found, lines=shown)


def _before(subject: Observed, rules: LogRules) -> list[Logged]:
    """What the old one logged: of late, and when it was verified itself. Empty where nothing is
    known: it does not run any more, and its log went with it."""
    if subject.baseline is None:
        return []
    lines = [line.text for line in subject.provider.logs(subject.baseline, rules.lines)]
    runs = any(r.state == "running" for r in subject.seen.replicas(subject.baseline.key))
    found = [Logged(len(lines), kinds(lines, rules))] if lines or runs else []
    return [*found, subject.beginning] if subject.beginning else found


def _whole(lines: Sequence[LogLine], rules: LogRules) -> bool:
    """Whether each replica wrote less than is read."""
    return max(Counter(line.replica for line in lines).values(), default=0) < rules.lines


def _later(lines: Sequence[LogLine]) -> list[str]:
    """The later half of what each replica wrote."""
    by_replica: dict[int, list[str]] = {}
    for line in lines:
        by_replica.setdefault(line.replica, []).append(line.text)
    return [text for texts in by_replica.values() for text in texts[len(texts) // 2 :]]


def _bad(
    mine: Counter[str], lines: int, before: Sequence[Logged], rules: LogRules
) -> list[tuple[str, str]]:
    """What is said of each kind that counts against the release, and the kind."""
    found = []
    for kind, count in mine.most_common():
        olds = [(each.kinds.get(kind, 0), each.lines) for each in before] or [(0, 0)]
        if count < rules.at_least:
            continue
        if all(_worse(count, lines, old, of, rules.times) for old, of in olds):
            old, of = max(olds)
            seen = "never" if old == 0 else f"{old} times in {of} lines"
            found.append((f"{count} times in {lines} lines, the old one {seen}", kind))
    return found


def kinds(lines: Sequence[str], rules: LogRules) -> Counter[str]:
    """Error lines by what they have in common."""
    found: Counter[str] = Counter()
    for line in lines:
        text = line[:LONGEST].lower()
        if not any(mentions(text, pattern) for pattern in rules.patterns):
            continue
        if any(mentions(text, pattern) for pattern in rules.allow):
            continue
        found[clean(_VARYING.sub("#", line[:LONGEST]), limit=200)] += 1
    return found


def mentions(text: str, pattern: str) -> bool:
    """Whether lower-case `text` holds the words of `pattern`, whole, in this order; between its
    parts stands anything where it has a `*`. The time is linear in the text for each part."""
    at = 0
    for part in filter(None, pattern.lower().split("*")):
        at = _find_word(text, part, at)
        if at < 0:
            return False
    return True


def _find_word(text: str, part: str, start: int) -> int:
    """Where the text goes on after `part` as a whole word, from `start` on; -1 if nowhere."""
    while (at := text.find(part, start)) >= 0:
        end = at + len(part)
        left = at == 0 or not (text[at - 1].isalnum() and part[0].isalnum())
        right = end == len(text) or not (text[end].isalnum() and part[-1].isalnum())
        if left and right:
            return end
        start = at + 1
    return -1


def _worse(new: int, new_lines: int, old: int, old_lines: int, times: float) -> bool:
    """Whether `new` of `new_lines` are surely more than `old` of `old_lines`, and at least `times`
    as often. Given all of them, each falls to the new one by its share of lines."""
    if old == 0 or old_lines == 0:
        return old == 0
    if new * old_lines < times * old * new_lines:
        return False
    return at_least(new, new + old, new_lines / (new_lines + old_lines)) < BY_ACCIDENT
