"""How many deployments one person, with all their agents, may begin."""

from datetime import timedelta

from orchestrate.core.deployment import Kind
from orchestrate.core.errors import RateLimited
from orchestrate.engine.site import Site
from orchestrate.store import deployments
from orchestrate.store.database import Session
from orchestrate.store.tables import now

HOUR = timedelta(hours=1)


def refuse_storm(session: Session, site: Site, kind: Kind, person: str) -> None:
    """Raise RateLimited where the person has begun as many as the environment allows in an hour.
    Whatever goes back, and what the service does by itself, is never kept out.

    Under the environment's lock: of two at once only one can be the last.
    """
    limits = site.environment.limits
    if limits is None or limits.deployments_per_hour is None or kind is not Kind.DEPLOY:
        return
    moment = now()
    begun = deployments.begun_since(session, site.id, person, moment - HOUR)
    if len(begun) < limits.deployments_per_hour:
        return
    wait_s = (begun[-limits.deployments_per_hour] + HOUR - moment).total_seconds()
    name = site.environment.name
    raise RateLimited(
        f"{name} takes {limits.deployments_per_hour} deployments an hour of one person",
        why=[f"{person} has begun {len(begun)} within the last hour, agents' included"],
        fix=[
            f"the next one may begin in {max(wait_s, 0) / 60:.0f} minutes",
            f"to go back at once: orchestrate deploy rollback --env {name}",
        ],
        retry_after_s=round(max(wait_s, 1.0), 1),
    )
