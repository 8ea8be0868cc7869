"""Ask a new revision everything its `verify` settings ask, and record each answer."""

from orchestrate.core.errors import VerificationFailed
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Roll, Start, Step, Verify
from orchestrate.engine.checks.after import Asked, Json, ask
from orchestrate.engine.checks.observed import Logged, Observed
from orchestrate.engine.executors.look import Look, Memory, Scene, elapsed, failed


def verify(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when every check has answered. Ends with VerificationFailed at the first one that did
    not pass, with what it saw and the last lines of the log; the answers are recorded either way.
    """
    assert isinstance(step, Verify)
    asked = ask(_subject(step, scene, memory), memory)
    error = _error(step, scene, asked) if asked.failed else None
    kept: Json = {**asked.memory}
    if memory.get("promoted") is True:
        kept["promoted"] = True
    return Look(
        asked.done and error is None,
        asked.text,
        memory=kept,
        data={"checks": [dict(each) for each in asked.results]} if asked.results else {},
        again_s=asked.again_s,
        error=error,
    )


def _subject(step: Verify, scene: Scene, memory: Memory) -> Observed:
    plan, environment = scene.plan, scene.environment
    root = environment.config.get("root") if environment else None
    old = plan.old if plan is not None else None
    seen = scene.provider.observe()
    return Observed(
        ref=step.revision,
        revision=scene.revision(step.revision.key),
        baseline=old if old is not None and old.key != step.revision.key else None,
        provider=scene.provider,
        seen=seen,
        replicas=seen.expected(step.revision.key, step.replicas),
        percent=step.percent,
        host=scene.host,
        url=environment.url if environment else None,
        directory=root if isinstance(root, str) else None,
        fresh=plan is None or _starts(plan.steps, step.revision.key),
        beginning=_beginning(scene, old) if old is not None else None,
        watched_s=elapsed(memory),
        now=scene.clock(),
        left_s=scene.deadline - scene.clock(),
    )


def _beginning(scene: Scene, old: Ref) -> Logged | None:
    found = scene.logged(old.key) or {}
    lines, kinds = found.get("lines"), found.get("untrusted_kinds")
    if not isinstance(lines, int) or not isinstance(kinds, dict):
        return None
    counts = {kind: n for kind, n in kinds.items() if isinstance(n, int)}
    return Logged(lines, counts, found.get("whole") is True)


def _starts(steps: tuple[Step, ...], key: str) -> bool:
    return any(isinstance(s, Start | Roll) and s.revision.key == key for s in steps)


def _error(step: Verify, scene: Scene, asked: Asked) -> VerificationFailed:
    assert asked.failed is not None
    name, text, fix = (asked.failed[key] for key in ("name", "text", "fix"))
    before = "" if step.percent else " before it got traffic"
    found = failed(
        VerificationFailed,
        f"{step.revision.version} could not be verified{before}: {name}",
        scene,
        step.revision,
        why=[str(text), *asked.lines],
    )
    assert isinstance(found, VerificationFailed)
    if isinstance(fix, str):
        found.fix = (fix, *found.fix)
    found.details = {"check": str(name), "result": str(asked.failed["result"])}
    return found
