"""What setting environments changes."""

import json
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean, cut
from orchestrate.core import words

if TYPE_CHECKING:
    from orchestrate.cli.documents import EnvironmentChanges

SIGNS = {"create": "+", "change": "~", "unchanged": "="}


def changes(doc: "EnvironmentChanges", paint: Paint) -> list[str]:
    """`+ staging`, `~ production` with each field before and after, `= dev`."""
    lines: list[str] = []
    for item in doc["items"]:
        lines.append(f"{SIGNS.get(item['action'], '?')} {item['app']}/{item['name']}")
        if item["action"] != "change":
            continue
        for change in item["changes"]:
            before, after = _shown(change["before"]), _shown(change["after"])
            lines.append(cut(f"    {change['field']}  {before} -> {after}", paint.width))
    return lines


def done(doc: "EnvironmentChanges") -> str:
    """The last line: what was done, or would be."""
    actions = [item["action"] for item in doc["items"]]
    created, changed = actions.count("create"), actions.count("change")
    parts = [
        words.counted(created, "environment") + " created" if created else "",
        words.counted(changed, "environment") + " changed" if changed else "",
        f"{actions.count('unchanged')} unchanged" if "unchanged" in actions else "",
    ]
    text = ", ".join(part for part in parts if part)
    return text if doc["applied"] else f"dry run, nothing was written: {text}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
