"""The local provider: an application's processes on this machine, behind an edge of their own.

What belongs here: pinning and unpacking artifacts, and the processes of each revision. How
processes are kept alive is in `providers.processes`, how traffic is divided in `providers.edge`.
"""

from orchestrate.providers.local.provider import LocalProvider

__all__ = ["LocalProvider"]
