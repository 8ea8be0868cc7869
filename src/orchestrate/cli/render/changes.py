"""What setting environments changes."""

import json
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean, cut

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
    words = (("create", "created", "to create"), ("change", "changed", "to change"))
    parts = [
        f"{actions.count(action)} {did if doc['applied'] else would}"
        for action, did, would in (*words, ("unchanged", "unchanged", "unchanged"))
        if action in actions
    ]
    text = ", ".join(parts)
    return f"environments: {text}" if doc["applied"] else f"dry run, nothing was written: {text}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
