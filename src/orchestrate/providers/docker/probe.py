"""Whether an environment can be deployed to on its engine: what is there, what is missing."""

import os

from orchestrate.core.errors import OrchestrateError
from orchestrate.core.protocols import Finding
from orchestrate.providers.docker import room
from orchestrate.providers.docker.containers import Containers
from orchestrate.providers.docker.engine import OLDEST, Json, client, told
from orchestrate.providers.docker.host import Host
from orchestrate.providers.docker.images import Images, has_registry
from orchestrate.providers.docker.settings import Settings
from orchestrate.providers.edge.front import bad

UNUSABLE = "provider_unavailable"


def findings(
    settings: Settings, host: Host, containers: Containers, images: Images, deployed: bool
) -> list[Finding]:
    """One finding for each thing looked at; only the first when no engine answers. `deployed`:
    there are revisions to go back to, which a missing tag does not keep from it."""
    try:
        with told("it was not asked what it is"):
            version: Json = client(host).version()
            about: Json = client(host).info()
        return [
            _engine(host, version),
            *_limits(settings, about),
            *_networks(settings, containers),
            _image(settings, images, deployed),
            *_login(images),
            *room.findings(host, about),
        ]
    except OrchestrateError as problem:
        return [bad("engine", problem)]


def _engine(host: Host, version: Json) -> Finding:
    text = f"Docker {version.get('Version')} at {host.url}, as uid {os.getuid()}"
    if version.get("Os") != "linux":
        return Finding(
            "engine", False, f"{text}, for {version.get('Os')}", "use a Linux engine", UNUSABLE
        )
    if _numbers(str(version.get("ApiVersion"))) < _numbers(OLDEST):
        return Finding(
            "engine", False, f"{text} is too old", "install Docker 19.03 or newer", UNUSABLE
        )
    return Finding("engine", True, text)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _limits(settings: Settings, about: Json) -> list[Finding]:
    """A limit that the engine cannot keep is not a limit."""
    limits = settings.limits
    asked = {
        "MemoryLimit": limits.memory is not None,
        "CpuCfsQuota": limits.cpus is not None,
        "PidsLimit": limits.pids is not None,
    }
    names = {"MemoryLimit": "memory", "CpuCfsQuota": "cpus", "PidsLimit": "pids"}
    unable = [names[key] for key, wanted in asked.items() if wanted and about.get(key) is False]
    if not unable:
        return []
    return [
        Finding(
            "limits",
            False,
            f"this engine cannot limit {', '.join(unable)}",
            "turn the cgroup controllers on for it, or leave these out of config",
            UNUSABLE,
        )
    ]


def _networks(settings: Settings, containers: Containers) -> list[Finding]:
    missing = containers.missing_networks(settings.networks)
    return [
        Finding(
            "network",
            False,
            f"there is no network {name}",
            f"docker network create {name}",
            "provider_config_invalid",
        )
        for name in missing
    ]


def _image(settings: Settings, images: Images, deployed: bool) -> Finding:
    there = images.versions(settings.image)
    if there:
        return Finding("image", True, f"{len(there)} versions on the engine, the last: {there[-1]}")
    repository = settings.image.rpartition(":")[0]
    if has_registry(repository):
        return Finding("image", True, f"its registry is asked for {repository}")
    if deployed:
        text = f"no tag of {repository} on the engine; what was deployed is kept by its id"
        return Finding("image", True, text)
    example = settings.image.replace("{version}", "1.0.0")
    return Finding(
        "image",
        False,
        f"the engine has no image {repository}",
        f"docker build --tag {example} .",
        "artifact_missing",
    )


def _login(images: Images) -> list[Finding]:
    try:
        login = images.login()
    except OrchestrateError as problem:
        return [bad("credentials", problem)]
    return [Finding("credentials", True, f"logs in as {login['username']}")] if login else []
