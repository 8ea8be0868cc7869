"""A task definition for a revision, from a template: pure functions over what AWS and files hold.

The revision is written into the container's own variables, which never change once a task
definition is registered: from them it is known again what a service runs.
"""

import json
import os
from collections.abc import Mapping

import yaml
from pydantic import JsonValue

from orchestrate.core.canonical import digest
from orchestrate.core.errors import ArtifactInvalid, ProviderConfigInvalid
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.untrusted import clean
from orchestrate.providers.aws_ecs.settings import Settings
from orchestrate.providers.settings import variables_of

Json = dict[str, JsonValue]
REGISTRABLE = frozenset(
    "taskRoleArn executionRoleArn networkMode containerDefinitions volumes placementConstraints"
    " requiresCompatibilities cpu memory pidMode ipcMode proxyConfiguration inferenceAccelerators"
    " ephemeralStorage runtimePlatform enableFaultInjection".split()
)
"""What a registration takes; AWS answers with more. The family is ours: one for each revision."""
NAMES = "orchestrate.names"
"""Label of the container with the names of the variables and secrets that we gave it."""
MOST_BYTES = 256 * 1024


def template_of(settings: Settings) -> Json | None:
    """The template that the config names. None when the service's own is taken.

    Raises ArtifactInvalid when the file is not there or is no task definition.
    """
    if settings.task_definition is None:
        return None
    if isinstance(settings.task_definition, dict):
        return settings.task_definition
    path = os.path.join(settings.root, settings.task_definition)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST_BYTES + 1)
        found = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise ArtifactInvalid(
            f"the task definition {settings.task_definition} cannot be read",
            why=[" ".join(clean(str(problem)).split())],
            fix=["put it beside orchestrate.yaml, as JSON or YAML"],
        ) from problem
    if isinstance(found, dict) and isinstance(found.get("taskDefinition"), dict):
        found = found["taskDefinition"]  # as `aws ecs describe-task-definition` prints it
    if not isinstance(found, dict) or not isinstance(found.get("containerDefinitions"), list):
        raise ArtifactInvalid(
            f"{settings.task_definition} is no task definition",
            why=["it has no containerDefinitions"],
            fix=["aws ecs describe-task-definition --task-definition NAME prints one"],
        )
    return found


def template_digest(template: Json | None) -> str | None:
    """What tells a changed template from an unchanged one."""
    return digest(_registrable(template)) if template is not None else None


def container_of(template: Mapping[str, object], wanted: str | None) -> dict[str, JsonValue]:
    """The container whose image is deployed. Raises ProviderConfigInvalid when it is not there."""
    containers = template.get("containerDefinitions")
    found = [c for c in containers if isinstance(c, dict)] if isinstance(containers, list) else []
    if wanted is None:
        essential = [c for c in found if c.get("essential", True)]
        if essential:
            return essential[0]
    for each in found:
        if each.get("name") == wanted:
            return each
    raise ProviderConfigInvalid(
        f"the task definition has no container {wanted or 'that is essential'}",
        why=[f"it has {', '.join(str(c.get('name')) for c in found) or 'none'}"],
        fix=["name one of them as `container` in config"],
    )


def filled(
    template: Json, revision: Revision, family: str, settings: Settings, secrets: Mapping[str, str]
) -> Json:
    """The arguments of RegisterTaskDefinition for a revision.

    `secrets` are names of variables and of the parameters that hold their values. Raises
    ProviderConfigInvalid.
    """
    chosen = container_of(template, settings.container).get("name")
    containers = [
        _container(each, revision, secrets) if each.get("name") == chosen else each
        for each in _list(template.get("containerDefinitions"))
    ]
    kept: Json = _registrable(template)
    return {**kept, "family": family, "containerDefinitions": [*containers]}


def _container(before: Json, revision: Revision, secrets: Mapping[str, str]) -> Json:
    labels = before.get("dockerLabels")
    labels = dict(labels) if isinstance(labels, dict) else {}
    variables = variables_of(revision)
    # What an earlier revision was given, and what is given now, is not the template's.
    gone = {*variables, *secrets, *str(labels.get(NAMES, "")).split(",")}
    kept = [each for each in _list(before.get("environment")) if each.get("name") not in gone]
    kept_secrets = [each for each in _list(before.get("secrets")) if each.get("name") not in gone]
    given: list[JsonValue] = [{"name": k, "value": v} for k, v in sorted(variables.items())]
    referred: list[JsonValue] = [{"name": k, "valueFrom": v} for k, v in sorted(secrets.items())]
    labels[NAMES] = ",".join(sorted([*variables, *secrets]))
    repository = repository_of(revision.artifact.reference)
    return {
        **before,
        "image": f"{repository}@{revision.artifact.digest}",
        "environment": [*kept, *given],
        "secrets": [*kept_secrets, *referred],
        "dockerLabels": labels,
    }


def ref_of(definition: Mapping[str, object], environment: str) -> Ref | None:
    """The revision of `environment` (app/name) that a task definition is of; None: not of ours."""
    for container in _list(definition.get("containerDefinitions")):
        variables = {
            str(each.get("name")): str(each.get("value"))
            for each in _list(container.get("environment"))
        }
        whose = f"{variables.get('ORCHESTRATE_APP')}/{variables.get('ORCHESTRATE_ENVIRONMENT')}"
        key, version = (variables.get(f"ORCHESTRATE_{x}") for x in ("REVISION", "VERSION"))
        if whose == environment and key and version:
            return Ref(key=key, version=version)
    return None


def repository_of(image: str) -> str:
    """`host:5000/shop` of `host:5000/shop:1.0.0` and of `host:5000/shop@sha256:...`."""
    name = image.partition("@")[0]
    first, slash, last = name.rpartition("/")
    return f"{first}{slash}{last.partition(':')[0]}"


def _registrable(template: Json) -> Json:
    return {key: value for key, value in template.items() if key in REGISTRABLE and value != []}


def _list(found: object) -> list[Json]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
