"""Task definitions of an environment: one family for each revision, registered once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from orchestrate.core.environment import Environment
from orchestrate.core.errors import PlanChanged, StepFailed
from orchestrate.core.revision import Ref, Revision
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told
from orchestrate.providers.aws_ecs.parameters import Parameters
from orchestrate.providers.aws_ecs.settings import settings_of
from orchestrate.providers.aws_ecs.template import (
    Json,
    filled,
    ref_of,
    template_digest,
    template_of,
)

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskDefinitionTypeDef

MOST_KNOWN = 500
_known: dict[str, TaskDefinitionTypeDef] = {}
"""By ARN: a registered task definition does not change, but for its status."""
_lock = threading.Lock()


class Definitions:
    """Task definitions, found by the revision they are of."""

    def __init__(self, account: Account, environment: Environment, parameters: Parameters) -> None:
        self._account = account
        self._parameters = parameters
        self._whose = f"{environment.app}/{environment.name}"
        self._base = f"{environment.app}-{environment.name}"

    def family(self, key: str) -> str:
        """The family of a revision: `shop-staging-1a2b3c4d5e6f`."""
        return f"{self._base}-{key}"

    def find(self, key: str) -> str | None:
        """The ARN of a revision's task definition, None when there is none that can be run."""
        found = self._described(self.family(key))
        if found is None or found["status"] != "ACTIVE":
            return None
        return found["taskDefinitionArn"]

    def ref(self, arn: str) -> Ref | None:
        """The revision a task definition is of; None for one that is not of this environment."""
        found = self.described(arn)
        return ref_of(cast(Json, found), self._whose) if found else None

    def described(self, arn: str) -> TaskDefinitionTypeDef | None:
        """A task definition by its ARN; its status may have changed since."""
        with _lock:
            known = _known.get(arn)
        return known or self._described(arn)

    def described_json(self, arn: str) -> Json:
        """The same as plain JSON; empty when there is none."""
        return cast(Json, dict(self.described(arn) or {}))

    def ensure(self, revision: Revision, own: str | None) -> str:
        """The ARN of a revision's task definition, registered now when it was not. `own` is what
        the service has, the template where config names none.

        Raises PlanChanged when the template is another than the revision was made with.
        """
        there = self.find(revision.key)
        if there is not None:
            # It outlives an environment that is deleted; the values it refers to do not.
            self._parameters.ensure(revision)
            return there
        settings = settings_of(revision.config)
        template = template_of(settings)
        if template_digest(template) != revision.artifact.template:
            raise PlanChanged(
                f"{settings.task_definition} is another than {revision.version} was planned with",
                why=["a task definition's template is part of the revision"],
                fix=["plan and deploy again"],
            )
        if template is None:
            template = self._of_service(own)
        secrets = self._parameters.ensure(revision)
        wanted = filled(template, revision, self.family(revision.key), settings, secrets)
        with told(f"the task definition of {revision.version} was not registered"):
            answer = self._account.ecs.register_task_definition(**wanted)  # type: ignore[arg-type]  # from JSON
        return answer["taskDefinition"]["taskDefinitionArn"]

    def _of_service(self, own: str | None) -> Json:
        found = self.described(own) if own else None
        if found is None:
            raise StepFailed(
                "the service has no task definition to go by",
                fix=["name a file as `task_definition` in config"],
            )
        return cast(Json, dict(found))

    def _described(self, name: str) -> TaskDefinitionTypeDef | None:
        try:
            with told(f"task definition {name} was not looked at"):
                answer = self._account.ecs.describe_task_definition(taskDefinition=name)
        except Absent:
            return None
        except StepFailed as problem:
            if any("Unable to describe task definition" in why for why in problem.why):
                return None  # its words for "there is none"
            raise
        found = answer["taskDefinition"]
        with _lock:
            while len(_known) >= MOST_KNOWN:
                del _known[next(iter(_known))]
            _known[found["taskDefinitionArn"]] = found
        return found
