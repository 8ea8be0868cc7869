"""How a cluster is reached: a kubeconfig, one in a secret, or the account of the Pod we run in."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrate.core.errors import ProviderUnavailable
from orchestrate.core.protocols import Secrets

if TYPE_CHECKING:
    from kubernetes.dynamic import DynamicClient

_clients: dict[tuple[str, ...], DynamicClient] = {}
_lock = threading.Lock()
_REACHING_OUT = {
    "exec", "auth-provider", "tokenFile", "client-certificate", "client-key",
    "certificate-authority",
}  # fmt: skip


@dataclass(frozen=True)
class Access:
    """Where the credentials are. Without any of these: KUBECONFIG or ~/.kube/config of the
    service, else the service account of its Pod."""

    kubeconfig: str | None = None
    context: str | None = None
    secret: str | None = None
    """Name of a secret that holds a kubeconfig."""
    in_cluster: bool = False

    def client(self, secrets: Secrets) -> DynamicClient:
        """The library's client, one for each set of credentials. Raises ProviderUnavailable,
        SecretMissing."""
        where = self._where()
        content = secrets.get(self.secret).reveal() if self.secret else _stamp(where)
        key = (where, self.context or "", hashlib.sha256(content.encode()).hexdigest())
        with _lock:
            if key not in _clients:
                _clients[key] = self._make(where, content)
            return _clients[key]

    def _where(self) -> str:
        if self.secret:
            return f"secret {self.secret}"
        if self.in_cluster:
            return ""
        if self.kubeconfig:
            return os.path.expanduser(self.kubeconfig)
        usual = os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
        return usual if any(map(os.path.exists, usual.split(os.pathsep))) else ""

    def _make(self, where: str, content: str) -> DynamicClient:
        import yaml
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import ConfigException, kube_config, load_incluster_config
        from kubernetes.dynamic import DynamicClient

        # The library's loaders are not typed.
        from_dict: Callable[..., None] = kube_config.load_kube_config_from_dict
        from_file: Callable[..., None] = kube_config.load_kube_config
        from_pod: Callable[[Configuration], None] = load_incluster_config
        make: Callable[..., DynamicClient] = DynamicClient
        settings = Configuration()
        try:
            if self.secret:
                from_dict(
                    _harmless(yaml.safe_load(content)), self.context, settings, persist_config=False
                )
            elif where:
                from_file(where, self.context, settings, persist_config=False)
            else:
                from_pod(settings)
        except (ConfigException, yaml.YAMLError, OSError, TypeError) as problem:
            raise _unusable(where, problem) from problem
        # What is sent twice is decided by the engine, which knows what may be.
        settings.retries = 0
        # No discovery: its cache is a file in /tmp that any account of this machine could write.
        return make(ApiClient(settings), discoverer=lambda client, cache: None)


def _stamp(where: str) -> str:
    """What changes when a kubeconfig does."""
    found = []
    for path in where.split(os.pathsep) if where else ():
        try:
            seen = os.stat(path)
        except OSError:
            continue
        found.append(f"{path}:{seen.st_mtime_ns}:{seen.st_size}")
    return "|".join(found)


def _harmless(found: object) -> object:
    """A kubeconfig out of a secret, which holds all it needs: whoever may set a secret may not run
    a program as the service, nor have a file of its read. Raises ProviderUnavailable."""
    users = found.get("users", []) if isinstance(found, dict) else []
    clusters = found.get("clusters", []) if isinstance(found, dict) else []
    parts = [each.get(name) for each in users for name in ("user",) if isinstance(each, dict)]
    parts += [each.get("cluster") for each in clusters if isinstance(each, dict)]
    bad = {key for part in parts if isinstance(part, dict) for key in part} & _REACHING_OUT
    if bad:
        raise ProviderUnavailable(
            "the kubeconfig in the secret reaches out of it",
            why=[f"it has {', '.join(sorted(bad))}"],
            fix=["write certificates and a token into it: kubectl config view --flatten"],
        )
    return found


def _unusable(where: str, problem: Exception) -> ProviderUnavailable:
    tried = where or "no kubeconfig, and the service account of a Pod"
    # A problem with a secret's content may quote it.
    said = type(problem).__name__ if where.startswith("secret ") else str(problem)
    return ProviderUnavailable(
        "there are no credentials for a cluster",
        why=[f"tried {tried}: {said}"],
        fix=[
            "set `kubeconfig` (and `context`) in config, or KUBECONFIG of the service",
            "or name a secret that holds a kubeconfig as `kubeconfig_secret`",
        ],
    )
