"""A command as a metric source: what it is asked, what it may answer, and how it may fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import MetricSourceRefused, MetricsUnavailable
from orchestrate.core.protocols import MetricSource
from orchestrate.core.secret import MASK
from tests.support.asking import NEW, read, source
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

ANSWERS = """\
import json, os, sys
asked = json.load(sys.stdin)
open("asked.json", "w").write(json.dumps([asked, sys.argv[1:], dict(os.environ)]))
print(json.dumps({"schema": "orchestrate.metrics.v1", "slots": [
    {"total": 120, "bad": 3}, None, {"total": 5, "bad": 9}]}))
"""


def command(root: Path, text: str, timeout_s: float = 20.0, **secrets: str) -> MetricSource:
    (root / "metrics.py").write_text(text)
    metrics = {
        "source": "command",
        "command": ["python3", "metrics.py", "--of={{version}}"],
        "timeout_s": timeout_s,
    }
    return source(metrics, {"errors": {}}, root=str(root), **secrets)


def asking(found: MetricSource, slots: int = 3) -> object:
    return read(found, {}, 1_800_000_000.0, slots, name="checkout")


def test_is_asked_in_json_and_answers_by_slot(tmp_path: Path) -> None:
    found = asking(command(tmp_path, ANSWERS, TOKEN="planted-token"))
    assert found == [Counts(3, 120), None, None], "more bad ones than there were are not known"
    question, arguments, environment = json.loads((tmp_path / "asked.json").read_text())
    assert question == {
        "schema": "orchestrate.metrics.question.v1",
        "metric": "checkout",
        "version": NEW.version,
        "revision": NEW.key,
        "app": "shop",
        "environment": "staging",
        "since": 1_800_000_000.0,
        "slots": 3,
        "slot_s": 60.0,
    }
    assert arguments == [f"--of={NEW.version}"]
    assert environment["token"] == "planted-token"
    assert not {"ORCHESTRATE_HOME", "PYTEST_CURRENT_TEST"} & environment.keys()


@pytest.mark.trap(51)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("print('all fine')", "something else than the answer"),
        ("print('{}')", "something else than the answer"),
        ("import sys; print('no access', file=sys.stderr); sys.exit(3)", "failed"),
        (ANSWERS.replace("None, ", ""), "another number of slots"),
        (ANSWERS.replace('"bad": 3', '"bad": -3'), "something else than the answer"),
        ("print('x' * 3_000_000)", "more than 1024 kB"),
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MetricSourceRefused, match=said):
        asking(command(tmp_path, text))


def test_its_last_words_are_told_as_untrusted(tmp_path: Path) -> None:
    text = "import sys; print('no \\x1b[31maccess', file=sys.stderr); sys.exit(3)"
    with pytest.raises(MetricSourceRefused) as refused:
        asking(command(tmp_path, text))
    assert "exit code 3" in refused.value.why
    assert any(each.startswith("untrusted | no") for each in refused.value.why)
    assert "\x1b" not in str(refused.value.why)


def test_not_now_is_asked_again(tmp_path: Path) -> None:
    with pytest.raises(MetricsUnavailable, match="not now"):
        asking(command(tmp_path, "import sys; sys.exit(75)"))


def test_what_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time, os\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('child', 'w').write(str(child.pid)); time.sleep(600)"
    )
    with pytest.raises(MetricsUnavailable, match="did not end in time"):
        asking(command(tmp_path, text, timeout_s=8))
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not _runs(child))


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    metrics = {"source": "command", "command": ["./no-such-program"]}
    with pytest.raises(MetricSourceRefused) as refused:
        asking(source(metrics, {"errors": {}}, root=str(tmp_path)))
    assert "./no-such-program" in refused.value.why[0]


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")


@pytest.mark.attack("SK07", "a metrics command prints the secret it was given", "masked")
def test_what_it_prints_is_told_without_its_secrets(tmp_path: Path) -> None:
    value = "planted/token of metrics"
    said = f"import sys; sys.exit('y' * 190 + {value!r})"
    encoded = f"import sys; sys.exit('no access for ' + {quote(value, safe='')!r})"
    for text in (said, encoded):
        with pytest.raises(MetricSourceRefused) as refused:
            asking(command(tmp_path, text, TOKEN=value))
        told = " ".join(refused.value.why)
        assert MASK[:4] in told and "planted" not in told
