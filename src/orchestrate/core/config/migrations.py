"""How the database is migrated: the key `migrations` of an environment."""

from orchestrate.core.config.lists import arguments
from orchestrate.core.config.nodes import Items, Scalar
from orchestrate.core.config.section import Section
from orchestrate.core.migrations import Migrations

MIGRATION_KEYS = ("command", "expand", "contract", "applied", "list", "directory", "timeout")


def migrations_of(section: Section) -> Migrations | None:
    """The migrations of an environment; None where it has none."""
    settings = section.section("migrations", MIGRATION_KEYS)
    if settings is None:
        return None
    settings.require("applied")
    both = arguments(settings, "command")
    expand = arguments(settings, "expand") or both
    contract = arguments(settings, "contract") or both
    listed, directory = (
        arguments(settings, "list"),
        settings.text("directory", None, "write a path"),
    )
    if "command" not in settings.entries and not {"expand", "contract"} <= settings.entries.keys():
        settings.problems.add(
            settings.place,
            f"{settings.name} does not say how a migration is run",
            "add `command:`, or both `expand:` and `contract:`",
        )
    if ("list" in settings.entries) == ("directory" in settings.entries):
        settings.problems.add(
            settings.place,
            f"{settings.name} must say in one way what migrations there are",
            "add either `list:` or `directory:`",
        )
    for key in ("command", "expand", "contract"):
        _refuse_nameless(settings, key)
    nothing = ("false",)
    return Migrations(
        expand=expand or nothing,
        contract=contract or nothing,
        applied=arguments(settings, "applied") or nothing,
        listed=listed,
        directory=directory,
        timeout_s=settings.duration("timeout", 600.0, 86400.0),
    )


def _refuse_nameless(settings: Section, key: str) -> None:
    """Each migration is a step of its own, so the command must be told which one to run."""
    command = settings.entries[key][1] if key in settings.entries else None
    if not isinstance(command, Items) or not command.nodes:
        return  # not there, or told already
    words = [each.text for each in command.nodes if isinstance(each, Scalar)]
    if not any("{name}" in word for word in words):
        settings.wrong(key, "does not say where the migration's name goes", "add `{name}`")
