"""One deployment, told through every door: the same sentence."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from orchestrate.cli.render import deployment as cli
from orchestrate.cli.render.paint import Paint
from orchestrate.core import words
from orchestrate.core.deployment import Kind, Phase, StepState
from orchestrate.core.environment import StrategyName
from orchestrate.server.mcp import text
from orchestrate.server.mcp.answers import answer
from orchestrate.tools.documents import (
    Actor,
    DeploymentDocument,
    ErrorDocument,
    Serving,
    StepDocument,
)
from tests.support.agent import text_of

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 23, 14, 36, 2, tzinfo=UTC)
WIDE = Paint(width=200, utc=True)


def deployment(
    phase: Phase, *, kind: Kind = Kind.DEPLOY, result: str | None = None, serving: str = "1.4.2"
) -> DeploymentDocument:
    """d142 in a phase, as a record is made into a document."""
    ended = phase.terminal
    step = StepDocument(
        key="analyse-25",
        kind="analyse",
        state=StepState.DONE if ended else StepState.RUNNING,
        title="analyse at 25%",
        text="hold",
    )
    summary = words.deployment_summary(
        kind=kind.value,
        phase=phase.value,
        environment="production",
        from_version="1.4.1",
        to_version="1.4.2",
        serving=serving if ended else None,
        result=result,
        step=None if ended else step.title,
    )
    return DeploymentDocument(
        id="d142",
        kind=kind,
        app="shop",
        environment="production",
        phase=phase,
        terminal=ended,
        paused=False,
        result=result,
        summary=summary,
        from_version="1.4.1",
        to_version="1.4.2",
        from_revision="r86",
        to_revision="r87",
        serving=Serving(version=serving, observed_at=AT, weights_percent={serving: 100}),
        strategy=StrategyName.CANARY,
        plan_digest="sha256:" + "7c1e9a40b3f2" * 5 + "7c1e",
        requested_by=Actor(actor="claude", on_behalf_of="lee"),
        reason=None,
        created_at=AT,
        started_at=AT,
        ended_at=AT if ended else None,
        deadline_at=None,
        duration_s=1479.0 if ended else 434.0,
        steps=[step],
        verdict=None,
        checks=[],
        remains=[],
        requests=None,
        undoes=None,
        undone_by=None,
        quarantined=False,
        error=None,
        url="/deployments/d142",
        next=[],
    )


def at_the_command_line(document: DeploymentDocument) -> str:
    """The line with the verdict, without its sign and its duration."""
    lines = cli.final(cast(Any, document.as_json()), WIDE, AT)
    line = next(line for line in lines if "d142" in line)
    return line.split(" ", 1)[1].split("  ")[0]


ENDED = [
    (deployment(Phase.SUCCEEDED), "d142 succeeded: production serves 1.4.2, was 1.4.1"),
    (
        deployment(Phase.SUCCEEDED, kind=Kind.ROLLBACK),
        "d142 succeeded: production serves 1.4.2 again",
    ),
    (
        deployment(Phase.ROLLED_BACK, result="analysis_abort", serving="1.4.1"),
        "d142 rolled back: production serves 1.4.1, 1.4.2 was refused",
    ),
    (
        deployment(Phase.FAILED, result="unhealthy", serving="1.4.1"),
        "d142 failed: production still serves 1.4.1, 1.4.2 did not become healthy",
    ),
]


@pytest.mark.parametrize(("document", "sentence"), ENDED, ids=lambda v: getattr(v, "result", ""))
def test_the_end_is_the_same_sentence_through_every_door(
    document: DeploymentDocument, sentence: str
) -> None:
    rest = document.as_json()
    assert f"d142 {words.word(document.phase)}: {rest['summary']}" == sentence
    assert at_the_command_line(document) == sentence
    assert text_of(answer(document)).splitlines()[0] == f"{sentence} (24m 39s)."
    structured = answer(document).structured_content
    assert structured is not None and structured["summary"] == rest["summary"]


def test_what_goes_on_is_the_same_sentence_through_every_door() -> None:
    document = deployment(Phase.DEPLOYING)
    assert document.summary == "deploying 1.4.2: analyse at 25%"
    assert at_the_command_line(document) == f"d142 {document.summary}"
    assert text.headline(document) == f"d142 {document.summary}."


def test_the_last_words_of_a_version_are_marked_as_foreign_through_every_door() -> None:
    document = deployment(Phase.FAILED, result="exited", serving="1.4.1").model_copy(
        update={
            "error": ErrorDocument(
                code="exited",
                message="1.4.2 ended before it was healthy",
                why=["last lines of its log:"],
                untrusted_lines=["KeyError: 'currency'"],
            )
        }
    )
    printed = cli.final(cast(Any, document.as_json()), WIDE, AT)
    assert any(line.strip().endswith("untrusted | KeyError: 'currency'") for line in printed)
    told = text_of(answer(document)).splitlines()
    place = told.index("KeyError: 'currency'")
    assert told[place - 1].startswith('<untrusted id="')
    assert told[place + 1].startswith('</untrusted id="')
