"""Plans somebody looked at, found again by digest or an unambiguous part of it."""

import re
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from orchestrate.core.canonical import PREFIX
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import UnknownPlan
from orchestrate.core.plan import Plan
from orchestrate.core.revision import Revision
from orchestrate.store import environments
from orchestrate.store.database import add_once
from orchestrate.store.tables import EnvironmentRow, PlanRow, now

GOOD_FOR_S = 3600.0
"""How long a plan can be applied after it was made."""


def keep(
    session: Session,
    environment: EnvironmentRow,
    plan: Plan,
    target: Revision,
    strategy: StrategyName | None,
) -> PlanRow:
    """Remember the plan; an equal one is renewed."""
    row = session.get(PlanRow, plan.digest)
    if row is None:
        made: dict[str, object] = {
            "digest": plan.digest,
            "environment_id": environment.id,
            "kind": plan.kind.value,
            "version": target.version,
            "target": target.model_dump(mode="json"),
            "body": plan.model_dump(mode="json"),
            "created_at": now(),
            "expires_at": now(),
        }
        add_once(session, PlanRow, made)  # two may look at the same plan at once
        row = session.get_one(PlanRow, plan.digest)
    row.environment_id = environment.id or row.environment_id
    row.strategy = strategy.value if strategy else None
    row.expires_at = now() + timedelta(seconds=GOOD_FOR_S)
    session.add(row)
    session.flush()
    return row


def made_at(row: PlanRow) -> datetime:
    """When the plan was last made."""
    return row.expires_at - timedelta(seconds=GOOD_FOR_S)


def find(session: Session, name: str) -> PlanRow:
    """The plan whose digest starts with `name`: 8 hexadecimal characters or more.

    Raises UnknownPlan when there is none, or more than one.
    """
    digits = name.removeprefix(PREFIX).lower()
    if re.fullmatch(r"[0-9a-f]{8,64}", digits):
        low, high = PREFIX + digits, PREFIX + digits + "g"
        statement = select(PlanRow).where(col(PlanRow.digest) >= low, col(PlanRow.digest) < high)
        ids = environments.visible_ids(session)
        if ids is not None:
            statement = statement.where(col(PlanRow.environment_id).in_(ids))
        rows = session.exec(statement.limit(2)).all()
        if len(rows) == 1:
            return rows[0]
        why = "more than one plan starts so" if rows else "no plan has this digest"
    else:
        why = "a plan is named by 8 to 64 hexadecimal characters of its digest"
    raise UnknownPlan(
        f"there is no plan {name[:80]!r}",
        why=[why],
        fix=["make one: orchestrate deploy diff --env ENVIRONMENT --version VERSION"],
    )
