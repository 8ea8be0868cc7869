"""The commands about trust: who may do what, and what was done."""

from orchestrate.cli.grammar import Command, Option

GROUPS = {
    "audit": "The trail of all that was done: read, verify, export",
}

_AUDIT = "orchestrate.cli.commands.audit"

COMMANDS = (
    Command(
        ("audit", "list"),
        "What was done, decided and refused, newest first",
        f"{_AUDIT}:entries",
        (
            Option("--limit", "How many (20)", "whole", metavar="N"),
            Option("--before", "Older than this number", "text", metavar="SEQ"),
            Option("--since", "Not before this day or time, UTC", "text", metavar="TIME"),
            Option("--action", "Such as deployment.start, or deployment", "text", metavar="ACTION"),
            Option("--by", "Only of this agent or person", "text", metavar="NAME"),
            Option("--subject", "Only about this, such as d142", "text", metavar="NAME"),
            Option("--outcome", "ok, refused or failed", "choice",
                   choices=("ok", "refused", "failed")),
        ),
    ),
    Command(
        ("audit", "verify"),
        "Whether the trail is as it was written: 1 when it is not",
        f"{_AUDIT}:verify",
        (
            Option("--head", "Compare with a signed head that was kept", "text", metavar="FILE"),
            Option("--save-head", "Keep the newest signed head here", "text", metavar="FILE"),
            Option("--since", "Only entries after this number", "whole", metavar="SEQ"),
        ),
        more="Compares every entry with its hash, and the trail with the signed heads that the "
        "service keeps outside its database. Keep a head elsewhere (--save-head) to find out "
        "later whether both were changed together.",
    ),
    Command(
        ("audit", "export"),
        "All entries as JSON lines, oldest first, each with its hash",
        f"{_AUDIT}:export",
        (
            Option("--file", "Write them here", "text", "-f", "FILE"),
            Option("--since", "Only entries after this number", "whole", metavar="SEQ"),
        ),
    ),
    Command(
        ("audit", "accept-restore"),
        "Take the trail of a restored backup for the truth",
        f"{_AUDIT}:accept_restore",
        (Option("--reason", "Why, for the record", "text", metavar="TEXT"),),
        more="The service changes nothing while its database holds less, or something else, than "
        "its signed heads say. An administrator who restored a backup on purpose says so here; "
        "that is an entry of the trail too. The heads from before stay in the service's home.",
    ),
)  # fmt: skip
