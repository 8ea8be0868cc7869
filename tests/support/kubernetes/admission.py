"""What the pretended cluster refuses, with the messages of a real one."""

from __future__ import annotations

import re

from tests.support.kubernetes.fields import Json
from tests.support.kubernetes.store import Objects, Refused, valid_name

DEPLOYMENT_SPEC = {
    "replicas", "selector", "template", "strategy", "minReadySeconds", "revisionHistoryLimit",
    "paused", "progressDeadlineSeconds",
}  # fmt: skip
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def admit(objects: Objects, plural: str, made: Json, before: Json | None) -> None:
    """Raises Refused for an object that no cluster would take beside those that are there."""
    name = made["metadata"]["name"]
    kind = made["kind"]
    group = made["apiVersion"].rpartition("/")[0]
    if not valid_name(name):
        raise _invalid(kind, group, name, "metadata.name", f'Invalid value: "{name}": a lowercase')
    if plural == "deployments":
        _deployment(made, before, name)
    elif plural == "httproutes":
        _route(made, name)
    elif plural == "leases":
        _lease(made)
    elif plural == "services":
        _service(objects, made, name)
    elif plural in ("secrets", "configmaps") and before is not None and before.get("immutable"):
        if before.get("data") != made.get("data"):
            text = "Forbidden: field is immutable when `immutable` is set"
            raise _invalid(kind, "", name, "data", text)


def _deployment(made: Json, before: Json | None, name: str) -> None:
    spec = made.get("spec", {})
    unknown = sorted(set(spec) - DEPLOYMENT_SPEC)
    if unknown:
        raise Refused(
            500,
            "",
            f"failed to create typed patch object (/{name}; apps/v1, Kind=Deployment):"
            f" .spec.{unknown[0]}: field not declared in schema",
        )
    selector = spec.get("selector", {}).get("matchLabels", {})
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    if any(labels.get(key) != value for key, value in selector.items()) or not selector:
        text = "Invalid value: `selector` does not match template `labels`"
        raise _invalid("Deployment", "apps", name, "spec.template.metadata.labels", text)
    if before is not None and before["spec"].get("selector") != spec.get("selector"):
        text = "Invalid value: field is immutable"
        raise _invalid("Deployment", "apps", name, "spec.selector", text)
    rolling = spec.get("strategy", {}).get("rollingUpdate", {})
    if rolling.get("maxSurge", 1) in (0, "0%") and rolling.get("maxUnavailable", 0) in (0, "0%"):
        where = "spec.strategy.rollingUpdate.maxUnavailable"
        text = "Invalid value: 0: may not be 0 when `maxSurge` is 0"
        raise _invalid("Deployment", "apps", name, where, text)


def _route(made: Json, name: str) -> None:
    for at, rule in enumerate(made.get("spec", {}).get("rules", [])):
        for number, backend in enumerate(rule.get("backendRefs", [])):
            where = f"spec.rules[{at}].backendRefs[{number}]"
            weight = backend.get("weight", 1)
            if not 0 <= weight <= 1_000_000:
                raise _invalid(
                    "HTTPRoute", "gateway.networking.k8s.io", name, f"{where}.weight",
                    f"Invalid value: {weight}: should be from 0 to 1000000",
                )  # fmt: skip
            if "port" not in backend:
                raise _invalid(
                    "HTTPRoute", "gateway.networking.k8s.io", name, where,
                    "Invalid value: Must have port for Service reference",
                )  # fmt: skip


def _service(objects: Objects, made: Json, name: str) -> None:
    """A port of the nodes is one Service's, and of a Service that has such ports at all."""
    spec = made.get("spec", {})
    others = [s for s in objects.list("services") if s["metadata"]["name"] != name]
    taken = {p.get("nodePort") for s in others for p in s["spec"].get("ports", [])} - {None}
    for at, port in enumerate(spec.get("ports", [])):
        number, where = port.get("nodePort"), f"spec.ports[{at}].nodePort"
        if number is not None and spec.get("type") == "ClusterIP":
            text = "Forbidden: may not be used when `type` is 'ClusterIP'"
            raise _invalid("Service", "", name, where, text)
        if number in taken:
            text = f"Invalid value: {number}: provided port is already allocated"
            raise _invalid("Service", "", name, where, text)


def _lease(made: Json) -> None:
    for field in ("acquireTime", "renewTime"):
        value = made.get("spec", {}).get(field)
        if value is not None and not MICRO_TIME.fullmatch(value):
            raise Refused(
                400,
                "BadRequest",
                f'Lease in version "v1" cannot be handled as a Lease: parsing time "{value}" as'
                ' "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
            )


def _invalid(kind: str, group: str, name: str, field: str, message: str) -> Refused:
    return Refused(
        422,
        "Invalid",
        f'{kind}.{group} "{name}" is invalid: {field}: {message}'.replace(". ", " ", 0),
        name=name,
        group=group,
        kind=kind,
        causes=[{"reason": "FieldValueInvalid", "message": message, "field": field}],
    )
