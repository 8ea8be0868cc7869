"""Errors by their code: as they come back from a journal, or from the service."""

from collections.abc import Mapping

from orchestrate.core.errors import OrchestrateError, PermanentError


def known() -> dict[str, type[OrchestrateError]]:
    """Every error class by its code."""
    found: dict[str, type[OrchestrateError]] = {}
    waiting: list[type[OrchestrateError]] = [OrchestrateError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found


def from_dict(data: Mapping[str, object]) -> OrchestrateError:
    """The error that `as_dict` wrote. An unknown code gives a PermanentError with its words."""
    kind = known().get(str(data.get("code")), PermanentError)
    why, fix, details = data.get("why"), data.get("fix"), data.get("details")
    after = data.get("retry_after_s")
    return kind(
        str(data.get("message")),
        why=[str(x) for x in why] if isinstance(why, list) else (),
        fix=[str(x) for x in fix] if isinstance(fix, list) else (),
        details=details if isinstance(details, dict) else None,
        retry_after_s=float(after) if isinstance(after, int | float) else None,
    )
