"""What a container is given: variables, labels, limits, mounts and few rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrate.core.protocols import Write
from orchestrate.core.revision import Revision
from orchestrate.providers.docker.seen import PREFIX
from orchestrate.providers.docker.settings import Settings
from orchestrate.providers.settings import variables_of

if TYPE_CHECKING:
    from docker import APIClient
    from docker.types import Healthcheck, HostConfig, Mount

NOBODY = "65534:65534"
_ROOT = {"", "0", "root"}


def variables(
    revision: Revision, settings: Settings, number: int, secrets: Mapping[str, str]
) -> dict[str, str]:
    """Of the image's own, the config's and the revision's variables, later ones win."""
    return {
        **settings.environment,
        settings.port_variable: str(settings.port),
        **variables_of(revision),
        **secrets,
        "ORCHESTRATE_REPLICA": str(number),
    }


def labels(
    revision: Revision, settings: Settings, number: int, port: int, write: Write
) -> dict[str, str]:
    """The record of what a container is; whose it is, is added by its owner."""
    found = {
        "key": revision.key,
        "version": revision.version,
        "replica": str(number),
        "address": f"http://{settings.publish}:{port}",
        "write": str(write.number),
        "write-key": write.key,
        "revision": revision.model_dump_json(),
    }
    return {f"{PREFIX}{name}": value for name, value in found.items()}


def user(settings: Settings, of_image: str) -> str | None:
    """Who it runs as: None for the image's own user."""
    root = of_image.partition(":")[0] in _ROOT
    return settings.user or (NOBODY if root else None)


def healthcheck(settings: Settings) -> Healthcheck | None:
    """What replaces the image's own, in the engine's nanoseconds."""
    from docker.types import Healthcheck

    found = settings.healthcheck
    if found is None:
        return None
    return Healthcheck(
        test=list(found.test),
        interval=_nanoseconds(found.interval_s),
        timeout=_nanoseconds(found.timeout_s),
        retries=found.retries,
        start_period=_nanoseconds(found.start_period_s),
    )


def _nanoseconds(span_s: float | None) -> int | None:
    return None if span_s is None else round(span_s * 1e9)


def words(found: tuple[str, ...] | None) -> list[str] | None:
    return list(found) if found is not None else None


def host_config(api: APIClient, settings: Settings, port: int) -> HostConfig:
    """What it may do, and how much of the machine it may have."""
    from docker.types import LogConfig

    limits = settings.limits
    return api.create_host_config(
        port_bindings={f"{settings.port}/tcp": (settings.publish, port)},
        network_mode=settings.networks[0] if settings.networks else None,
        read_only=settings.read_only,
        tmpfs=dict(settings.tmpfs),
        mounts=_mounts(settings),
        cap_drop=["ALL"],
        cap_add=list(settings.cap_add),
        security_opt=["no-new-privileges"],
        mem_limit=limits.memory,
        memswap_limit=limits.memory,  # no more of it as swap
        nano_cpus=round(limits.cpus * 1e9) if limits.cpus else None,
        pids_limit=limits.pids,
        init=settings.init,
        # So that it outlives its own crashes and the engine's restart without the service.
        restart_policy={"Name": "unless-stopped"},
        log_config=LogConfig(
            type="json-file",
            config={"max-size": str(settings.log_bytes), "max-file": str(settings.log_files)},
        ),
    )


def _mounts(settings: Settings) -> list[Mount]:
    from docker.types import Mount

    return [
        Mount(volume.target, volume.source, type=volume.kind, read_only=volume.read_only)
        for volume in settings.volumes
    ]
