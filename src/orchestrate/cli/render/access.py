"""People, tokens, and who you are."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, fields
from orchestrate.cli.render.table import Column, table

if TYPE_CHECKING:
    from orchestrate.cli.trust_documents import Access, MadeToken, People, TokenList

WIDTH = 100


def status(document: "Access") -> list[str]:
    """Who you are, by what that is known, and what you may do."""
    kind = "" if document["kind"] == "person" else f" ({document['kind']})"
    behalf = f" for {document['person']}" if document["person"] != document["name"] else ""
    pairs = [
        ("you are", f"{document['name']}{behalf}{kind}, by {document['credential']}"),
        ("roles", ", ".join(document["roles"]) or "none"),
        ("in", _scope(document["environments"])),
    ]
    if not document["people"]:
        pairs.append(
            (
                "note",
                "nobody was added yet: whoever owns this service may do everything on its socket"
                " that needs no second person. To change that: orchestrate init --admin NAME",
            )
        )
    if document["read_only"]:
        pairs.append(("read-only", "this service changes nothing"))
    pairs += [("alarm", each) for each in document["alarm"]]
    return fields(pairs, WIDTH, indent=0)


def people(document: "People", paint: Paint) -> list[str]:
    rows = [
        [
            item["name"],
            ", ".join(item["roles"]),
            _scope(item["environments"]),
            ", ".join(map(str, item["uids"])),
            str(len(item["keys"])),
        ]
        for item in document["items"]
    ]
    if not rows:
        return ["nobody was added yet: orchestrate init --admin NAME"]
    columns = (
        Column("NAME"), Column("ROLES"), Column("IN", cut=True), Column("UID", 2), Column("KEYS", 1)
    )  # fmt: skip
    return table(columns, rows, paint)


def tokens(document: "TokenList", paint: Paint, now: datetime) -> list[str]:
    rows = [
        [
            item["id"],
            f"{item['agent']} for {item['person']}" if item["agent"] else item["person"],
            item["role"],
            _scope(item["environments"]),
            f"ended by {item['ended_by']}" if item["ended_by"] else item["expires_at"][:10],
            item["used_on"] or "never",
            item["label"],
        ]
        for item in document["items"]
    ]
    if not rows:
        return ["there is none: orchestrate auth token --role deployer"]
    columns = (
        Column("ID"), Column("OF"), Column("ROLE"), Column("IN", cut=True), Column("UNTIL"),
        Column("USED", 2), Column("LABEL", 1, cut=True),
    )  # fmt: skip
    return table(columns, rows, paint)


def made(document: "MadeToken") -> list[str]:
    """What is said beside the token itself."""
    about = document["about"]
    whose = f"{about['agent']} for {about['person']}" if about["agent"] else about["person"]
    return [
        f"{about['id']}: {about['role']} in {_scope(about['environments'])}, of {whose},"
        f" until {about['expires_at']}",
        "it is shown this once: keep it where only its user can read it",
    ]


def _scope(names: Sequence[str]) -> str:
    return ", ".join(names) or "all environments"
