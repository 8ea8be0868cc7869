"""`secrets` and `secret_backends`: names, where each is kept, what is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError

from orchestrate.core.config.interpolate import fill, has_hole
from orchestrate.core.config.nodes import Scalar, Table
from orchestrate.core.config.scalars import is_empty, kind_of
from orchestrate.core.config.section import Section
from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.errors import SecretInvalid
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import check_secret_name, is_services_own

_BACKENDS: tuple[Literal["vault", "aws", "ssm", "env"], ...] = ("vault", "aws", "ssm", "env")
_SETTINGS: Mapping[Literal["vault", "aws"], tuple[str, ...]] = {
    "vault": ("address", "mount", "namespace", "token"),
    "aws": ("region", "profile"),
}
_RIGHT = (
    "write ${NAME} to import a value, nothing to set it with `orchestrate secrets set`, or where"
    " it is kept, such as {vault: shop/api, key: token}"
)


@dataclass
class Given:
    """What `secrets` says."""

    names: tuple[str, ...] = ()
    values: dict[str, Secret] = field(default_factory=dict)
    """Those that are imported into our own store."""
    sources: dict[str, SecretSource] = field(default_factory=dict)


def secrets_of(section: Section, variables: Mapping[str, str]) -> Given:
    """The secrets of an environment. What is wrong is noted; no message shows a value."""
    secrets = section.section("secrets", None)
    found = Given()
    for name, (key, node) in (secrets.entries if secrets else {}).items():
        assert secrets is not None
        try:
            check_secret_name(name)
        except SecretInvalid as error:
            secrets.problems.add(key.place, error.message, error.why[0])
            continue
        found.names = (*found.names, name)
        if isinstance(node, Table):
            source = _source(secrets, name)
            if source is not None:
                found.sources[name] = source
        elif isinstance(node, Scalar) and not is_empty(node):
            value = _value(secrets, name, node, variables)
            if value is not None:
                found.values[name] = value
        elif not is_empty(node):
            secrets.wrong(name, f"is {kind_of(node)}", _RIGHT)
    return found


def backends_of(section: Section) -> dict[Literal["vault", "aws"], BackendSettings]:
    """How the service reaches Vault and AWS for this environment."""
    backends = section.section("secret_backends", tuple(_SETTINGS))
    found: dict[Literal["vault", "aws"], BackendSettings] = {}
    for name, known in _SETTINGS.items():
        settings = backends.section(name, known) if backends else None
        if backends is None or settings is None:
            continue
        given = {
            key: settings.text(key, "", _FORMS[key]) for key in known if key in settings.entries
        }
        try:
            found[name] = BackendSettings.model_validate(given)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                settings.wrong(str(each["loc"][0]), "is not right", _FORMS[str(each["loc"][0])])
    return found


_FORMS = {
    "address": "write one such as https://vault.example.com:8200",
    "mount": "write where the KV store is mounted, such as secret",
    "namespace": "write a path such as team/shop",
    "token": "write env:NAME or file:/path, where the token is; never the token itself",
    "region": "write one such as eu-central-1",
    "profile": "write the name of a profile",
}


def _value(
    secrets: Section, name: str, scalar: Scalar, variables: Mapping[str, str]
) -> Secret | None:
    if not has_hole(scalar.text):
        secrets.wrong(name, "is written in the file, where everybody can read it", _RIGHT)
        return None
    value = fill(scalar, variables, secrets.path(name), secrets.problems)
    if value == "":
        secrets.wrong(name, "is filled in with nothing", "set its variable to the value")
    return Secret(value) if value else None


def _source(secrets: Section, name: str) -> SecretSource | None:
    given = secrets.section(name, (*_BACKENDS, "key"))
    if given is None:
        return None
    named = [backend for backend in _BACKENDS if backend in given.entries]
    if len(named) != 1:
        what = "names no place" if not named else f"names two places: {' and '.join(named)}"
        secrets.wrong(name, what, f"write one of {', '.join(_BACKENDS)}")
        return None
    place = given.text(named[0], "", "write what it is called there")
    key = given.text("key", None, "write the member that is meant")
    if key is not None and named[0] in ("ssm", "env"):
        given.wrong("key", f"does not go with {named[0]}, whose values are one text", "remove it")
    if key is None and named[0] == "vault":
        secrets.wrong(name, "has no key, and Vault keeps several under a path", "add `key:`")
    if not place:
        return None
    if named[0] == "env" and is_services_own(place):
        given.wrong("env", "names a variable of the service's own", "use one of the application's")
        return None
    try:
        return SecretSource(backend=named[0], name=place, key=key)
    except ValidationError:
        secrets.wrong(name, "has a character that no name there has", "no spaces, none of # @ $")
        return None
