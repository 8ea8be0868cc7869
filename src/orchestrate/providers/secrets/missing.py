"""The words for what a backend does not have."""

import json

from orchestrate.core.environment import SecretSource
from orchestrate.core.errors import SecretMissing, SecretSourceDenied
from orchestrate.core.secret import Secret


def missing(source: SecretSource, number: str | None, why: str, fix: str) -> SecretMissing:
    """There is no such secret, or no longer this version of it."""
    version = f", version {number}" if number else ""
    return SecretMissing(f"{source.text} is not there{version}", why=[why], fix=[fix])


def member(source: SecretSource, text: str) -> Secret:
    """The member of a JSON object that `source.key` names; the whole text without one."""
    if source.key is None:
        return Secret(text)
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    value = found.get(source.key) if isinstance(found, dict) else None
    if not isinstance(value, str):
        what = "is not a JSON object" if not isinstance(found, dict) else "has no such text in it"
        raise SecretSourceDenied(
            f"{source.text} cannot be read",
            why=[f"{source.name} {what}"],
            fix=["correct `key` in orchestrate.yaml, or what is kept there"],
        )
    return Secret(value)
