"""Whatever the package apprise knows: Telegram, PagerDuty, Matrix and a hundred more.

An extra: `pip install "orchestrate-mcp[notify]"`. It makes its own connections, so the guard on
outgoing requests does not hold for it.
"""

from orchestrate.core.errors import PermanentError, ProviderUnavailable, TemporaryError
from orchestrate.core.notification import Apprise, Facts, message
from orchestrate.core.protocols import Secrets


def send(sink: Apprise, facts: Facts, secrets: Secrets) -> None:
    """Pass it on; done when the service took it, as far as apprise tells."""
    try:
        import apprise
    except ImportError as problem:
        raise ProviderUnavailable(
            "the package apprise is not installed",
            fix=['pip install "orchestrate-mcp[notify]"'],
        ) from problem
    told = message(facts)
    passing = apprise.Apprise()
    if not passing.add(secrets.get(sink.url_secret).reveal()):
        raise PermanentError(f"the secret {sink.url_secret} holds no URL that apprise knows")
    if not passing.notify(title=told.title, body=told.text, body_format=apprise.NotifyFormat.TEXT):
        raise TemporaryError("the service that apprise asked did not take it")
