"""Provider names: what people write for a provider, and the one name it has here."""

from collections.abc import Collection, Iterable

from orchestrate.core.errors import UnknownProvider
from orchestrate.core.names import did_you_mean

PROVIDERS = (
    "local",
    "docker",
    "kubernetes",
    "aws_ecs",
    "aws_lambda",
    "aws_s3",
    "gcp_run",
    "gcp_functions",
    "vercel",
    "netlify",
    "railway",
    "command",
)
"""The providers of this program by their canonical names."""

_ALIASES = {"k8s": "kubernetes", "custom": "command"}
_CLOUDS = {
    "aws": {
        "cluster": "aws_ecs",
        "service": "aws_ecs",
        "function": "aws_lambda",
        "bucket": "aws_s3",
    },
    "gcp": {"service": "gcp_run", "function": "gcp_functions"},
}
"""A cloud's name stands for the one of its services that the keys of `config` belong to."""


def canonical_provider(name: str, config: Iterable[str], others: Collection[str] = ()) -> str:
    """The canonical name of provider `name`, whose config has the keys `config`.

    `others` are the names that other distributions brought. Raises UnknownProvider.
    """
    if name in others:
        return name
    known = {_plain(each): each for each in PROVIDERS}
    plain = _plain(name)
    if plain in _CLOUDS:
        return _service(plain, set(config))
    found = known.get(plain) or _ALIASES.get(plain)
    if found is None:
        raise _unknown(name, plain, (*PROVIDERS, *others))
    return found


def _plain(name: str) -> str:
    """`AwsEcs`, `aws-ecs` and `aws_ecs` are one name."""
    return name.replace("_", "").replace("-", "").lower()


def _service(cloud: str, config: set[str]) -> str:
    services = _CLOUDS[cloud]
    found = sorted({services[key] for key in config & services.keys()})
    if len(found) == 1:
        return found[0]
    choices = [f"{name} ({_keys(services, name)})" for name in dict.fromkeys(services.values())]
    unclear = f"fits {' and '.join(found)}" if found else "has no key that tells which"
    raise UnknownProvider(
        f"{cloud} is several providers, and the config {unclear}",
        fix=[f"write one of {', '.join(choices)}"],
    )


def _keys(services: dict[str, str], name: str) -> str:
    return "config with " + " and ".join(
        key for key, service in services.items() if service == name
    )


def _unknown(name: str, plain: str, known: Collection[str]) -> UnknownProvider:
    ends = [each for each in known if each.endswith(f"_{plain}")]
    near = did_you_mean(name, known) or ends
    said = f"did you mean {' or '.join(near)}? " if near else ""
    return UnknownProvider(
        f'there is no provider "{name[:40]}"',
        why=[f"known are {', '.join(known)}"],
        fix=[f"{said}known are {', '.join(known)}"],
    )
