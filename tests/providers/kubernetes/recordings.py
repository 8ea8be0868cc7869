"""What a real control plane (1.36.2) said, cut down to what is read: recorded/*.jsonl, one line an
object, `{t, kind, type, object}` in the order it was seen, t in seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from orchestrate.providers.kubernetes.diagnosis import Trouble, newest_set, pods_of, troubles
from orchestrate.providers.kubernetes.objects import Json

FOLDER = Path(__file__).parent / "recorded"
SCENARIOS = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


@dataclass
class Recording:
    """One scenario."""

    lines: list[Json]

    def objects(self, kind: str) -> list[Json]:
        """Every state of objects of a kind."""
        return [line["object"] for line in self.lines if line["kind"] == kind]  # type: ignore[misc]

    def last(self, kind: str) -> list[Json]:
        """The last state of each object of a kind."""
        found = {str(each["metadata"]["name"]): each for each in self.objects(kind)}  # type: ignore[index]
        return list(found.values())

    @property
    def deployment(self) -> Json:
        return self.objects("Deployment")[-1]

    def troubles(self) -> list[Trouble]:
        """What is wrong at the end."""
        newest = newest_set(self.deployment, self.last("ReplicaSet"))
        return troubles(self.deployment, newest, pods_of(newest, self.last("Pod")))


def recording(name: str) -> Recording:
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    return Recording([json.loads(line) for line in text.splitlines()])


def errors() -> dict[str, Json]:
    """Answers to calls that a real API server refused: `{status, body}` by what was tried."""
    found: dict[str, Json] = json.loads((FOLDER / "errors.json").read_text(encoding="utf-8"))
    return found
