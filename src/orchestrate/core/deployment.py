"""A deployment's phases and the one table of legal moves."""

from enum import StrEnum

from orchestrate.core.errors import NotNow


class Phase(StrEnum):
    """Where a deployment stands."""

    PENDING = "pending"
    """Accepted; waits for its turn in the environment."""
    VALIDATING = "validating"
    """Holds the environment; the checks before the change run."""
    AWAITING_APPROVAL = "awaiting_approval"
    """A person must say yes to the plan's digest."""
    DEPLOYING = "deploying"
    """Steps are carried out."""
    VERIFYING = "verifying"
    """All traffic is on the new revision; the checks after the change run, the old one retires."""
    SUCCEEDED = "succeeded"
    """Traffic was observed on the new revision."""
    CANCELLING = "cancelling"
    """Somebody cancelled; what was done is about to be undone."""
    CANCELLED = "cancelled"
    """Cancelled before anything had been changed."""
    ROLLING_BACK = "rolling_back"
    """What was done is being undone, last first."""
    ROLLED_BACK = "rolled_back"
    """Undone; traffic was observed where it had been."""
    ROLLBACK_FAILED = "rollback_failed"
    """Undoing failed, or would have brought back what is worse: what serves was left alone. A
    person must look."""
    FAILED = "failed"
    """Ended before anything had been changed."""
    REJECTED = "rejected"
    """A person said no."""
    EXPIRED = "expired"
    """Nobody said yes in time."""

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen."""
        return not MOVES[self]


_END = frozenset[Phase]()
_STOP = frozenset({Phase.CANCELLING, Phase.ROLLING_BACK, Phase.FAILED})

MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.VALIDATING}) | _STOP,
    Phase.VALIDATING: frozenset({Phase.AWAITING_APPROVAL, Phase.DEPLOYING}) | _STOP,
    Phase.AWAITING_APPROVAL: frozenset({Phase.DEPLOYING, Phase.REJECTED, Phase.EXPIRED}) | _STOP,
    Phase.DEPLOYING: frozenset({Phase.VERIFYING}) | _STOP,
    Phase.VERIFYING: frozenset({Phase.SUCCEEDED}) | _STOP,
    Phase.CANCELLING: frozenset({Phase.CANCELLED, Phase.ROLLING_BACK}),
    Phase.ROLLING_BACK: frozenset({Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED}),
    Phase.SUCCEEDED: _END,
    Phase.CANCELLED: _END,
    Phase.ROLLED_BACK: _END,
    Phase.ROLLBACK_FAILED: _END,
    Phase.FAILED: _END,
    Phase.REJECTED: _END,
    Phase.EXPIRED: _END,
}
"""The legal moves: from a phase to each of these and to no other."""


class Kind(StrEnum):
    """What a deployment is for. Retiring stops a revision that was kept for a quick rollback."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    RETIRE = "retire"


class StepState(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    SKIPPED = "skipped"


class Action(StrEnum):
    """What can be asked of a running deployment."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    CANCEL = "cancel"


def move(here: Phase, there: Phase) -> Phase:
    """`there`. Raises NotNow when the table has no such move."""
    if there in MOVES[here]:
        return there
    raise NotNow(
        f"a deployment that is {here.value} cannot become {there.value}",
        why=[f"from {here.value}: {', '.join(sorted(MOVES[here])) or 'nothing, it has ended'}"],
    )
