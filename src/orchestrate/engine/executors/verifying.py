"""Ask every replica, and the front door, which version answers."""

from orchestrate.core.errors import VerificationFailed
from orchestrate.core.protocols import LiveState
from orchestrate.core.steps import Step, Verify
from orchestrate.engine.ask import ask
from orchestrate.engine.executors.look import Look, Memory, Scene, elapsed, failed

PATIENCE_S = 10.0
"""How long a wrong answer may last before it counts: one bad answer is not a bad release."""


def verify(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when all was observed. Raises VerificationFailed after a while of wrong answers."""
    assert isinstance(step, Verify)
    revision = scene.revision(step.revision.key)
    seen = scene.provider.observe()
    problems, answered = _ask_replicas(step, scene, seen)
    if step.percent > 0 and not problems:
        problems += _ask_front_door(step, scene, seen)
    if not problems:
        door = " and the front door answer" if step.percent > 0 else " answer"
        named = step.revision.version if revision.health.version_header else "well"
        text = f"{answered} of {step.replicas} replicas{door} {named}"
        if not revision.health.version_header:
            text += "; which version was not asked: health.version_header is not set"
        return Look(True, text)
    if elapsed(memory) >= PATIENCE_S:
        raise failed(
            VerificationFailed,
            f"{step.revision.version} could not be verified",
            scene,
            step.revision,
            why=problems,
        )
    return Look(False, problems[0], again_s=0.5)


def _ask_replicas(step: Verify, scene: Scene, seen: LiveState) -> tuple[list[str], int]:
    revision = scene.revision(step.revision.key)
    problems: list[str] = []
    answered = 0
    for replica in seen.replicas(step.revision.key):
        if replica.state != "running":
            continue
        if replica.address is not None:
            problem = ask(replica.address, revision.health, revision.version).problem
            if problem:
                problems.append(f"{problem} (replica {replica.number})")
                continue
        answered += 1
    if answered < step.replicas and not problems:
        problems.append(f"{answered} of {step.replicas} replicas run")
    return problems, answered


def _ask_front_door(step: Verify, scene: Scene, seen: LiveState) -> list[str]:
    percent = seen.percent(step.revision.key)
    if percent != step.percent:
        return [f"{percent}% of the traffic is on {step.revision.version}, not {step.percent}%"]
    if seen.address is None:
        return []
    revision = scene.revision(step.revision.key)
    problem = ask(seen.address, revision.health, revision.version, scene.host).problem
    return [f"front door: {problem}"] if problem else []
