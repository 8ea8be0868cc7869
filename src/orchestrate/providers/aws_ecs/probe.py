"""Whether an environment can be deployed to on ECS: as whom, what is there, what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrate.core.errors import OrchestrateError
from orchestrate.core.protocols import Finding
from orchestrate.providers.aws_ecs.errors import told
from orchestrate.providers.aws_ecs.template import container_of, template_of

if TYPE_CHECKING:
    from orchestrate.providers.aws_ecs.provider import AwsEcsProvider

INVALID = "provider_config_invalid"
Look = Callable[["AwsEcsProvider"], list[Finding]]


def findings(provider: AwsEcsProvider) -> list[Finding]:
    """One finding for each thing looked at; only the first when AWS cannot be asked."""
    first = _asked("identity", _identity, provider)
    if not all(finding.ok for finding in first):
        return first
    looks: tuple[tuple[str, Look], ...] = (
        ("services", _services),
        ("task definition", _template),
        ("image", _image),
        ("traffic", _traffic),
        ("scaling", _scaling),
    )
    return [*first, *(f for name, look in looks for f in _asked(name, look, provider))]


def _asked(name: str, look: Look, provider: AwsEcsProvider) -> list[Finding]:
    try:
        return look(provider)
    except OrchestrateError as problem:
        text = "; ".join([problem.message, *problem.why])
        return [Finding(name, False, text, "; ".join(problem.fix) or None, problem.code)]


def _identity(provider: AwsEcsProvider) -> list[Finding]:
    with told("it was not asked who we are"):
        answer = provider.account.sts.get_caller_identity()
    return [Finding("identity", True, f"{answer['Arn']} in {provider.account.region}")]


def _services(provider: AwsEcsProvider) -> list[Finding]:
    found = []
    for slot, service in provider.services.described():
        controller = service.get("deploymentController", {}).get("type", "ECS")
        if controller != "ECS":
            text = f"service {slot.service} is deployed by {controller}"
            fix = "make one whose deployment controller is ECS"
            found.append(Finding("services", False, text, fix, INVALID))
            continue
        text = f"{slot.service}: {service['runningCount']} of {service['desiredCount']} tasks run"
        found.append(Finding("services", True, text))
    return found


def _template(provider: AwsEcsProvider) -> list[Finding]:
    template = template_of(provider.settings)
    where = provider.settings.task_definition
    if template is None:
        _, service = provider.services.described()[0]
        template = provider.definitions.described_json(service["taskDefinition"])
        where = "the service's own"
    name = container_of(template, provider.settings.container).get("name")
    found = [Finding("task definition", True, f"{_named(where)}, container {name}")]
    if provider.parameters.given and not template.get("executionRoleArn"):
        text = "the environment has secrets, and the task definition no execution role to read them"
        fix = "give it an executionRoleArn that may ssm:GetParameters /orchestrate/*"
        found.append(Finding("task definition", False, text, fix, INVALID))
    return found


def _named(where: object) -> str:
    return where if isinstance(where, str) else "in config"


def _image(provider: AwsEcsProvider) -> list[Finding]:
    pattern = provider.pattern()
    there = provider.images.versions(pattern)
    if not there:
        text = f"no version of {pattern} is in its registry"
        return [Finding("image", False, text, "push one", "artifact_missing")]
    return [Finding("image", True, f"{len(there)} versions in ECR, the last: {there[-1]}")]


def _traffic(provider: AwsEcsProvider) -> list[Finding]:
    if provider.rule is None:
        return _shifting(provider)
    found = []
    groups = [slot.target_group or "" for slot in provider.settings.slots]
    strangers = sorted(set(provider.rule.weights()) - set(groups))
    if strangers:
        text = f"the listener rule forwards to {', '.join(strangers)} too"
        fix = "let it forward to the target groups of the slots alone"
        found.append(Finding("traffic", False, text, fix, INVALID))
    loose = [g for g in groups if g not in provider.metrics.balancers(groups)]
    if loose:
        text = f"no load balancer uses {', '.join(loose)}, so nobody asks its targets for health"
        fix = "add a rule that forwards to both target groups (docs/providers/aws_ecs.md)"
        found.append(Finding("traffic", False, text, fix, INVALID))
    for slot, service in provider.services.described():
        own = [b.get("targetGroupArn") for b in service.get("loadBalancers", ())]
        if slot.target_group not in own:
            text = f"service {slot.service} does not register its tasks with its target group"
            fix = f"make it with --load-balancers targetGroupArn={slot.target_group},..."
            found.append(Finding("traffic", False, text, fix, INVALID))
    return found or [Finding("traffic", True, "two slots behind one listener rule")]


def _shifting(provider: AwsEcsProvider) -> list[Finding]:
    """ECS shifts traffic by itself only where the service says between what."""
    if provider.settings.deploying.way == "rolling":
        return []
    _, service = provider.services.described()[0]
    if any(
        "alternateTargetGroupArn" in balancer.get("advancedConfiguration", {})
        for balancer in service.get("loadBalancers", ())
    ):
        return [Finding("traffic", True, f"ECS shifts it: {provider.settings.deploying.way}")]
    text = f"service {service['serviceName']} has no alternate target group to shift traffic to"
    fix = "aws ecs update-service --load-balancers with advancedConfiguration; see the guide"
    return [Finding("traffic", False, text, fix, INVALID)]


def _scaling(provider: AwsEcsProvider) -> list[Finding]:
    return [
        Finding(
            "scaling",
            True,
            f"{service}: Application Auto Scaling keeps {least} to {most} tasks; the number is"
            " left to it",
        )
        for service, (least, most) in provider.services.autoscaled().items()
    ]
