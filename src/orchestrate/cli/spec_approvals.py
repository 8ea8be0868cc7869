"""The commands about approvals: who waits for a yes, and a person's decision."""

from orchestrate.cli.grammar import Command, Option

GROUPS = {"approvals": "Approvals: list, show, approve, reject"}

_APPROVALS = "orchestrate.cli.commands.approvals"
DECIDE = (
    Option("--key", "Sign with this SSH key, or its .pub and the agent", "text", metavar="FILE"),
    Option("--passphrase", "Prove it by a passphrase, which is asked for"),
    Option("--as", "Whose passphrase it is", "text", metavar="NAME"),
    Option("--reason", "Why, for the record", "text", metavar="TEXT"),
)

COMMANDS = (
    Command(
        ("approvals", "list"),
        "What waits for somebody's yes",
        f"{_APPROVALS}:listed",
        (
            Option("--env", "Environment", "text", "-e", "NAME"),
            Option("--all", "Those that were decided too"),
            Option("--limit", "How many (20)", "whole", metavar="N"),
            Option("--before", "Older than this one", "text", metavar="ID"),
        ),
    ),
    Command(
        ("approvals", "show"),
        "What it would change, its whole digest, and who decided",
        f"{_APPROVALS}:show",
        (Option("--text", "The text that an approver signs, and nothing else"),),
        argument="ID",
    ),
    Command(
        ("approvals", "approve"),
        "Say yes to a plan, after looking at it; never to one's own",
        f"{_APPROVALS}:approve",
        (
            Option("--plan", "Its whole digest, where nobody is asked", "text", "", "DIGEST"),
            *DECIDE,
        ),
        argument="ID",
        more="By --key or --passphrase, else by your token, else by ORCHESTRATE_APPROVER_KEY or a "
        "key of ~/.ssh. A key must be registered.",
    ),
    Command(
        ("approvals", "reject"),
        "Say no: one is enough",
        f"{_APPROVALS}:reject",
        DECIDE,
        argument="ID",
    ),
    Command(
        ("auth", "passphrase"),
        "Set the passphrase by which a person approves",
        f"{_APPROVALS}:set_passphrase",
        (),
        argument="NAME",
        more="Asked for at a terminal, else read from standard input. An administrator sets it.",
    ),
)
