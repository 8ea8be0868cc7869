"""Operations: one typed function each, pydantic in and out, and the one list TOOLS.

What belongs here: turning names into records, planning, asking the engine, answering with
documents. What does not: protocols (server), carrying out (engine), printing (cli).
"""

from typing import Any

from orchestrate.tools import (
    deployments,
    documents,
    environments,
    logs,
    overview,
    plans,
    service,
    starting,
)
from orchestrate.tools.operation import Hints, Operation

READ = Hints(read_only=True, destructive=False, idempotent=True, open_world=False)
LOOK = Hints(read_only=True, destructive=False, idempotent=True, open_world=True)
"""Reads, and asks the platform."""
PREPARE = Hints(read_only=False, destructive=False, idempotent=True, open_world=True)
SET = Hints(read_only=False, destructive=True, idempotent=True, open_world=False)
ACT = Hints(read_only=False, destructive=True, idempotent=True, open_world=True)

# Operations differ in their types, each line of its own is checked.
TOOLS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="get_overview",
        title="Show all environments",
        run=overview.get_overview,
        arguments=overview.GetOverview,
        document=documents.OverviewDocument,
        rest=("GET", "/api/overview"),
        toolset="read",
        hints=LOOK,
    ),
    Operation(
        name="get_environment",
        title="Show an environment",
        run=overview.get_environment,
        arguments=overview.GetEnvironment,
        document=documents.EnvironmentDocument,
        rest=("GET", "/api/environments/{environment}"),
        toolset="read",
        hints=LOOK,
    ),
    Operation(
        name="validate",
        title="Check before a deployment",
        run=plans.validate,
        arguments=plans.Validate,
        document=documents.ValidationDocument,
        rest=("POST", "/api/validate"),
        toolset="read",
        hints=LOOK,
    ),
    Operation(
        name="plan_deployment",
        title="Plan a deployment",
        run=plans.plan_deployment,
        arguments=plans.PlanDeployment,
        document=documents.PlanDocument,
        rest=("POST", "/api/plans"),
        toolset="deploy",
        hints=PREPARE,
    ),
    Operation(
        name="show_plan",
        title="Show a plan",
        run=plans.show_plan,
        arguments=plans.ShowPlan,
        document=documents.PlanDocument,
        rest=("GET", "/api/plans/{plan}"),
        toolset="read",
        hints=READ,
        mcp=False,
    ),
    Operation(
        name="start_deployment",
        title="Start a deployment",
        run=starting.start_deployment,
        arguments=starting.StartDeployment,
        document=documents.DeploymentDocument,
        rest=("POST", "/api/deployments"),
        toolset="deploy",
        hints=ACT,
        people=starting.StartConfirmed,
    ),
    Operation(
        name="wait_deployment",
        title="Wait for a deployment",
        run=deployments.wait_deployment,
        arguments=deployments.WaitDeployment,
        document=documents.DeploymentDocument,
        rest=("GET", "/api/deployments/{deployment}/wait"),
        toolset="read",
        hints=READ,
    ),
    Operation(
        name="get_deployment",
        title="Show a deployment",
        run=deployments.get_deployment,
        arguments=deployments.GetDeployment,
        document=documents.DeploymentDocument,
        rest=("GET", "/api/deployments/{deployment}"),
        toolset="read",
        hints=READ,
    ),
    Operation(
        name="follow_deployment",
        title="Follow a deployment's events",
        run=deployments.follow_deployment,
        arguments=deployments.FollowDeployment,
        document=documents.FollowDocument,
        rest=("GET", "/api/deployments/{deployment}/follow"),
        toolset="read",
        hints=READ,
        mcp=False,
    ),
    Operation(
        name="list_deployments",
        title="List deployments",
        run=deployments.list_deployments,
        arguments=deployments.ListDeployments,
        document=documents.DeploymentList,
        rest=("GET", "/api/deployments"),
        toolset="read",
        hints=READ,
    ),
    Operation(
        name="get_logs",
        title="Read an application's log",
        run=logs.get_logs,
        arguments=logs.GetLogs,
        document=documents.LogDocument,
        rest=("GET", "/api/logs"),
        toolset="read",
        hints=LOOK,
    ),
    Operation(
        name="control_deployment",
        title="Pause, resume, promote or cancel",
        run=deployments.control_deployment,
        arguments=deployments.ControlDeployment,
        document=documents.DeploymentDocument,
        rest=("POST", "/api/deployments/{deployment}/{action}"),
        toolset="deploy",
        hints=ACT,
    ),
    Operation(
        name="rollback",
        title="Roll back",
        run=starting.rollback,
        arguments=starting.Rollback,
        document=documents.DeploymentDocument,
        rest=("POST", "/api/environments/{environment}/rollback"),
        toolset="deploy",
        hints=ACT,
        people=starting.RollbackConfirmed,
    ),
    Operation(
        name="set_environments",
        title="Set environments",
        run=environments.set_environments,
        arguments=environments.SetEnvironments,
        document=documents.EnvironmentChanges,
        rest=("POST", "/api/environments"),
        toolset="setup",
        hints=SET,
        mcp=False,
    ),
    Operation(
        name="delete_environment",
        title="Delete an environment",
        run=environments.delete_environment,
        arguments=environments.DeleteEnvironment,
        document=documents.DeletedEnvironment,
        rest=("DELETE", "/api/environments/{environment}"),
        toolset="setup",
        hints=ACT,
        mcp=False,
    ),
    Operation(
        name="get_service",
        title="Show the service",
        run=service.get_service,
        arguments=service.Nothing,
        document=documents.ServiceDocument,
        rest=("GET", "/api/service"),
        toolset="service",
        hints=READ,
        mcp=False,
    ),
    Operation(
        name="stop_service",
        title="Stop the service",
        run=service.stop_service,
        arguments=service.Nothing,
        document=documents.ServiceDocument,
        rest=("POST", "/api/service/stop"),
        toolset="service",
        hints=SET,
        mcp=False,
    ),
    Operation(
        name="retire_service",
        title="Retire the service",
        run=service.retire_service,
        arguments=service.Retire,
        document=service.Retired,
        rest=("POST", "/api/service/retire"),
        toolset="service",
        hints=SET,
        mcp=False,
    ),
    Operation(
        name="doctor",
        title="Check the surroundings",
        run=service.doctor,
        arguments=service.Nothing,
        document=documents.DoctorDocument,
        rest=("GET", "/api/doctor"),
        toolset="service",
        hints=LOOK,
        mcp=False,
    ),
)
"""Every operation, in the order the doors show them."""


def by_name(name: str) -> Operation[Any, Any]:
    """The operation called `name`. Raises KeyError."""
    return {tool.name: tool for tool in TOOLS}[name]
