"""Tokens this client keeps, one for each address, in a file of its user (0600)."""

import hashlib
import os

from orchestrate.cli.client import Client
from orchestrate.core.errors import PermanentError


def token_for(url: str) -> str | None:
    """ORCHESTRATE_TOKEN, else what `auth login` kept for this address.

    Raises PermanentError for a file that others could read.
    """
    given = os.environ.get("ORCHESTRATE_TOKEN")
    if given:
        return given
    path = _path(url)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise _unusable(path, problem.strerror or str(problem)) from problem
    with os.fdopen(handle, encoding="utf-8") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise _unusable(path, "others can read it, so it may be known")
        return file.readline().strip()


def keep(url: str, token: str) -> None:
    """Keep the token, whole or not at all."""
    path = _path(url)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    part = f"{path}.{os.getpid()}"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{token}\n{url}\n")
    os.replace(part, path)


def forget(url: str) -> bool:
    """Whether one was kept."""
    try:
        os.unlink(_path(url))
    except FileNotFoundError:
        return False
    return True


def client(url: str, token: str | None) -> Client:
    """A client of the service at `url` with this token."""
    from orchestrate.cli import remote

    return Client(remote.dialler(url, token))


def _path(url: str) -> str:
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    return os.path.join(config, "orchestrate", "tokens", name)


def _unusable(path: str, why: str) -> PermanentError:
    return PermanentError(
        "the token that is kept cannot be used",
        why=[f"{path}: {why}"],
        fix=["revoke it: orchestrate auth end ID", "then: orchestrate auth login"],
    )
