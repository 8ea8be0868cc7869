"""The commands about trust: who may do what, and what was done."""

from orchestrate.cli.grammar import Command, Option

GROUPS = {
    "auth": "Who may do what: people, roles and tokens",
    "audit": "The trail of all that was done: read, verify, export",
}

_AUDIT = "orchestrate.cli.commands.audit"
_AUTH = "orchestrate.cli.commands.auth"
_ROLES = ("viewer", "deployer", "approver", "admin")
_ROLE = Option("--role", "viewer, deployer, approver or admin", "many", metavar="ROLE")
_SCOPE = Option("--env", "Only this environment", "many", "-e", "NAME")

COMMANDS = (
    Command(("auth", "status"), "Who you are here, and what you may do", f"{_AUTH}:status"),
    Command(("auth", "people"), "Everybody who was added, with their roles", f"{_AUTH}:people"),
    Command(
        ("auth", "add"),
        "Add a person, or set one anew",
        f"{_AUTH}:add",
        (
            _ROLE,
            _SCOPE,
            Option("--uid", "Their user id on the service's machine", "many", metavar="UID"),
            Option("--key", "Their SSH public key", "many", metavar="FILE"),
        ),
        argument="NAME",
        more="What is not given is taken away: roles, environments and user ids are set to what "
        "the command says. Keys are only ever added.",
    ),
    Command(("auth", "remove"), "Take everything from a person", f"{_AUTH}:remove", (), "NAME"),
    Command(("auth", "grant"), "Give roles to a person", f"{_AUTH}:grant", (_ROLE,), "NAME"),
    Command(("auth", "revoke"), "Take roles from a person", f"{_AUTH}:revoke", (_ROLE,), "NAME"),
    Command(
        ("auth", "token"),
        "Make a token, and print it once",
        f"{_AUTH}:token",
        (
            Option("--role", "What it may do", "choice", choices=_ROLES),
            _SCOPE,
            Option("--expires", "How long it is good (30d)", "text", metavar="DURATION"),
            Option("--label", "What it is for", "text", metavar="TEXT"),
            Option("--for", "Whose it is; an administrator's to say", "text", metavar="NAME"),
            Option("--agent", "The agent that will hold it", "text", metavar="NAME"),
        ),
        more="A token has no more rights, no wider scope and no longer life than what it is made "
        "with, and ends with it. --quiet prints the token alone.",
    ),
    Command(
        ("auth", "tokens"),
        "Your tokens, without what proves them",
        f"{_AUTH}:tokens",
        (
            Option("--all", "Everybody's; for administrators"),
            Option("--ended", "Those too that are good no more"),
        ),
    ),
    Command(
        ("auth", "end"),
        "Revoke a token, and all that were made with it",
        f"{_AUTH}:end",
        argument="ID",
    ),
    Command(
        ("auth", "login"),
        "Keep a token for ORCHESTRATE_URL, so that it need not be in the environment",
        f"{_AUTH}:login",
        more="Asks for it, or reads it from standard input; never give it as an argument, which "
        "every program of the machine can read. It is kept in a file of yours (0600).",
    ),
    Command(("auth", "logout"), "Forget the token kept for ORCHESTRATE_URL", f"{_AUTH}:logout"),
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
