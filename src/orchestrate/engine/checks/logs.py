"""Does it log errors that the old revision does not log, or logs far less often?

Lines are errors by words, not by regular expressions, which a line could make slow. Lines that
differ in nothing but numbers, identifiers and quoted texts are one kind.
"""

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import JsonValue

from orchestrate.core.chance import at_least
from orchestrate.core.untrusted import clean
from orchestrate.core.verification import LogRules
from orchestrate.engine.checks.observed import Found, Memory, Observed, failed, passed, skipped

NAME = "logs"
FIX = "mend it, or list lines that are no errors below verify.logs.allow"
BY_ACCIDENT = 0.001
SHOWN = 5
LONGEST = 500
"""Characters of a line that are looked at."""
_VARYING = re.compile(r"\"[^\"]*\"|'[^']*'|\b(?=[0-9a-fA-F-]*[0-9])[0-9a-fA-F-]{4,}\b|[0-9]+")
"""Linear: no part of it can match what another part has just matched."""


def check(subject: Observed, memory: Memory) -> Found:
    """Reads the newest lines of both revisions once, after everything else was asked."""
    rules = subject.revision.verify.logs
    if rules is None:
        return skipped(NAME, "not asked")
    new = _lines(subject, subject.ref.key, rules)
    old = _lines(subject, subject.baseline.key, rules) if subject.baseline else []
    mine, theirs = kinds(new, rules), kinds(old, rules)
    bad: list[str] = []
    for kind, count in mine.most_common():
        before = theirs.get(kind, 0)
        if count >= rules.at_least and _worse(count, len(new), before, len(old), rules.times):
            seen = "never" if before == 0 else f"{before} times in {len(old)} lines"
            bad.append(f"{count} times in {len(new)} lines, the old one {seen}: {kind}")
    errors = sum(mine.values())
    evidence: dict[str, JsonValue] = {
        "lines": len(new),
        "errors": errors,
        "baseline_lines": len(old),
        "baseline_errors": sum(theirs.values()),
        "untrusted_kinds": dict(mine.most_common(SHOWN)),
    }
    if not bad:
        text = f"{errors} of {len(new)} lines are errors, none of them new or much more often"
        return passed(NAME, text, **evidence)
    heads = [each.partition(": ")[0] for each in bad]
    number = "1 kind of error" if len(bad) == 1 else f"{len(bad)} kinds of errors"
    found = failed(NAME, f"{number} logged: {heads[0]}", FIX, **evidence)
    lines = tuple(f"untrusted | {each.partition(': ')[2]}" for each in bad[:SHOWN])
    return Found(found.result, evidence=found.evidence, lines=lines)


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


def _lines(subject: Observed, key: str, rules: LogRules) -> list[str]:
    revision = subject.ref if key == subject.ref.key else subject.baseline
    assert revision is not None
    return [line.text for line in subject.provider.logs(revision, rules.lines)]


def _worse(new: int, new_lines: int, old: int, old_lines: int, times: float) -> bool:
    """Whether `new` of `new_lines` are surely more than `old` of `old_lines`, and at least `times`
    as often. Given all of them, each falls to the new one by its share of lines."""
    if old == 0 or old_lines == 0:
        return old == 0
    if new * old_lines < times * old * new_lines:
        return False
    return at_least(new, new + old, new_lines / (new_lines + old_lines)) < BY_ACCIDENT
