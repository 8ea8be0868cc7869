"""Carry out one migration, and ask the database whether it has it."""

from orchestrate.core.errors import MigrationFailed, PlanChanged
from orchestrate.core.migrations import Migration
from orchestrate.core.plan import migrations_digest
from orchestrate.core.protocols import Write
from orchestrate.core.steps import Migrate, Step
from orchestrate.engine import migrating
from orchestrate.engine.executors.look import Look, Memory, Scene


def migrate(step: Step, scene: Scene, write: Write) -> None:
    """Run it, unless it is applied already. Bounded by its own time and by the deadline. Raises
    PlanChanged when the commands are not those that the plan was made with."""
    assert isinstance(step, Migrate)
    assert scene.environment is not None and scene.secrets is not None
    planned = scene.plan.migrations if scene.plan is not None else None
    if planned is not None and planned != migrations_digest(scene.environment):
        name = scene.environment.name
        raise PlanChanged(
            f"the migrations of {name} are set otherwise than when the plan was made",
            why=["the commands that run are part of what was agreed to"],
            fix=[f"look at the plan again: orchestrate deploy diff --env {name}"],
        )
    left_s = scene.deadline - scene.clock()
    within_s = min(step.within_s, max(left_s, 1.0))
    migrating.carry_out(scene.environment, scene.secrets, _migration(step), step.version, within_s)


def migrated(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when the database says so: a program that ends with 0 is not a table that is there."""
    assert isinstance(step, Migrate)
    assert scene.environment is not None and scene.secrets is not None
    migration = _migration(step)
    if not migrating.is_applied(scene.environment, scene.secrets, migration, step.version):
        raise MigrationFailed(
            f"migration {step.name} ended well and is not applied",
            why=["migrations.applied does not list it"],
            fix=["correct the command of migrations.applied, or of the migration"],
        )
    return Look(True, "applied", data={"migration": migration.model_dump(mode="json")})


def _migration(step: Migrate) -> Migration:
    return Migration(name=step.name, phase=step.phase)
