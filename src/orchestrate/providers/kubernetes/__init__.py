"""The kubernetes provider: an application's Deployments in one namespace of a cluster.

What belongs here: objects as plain dicts, how they are written (server-side apply) and what their
state means. The library `kubernetes` has this package's name: it is imported by `access` and `api`
alone, absolutely, and when it is first needed.
"""

from orchestrate.providers.kubernetes.provider import KubernetesProvider

__all__ = ["KubernetesProvider"]
