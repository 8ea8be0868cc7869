"""Notifiers: each takes one message to one kind of sink, and returns once the sink has it.

What belongs here: the wire. What does not: who is told of what and the words (core), and what was
sent already (store). To add one: a file, its settings in core/notification.py, a line in `deliver`.
"""

from orchestrate.core.notification import Apprise, Facts, Mail, Sink, Webhook
from orchestrate.core.protocols import Secrets
from orchestrate.providers.outbound import Outbound


def deliver(
    sink: Sink,
    facts: Facts,
    identity: str,
    secrets: Secrets,
    outbound: Outbound,
    served: set[str] | None = None,
) -> None:
    """Send `facts` to `sink`; `identity` is the same at each attempt, so that a receiver can tell a
    repetition. Returns when the sink said that it took it. `served` are those of several recipients
    who have it already; whoever takes it is added, so that the next attempt spares them.

    Raises TemporaryError (with the sink's own delay), PermanentError when it will never take it,
    and what `secrets` raises.
    """
    match sink:
        case Webhook():
            from orchestrate.providers.notifiers.webhook import send

            send(sink, facts, identity, secrets, outbound)
        case Mail():
            from orchestrate.providers.notifiers.mail import send as mail

            taken = set[str]() if served is None else served
            mail(sink, facts, identity, secrets, outbound.allowed, taken)
        case Apprise():
            from orchestrate.providers.notifiers.apprise import send as pass_on

            pass_on(sink, facts, secrets)
