"""What is wanted of each revision: wanted.json of an environment.

The containers' labels say what there is; how much of it is wanted cannot be a label, since labels
never change. When the file was lost, what runs is wanted.
"""

import dataclasses
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrate.core.revision import Revision
from orchestrate.providers.docker.seen import Container
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.files import (
    locked,
    private_directory,
    read_json,
    replace,
)

Json = dict[str, object]
UNKNOWN = "0"
"""In place of a time, before all others: the record was lost, so it may have had the traffic."""


@dataclass(frozen=True)
class Wanted:
    """A revision that was started here and not forgotten since."""

    revision: Revision
    replicas: int
    used: str
    """When that was last changed."""
    served: str | None = None
    """When it last got all the traffic; None when it never did."""
    after: str | None = None
    """Key of the revision that had all the traffic before it."""


class Record:
    """wanted.json in the directory of an environment."""

    def __init__(self, directory: str, found: Callable[[], Sequence[Container]]) -> None:
        """`found` lists the containers, for when the file is not there."""
        self.directory = directory
        self.path = os.path.join(directory, "wanted.json")
        self._found = found

    def all(self) -> dict[str, Wanted]:
        """By revision key, the least recently changed first."""
        data = read_json(self.path)
        if data is None:
            return _from_labels(self._found())
        found = {key: _read(item) for key, item in data.items() if isinstance(item, dict)}
        return dict(sorted(found.items(), key=lambda pair: pair[1].used))

    def put(self, revision: Revision, replicas: int) -> None:
        """Want `replicas` of a revision from now on."""
        known = self.all()
        if revision.key in known and known[revision.key].replicas == replicas:
            return
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        before = known.get(revision.key)
        served, after = (before.served, before.after) if before else (None, None)
        self._write({**known, revision.key: Wanted(revision, replicas, now, served, after)})

    def serves(self, key: str) -> None:
        """A revision has all the traffic from now on."""
        known = self.all()
        last = max(
            (k for k in known if known[k].served), key=lambda k: str(known[k].served), default=""
        )
        if key == last or key not in known:
            return
        # One that gave the traffic back to its predecessor was taken back, and is nobody's.
        back = bool(last) and known[last].after == key
        after = known[key].after if back else last or None
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        self._write({**known, key: dataclasses.replace(known[key], served=now, after=after)})

    def forget(self, key: str) -> None:
        known = self.all()
        known.pop(key, None)
        self._write(known)

    def _write(self, known: dict[str, Wanted]) -> None:
        private_directory(self.directory)
        data = {
            key: {
                "revision": each.revision.model_dump(mode="json"),
                "replicas": each.replicas,
                "used": each.used,
                "served": each.served,
                "after": each.after,
            }
            for key, each in known.items()
        }
        with told_when_full("nothing was changed"):
            replace(self.path, json.dumps(data))


def owner_of(home: str) -> str:
    """A name for this home, in labels: an engine may serve several that know nothing of each
    other."""
    folder = private_directory(os.path.join(home, "docker"))
    path = os.path.join(folder, "owner.json")
    with locked(f"{path}.lock"):
        known = read_json(path)
        if known is None:
            known = {"owner": secrets.token_hex(4)}
            replace(path, json.dumps(known))
    return str(known["owner"])


def _read(item: Json) -> Wanted:
    used, after = str(item["used"]), item.get("after")
    # Where it was not recorded yet, it may have had the traffic.
    served = item.get("served", used)
    return Wanted(
        Revision.model_validate(item["revision"]),
        int(str(item["replicas"])),
        used,
        str(served) if served is not None else None,
        str(after) if after is not None else None,
    )


def _from_labels(containers: Sequence[Container]) -> dict[str, Wanted]:
    found: dict[str, Wanted] = {}
    for container in containers:
        revision = Revision.model_validate_json(container.revision)
        before = found[container.key].replicas if container.key in found else 0
        wanted = max(before, container.number + 1) if container.alive else before
        found[container.key] = Wanted(revision, wanted, "", served=UNKNOWN)
    return found
