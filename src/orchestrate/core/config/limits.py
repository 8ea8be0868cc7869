"""How much may be asked of an environment: the key `limits`."""

from orchestrate.core.config.section import Section
from orchestrate.core.limits import Limits

LIMIT_KEYS = ("deployments_per_hour",)


def limits_of(section: Section) -> Limits | None:
    """The limits of an environment; None when it says nothing of them."""
    found = section.section("limits", LIMIT_KEYS)
    if found is None or "deployments_per_hour" not in found.entries:
        return None
    return Limits(deployments_per_hour=found.whole("deployments_per_hour", 1, 1, 10_000))
