"""The objects of a revision: built in, read from a directory, or written by a configured command.

What is read is pinned: `render` is asked once, when a version is resolved, and what it gave is kept
by its digest, so that a rollback restores what was deployed and not what the files say by then.
"""

import json
import os
import subprocess
from collections.abc import Mapping

import yaml

from orchestrate.core.errors import ArtifactInvalid, ProviderConfigInvalid, ProviderUnavailable
from orchestrate.core.untrusted import clean
from orchestrate.providers.kubernetes.objects import Json, items, name_of, part, text
from orchestrate.providers.kubernetes.settings import Settings, refuse_other_namespace

WITHIN_S = 60.0
MOST_BYTES = 4 << 20
EXTRA = {
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "ServiceAccount"): "serviceaccounts",
    ("policy/v1", "PodDisruptionBudget"): "poddisruptionbudgets",
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "horizontalpodautoscalers",
    ("networking.k8s.io/v1", "NetworkPolicy"): "networkpolicies",
}
"""What manifests may hold beside a Deployment and its Service."""
_PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


def render(settings: Settings, version: str, image: str) -> list[Json]:
    """The objects for a version, checked; none where the built-in ones are used.

    Raises ProviderUnavailable when the command is not there, ArtifactInvalid when it fails or what
    it wrote is not fit.
    """
    if settings.source == "built-in":
        return []
    if settings.source == "manifests":
        written = _read(settings)
    else:
        written = _run(settings, version, image)
    # What YAML knows beyond JSON, such as dates, goes to the cluster as a text.
    objects = json.loads(json.dumps(_parse(settings, written), default=str))
    return _checked(settings, objects)


def _read(settings: Settings) -> str:
    folder = os.path.join(settings.root, settings.path)
    try:
        names = sorted(n for n in os.listdir(folder) if n.endswith((".yaml", ".yml", ".json")))
        parts = []
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                parts.append(file.read(MOST_BYTES + 1))
    except (OSError, UnicodeDecodeError) as problem:
        raise ArtifactInvalid(
            f"the manifests in {settings.path} were not read", why=[str(problem)]
        ) from problem
    return _bounded("\n---\n".join(parts), settings.path)


def _run(settings: Settings, version: str, image: str) -> str:
    directory = os.path.join(settings.root, settings.path)
    fill = {"{version}": version, "{image}": image, "{directory}": directory}
    fill |= {"{namespace}": settings.namespace, "{name}": settings.name}
    words = [_filled(word, fill) for word in settings.command]
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or name.startswith("HELM_")
    }
    try:
        done = subprocess.run(
            words,
            cwd=settings.root,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN_S,
            check=False,
        )
    except FileNotFoundError as problem:
        raise ProviderUnavailable(
            f"{words[0]} is not here, and it writes the manifests",
            fix=[f"install {words[0]} for the service, or change the command in config"],
        ) from problem
    except subprocess.TimeoutExpired as problem:
        raise ArtifactInvalid(
            "the manifests were not written in time",
            why=[f"{words[0]} took more than {WITHIN_S:g}s"],
        ) from problem
    if done.returncode != 0:
        said = clean(done.stderr.decode("utf-8", "replace")).strip()
        raise ArtifactInvalid(
            "the command that writes the manifests failed",
            why=[f"{' '.join(words)} ended with code {done.returncode}", f"untrusted | {said}"],
        )
    return _bounded(done.stdout.decode("utf-8", "replace"), words[0])


def _bounded(written: str, source: str) -> str:
    """Raises ArtifactInvalid rather than to deploy a part of what was meant."""
    if len(written) <= MOST_BYTES:
        return written
    raise ArtifactInvalid(
        f"the manifests of {source} are too long",
        why=[f"they are more than {MOST_BYTES >> 20} MiB"],
        fix=["leave out what does not belong to the application"],
    )


def _filled(word: str, fill: Mapping[str, str]) -> str:
    for name, value in fill.items():
        word = word.replace(name, value)
    return word


def _parse(settings: Settings, written: str) -> list[Json]:
    try:
        found = list(yaml.safe_load_all(written))
    except yaml.YAMLError as problem:
        raise ArtifactInvalid("the manifests are not YAML", why=[str(problem)]) from problem
    objects: list[Json] = []
    for each in found:
        if each is None:
            continue
        if not isinstance(each, dict):
            raise ArtifactInvalid("the manifests hold something that is no object")
        objects += items(each, "items") if text(each, "kind") == "List" else [each]
    return objects


def _checked(settings: Settings, objects: list[Json]) -> list[Json]:
    known = {("apps/v1", "Deployment"), ("v1", "Service"), *EXTRA}
    for each in objects:
        kind = (text(each, "apiVersion"), text(each, "kind"))
        where = f"{kind[1] or 'an object'} {name_of(each)}".strip()
        if kind not in known:
            raise ArtifactInvalid(
                f"{where} ({kind[0]}) cannot be deployed with the application",
                why=["manifests may hold " + ", ".join(sorted(name for _, name in known))],
                fix=["apply it once by hand; routes are made from `gateway` or `ingress`"],
            )
        if not name_of(each):
            raise ArtifactInvalid(f"{where} has no name")
        refuse_other_namespace(settings, where, text(each, "metadata", "namespace"))
    main_of(settings, objects)
    service = service_of(objects)
    if service is not None and name_of(service) != settings.name:
        raise ProviderConfigInvalid(
            f"the Service of the manifests is named {name_of(service)}, and not {settings.name}",
            fix=[f"set name: {name_of(service)} in config"],
        )
    return objects


def main_of(settings: Settings, objects: list[Json]) -> Json:
    """The Deployment that a revision is. Raises ArtifactInvalid."""
    found = [o for o in objects if text(o, "kind") == "Deployment"]
    if settings.deployment is not None:
        found = [o for o in found if name_of(o) == settings.deployment]
    if len(found) != 1:
        names = ", ".join(map(name_of, found)) or "none"
        raise ArtifactInvalid(
            "the manifests must hold one Deployment",
            why=[f"there are {len(found)}: {names}"],
            fix=["name the one that is deployed: `deployment` in config"],
        )
    containers = items(found[0], "spec", "template", "spec", "containers")
    there = [text(each, "name") for each in containers]
    if settings.container not in there:
        raise ArtifactInvalid(
            f"the Deployment has no container {settings.container}, whose image is to be set",
            why=[f"its containers: {', '.join(there)}"],
            fix=["set `container` in config to one of them"],
        )
    return found[0]


def service_of(objects: list[Json]) -> Json | None:
    """The Service of the manifests, if any: its ports are used."""
    found = [o for o in objects if text(o, "kind") == "Service"]
    if len(found) > 1:
        raise ArtifactInvalid("the manifests must hold one Service at most")
    return found[0] if found else None


def extra_of(objects: list[Json]) -> list[Json]:
    """What is applied as it is."""
    return [o for o in objects if (text(o, "apiVersion"), text(o, "kind")) in EXTRA]


def has_probe(settings: Settings, objects: list[Json]) -> bool:
    """Whether the container has a readinessProbe: without one it is ready as soon as it runs."""
    if settings.source == "built-in":
        return True
    for each in items(main_of(settings, objects), "spec", "template", "spec", "containers"):
        if text(each, "name") == settings.container:
            return bool(part(each, "readinessProbe"))
    return False
