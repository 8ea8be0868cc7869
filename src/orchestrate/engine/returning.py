"""What a way back cannot bring back: the schema of a database, secrets that are gone.

And whether a way back has arrived: by the traffic that is observed, not by steps that were done.
"""

from collections.abc import Sequence
from dataclasses import replace

from orchestrate.core.errors import NotRestorable, NotTakenBack, OrchestrateError, SecretMissing
from orchestrate.core.migrations import Migration, stays
from orchestrate.core.plan import Plan
from orchestrate.core.protocols import LiveState, Restorable, Secrets
from orchestrate.core.revision import Revision
from orchestrate.store import verification
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow, RevisionRow


def with_losses(
    session: Session,
    row: EnvironmentRow,
    found: RevisionRow,
    restorable: Restorable,
    secrets: Secrets,
    force: bool,
) -> tuple[Restorable, tuple[str, ...]]:
    """What is lost for good, beside what the provider says, and what stays as it is.

    Raises NotRestorable when a migration has taken away what the revision needs, and nobody forces
    it all the same.
    """
    ahead = verification.ahead_of(session, row.id or 0, found.id or 0)
    contracted = [stays(m, found.version) for m in ahead if m.phase == "contract"]
    if contracted and not force:
        raise _past_contract(row, found, ahead)
    gone = unreadable(found, secrets)
    remains = [stays(m, found.version) for m in ahead if m.phase == "expand"]
    if restorable.running:
        # It has its secrets already: a switch must not wait for somebody's yes.
        remains += gone
        gone = []
    lost = (*restorable.lost, *contracted, *gone)
    return replace(restorable, lost=lost), tuple(remains)


def unreadable(found: RevisionRow, secrets: Secrets) -> list[str]:
    """The secrets of a revision that are gone, or that cannot be read just now."""
    versions = Revision.model_validate(found.snapshot).secret_versions
    gone: list[str] = []
    for name, version in sorted(versions.items()):
        try:
            secrets.get(name, version)
        except SecretMissing as error:
            gone.append(f"secret {name} {version} cannot be read any more: {error.message}")
        except OrchestrateError as error:
            gone.append(f"secret {name} {version} cannot be read now: {error.message}")
    return gone


def elsewhere(seen: LiveState, plan: Plan) -> OrchestrateError | None:
    """What is wrong with the traffic after everything was undone; None when it is where it was."""
    if plan.old is not None:
        percent = seen.percent(plan.old.key)
        if percent == 100:
            return None
        wrong = f"{percent}% of the traffic is on {plan.old.version}, and all of it was"
    elif plan.new is None or plan.from_digest == plan.to_digest or not seen.percent(plan.new.key):
        return None
    else:
        wrong = f"{seen.percent(plan.new.key)}% of the traffic is still on {plan.new.version}"
    return NotTakenBack(
        "everything was undone, and the traffic is not where it was",
        why=[wrong],
        fix=["look at what serves now: orchestrate deploy status"],
    )


def _past_contract(
    row: EnvironmentRow, found: RevisionRow, ahead: Sequence[Migration]
) -> NotRestorable:
    names = ", ".join(m.name for m in ahead if m.phase == "contract")
    return NotRestorable(
        f"{found.version} (r{found.id}) cannot be restored in {row.name}: the database has gone on",
        why=[stays(m, found.version) for m in ahead],
        fix=[
            "deploy a version that works with the database as it is now",
            f"or, if {found.version} does: orchestrate deploy rollback --env {row.name}"
            f' --version {found.version} --force --reason "works after {names}"',
        ],
    )
