"""Secrets: set, listed by name, removed, and the master key rotated. For people, not for agents."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from orchestrate.core import words
from orchestrate.core.environment import Environment
from orchestrate.core.errors import ConfirmationNeeded, OrchestrateError, SecretInvalid
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import (
    check_secret_name,
    check_value,
    for_application,
    for_platform,
    is_short,
    named_elsewhere,
    shown,
)
from orchestrate.engine.revealed import note
from orchestrate.engine.site import secrets_of
from orchestrate.store import audit, environments, revisions, rotation, secrets
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow
from orchestrate.tools.operation import Arguments, Context
from orchestrate.tools.secret_documents import (
    MasterKeyRotated,
    SecretDocument,
    SecretList,
    SecretRemoved,
    SecretSet,
)

OWN = "orchestrate"


def _hidden(value: object) -> object:
    return note(Secret(value)) if isinstance(value, str) else value


SecretText = Annotated[
    Secret,
    BeforeValidator(_hidden),
    WithJsonSchema({"type": "string", "format": "password", "writeOnly": True}),
]
"""A text that becomes a Secret before anything else sees it."""


class SetSecret(Arguments):
    environment: str = Field(description="Environment name, or app/name")
    name: str
    value: SecretText
    short: bool = Field(default=False, description="Keep a value too short to be masked in logs")
    existing: bool = Field(default=False, description="Refuse a name that has no value yet")


class ListSecrets(Arguments):
    environment: str = Field(description="Environment name, or app/name")


class RemoveSecret(Arguments):
    environment: str = Field(description="Environment name, or app/name")
    name: str
    version: int | None = Field(default=None, ge=1, description="Only this version")
    confirm: str | None = Field(default=None, description="The secret's name again")


class RotateMasterKey(Arguments):
    pass


def set_secret(context: Context, given: SetSecret) -> SecretSet:
    """Keep a new version of a secret. A deployment brings it to the application."""
    check_secret_name(given.name)
    check_value(given.name, given.value, given.short)
    with context.service.store.session() as session:
        row = environments.find(session, given.environment)
        environment = environments.as_environment(row)
        _refuse_elsewhere(environment, given.name)
        known = secrets.newest(session, row)
        if given.existing and given.name not in known:
            secrets.get(session, context.service.store.keys, row, given.name)  # says so
        version, changed = keep(context, session, row, given.name, given.value, given.short)
        named = _name_it(context, session, row, given.name)
    label = f"v{version}"
    before = f"v{known[given.name]} -> " if given.name in known and changed else ""
    return SecretSet(
        app=row.app,
        environment=row.name,
        name=given.name,
        version=label,
        changed=changed,
        named=named,
        warnings=_warnings(environment, given, named),
        summary=f"{row.name}: {given.name} {before}{label}"
        if changed
        else f"{row.name}: {given.name} has that value already ({label})",
        next=[f"orchestrate deploy --env {row.name} --version VERSION"] if changed else [],
    )


def keep(
    context: Context,
    session: Session,
    row: EnvironmentRow,
    name: str,
    value: Secret,
    short: bool = False,
) -> tuple[int, bool]:
    """The version that has `value`, made in this transaction and told in the trail."""
    kept, changed = secrets.put(
        session,
        context.service.store.keys,
        row,
        name,
        value,
        by=_who(context),
        short=short and is_short(value),
    )
    if changed:
        _tell(context, session, "secret.set", row, name, {"version": kept.version})
    return kept.version, changed


def list_secrets(context: Context, given: ListSecrets) -> SecretList:
    """Names, newest versions and who set them. Values are never answered."""
    with context.service.store.session() as session:
        row = environments.find(session, given.environment)
        environment = environments.as_environment(row)
        known = {each.name: each for each in secrets.listed(session, row)}
        live = revisions.live(session, row)
        pinned = revisions.as_revision(live).secret_versions if live else {}
    newest, problem = _elsewhere(context, environment)
    names = list(dict.fromkeys([*environment.secrets, *sorted(for_platform(environment)), *known]))
    items = []
    for name in names:
        if name in for_platform(environment) and name not in {*known, *environment.secrets}:
            continue  # a variable of the service, or nothing yet: the provider says which
        source, kept = environment.secret_sources.get(name), known.get(name)
        if source is not None:
            kept = None
        version = newest.get(name) if source else f"v{kept.version}" if kept else None
        items.append(
            SecretDocument(
                name=name,
                kept_in=source.text if source else OWN,
                version=version,
                live=shown(pinned[name]) if name in pinned else None,
                versions=kept.versions if kept else 0,
                set_at=kept.set_at if kept else None,
                set_by=kept.set_by if kept else None,
                masked=not (kept and kept.short),
                given_to=_given_to(environment, name),
            )
        )
    missing = [item.name for item in items if item.version is None and not problem]
    return SecretList(
        app=row.app,
        environment=row.name,
        items=items,
        problem=problem,
        summary=f"{row.name}: {words.counted(len(items), 'secret')}"
        + (f", {', '.join(missing)} without a value" if missing else ""),
        next=[f"orchestrate secrets set {name} --env {row.name}" for name in missing],
    )


def remove_secret(context: Context, given: RemoveSecret) -> SecretRemoved:
    """Erase a secret's values for good. Revisions that pin them cannot be restored any more."""
    with context.service.store.session() as session:
        row = environments.find(session, given.environment)
        affected = _pinning(session, row, given.name, given.version)
        if given.confirm != given.name:
            cost = f"{', '.join(affected)} could not be restored any more" if affected else ""
            raise ConfirmationNeeded(
                f"removing {given.name} erases its values for good",
                why=[cost] if cost else [],
                fix=[
                    f"orchestrate secrets rm {given.name} --env {row.name} --confirm {given.name}"
                ],
            )
        gone = secrets.remove(session, row, given.name, given.version, _who(context))
        _tell(context, session, "secret.remove", row, given.name, {"versions": list(gone)})
    labels = [f"v{version}" for version in gone]
    lost = f"; {', '.join(affected)} cannot be restored any more" if affected else ""
    return SecretRemoved(
        app=row.app,
        environment=row.name,
        name=given.name,
        versions=labels,
        no_way_back=affected,
        summary=f"{row.name}: {given.name} {', '.join(labels)} erased{lost}",
    )


def rotate_master_key(context: Context, given: RotateMasterKey) -> MasterKeyRotated:
    """Put everything that is sealed under a new master key, without interrupting anything. Called
    again after it broke off, it finishes what was begun.
    """
    store = context.service.store
    done = rotation.rotate(store)
    with store.session() as session:
        event = context.caller.event(
            "master_key.rotate",
            f"master_key:{done.key}",
            rewrapped=done.rewrapped,
            retired=list(done.retired),
        )
        audit.append(session, event)
    where = store.keys.source.name
    values = words.counted(done.rewrapped, "value")
    left = f"; take {', '.join(done.left)} out of the {where}" if done.left else ""
    how = "an earlier rotation is finished" if done.resumed else "rotated"
    return MasterKeyRotated(
        key=done.key,
        kept_in=where,
        rewrapped=done.rewrapped,
        resumed=done.resumed,
        retired=list(done.retired),
        left=list(done.left),
        summary=f"{how}: {values} put under master key {done.key}{left}",
    )


# -- helpers, in call order


def _refuse_elsewhere(environment: Environment, name: str) -> None:
    source = environment.secret_sources.get(name)
    if source is not None:
        raise SecretInvalid(
            f"{name} of {environment.name} is kept in {source.text}",
            why=[f"said by {environment.source or 'the environment'}"],
            fix=["set it there; the next deployment takes its newest version"],
        )


def _name_it(context: Context, session: Session, row: EnvironmentRow, name: str) -> bool:
    """Have the application get it, unless the platform does: a change of the environment, and
    told as one."""
    environment = environments.as_environment(row)
    if name in environment.secrets or name in named_elsewhere(environment):
        return False
    row.secret_names = [*row.secret_names, name]
    session.add(row)
    _tell(context, session, "environment.name_secret", row, name, {})
    return True


def _warnings(environment: Environment, given: SetSecret, named: bool) -> list[str]:
    found = []
    if is_short(given.value):
        found.append(f"{given.name} is too short to be masked: what prints it shows it")
    if named and environment.source is not None:
        found.append(
            f"add `{given.name}:` to `secrets` in {environment.source} too: `env create --file` "
            "takes from the application what the file does not name"
        )
    return found


def _elsewhere(context: Context, environment: Environment) -> tuple[dict[str, str], str | None]:
    """Newest versions of what is kept elsewhere, and why some could not be asked for."""
    found: dict[str, str] = {}
    problem = None
    reading = secrets_of(environment, context.service.place)
    for name in environment.secret_sources:
        try:
            found[name] = shown(reading.newest(name))
        except OrchestrateError as error:
            problem = f"{name}: {error.message}"
    return found, problem


def _given_to(environment: Environment, name: str) -> Literal["application", "platform", "nobody"]:
    if name in for_platform(environment):
        return "platform"
    return "application" if name in for_application(environment) else "nobody"


def _pinning(session: Session, row: EnvironmentRow, name: str, version: int | None) -> list[str]:
    """Revisions with a way back that pin what is to be removed: `1.4.1 (r86)`."""
    found = []
    for each in revisions.verified(session, row):
        pin = revisions.as_revision(each).secret_versions.get(name)
        if pin is not None and pin.isdigit() and version in (None, int(pin)):
            now = ", live now" if each.id == row.live_revision_id else ""
            found.append(f"{each.version} (r{each.id}{now})")
    return found


def _tell(
    context: Context,
    session: Session,
    action: str,
    row: EnvironmentRow,
    name: str,
    details: dict[str, JsonValue],
) -> None:
    """The trail: which secret and version, and who; never its value."""
    subject = f"{row.app}/{row.name}"
    event = context.caller.event(action, subject, secret=name)
    audit.append(session, event.model_copy(update={"details": {**event.details, **details}}))


def _who(context: Context) -> str:
    caller = context.caller
    return f"{caller.actor} for {caller.on_behalf_of}" if caller.on_behalf_of else caller.actor
