"""GitHub as an environment asks it: its address, and the secret that holds its token."""

from orchestrate.engine.checks.subject import Subject
from orchestrate.providers.forge.github import GitHub


def client(subject: Subject) -> GitHub:
    """Raises SecretMissing when the token it is to be asked with is not there."""
    settings = subject.checks.github
    token = None
    if settings.token is not None and subject.secrets is not None:
        token = subject.secrets.get(settings.token)
    return GitHub(settings.url, subject.outbound, token)
