"""Every command as data: its options, its one-line help, and the function that carries it out.

From this table come the plain parser of `hot`, which needs no library, the click application with
its help and its errors, and the reference in docs/cli.md.
"""

from orchestrate.cli import spec_approvals, spec_secrets, spec_trust
from orchestrate.cli.grammar import COMMON as COMMON
from orchestrate.cli.grammar import Command as Command
from orchestrate.cli.grammar import Option as Option

ENV = Option("--env", "Environment", "text", "-e", "NAME")
VERSION = Option("--version", "Version", "text", "-V", "VERSION")
REASON = Option("--reason", "Why, for the record", "text", metavar="TEXT")
YES = Option("--yes", "Do not ask", short="-y")
FORCE = Option("--force", "Allow a quarantined revision; needs a reason")
WAIT = (
    Option("--wait", "Follow it to the end (the default)"),
    Option("--detach", "Print the id and return at once"),
    Option("--wait-timeout", "Stop watching after this long", "text", metavar="DURATION"),
)
STRATEGY = Option(
    "--strategy",
    "Instead of the environment's own",
    "choice",
    choices=("recreate", "rolling", "blue-green", "canary"),
)

GROUPS = {
    "deploy": "Deploy a version, or look at and steer deployments",
    "env": "Environments: list, show, create, delete",
    **spec_approvals.GROUPS,
    **spec_secrets.GROUPS,
    **spec_trust.GROUPS,
    "notifications": "Notifications: who is told of what, and whether it arrived",
}

_READS = "orchestrate.cli.commands.reads"
_DEPLOY = "orchestrate.cli.commands.deploy"
_STEER = "orchestrate.cli.commands.steer"
_MIGRATE = "orchestrate.cli.commands.migrate"
_ENV = "orchestrate.cli.commands.environments"
_SERVICE = "orchestrate.cli.commands.service"
_NOTIFICATIONS = "orchestrate.cli.commands.notifications"

COMMANDS = (
    Command(
        ("init",),
        "Write an orchestrate.yaml for this directory",
        "orchestrate.cli.commands.init:init",
        (
            YES,
            Option("--admin", "Make yourself its first administrator", "text", metavar="NAME"),
        ),
        more="Looks at what is here, shows what it would write, and overwrites nothing. --admin "
        "is for a person at a terminal: from then on roles count, on the service's socket too.",
    ),
    Command(
        ("env", "list"),
        "Every environment: what is live, since when, how it does",
        f"{_READS}:env_list",
    ),
    Command(
        ("env", "show"),
        "One environment with all its settings",
        f"{_READS}:env_show",
        (Option("--variables", "Show the variables' values"),),
        argument="NAME",
    ),
    Command(
        ("env", "create"),
        "Create or change an environment, or all of a file",
        f"{_ENV}:create",
        (
            Option("--file", "Take them from this orchestrate.yaml", "text", "-f", "FILE"),
            Option("--env", "With --file: only this one", "many", "-e", "NAME"),
            Option("--type", "dev, staging or production", "text", metavar="TYPE"),
            Option("--provider", "local, docker, kubernetes, ...", "text", metavar="NAME"),
            Option("--url", "Where people reach it", "text", metavar="URL"),
            Option("--config", "A setting of the provider", "many", metavar="KEY=VALUE"),
            Option("--variable", "A variable of the application", "many", metavar="NAME=VALUE"),
            STRATEGY._replace(help="How versions replace each other"),
            Option("--app", "The app's name; else the repository's", "text", metavar="NAME"),
            Option("--dry-run", "Show what would change, and change nothing"),
        ),
        argument="NAME?",
        more="The value of --config is read as JSON where it is JSON: replicas=3, tls=true, "
        'command=["python", "app.py"].',
    ),
    Command(
        ("env", "delete"),
        "Stop what runs there and delete it, with its logs; its history is kept",
        f"{_ENV}:delete",
        (
            Option("--confirm", "Its name again, where nobody can be asked", "text", "", "NAME"),
            REASON,
        ),
        argument="NAME",
    ),
    Command(
        ("deploy",),
        GROUPS["deploy"],
        f"{_DEPLOY}:deploy",
        (
            ENV,
            VERSION,
            STRATEGY,
            Option("--plan", "Carry out this very plan, or nothing", "text", metavar="DIGEST"),
            REASON,
            Option("--timeout", "Deadline of the deployment", "text", metavar="DURATION"),
            *WAIT,
            Option("--queue", "Wait for a running deployment to end"),
            YES,
            FORCE,
            Option(
                "--break-glass",
                "Pass by approvals and windows, for this reason; a second admin must agree",
                "text",
                metavar="REASON",
            ),
            Option("--confirm", "With --break-glass: the environment's name", "text", "", "NAME"),
        ),
        more="Follows the deployment to its end: exit code 0 when it succeeded, 1 when it did "
        "not. Ctrl-C stops watching, never the deployment.",
    ),
    Command(
        ("deploy", "status"),
        "What is live and what goes on, or how a deployment stands",
        f"{_READS}:status",
        (
            ENV,
            Option("--follow", "Go on to the end", short="-f"),
            Option("--wait-timeout", "Stop watching after this long", "text", metavar="DURATION"),
        ),
        argument="ID?",
    ),
    Command(
        ("deploy", "history"),
        "Deployments, newest first",
        f"{_READS}:history",
        (
            ENV,
            Option("--limit", "How many (10)", "whole", metavar="N"),
            Option("--before", "Older than this one", "text", metavar="ID"),
            Option("--result", "Only those that ended so, such as rolled_back", "text", "", "R"),
            VERSION,
            Option("--by", "Only those this actor asked for", "text", metavar="ACTOR"),
        ),
    ),
    Command(
        ("deploy", "diff"),
        "The plan: what would change, step by step, and the way back",
        f"{_READS}:diff",
        (
            ENV,
            VERSION,
            STRATEGY,
            Option("--exit-code", "1 when there is something to change"),
        ),
    ),
    Command(
        ("deploy", "validate"),
        "Ask every check before a deployment; changes nothing",
        f"{_READS}:validate",
        (
            ENV,
            VERSION,
            Option(
                "--deployment",
                "What was known when this one began, instead of asking now",
                "text",
                metavar="ID",
            ),
        ),
    ),
    Command(
        ("deploy", "rollback"),
        "Go back to the last verified revision, or to a version",
        f"{_DEPLOY}:rollback",
        (
            ENV,
            VERSION,
            REASON,
            *WAIT,
            Option("--quarantine", "Refuse the version that is left from now on"),
            YES,
            FORCE,
        ),
    ),
    Command(
        ("deploy", "migrate"),
        "What the database has, and what is to come; --contract removes what was replaced",
        f"{_MIGRATE}:migrate",
        (
            ENV,
            Option("--contract", "Run the contract migrations, which ends the way back"),
            REASON,
            *WAIT,
            YES,
        ),
    ),
    Command(
        ("deploy", "pause"),
        "Stop advancing; the traffic stays as it is",
        f"{_STEER}:pause",
        (ENV, REASON),
        argument="ID?",
    ),
    Command(("deploy", "resume"), "Go on after a pause", f"{_STEER}:resume", (ENV, REASON), "ID?"),
    Command(
        ("deploy", "promote"),
        "Go to the next step without waiting for the verdict",
        f"{_STEER}:promote",
        (ENV, REASON),
        argument="ID?",
    ),
    Command(
        ("deploy", "cancel"),
        "Stop a deployment and put back what was live",
        f"{_STEER}:cancel",
        (ENV, REASON, *WAIT),
        argument="ID?",
    ),
    Command(
        ("deploy", "analysis"),
        "What the canary analysis saw, and how sure it is",
        f"{_READS}:analysis",
        (ENV, Option("--svg", "Write the picture to this file", "text", metavar="FILE")),
        argument="ID?",
    ),
    Command(
        ("deploy", "logs"),
        "What the application wrote",
        f"{_READS}:logs",
        (
            ENV,
            VERSION,
            Option("--tail", "Lines of each replica (80)", "whole", "-n", "N"),
            Option("--grep", "Only lines with this text", "text", metavar="TEXT"),
        ),
        argument="ID?",
    ),
    *spec_secrets.COMMANDS,
    *spec_trust.COMMANDS,
    *spec_approvals.COMMANDS,
    Command(
        ("notifications", "list"),
        "Who is told of what in an environment, and what became of it",
        f"{_NOTIFICATIONS}:show",
        (ENV, Option("--limit", "How many messages (20)", "whole", metavar="N")),
    ),
    Command(
        ("notifications", "try"),
        "Send a trial message, and wait until it has arrived",
        f"{_NOTIFICATIONS}:attempt",
        (ENV, Option("--wait-timeout", "Stop watching after this long (30s)", "text", "", "D")),
        argument="NAME",
    ),
    Command(
        ("mcp",),
        "Serve an agent: MCP on standard input and output",
        f"{_SERVICE}:mcp",
        (
            Option("--read-only", "Offer nothing that changes anything"),
            Option("--toolsets", "Offer these only", "text", metavar="A,B"),
        ),
    ),
    Command(
        ("serve",),
        "Be the service; it is started by itself when needed",
        f"{_SERVICE}:serve",
        (
            Option("--idle-exit", "End after so long without work", "text", metavar="DURATION"),
            Option("--replace", "End the one that runs first"),
            Option("--read-only", "Change nothing on anybody's behalf"),
            Option("--http", "Serve REST with tokens here too", "text", metavar="HOST:PORT"),
            Option("--tls-cert", "Certificate chain of --http, PEM", "text", metavar="FILE"),
            Option("--tls-key", "Its private key, PEM", "text", metavar="FILE"),
            Option("--name", "A name that --http is reached by", "many", metavar="HOST"),
        ),
    ),
    Command(("stop",), "Stop the service; what is deployed goes on", f"{_SERVICE}:stop"),
    Command(
        ("doctor",), "What is there, what is missing, and what provides it", f"{_SERVICE}:doctor"
    ),
    Command(
        ("demo",),
        "See it work: four versions of a shop on this machine",
        "orchestrate.cli.demo:demo",
        foreign=True,
    ),
)
