"""Does the expected version run: at every replica, by the platform's word, at the front door?"""

from pydantic import JsonValue

from orchestrate.core.jsonpath import MISSING, value_at
from orchestrate.core.untrusted import clean
from orchestrate.core.verification import VersionRule
from orchestrate.engine.ask import ask
from orchestrate.engine.checks.observed import Found, Memory, Observed, failed, passed
from orchestrate.engine.http import Reply, send
from orchestrate.engine.revealed import masked

NAME = "version"


def check(subject: Observed, memory: Memory) -> Found:
    """Passes at the first look at which everybody answers well, and fails after `patience_s` of
    looks at which somebody does not: one bad answer is not a bad release."""
    problems, answered, asked = _ask_replicas(subject)
    if subject.percent > 0 and not problems:
        problems += _ask_front_door(subject)
    if not problems:
        return passed(NAME, _said(subject, answered, asked), replicas=answered, asked=asked)
    if subject.watched_s >= subject.revision.verify.patience_s:
        return failed(NAME, "; ".join(problems), problems=list[JsonValue](problems))
    return Found(None, problems[0])


def _said(subject: Observed, answered: int, asked: int) -> str:
    """Whom it was asked, and what they said. Of `answered` replicas that run, `asked` have an
    address; the others are taken by the platform's word."""
    revision = subject.revision
    by_header = revision.health.version_header or revision.verify.version
    word = revision.version if by_header else "well"
    door = subject.percent > 0 and subject.seen.address is not None
    run = f"{answered} of {subject.replicas} replicas run"
    if asked:
        text = f"{asked} of {subject.replicas} replicas{' and the front door' * door} answer {word}"
        text += f"; {run}" if asked < answered else ""
    elif door:
        text = f"the front door answers {word}; {run}"
    else:
        text = f"{run}, by the platform's word: none has an address to ask"
    if _told_by_platform(subject):
        return text + f"; all run {_short(revision.artifact.digest)}"
    if not by_header and (asked or door):
        text += "; which version was not asked: health.version_header is not set"
    return text


def _ask_replicas(subject: Observed) -> tuple[list[str], int, int]:
    """What is wrong with the replicas, how many are well, and how many of those answered."""
    revision = subject.revision
    problems: list[str] = []
    well = answered = 0
    for replica in subject.seen.replicas(subject.ref.key):
        if replica.state != "running":
            continue
        wrong = _wrong_artifact(subject, replica.artifact)
        if wrong is None and replica.address is not None:
            wrong = ask(replica.address, revision.health, revision.version).problem
            wrong = wrong or _wrong_version(subject, replica.address, None)
        if wrong:
            problems.append(f"{wrong} (replica {replica.number})")
            continue
        well += 1
        answered += replica.address is not None
    if well < subject.replicas and not problems:
        problems.append(f"{well} of {subject.replicas} replicas run")
    return problems, well, answered


def _ask_front_door(subject: Observed) -> list[str]:
    revision, seen = subject.revision, subject.seen
    percent = seen.percent(subject.ref.key)
    if percent != subject.percent:
        return [f"{percent}% of the traffic is on {revision.version}, not {subject.percent}%"]
    if seen.address is None:
        return []
    problem = ask(seen.address, revision.health, revision.version, subject.host).problem
    problem = problem or _wrong_version(subject, seen.address, subject.host)
    return [f"front door: {problem}"] if problem else []


def _wrong_artifact(subject: Observed, found: str | None) -> str | None:
    """What the platform says it runs, where it says so: an image's digest cannot be cached."""
    expected = subject.revision.artifact.digest
    if found is None or found == expected:
        return None
    return f"the platform runs {_short(found)}, expected {_short(expected)}"


def _told_by_platform(subject: Observed) -> bool:
    replicas = subject.running()
    return bool(replicas) and all(replica.artifact is not None for replica in replicas)


def _wrong_version(subject: Observed, address: str, host: str | None) -> str | None:
    rule = subject.revision.verify.version
    if rule is None:
        return None
    reply = send("GET", address, rule.path, host=host, timeout_s=subject.revision.health.timeout_s)
    if reply.problem:
        return reply.problem
    where, found = _told(rule, reply)
    if found == subject.revision.version:
        return None
    return f"GET {reply.url}: {where} is {found or 'nothing'}, expected {subject.revision.version}"


def _told(rule: VersionRule, reply: Reply) -> tuple[str, str | None]:
    """Where it was looked for, and what stood there."""
    if rule.header is not None:
        found = reply.headers.get(rule.header.lower())
        return rule.header, clean(masked(found), limit=100) if found else None
    path = rule.value or "$"
    try:
        value = value_at(reply.json(), path)
    except ValueError:
        return path, "no JSON"
    return path, clean(masked(str(value)), limit=100) if value is not MISSING else None


def _short(digest: str) -> str:
    scheme, _, rest = digest.rpartition(":")
    return f"{scheme}:{rest[:12]}" if scheme else rest[:12]
