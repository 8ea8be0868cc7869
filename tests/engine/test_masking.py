"""What a provider says, and what the service logs, holds no secret; or is not shown."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx2
import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from orchestrate.core.environment import SecretSource
from orchestrate.core.errors import (
    MetricSourceRefused,
    OrchestrateError,
    SecretSourceDown,
    StepFailed,
)
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.protocols import (
    Dismantling,
    Finding,
    LiveState,
    LogLine,
    Mending,
    Provider,
    Replica,
    Restorable,
    RunningRevision,
)
from orchestrate.core.revision import Ref
from orchestrate.core.secret import MASK, Secret
from orchestrate.engine import revealed
from orchestrate.engine.masking import LONGEST, LONGEST_QUOTED, NOT_SHOWN, masking, masking_source
from orchestrate.engine.secrets import EnvironmentSecrets
from orchestrate.providers.kubernetes.diagnosis import explain
from orchestrate.providers.metrics.asking import told
from orchestrate.store import environments
from orchestrate.store.database import Store, make_engine
from orchestrate.tools.secrets import SetSecret
from tests.support.records import environment, revision

pytestmark = pytest.mark.unit

VALUE = "hunter22-and-more"
REF = Ref(key="k", version="1")


@pytest.mark.attack("SK06", "a common word is given as a value, and refused or kept", "not masked")
@pytest.mark.parametrize("word", ["production", "localhost", "short"])
def test_a_common_word_destroys_nothing_that_is_said(word: str) -> None:
    revealed.note(Secret(word))
    said = f"{word} may not be changed now"
    assert revealed.masked(said) == said
    assert revealed.masked_json({"text": said}) == {"text": said}


def test_a_common_word_that_a_backend_keeps_destroys_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_HOST", "localhost")
    monkeypatch.setenv("APP_KEY", VALUE)
    found = environment().model_copy(
        update={
            "secrets": ("HOST", "KEY"),
            "secret_sources": {
                "HOST": SecretSource(backend="env", name="APP_HOST"),
                "KEY": SecretSource(backend="env", name="APP_KEY"),
            },
        }
    )
    store = Store(f"sqlite:///{tmp_path / 'store.db'}", tmp_path)
    store.migrate()
    with store.session() as session:
        environments.put(session, found)
    assert list(EnvironmentSecrets(found, store).values()) == [Secret(VALUE)]
    store.close()


class Loud:
    """A platform that repeats the secret wherever it may say something."""

    capabilities = "as they are"

    def replicas(self) -> int:
        return 2

    def probe(self) -> list[Finding]:
        return [Finding("x", False, f"cannot log in with {VALUE}", f"not {VALUE}")]

    def observe(self) -> LiveState:
        replica = Replica(0, "exited", reason=f"exited: bad {VALUE}")
        return LiveState(running=(RunningRevision(REF, 1, (replica,)),))

    def restorable(self, _: object) -> Restorable:
        return Restorable(False, lost=(f"{VALUE} is gone",))

    def logs(self, ref: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        for text in ("one", f"two {VALUE}", "three"):
            if grep is None or grep in text:
                yield LogLine("k", 0, text)

    def ensure(self) -> list[str]:
        return []

    def start(self, *_: object) -> None:
        try:
            raise KeyError(f"no such {VALUE}")
        except KeyError as error:
            raise StepFailed(f"failed {VALUE}", why=[VALUE], fix=[f"do {VALUE}"]) from error


def loud(values: Any = lambda: [Secret(VALUE)]) -> Any:
    return masking(Loud(), values)  # type: ignore[arg-type]  # only what is asked for here


def test_every_text_of_a_provider_is_masked() -> None:
    found = loud()
    (finding,) = found.probe()
    assert (finding.text, finding.fix) == (f"cannot log in with {MASK}", f"not {MASK}")
    assert found.observe().running[0].replicas[0].reason == f"exited: bad {MASK}"
    assert found.restorable(revision("1")).lost == (f"{MASK} is gone",)
    assert [line.text for line in found.logs(REF, 5)] == ["one", f"two {MASK}", "three"]


@pytest.mark.attack("SK07", "a secret in an exception and in what it came of", "masked")
def test_an_error_and_what_it_came_of_are_masked() -> None:
    with pytest.raises(StepFailed) as raised:
        loud().start()
    error = raised.value
    assert (
        error.message == f"failed {MASK}" and error.why == (MASK,) and error.fix == (f"do {MASK}",)
    )
    assert VALUE not in repr(error) + str(error) + repr(error.__cause__)
    text = logging.Formatter().formatException((type(error), error, error.__traceback__))
    assert VALUE not in text


@pytest.mark.attack("SK05", "logs are searched for a value letter by letter", "no line tells")
def test_a_search_does_not_tell_whether_a_value_is_there() -> None:
    for guess in ("hunter", VALUE[:3], VALUE):
        assert list(loud().logs(REF, 5, guess)) == []
    assert [line.text for line in loud().logs(REF, 5, "two")] == [f"two {MASK}"]


def test_what_cannot_be_masked_is_not_shown() -> None:
    def down() -> list[Secret]:
        raise SecretSourceDown("Vault does not answer")

    found = loud(down)
    assert {line.text for line in found.logs(REF, 5)} == {NOT_SHOWN}
    assert found.probe()[0].text == NOT_SHOWN
    with pytest.raises(StepFailed) as raised:
        found.start()
    assert raised.value.why == (NOT_SHOWN,) and VALUE not in repr(raised.value.__cause__)


def test_values_are_read_only_where_there_is_something_to_mask() -> None:
    def never() -> list[Secret]:
        raise AssertionError("read")

    assert loud(never).replicas() == 2


def test_a_masked_provider_can_what_the_provider_can() -> None:
    found = loud()
    assert found.capabilities == "as they are" and found.ensure() == []
    assert isinstance(found, Mending) and not isinstance(found, Dismantling)
    provider: Provider = found
    assert provider.replicas() == 2


def logged(record: Any) -> str:
    """What the service's log would hold of it."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(revealed.MaskingFormatter("%(name)s %(message)s"))
    logger = logging.Logger("test", logging.DEBUG)
    logger.addHandler(handler)
    record(logger)
    return out.getvalue()


@pytest.mark.attack("SK07", "a secret in a log record, its arguments and its trace", "masked")
def test_the_log_masks_what_the_process_has_seen() -> None:
    revealed.note(Secret(VALUE))

    def record(logger: logging.Logger) -> None:
        logger.info("bad %s", VALUE)
        try:
            raise RuntimeError(f"bad {VALUE!r}")
        except RuntimeError:
            logger.exception("broke")

    text = logged(record)
    assert "RuntimeError" in text and VALUE not in text and text.count(MASK) >= 2


@pytest.mark.attack("SK07", "a secret in the repr and the errors of a pydantic model", "masked")
def test_a_call_with_a_secret_shows_it_nowhere() -> None:
    given = SetSecret.model_validate({"environment": "e", "name": "N", "value": VALUE})
    assert given.value.reveal() == VALUE
    assert VALUE not in repr(given) + str(given) + given.model_dump_json()
    for wrong in ({"value": [VALUE]}, {"value": VALUE, "extra": VALUE}, {"value": 5}):
        with pytest.raises(ValidationError) as refused:
            SetSecret.model_validate({"environment": "e", "name": "N", **wrong})
        told = refused.value.errors(include_input=False, include_url=False)
        assert VALUE not in str([(each["loc"], each["msg"]) for each in told])


class Holder(BaseModel):
    secret: Secret


def test_a_secret_in_another_model_is_masked_too() -> None:
    found = Holder(secret=Secret(VALUE))
    assert VALUE not in repr(found) + found.model_dump_json() + str(found.model_dump())


@pytest.mark.attack("SK07", "a secret as a parameter of a statement that fails", "hidden")
def test_a_failed_statement_shows_no_parameter(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(sa.exc.OperationalError) as failed, engine.connect() as connection:
        connection.execute(sa.text("INSERT INTO nothing VALUES (:v)"), {"v": VALUE})
    assert VALUE not in str(failed.value)
    engine.dispose()


@pytest.mark.attack("SK07", "a token in the debug log of the HTTP client", "not logged")
def test_the_http_client_logs_no_header(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200))
    with httpx2.Client(transport=transport) as client:
        client.get("http://127.0.0.1/v1/x", headers={"X-Vault-Token": VALUE})
    assert VALUE not in caplog.text


def test_an_error_of_ours_prints_itself_without_a_value() -> None:
    error = OrchestrateError("bad", details={"value": str(Secret(VALUE))})
    assert VALUE not in str(error.as_dict())


CUTS = (LONGEST, LONGEST_QUOTED, 4000)


@pytest.mark.parametrize("before", [b for cut in CUTS for b in range(cut - 100, cut, 7)])
def test_where_what_is_said_is_cut_no_half_of_a_secret_is_left(before: int) -> None:
    said = f"{'.' * before}{VALUE}{'.' * 300}"

    class Source:
        def read(self, *_: object) -> list[None]:
            raise MetricSourceRefused("no", why=told({"error": said}))

    class Platform(Loud):
        def observe(self) -> LiveState:
            log = explain({}, [], [{"type": "Warning", "reason": "Bad", "message": said}], [said])
            raise StepFailed(said, why=[*log, said])

    source = masking_source(Source(), lambda: [Secret(VALUE)])
    with pytest.raises(MetricSourceRefused) as refused:
        source.read(MetricQuery(), "errors", REF, 0.0, 1, 60.0)
    with pytest.raises(StepFailed) as failed:
        masking(cast(Provider, Platform()), lambda: [Secret(VALUE)]).observe()
    lines = [*refused.value.why, *failed.value.why, failed.value.message]
    assert VALUE[:4] not in "".join(lines)
    assert sum("more characters were cut" in line for line in lines) >= 3


def test_what_a_metric_source_says_is_wrong_holds_no_secret() -> None:
    class Source:
        def read(self, *_: object) -> list[None]:
            raise MetricSourceRefused("no", why=[f"key {VALUE}", quote(VALUE, safe="")])

    source = masking_source(Source(), lambda: [Secret(VALUE)])
    with pytest.raises(MetricSourceRefused) as refused:
        source.read(MetricQuery(), "errors", REF, 0.0, 1, 60.0)
    assert refused.value.why == (f"key {MASK}", MASK)

    def down() -> list[Secret]:
        raise SecretSourceDown("Vault does not answer")

    dark = masking_source(Source(), down)
    with pytest.raises(MetricSourceRefused) as refused:
        dark.read(MetricQuery(), "errors", REF, 0.0, 1, 60.0)
    assert VALUE not in str(refused.value.as_dict())
