"""Adapters to the platforms that run software, one file or folder each, and the edge beside them.

A provider carries out single effects on one platform. It knows no other provider, no strategy, and
not the store; built-ins are found by the same entry points as anyone else's.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the supervisor's bare interpreter passes here, and has no pydantic
    from orchestrate.core.protocols import ProviderFactory

GROUP = "orchestrate.providers"
PLANNED = frozenset(
    "aws_lambda aws_s3 gcp_run gcp_functions vercel netlify railway command".split()
)
"""Names that are known, and not built yet."""
_loaded: "dict[str, ProviderFactory]" = {}


def named(name: str) -> "ProviderFactory":
    """The provider `name`, of this distribution or any other that offers one.

    Raises UnknownProvider, and ProviderUnavailable for one that is not built yet or cannot load.
    """
    from importlib.metadata import entry_points

    from orchestrate.core.errors import ProviderUnavailable

    if name in _loaded:
        return _loaded[name]
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise _missing(name, sorted(found))
    try:
        factory: ProviderFactory = found[name].load()
    except ImportError as problem:
        raise ProviderUnavailable(
            f"provider {name} cannot be loaded",
            why=[f"{found[name].value}: {problem}"],
            fix=["install what it needs, or choose another provider"],
        ) from problem
    return _loaded.setdefault(name, factory)


def _missing(name: str, built: list[str]) -> Exception:
    from orchestrate.core.errors import ProviderUnavailable, UnknownProvider
    from orchestrate.core.names import did_you_mean

    if name in PLANNED:
        return ProviderUnavailable(
            f"provider {name} is not built yet",
            why=[f"this version has: {', '.join(built)}"],
            fix=["use one of these, or a later version"],
        )
    near = did_you_mean(name, {*built, *PLANNED})
    return UnknownProvider(
        f"there is no provider {name!r}",
        why=[f"known are: {', '.join([*built, *sorted(PLANNED)])}"],
        fix=[f"did you mean {near[0]!r}?"] if near else ["set provider to one of these"],
    )
