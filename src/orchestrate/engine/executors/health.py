"""Start a revision, and wait until its replicas are healthy."""

from pydantic import JsonValue

from orchestrate.core.errors import ExitedAtOnce, Unhealthy
from orchestrate.core.protocols import Progress, Replica, Rolling, Telling, Write
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.steps import AwaitHealthy, Roll, Start, Step
from orchestrate.engine.ask import ask
from orchestrate.engine.executors.look import Look, Memory, Scene, elapsed, failed

MOST_RESTARTS = 3
"""A replica that was restarted so often before it was healthy will not become it."""


def start(step: Step, scene: Scene, write: Write) -> None:
    """Ask the provider for the replicas."""
    assert isinstance(step, Start)
    scene.provider.start(scene.revision(step.revision.key), step.replicas, write)


def roll(step: Step, scene: Scene, write: Write) -> None:
    """Ask the platform to replace the old replicas by itself."""
    assert isinstance(step, Roll)
    provider = scene.provider
    # A platform with one place for the application rolls whenever it starts something there.
    ask = provider.roll if isinstance(provider, Rolling) else provider.start
    ask(scene.revision(step.revision.key), step.replicas, write)


def rolled(step: Step, scene: Scene, memory: Memory) -> Look:
    assert isinstance(step, Roll)
    waiting = AwaitHealthy(revision=step.revision, replicas=step.replicas, within_s=step.within_s)
    return await_healthy(waiting, scene, memory)


def await_healthy(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when every replica answered well `healthy_after` times in a row.

    Raises ExitedAtOnce when a replica keeps ending, Unhealthy when the time is over, and what the
    platform itself says of a revision that will not come up.
    """
    assert isinstance(step, AwaitHealthy)
    revision = scene.revision(step.revision.key)
    told = platform_word(scene, revision, step.replicas, memory)
    if told is not None and not told.done:
        return _as_told(step, scene, memory, told, revision.health.interval_s)
    seen = scene.provider.observe()
    wanted = seen.expected(step.revision.key, step.replicas)
    replicas = [r for r in seen.replicas(step.revision.key) if r.number < wanted]
    _refuse_ended(step, scene, replicas)
    streaks, problem = _ask_all(revision, replicas, memory)
    need = revision.health.healthy_after
    healthy = sum(1 for streak in streaks.values() if streak >= need)
    if healthy >= wanted:
        return Look(True, f"{healthy} of {wanted} healthy")
    on_its_way = problem is None and len(streaks) >= wanted
    problem = problem or _last_problem(memory)
    if elapsed(memory) >= step.within_s and not on_its_way:
        raise failed(
            Unhealthy,
            f"{step.revision.version} did not become healthy within {step.within_s:g}s",
            scene,
            step.revision,
            why=[problem or f"{len(replicas)} of {wanted} replicas run"],
        )
    return Look(
        False,
        f"{healthy} of {wanted} healthy" + (f"; {problem}" if problem else ""),
        memory={
            "streaks": {str(n): s for n, s in streaks.items()},
            "problem": problem,
            "told": dict(told.memory) if told else {},
        },
        again_s=revision.health.interval_s,
    )


def sick(scene: Scene, ref: Ref) -> str | None:
    """What is wrong when not one of a revision's replicas passes its health gate, else None."""
    replicas = list(scene.provider.observe().replicas(ref.key))
    streaks, problem = _ask_all(scene.revision(ref.key), replicas, {})
    return None if any(streaks.values()) else problem


def platform_word(
    scene: Scene, revision: Revision, replicas: int, memory: Memory
) -> Progress | None:
    """What the platform says of a revision; None where it has no word of its own."""
    if not isinstance(scene.provider, Telling):
        return None
    before = memory.get("told")
    known: dict[str, JsonValue] = before if isinstance(before, dict) else {}
    return scene.provider.progress(revision, replicas, elapsed(memory), known)


def _as_told(
    step: AwaitHealthy, scene: Scene, memory: Memory, told: Progress, again_s: float
) -> Look:
    """Not done yet, by the platform's own account."""
    if elapsed(memory) >= step.within_s:
        raise failed(
            Unhealthy,
            f"{step.revision.version} did not become healthy within {step.within_s:g}s",
            scene,
            step.revision,
            why=[told.text],
        )
    kept: dict[str, JsonValue] = {"problem": told.text, "told": dict(told.memory)}
    return Look(False, told.text, memory=kept, again_s=again_s)


def _refuse_ended(step: AwaitHealthy, scene: Scene, replicas: list[Replica]) -> None:
    for replica in replicas:
        if replica.restarts < MOST_RESTARTS and not (
            replica.state == "exited" and replica.reason == "gave up"
        ):
            continue
        how = "" if replica.exit_code is None else f" with exit code {replica.exit_code}"
        raise failed(
            ExitedAtOnce,
            f"{step.revision.version} ended{how} before it was healthy",
            scene,
            step.revision,
            why=[
                f"replica {replica.number} was started {replica.restarts + 1} times"
                + (f": {replica.reason}" if replica.reason else "")
            ],
        )


def _ask_all(
    revision: Revision, replicas: list[Replica], memory: Memory
) -> tuple[dict[int, int], str | None]:
    """Good answers in a row by replica, and what was wrong with the last bad one."""
    before = memory.get("streaks")
    known: dict[str, JsonValue] = before if isinstance(before, dict) else {}
    streaks: dict[int, int] = {}
    problem = None
    for replica in replicas:
        if replica.state != "running":
            problem = f"replica {replica.number} is {replica.state}" + (
                f": {replica.reason}" if replica.reason else ""
            )
            continue
        if replica.address is None:
            # The platform's own word: it gives no address to ask.
            streaks[replica.number] = revision.health.healthy_after
            continue
        answer = ask(replica.address, revision.health, revision.version)
        earlier = known.get(str(replica.number), 0)
        streak = int(earlier) if isinstance(earlier, int | float) else 0
        streaks[replica.number] = 0 if answer.problem else streak + 1
        if answer.problem:
            problem = f"{answer.problem} (replica {replica.number})"
    return streaks, problem


def _last_problem(memory: Memory) -> str | None:
    found = memory.get("problem")
    return found if isinstance(found, str) else None
