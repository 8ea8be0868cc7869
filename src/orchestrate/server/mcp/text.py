"""Documents in a few lines of words; a line from outside begins with UNTRUSTED."""

from orchestrate.core import words
from orchestrate.core.approval import State
from orchestrate.core.canonical import short
from orchestrate.core.deployment import Phase, StepState
from orchestrate.tools.analysis_documents import AnalysisDocument
from orchestrate.tools.approval_documents import AskedDocument
from orchestrate.tools.documents import (
    CheckDocument,
    DeploymentDocument,
    DeploymentList,
    Document,
    EnvironmentDocument,
    ErrorDocument,
    ExpectedDocument,
    LogDocument,
    OverviewDocument,
    PlanDocument,
)
from orchestrate.tools.present import UNTRUSTED
from orchestrate.tools.validation_documents import ValidationDocument

LOG_CHARACTERS = 8000
"""Newest log lines that are told as text too; the document has more of them."""


def lines(document: Document) -> list[str]:
    """What a document says, ending with the calls that make sense now."""
    match document:
        case DeploymentDocument():
            found = _deployment(document)
        case PlanDocument():
            found = _plan(document)
        case ValidationDocument():
            found = _validation(document)
        case EnvironmentDocument():
            found = _environment(document)
        case OverviewDocument():
            found = _overview(document)
        case DeploymentList():
            found = _history(document)
        case LogDocument():
            found = _log(document)
        case AnalysisDocument():
            found = _analysis(document)
        case AskedDocument():
            found = _asked(document)
        case _:
            raise TypeError(f"no words for {type(document).__name__}")
    following = [each for each in getattr(document, "next", []) if not _for_people(each)]
    return [*found, f"next: {'; '.join(following)}"] if following else found


def headline(document: DeploymentDocument) -> str:
    """`d142 succeeded: production serves 1.4.2, was 1.4.1 (24m 39s).`"""
    if not document.terminal:
        paused = " (paused)" if document.paused else ""
        return f"{document.id} {document.summary}{paused}."
    took = "" if document.duration_s is None else f" ({words.took(document.duration_s)})"
    return f"{document.id} {words.word(document.phase)}: {document.summary}{took}."


def _deployment(document: DeploymentDocument) -> list[str]:
    done = sum(step.state not in (StepState.WAITING, StepState.RUNNING) for step in document.steps)
    running = [step for step in document.steps if step.state is StepState.RUNNING]
    found = [headline(document)]
    if not document.terminal:
        found.append(f"{done} of {len(document.steps)} steps done")
    found += [f"now: {step.title}: {step.text}" for step in running if step.text]
    found += _people(document)
    if document.serving and document.serving.weights_percent:
        found.append(f"traffic: {_weights(document.serving.weights_percent)}")
    if document.requests and document.requests.lost:
        lost, total = document.requests.lost, document.requests.total
        found.append(f"lost: {lost:,} of {total:,} requests")
    found += _checks(document)
    found += [f"cannot be undone: {each}" for each in document.remains]
    if document.quarantined:
        found.append(f"{document.to_version} is quarantined in {document.environment}")
    return [*found, *(_error(document.error) if document.error else [])]


def _people(document: DeploymentDocument) -> list[str]:
    """Who must still say yes, or did."""
    approval = document.approval
    if approval is None:
        return []
    glass = f"; breaks the glass: {approval.break_glass}" if approval.break_glass else ""
    if document.phase is Phase.AWAITING_APPROVAL:
        has = f"{approval.has} of {approval.needs} from {' or '.join(approval.roles)}"
        where = (
            f"open {approval.url} or run {approval.command}"
            if approval.url
            else (f"run {approval.command}")
        )
        return [f"waits for people: {has}, until {approval.expires_at:%H:%M} UTC{glass}",
                f"a person, not the one who asked, decides: {where}"]  # fmt: skip
    by = f" by {', '.join(approval.by)}" if approval.by else ""
    return [f"approval {approval.id}: {approval.state}{by}{glass}"]


def _asked(document: AskedDocument) -> list[str]:
    found = [document.summary]
    if document.state is State.WAITING:
        found.append(f"has {document.has} of {document.needs}; you cannot give it, a person does")
    return found


def _checks(document: DeploymentDocument) -> list[str]:
    """How many checks after the change passed, and those that did not."""
    good = sum(check.result == "pass" for check in document.checks)
    found = [f"checks: {good} of {len(document.checks)} passed"] if document.checks else []
    for check in document.checks:
        if check.result != "pass":
            found.append(f"{check.result}: {check.name}: {check.text}")
    return found


def _error(error: ErrorDocument) -> list[str]:
    found = [f"error[{error.code}]: {error.message}"]
    found += [f"why: {why}" for why in error.why]
    found += [f"{UNTRUSTED}{line}" for line in error.untrusted_lines]
    return found + [f"fix: {remedy}" for remedy in error.fix]


def _plan(document: PlanDocument) -> list[str]:
    found = [document.summary]
    if document.nothing_to_do:
        return found
    for change in document.changes:
        moved = f"{change.before or 'nothing'} -> {change.after or 'nothing'}"
        found.append(f"change: {change.what} {change.name}".rstrip() + f": {moved}")
    found += [f"step {n}: {step.title}" for n, step in enumerate(document.steps, 1)]
    back = document.rollback
    if back is None:
        found.append("way back: none, nothing was live")
    else:
        able = "restorable" if back.restorable else "NOT restorable"
        lost = f"; lost: {', '.join(back.lost)}" if back.lost else ""
        found.append(f"way back: {back.version} ({back.revision}), {able}{lost}")
    found += [f"cannot be undone: {each}" for each in document.remains]
    if document.at_least_s:
        found.append(f"takes at least {words.took(document.at_least_s)}")
    if document.analysis:
        found += _expected(document.analysis)
    if document.window:
        found.append(f"window: {document.window}")
    if document.on_close:
        found.append(f"if the window closes on it: {document.on_close}")
    if document.needs_approval:
        found.append("needs an approval, which only another person can give: start it, it waits")
    if document.needs_confirmation:
        found.append("needs a person's yes at the command line")
    return [*found, f"digest: {short(document.digest)}"]


def _expected(expected: ExpectedDocument) -> list[str]:
    seen = [f"{r.times:g} times in {words.took(r.after_s)}" for r in expected.sees if r.after_s]
    found = [f"sees a rise of errors at {expected.percent}%: {', '.join(seen)}"] if seen else []
    return [*found, *([f"analysis: {expected.problem}"] if expected.problem else [])]


def _validation(document: ValidationDocument) -> list[str]:
    found = [document.summary]
    for check in document.checks:
        found.append(f"{check.result}: {check.name}: {check.text}{_stands_on(check)}")
        if check.fix and check.result in ("fail", "error"):
            found.append(f"fix: {check.fix}")
    return found


def _stands_on(check: CheckDocument) -> str:
    """What an answer was about, where that is a commit or a digest."""
    found = check.evidence
    if found is None or ":" not in found.about:
        return ""
    again = ", seen before" if found.reused else ""
    return f" [{found.about[:19]}, {found.at:%Y-%m-%dT%H:%M:%SZ}{again}]"


def _environment(document: EnvironmentDocument) -> list[str]:
    found = [document.summary]
    if document.window:
        found.append(f"window: {document.window.text}")
    if document.weights_percent:
        found.append(f"traffic: {_weights(document.weights_percent)}")
    if document.address:
        found.append(f"address: {document.address}")
    if document.rollback_target:
        back = document.rollback_target
        able = "restorable" if back.restorable else "NOT restorable"
        found.append(f"way back: {back.version} ({back.revision}), {able}")
    if document.quarantined:
        found.append(f"quarantined: {', '.join(document.quarantined)}")
    found += [f"drift: {each}" for each in document.drift]
    allowed = [action.action for action in document.allowed_actions if action.allowed]
    return [*found, f"allowed: {', '.join(allowed) or 'nothing now'}"]


def _overview(document: OverviewDocument) -> list[str]:
    found = [document.summary]
    for row in document.items:
        live = f"{row.live.version}, {row.health}" if row.live else "nothing is live"
        now = f"; {row.now.id} is {words.word(row.now.phase)}" if row.now else ""
        found.append(f"{row.app}/{row.name}: {live}{now}")
    return found


def _history(document: DeploymentList) -> list[str]:
    found = [words.counted(len(document.items), "deployment")]
    for row in document.items:
        moved = words.change(row.from_version, row.to_version)
        glass = f" (broke the glass: {row.break_glass})" if row.break_glass else ""
        found.append(f"{row.id} {row.environment} {moved}: {words.word(row.phase)}{glass}")
    if document.next_cursor:
        found.append(f"older: list_deployments(cursor='{document.next_cursor}')")
    return found


def _log(document: LogDocument) -> list[str]:
    kept: list[str] = []
    size = 0
    for line in reversed(document.untrusted_lines):
        size += len(line)
        if size > LOG_CHARACTERS:
            break
        kept.append(f"{UNTRUSTED}{line}")
    number = words.counted(len(document.untrusted_lines), "line")
    shown = "" if len(kept) == len(document.untrusted_lines) else f", the newest {len(kept)} here"
    cut = "; older ones were left out" if document.truncated else ""
    found = [f"{number} of {document.version} in {document.environment}{shown}{cut}"]
    return found + kept[::-1]


def _analysis(document: AnalysisDocument) -> list[str]:
    found = [document.summary]
    for metric in document.metrics:
        new = words.share(metric.new.failed, metric.new.total)
        old = words.share(metric.old.failed, metric.old.total)
        found.append(f"{metric.metric}: {document.to_version} {new}, the old one {old}")
        if metric.difference is not None:
            bounds = (metric.lower, metric.upper)
            known = [f"{100 * each:+.2f}" for each in bounds if each is not None]
            sure = f", surely {' to '.join(known)}" if known else ", too few buckets for bounds"
            found.append(f"difference: {100 * metric.difference:+.2f} points{sure}")
        enough = f"refused from {metric.refused_from:g}"
        found.append(f"evidence of harm {metric.evidence:.3g}, {enough}")
        if not metric.baseline_agrees:
            found.append("the old version disagrees with itself: not compared")
    return found


def _weights(percent: dict[str, int]) -> str:
    return ", ".join(f"{share}% on {version}" for version, share in percent.items())


def _for_people(following: str) -> bool:
    return following.startswith("orchestrate ")
