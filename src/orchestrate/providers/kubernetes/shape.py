"""The objects that are written for a revision: a Deployment in a colour, Services, a Secret."""

import base64
import copy
import json
from collections.abc import Mapping

from orchestrate.core.canonical import canonical
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Revision
from orchestrate.providers.kubernetes.manifests import main_of
from orchestrate.providers.kubernetes.objects import PREFIX, Json, items, note, part
from orchestrate.providers.kubernetes.settings import Settings
from orchestrate.providers.settings import variables_of

NOWHERE = "none"
"""The colour that nothing has: a Service with it serves nothing."""
ASKED = "asked"
"""Note of a Service: what the manifests ask of the one that the application answers at."""


def whose(app: str, environment: str) -> dict[str, str]:
    """Labels that tell the objects of an environment from all others."""
    return {f"{PREFIX}app": app, f"{PREFIX}environment": environment}


def marks(write: Write, prefix: str = "") -> dict[str, str]:
    """Annotations that tell which write made an object what it is."""
    return {
        f"{PREFIX}{prefix}write": str(write.number),
        f"{PREFIX}{prefix}write-key": write.key,
    }


def deployment(
    settings: Settings,
    revision: Revision,
    objects: list[Json],
    image: str,
    color: str,
    labels: Mapping[str, str],
    secret: str | None,
    write: Write,
) -> Json:
    """A revision's Deployment in a colour, without `spec.replicas`: those have another owner."""
    base = copy.deepcopy(main_of(settings, objects)) if objects else _built_in(settings, revision)
    spec, template = part(base, "spec"), part(base, "spec", "template")
    ours = {**labels, f"{PREFIX}color": color}
    pod_labels = {**part(template, "metadata", "labels"), **ours}
    pod_labels[f"{PREFIX}revision"] = revision.key
    pod_notes = {
        **part(template, "metadata", "annotations"),
        f"{PREFIX}version": revision.version,
    }
    pod = part(template, "spec")
    _set_container(settings, pod, revision, image, secret)
    if settings.pull_secret:
        pod["imagePullSecrets"] = [{"name": settings.pull_secret}]
    for name in ("replicas", "selector", "paused"):
        spec.pop(name, None)
    spec.setdefault("strategy", _strategy(settings))
    spec.setdefault("minReadySeconds", round(settings.min_ready_s))
    spec.setdefault("progressDeadlineSeconds", round(settings.progress_deadline_s))
    return {
        "metadata": {
            "name": f"{settings.name}-{color}",
            "labels": {**part(base, "metadata", "labels"), **ours},
            "annotations": {
                **part(base, "metadata", "annotations"),
                f"{PREFIX}revision": revision.key,
                f"{PREFIX}version": revision.version,
                f"{PREFIX}image": image,
                f"{PREFIX}artifact": revision.artifact.digest,
                **({f"{PREFIX}manifests": revision.artifact.digest} if objects else {}),
                **marks(write),
            },
        },
        "spec": {
            **spec,
            "selector": {"matchLabels": ours},
            "template": {
                "metadata": {"labels": pod_labels, "annotations": pod_notes},
                "spec": pod,
            },
        },
    }


def annotate(body: Json, notes: Mapping[str, str]) -> None:
    """Add annotations of ours to an object that is to be written."""
    part(body, "metadata", "annotations").update({f"{PREFIX}{k}": v for k, v in notes.items()})


def service(
    settings: Settings,
    base: Mapping[str, object],
    name: str,
    labels: Mapping[str, str],
    color: str | None,
    notes: Mapping[str, str],
) -> Json:
    """The Service that the application answers at: all that `base` asks for, for one colour, or
    with None for all of them, with annotations."""
    asked = _asked(settings, base)
    spec = part(asked, "spec")
    return _led(
        asked, spec, name, labels, color, {**part(asked, "metadata", "annotations"), **notes}
    )


def own_service(
    settings: Settings,
    base: Mapping[str, object],
    name: str,
    labels: Mapping[str, str],
    color: str,
    notes: Mapping[str, str],
) -> Json:
    """The Service of a colour beside the one that the application answers at: its ports, inside of
    the cluster alone. A port of the nodes or a load balancer is that one's, and cannot be two's."""
    asked = _asked(settings, base)
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"}
        for port in items(asked, "spec", "ports")
    ]
    return _led(asked, {"type": "ClusterIP", "ports": ports}, name, labels, color, notes)


def _led(
    asked: Json,
    spec: Json,
    name: str,
    labels: Mapping[str, str],
    color: str | None,
    notes: Mapping[str, object],
) -> Json:
    chosen = {**labels, **({f"{PREFIX}color": color} if color else {})}
    return {
        "metadata": {
            "name": name,
            "labels": {**part(asked, "metadata", "labels"), **labels},
            # What a Service became does not tell what was asked of it.
            "annotations": {**notes, f"{PREFIX}{ASKED}": canonical(asked)},
        },
        "spec": {**spec, "selector": chosen},
    }


def _asked(settings: Settings, base: Mapping[str, object]) -> Json:
    """What a Service in manifests says beside its name and its selector, which are ours to say."""
    spec = {key: value for key, value in part(base, "spec").items() if key != "selector"}
    if not spec.get("ports"):
        spec["ports"] = part(plain_service(settings), "spec")["ports"]
    meta = {key: part(base, "metadata", key) for key in ("labels", "annotations")}
    return {"metadata": {key: value for key, value in meta.items() if value}, "spec": spec}


def plain_service(settings: Settings) -> Json:
    """The Service of an application whose manifests have none."""
    return {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": settings.port}]}}


def as_asked(found: Mapping[str, object]) -> Json:
    """What the manifests ask of the Service that the application answers at, as one of ours notes
    it; of one that notes nothing, what can be told from what it became."""
    if asked := note(found, ASKED):
        noted = json.loads(asked)
        return noted if isinstance(noted, dict) else {}
    known = ("name", "port", "protocol", "targetPort", "appProtocol")
    ports = [
        {key: value for key, value in port.items() if key in known}
        for port in items(found, "spec", "ports")
    ]
    spec = part(found, "spec")
    kept: Json = {key: spec[key] for key in ("type", "sessionAffinity") if key in spec}
    notes = part(found, "metadata", "annotations")
    return {
        "metadata": {
            "labels": part(found, "metadata", "labels"),
            "annotations": {k: v for k, v in notes.items() if not k.startswith(PREFIX)},
        },
        "spec": {**kept, "ports": ports},
    }


def secret(name: str, labels: Mapping[str, str], values: Mapping[str, str], write: Write) -> Json:
    """The secrets of one revision. Immutable: what a Pod was started with does not change."""
    return {
        "metadata": {"name": name, "labels": dict(labels), "annotations": marks(write)},
        "type": "Opaque",
        "immutable": True,
        "data": {key: base64.b64encode(v.encode()).decode() for key, v in sorted(values.items())},
    }


def service_port(found: Mapping[str, object]) -> int:
    """The port of a Service that routes lead to."""
    ports = items(found, "spec", "ports")
    port = ports[0].get("port") if ports else None
    return port if isinstance(port, int) else 80


def extra(
    found: Json, settings: Settings, color: str, labels: Mapping[str, str], write: Write
) -> Json:
    """Another object of the manifests. An autoscaler belongs to a colour's Deployment."""
    made = copy.deepcopy(found)
    meta = part(made, "metadata")
    meta.pop("namespace", None)
    meta["labels"] = {**part(meta, "labels"), **labels}
    meta["annotations"] = {**part(meta, "annotations"), **marks(write)}
    if made.get("kind") == "HorizontalPodAutoscaler":
        name = f"{settings.name}-{color}"
        meta["name"] = name
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        made["spec"] = {**part(made, "spec"), "scaleTargetRef": target}
    return made


def _built_in(settings: Settings, revision: Revision) -> Json:
    gate = revision.health
    container: Json = {
        "name": settings.container,
        "ports": [{"name": "http", "containerPort": settings.port}],
        "readinessProbe": {
            "httpGet": {"path": gate.path, "port": settings.port},
            "periodSeconds": max(round(gate.interval_s), 1),
            "timeoutSeconds": max(round(gate.timeout_s), 1),
            "successThreshold": gate.healthy_after,
            "failureThreshold": 3,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": _resources(settings),
    }
    if settings.run is not None:
        container["command"] = list(settings.run)
    if settings.args is not None:
        container["args"] = list(settings.args)
    pod: Json = {
        "containers": [container],
        "terminationGracePeriodSeconds": max(round(settings.grace_s), 1),
        "automountServiceAccountToken": settings.service_account is not None,
    }
    if settings.service_account is not None:
        pod["serviceAccountName"] = settings.service_account
    return {"spec": {"template": {"spec": pod}}}


def _resources(settings: Settings) -> Json:
    both = {"requests": dict(settings.requests), "limits": dict(settings.limits)}
    return {kind: amounts for kind, amounts in both.items() if amounts}


def _strategy(settings: Settings) -> Json:
    rolling = {"maxSurge": settings.max_surge, "maxUnavailable": settings.max_unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": rolling}


def _set_container(
    settings: Settings, pod: Json, revision: Revision, image: str, secret: str | None
) -> None:
    """The image, the variables and the secrets of the application's container."""
    for each in items(pod, "containers"):
        if each.get("name") != settings.container:
            continue
        each["image"] = image
        given: dict[str, str] = variables_of(revision)
        if settings.source == "built-in":
            given = {"PORT": str(settings.port), **given}
        kept = [env for env in items(each, "env") if env.get("name") not in given]
        each["env"] = [*kept, *({"name": k, "value": v} for k, v in given.items())]
        if secret is not None:
            each["envFrom"] = [*items(each, "envFrom"), {"secretRef": {"name": secret}}]
