"""What a workflow reads out of the answers of its steps, and makes of them. Pure."""

from collections.abc import Callable

from pydantic import JsonValue

from orchestrate.core.deployment import Kind
from orchestrate.core.error_codes import from_dict
from orchestrate.core.errors import NotTakenBack, OrchestrateError
from orchestrate.core.plan import Plan
from orchestrate.engine import journal
from orchestrate.engine.journal import Order
from orchestrate.store.database import Session

Json = dict[str, JsonValue]


def noter(seq: int, position: int, text: str, data: Json) -> Callable[[Session], None]:
    return lambda session: journal.note(session, seq, position, text, data)


def object_in(value: JsonValue) -> Json:
    return value if isinstance(value, dict) else {}


def error_in(answer: Json) -> OrchestrateError | None:
    error = answer.get("error")
    return from_dict(error) if isinstance(error, dict) else None


def raise_from(answer: Json) -> None:
    error = error_in(answer)
    if error is not None:
        raise error


def with_evidence(data: Json, memory: Json) -> Json:
    """What a look said, a verdict with the counts it can be computed again from: the look
    remembers them, and they are journalled once."""
    verdict = data.get("verdict")
    if not isinstance(verdict, dict):
        return data
    seen = object_in(memory.get("evidence"))
    evidence: Json = {name: seen[name] for name in seen if name not in ("last", "part")}
    return {**data, "verdict": {**verdict, "evidence": evidence}}


def not_back(seen: Json) -> OrchestrateError | None:
    """Why an undone deployment is not taken back all the same: that is observed, not assumed."""
    wrong = seen.get("elsewhere")
    if isinstance(wrong, dict):
        return from_dict(wrong)
    if seen:
        return None
    return NotTakenBack(
        "everything was undone, and what serves could not be observed",
        why=["the provider does not answer"],
        fix=["orchestrate deploy status"],
    )


def unexpected(error: Exception) -> OrchestrateError:
    return OrchestrateError(
        "an unexpected error ended the deployment",
        why=[f"{type(error).__name__}; the service's log has the trace"],
        fix=["orchestrate doctor"],
    )


def both(first: OrchestrateError, second: OrchestrateError) -> OrchestrateError:
    """The first failure, and what went wrong while it was being undone."""
    joined = type(first)(
        first.message,
        why=[*first.why, f"and taking it back failed: {second.message}", *second.why],
        fix=["look at what serves now: orchestrate deploy status", *second.fix],
    )
    return joined


def as_kept(error: OrchestrateError, plan: Plan) -> OrchestrateError:
    """What ended a deployment that serves all the same, as it is told."""
    version = plan.new.version if plan.new else "what was deployed"
    if plan.kind is Kind.ROLLBACK:
        head, why = "rolled back", "what it replaced was left for a reason"
    else:
        head, why = f"{version} is verified and serves", "it was verified with all the traffic"
    return type(error)(
        f"{head}, and {error.message}",
        why=[*error.why, f"it serves all the same: {why}"],
        fix=["a person must look now: orchestrate deploy status", *error.fix],
        details=error.details,
    )


def requests_during(order: Order, before: Json | None, after: Json) -> Json | None:
    """Requests during the change: totals, lost, and what the new revision saw."""
    if before is None or not after:
        return None
    new = Plan.model_validate(order.plan).new
    total = lost = seen = failed = 0
    for key, value in after.items():
        now, then = _numbers(value), _numbers(before.get(key))
        if now[0] < then[0]:
            then = (0, 0, 0)  # the counters began again
        total += now[0] - then[0]
        lost += now[2] - then[2]
        if new is not None and key == new.key:
            seen, failed = now[0] - then[0], now[1] - then[1]
    return {"total": total, "lost": lost, "seen_by_new": seen, "failed_by_new": failed}


def _numbers(value: JsonValue) -> tuple[int, int, int]:
    if isinstance(value, list) and len(value) == 3:
        total, failed, lost = value
        if isinstance(total, int) and isinstance(failed, int) and isinstance(lost, int):
            return total, failed, lost
    return 0, 0, 0
