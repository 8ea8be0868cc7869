"""Requests to addresses that a user's configuration names: webhooks, metric sources, registries.

Whoever may write a configuration must not thereby make the service ask hosts that only the service
can reach. `Outbound.send` is the only way such a request leaves: the url is read once, the name
resolved once, every address it has is judged, and the connection goes to the address that was
judged. What is refused here an administrator can list in ORCHESTRATE_ALLOW_OUTBOUND.
"""

from orchestrate.providers.outbound.allowed import SETTING, Allowed
from orchestrate.providers.outbound.client import Answer, Outbound

__all__ = ["SETTING", "Allowed", "Answer", "Outbound"]
