"""What may be kept as a secret, where else one may be kept, and how its versions are named.

A version is named by a text that says where it is kept: `3` is the third one of our own store,
`vault:shop/api#key@7` the seventh of a path in Vault. A revision pins that text, so it still finds
its values when the environment has moved them elsewhere since.
"""

import re

from orchestrate.core.environment import Environment, SecretSource
from orchestrate.core.errors import SecretInvalid
from orchestrate.core.redact import SHORTEST
from orchestrate.core.revision import Revision
from orchestrate.core.secret import Secret

LONGEST = 64 * 1024
"""Bytes of a value: a process gets at most 128 KiB in one variable."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_OURS = "ORCHESTRATE_"
_AWS = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY",
     "AWS_SESSION_TOKEN"}
)  # fmt: skip
"""What an environment on AWS is deployed with."""
_SERVICES_OWN = ("ORCHESTRATE_", "AWS_", "VAULT_", "PGPASS")
"""Beginnings of the variables by which the service itself is let in: its master key, its database,
Vault, AWS."""
_LOGINS = frozenset({"credentials", "registry"})
"""Settings of providers that name a registry's user and password."""
_COMMON = frozenset(
    {"changeme", "changeit", "password", "passw0rd", "password1", "letmein1", "12345678",
     "123456789", "1234567890", "qwertyui", "qwertyuiop", "iloveyou", "sunshine", "princess",
     "football", "baseball", "superman", "trustno1", "whatever", "starwars", "localhost",
     "username", "database", "postgres", "administrator", "undefined", "production", "development",
     "test1234", "testtest", "00000000", "11111111", "abcd1234", "secret123"}
)  # fmt: skip


def parted(version: str) -> tuple[SecretSource | None, str]:
    """Where a version is kept (None: our own store), and its number there. Raises ValueError."""
    backend, colon, rest = version.partition(":")
    if not colon:
        return None, version
    where, _, number = rest.rpartition("@")
    name, _, key = where.partition("#")
    return SecretSource.model_validate(
        {"backend": backend, "name": name, "key": key or None}
    ), number


def shown(version: str) -> str:
    """A version as people read it: `v3`, `vault v7`, `aws 1f9c4e2a`."""
    source, number = parted(version)
    text = f"v{number}" if number.isdigit() else number[:8]
    return text if source is None else f"{source.backend} {text}"


def named_elsewhere(environment: Environment) -> frozenset[str]:
    """Secrets that other settings name: the login to a registry and `..._secret` of the provider's
    config, those of the metrics source and of notifications, the token for GitHub."""
    metrics = environment.strategy.analyse.metrics
    found: set[str | None] = set(metrics.secrets.values() if metrics else ())
    found.add(environment.checks.github.token)
    found |= {name for each in environment.notifications for name in each.secrets}
    for key, value in environment.config.items():
        if key in _LOGINS and isinstance(value, dict):
            found |= {each for each in value.values() if isinstance(each, str)}
        elif key.endswith("_secret") and isinstance(value, str):
            found.add(value)
    return frozenset(each for each in found if each)


def for_platform(environment: Environment) -> frozenset[str]:
    """Secrets that this program or the platform uses, and the application does not get."""
    theirs = _AWS if environment.provider.startswith("aws_") else frozenset()
    return named_elsewhere(environment) | theirs


def for_application(environment: Environment) -> tuple[str, ...]:
    """The secrets that the application's processes get."""
    platform = for_platform(environment)
    return tuple(name for name in environment.secrets if name not in platform)


def pinned(environment: Environment, revision: Revision) -> dict[str, str]:
    """The secrets that the processes of a revision get, with the version of each: those it pins and
    no others, less what has become this program's own since."""
    platform = for_platform(environment)
    return {name: v for name, v in revision.secret_versions.items() if name not in platform}


def is_services_own(variable: str) -> bool:
    """Whether a variable of the service is what it proves itself with. No environment is given it:
    whoever may deploy there would hold what the service holds."""
    return variable.startswith(_SERVICES_OWN)


def check_secret_name(name: str) -> str:
    """Raises SecretInvalid for what cannot be the name of a variable of a process."""
    if _NAME.fullmatch(name) and not name.startswith(_OURS):
        return name
    if "=" in name:
        raise SecretInvalid(
            "a value is not taken from the command line like this",
            why=["other users of this machine could see it, and the shell would keep it"],
            fix=["leave it out: you are asked for it, or it is read from standard input"],
        )
    raise SecretInvalid(
        f"{name[:60]!r} cannot be the name of a secret",
        why=["it becomes a variable of the process: letters, digits and _, not a digit first",
             f"names that begin with {_OURS} are this program's own"],
        fix=["take a name such as DB_URL"],
    )  # fmt: skip


def check_value(name: str, value: Secret, short: bool) -> None:
    """Refuse what cannot be kept, or not be masked. `short` allows the latter.

    Raises SecretInvalid, which never holds the value.
    """
    text = value.reveal()
    if not text or "\0" in text:
        what = "is empty" if not text else "holds a NUL, which no variable can"
        raise SecretInvalid(f"the value of {name} {what}", fix=["give another value"])
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST:
        raise SecretInvalid(
            f"the value of {name} is longer than {LONGEST // 1024} KiB",
            fix=["put it in a file of the artifact, and keep the key to it as a secret"],
        )
    if not short and is_short(value):
        raise SecretInvalid(
            f"the value of {name} is too short, or too common a word, to be masked",
            why=[f"below {SHORTEST} characters, masking it would destroy logs and messages"],
            fix=[f"give a longer value, or: orchestrate secrets set {name} --short ..."],
        )


def is_short(value: Secret) -> bool:
    """Whether a value is not masked in what applications print."""
    text = value.reveal()
    return len(text) < SHORTEST or text.lower() in _COMMON
