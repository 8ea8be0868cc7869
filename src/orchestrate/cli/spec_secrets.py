"""The commands about secrets."""

from orchestrate.cli.grammar import Command, Option

GROUPS = {
    "secrets": "Secrets of an environment: set, list, remove, rotate",
}

_SECRETS = "orchestrate.cli.commands.secrets"
ENV = Option("--env", "Environment", "text", "-e", "NAME")
VALUE = (
    Option("--from-env", "Take the value from this variable", "text", metavar="VARIABLE"),
    Option("--from-file", "Take the value from this file", "text", metavar="FILE"),
    Option("--generate", "Make a random value of 43 characters"),
    Option("--value", "The value itself; others can see it while it runs", "text", metavar="TEXT"),
    Option("--short", "Allow a value that is too short to be masked in logs"),
)

COMMANDS = (
    Command(
        ("secrets", "set"),
        "Set a secret; the next deployment brings it to the application",
        f"{_SECRETS}:put",
        (ENV, *VALUE),
        argument="NAME",
        more="Without an option the value is asked for, or read from standard input.",
    ),
    Command(
        ("secrets", "list"),
        "Names, versions, who set them; values are never shown",
        f"{_SECRETS}:listed",
        (ENV,),
    ),
    Command(
        ("secrets", "rm"),
        "Erase the values of a secret for good",
        f"{_SECRETS}:remove",
        (
            ENV,
            Option("--only", "Only this version of it", "whole", metavar="N"),
            Option("--confirm", "Its name again, where nobody can be asked", "text", "", "NAME"),
        ),
        argument="NAME",
    ),
    Command(
        ("secrets", "rotate"),
        "A new value for a secret, or a new master key",
        f"{_SECRETS}:rotate",
        (ENV, *VALUE, Option("--master-key", "Put all that is sealed under a new master key")),
        argument="NAME?",
        more="Like `secrets set`, for a secret that has a value already. --master-key goes on "
        "where an earlier rotation broke off.",
    ),
)
