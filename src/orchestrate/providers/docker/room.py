"""Whether there is room for images and containers: the disk of an engine on this machine."""

import os

from orchestrate.core.protocols import Finding
from orchestrate.providers.docker.engine import Json
from orchestrate.providers.docker.host import Host
from orchestrate.providers.processes.disk import free_bytes, watermark

NAME = "disk"


def findings(host: Host, about: Json) -> list[Finding]:
    """None for an engine elsewhere, and where its directory cannot be seen, as from a container:
    an engine itself does not say how much room it has."""
    root = about.get("DockerRootDir")
    if not host.here or not isinstance(root, str) or not os.path.isdir(root):
        return []
    free, least = free_bytes(root), watermark()
    text = f"{free // 1024**2:,} MB free at {root}"
    if free >= least:
        return [Finding(NAME, True, text)]
    fix = f"docker image prune, or more disk; at least {least // 1024**2} MB are needed"
    return [Finding(NAME, False, text, fix, "disk_full")]
