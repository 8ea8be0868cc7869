"""Creating, changing and deleting environments: for people, not for agents."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal

from pydantic import Field, JsonValue, TypeAdapter

from orchestrate.core.deployment import Phase
from orchestrate.core.environment import Environment
from orchestrate.core.errors import (
    ConfirmationNeeded,
    EnvironmentBusy,
    OrchestrateError,
    ProviderUnavailable,
)
from orchestrate.core.identity import Principal
from orchestrate.core.names import check_name
from orchestrate.core.protection import rule_of, weakened
from orchestrate.core.protocols import Dismantling, Write
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import check_secret_name, check_value
from orchestrate.engine.asking import describe
from orchestrate.engine.seal import Seal
from orchestrate.engine.site import provider_of, site_of
from orchestrate.engine.weakening import Weakening, allow, spend
from orchestrate.store import audit, deployments, environments, secrets
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow, now
from orchestrate.tools.environment_documents import (
    DeletedEnvironment,
    EnvironmentChange,
    EnvironmentChanges,
    FieldChange,
)
from orchestrate.tools.operation import Arguments, Context
from orchestrate.tools.secrets import SecretText, keep

_SHOWN = ("type", "provider", "url", "config", "strategy", "health", "variables", "secrets",
          "requires_approval", "timeout_s", "when_busy", *environments.RULES)  # fmt: skip


_STOOD_ON = frozenset({"type", "provider", "url", "config", "migrations"})


class SetEnvironments(Arguments):
    environments: list[Environment]
    secrets: dict[str, dict[str, SecretText]] = Field(
        default_factory=dict, description="Values to keep, by environment's name and by their own"
    )
    dry_run: bool = False


class DeleteEnvironment(Arguments):
    environment: str
    confirm: str | None = Field(default=None, description="The environment's name again")
    reason: str | None = None


def set_environments(context: Context, given: SetEnvironments) -> EnvironmentChanges:
    """Create or change environments."""
    store = context.service.store
    with store.session() as session:
        for environment in given.environments:
            environments.refuse_outside(session, environment)
            check_name(environment.name)
            _refuse_unusable(context, environment)
        _hold(session, given)
        items = [
            _change(context, session, environment, given.secrets.get(environment.name, {}))
            for environment in given.environments
        ]
        for item, environment in zip(items, given.environments, strict=True):
            row = environments.existing(session, environment)
            if row is not None:
                _refuse_while_busy(session, item, row)
        refused = None if given.dry_run else _put_all(context, session, given.environments)
        if refused is None and not given.dry_run:
            for item, environment in zip(items, given.environments, strict=True):
                _record(session, context, item)
                row = environments.existing(session, environment)
                for name, value in given.secrets.get(environment.name, {}).items():
                    assert row is not None
                    keep(context, session, row, name, value)
    if refused is not None:
        raise refused
    return EnvironmentChanges(applied=not given.dry_run, items=items)


def _hold(session: Session, given: SetEnvironments) -> None:
    """Hold those that are to be changed, so that no deployment begins between the question whether
    one runs and the change; always in one order, so that no two calls wait for each other."""
    if given.dry_run:
        return
    found = [environments.existing(session, each) for each in given.environments]
    for identity in sorted({row.id or 0 for row in found if row is not None}):
        environments.lock(session, identity)


def delete_environment(context: Context, given: DeleteEnvironment) -> DeletedEnvironment:
    """Stop what runs there and delete it."""
    store = context.service.store
    with store.session() as session:
        row = environments.find(session, given.environment)
        environments.lock_current(session, row.id or 0)
        busy = deployments.running(session, row.id or 0)
        if busy is not None:
            raise EnvironmentBusy(
                f"{row.name} is taken by {describe(session, busy)}",
                why=["an environment is not deleted while a deployment runs in it"],
                fix=[f"orchestrate deploy cancel d{busy.seq}"],
            )
        if given.confirm != row.name:
            raise ConfirmationNeeded(
                f"deleting {row.name} stops what it serves",
                why=["it must be confirmed with its name"],
                fix=[f'orchestrate env delete {row.name} --confirm {row.name} --reason "..."'],
            )
        refused = _allow_deletion(context, session, row)
        if refused is None:
            _close(context, session, row)
            subject = f"{row.app}/{row.name}"
            audit.append(session, context.caller.event("environment.close", subject))
    if refused is not None:
        raise refused
    _stop_all(context, row)
    with store.session() as session:
        archived = environments.remove(session, environments.lock_current(session, row.id or 0))
        event = context.caller.event(
            "environment.delete", f"{row.app}/{row.name}", archived=archived, reason=given.reason
        )
        audit.append(session, event)
    return DeletedEnvironment(app=row.app, name=row.name, archived=archived)


def _record(session: Session, context: Context, item: EnvironmentChange) -> None:
    """Tell the trail what was changed. Of a variable only its name: its value is not for all who
    may read the trail."""
    if item.action == "unchanged":
        return
    changes: list[JsonValue] = [
        {"field": change.field, "names": _changed_names(change)}
        if change.field == "variables"
        else {"field": change.field, "before": change.before, "after": change.after}
        for change in item.changes
    ]
    event = context.caller.event(
        f"environment.{item.action}", f"{item.app}/{item.name}", changes=changes
    )
    audit.append(session, event)


def _changed_names(change: FieldChange) -> list[JsonValue]:
    before = change.before if isinstance(change.before, dict) else {}
    after = change.after if isinstance(change.after, dict) else {}
    names = sorted(before.keys() | after.keys())
    return [name for name in names if before.get(name) != after.get(name)]


def _close(context: Context, session: Session, row: EnvironmentRow) -> None:
    """Let nothing begin here any more: a call that broke off is simply made again."""
    row.deleting_at = now()
    session.add(row)
    for waiting in deployments.open_ones(session, row.id):
        text = f"{row.name} is being deleted"
        deployments.end_waiting(session, waiting, Phase.CANCELLED, "cancelled", None, text)
        context.service.changes.tell(waiting.seq or 0)


def _put_all(
    context: Context, session: Session, given: Sequence[Environment]
) -> OrchestrateError | None:
    """Change them all, or none where one may not be made less protected. The refusal is answered,
    not raised: the request for approval that it names is to stay."""
    found = [_weakening(session, each) for each in given]
    answers = [allow(session, *_who(context), each) for each in found if each]
    refused = [answer.refused for answer in answers if answer.refused]
    if refused:
        return refused[0]
    for answer in answers:
        spend(session, answer)
    for environment in given:
        environments.put(session, environment)
    return None


def _weakening(session: Session, environment: Environment) -> Weakening | None:
    row = environments.existing(session, environment)
    if row is None:
        return None
    row = environments.lock(session, row.id or 0)
    before = environments.as_environment(row)
    lines = weakened(before, environment)
    return Weakening(row, before, environment, lines) if lines else None


def _allow_deletion(
    context: Context, session: Session, row: EnvironmentRow
) -> OrchestrateError | None:
    before = environments.as_environment(row)
    if row.deleting_at is not None or not (before.guarded or rule_of(before)):
        return None
    lines = (f"{row.name} is deleted, and stops serving",)
    answer = allow(session, *_who(context), Weakening(row, before, None, lines))
    if answer.refused is None:
        spend(session, answer)
    return answer.refused


def _who(context: Context) -> tuple[Seal, Principal]:
    return context.service.worker.seal, context.caller.principal


def _refuse_while_busy(session: Session, change: EnvironmentChange, row: EnvironmentRow) -> None:
    """What a running deployment stands on is not changed under it."""
    changed = sorted({c.field for c in change.changes} & _STOOD_ON)
    busy = deployments.open_ones(session, row.id)
    if changed and busy:
        raise EnvironmentBusy(
            f"{row.name} is taken by {describe(session, busy[0])}",
            why=[f"{', '.join(changed)} cannot be changed while a deployment runs or waits there"],
            fix=[f"wait for it, or stop it: orchestrate deploy cancel d{busy[0].seq}"],
        )


def _refuse_unusable(context: Context, environment: Environment) -> None:
    """Refuse what the provider cannot work with. One that is not built yet is only described."""
    with suppress(ProviderUnavailable):
        provider_of(environment, context.service.place)


def _change(
    context: Context, session: Session, environment: Environment, imported: Mapping[str, Secret]
) -> EnvironmentChange:
    row = environments.existing(session, environment)
    before = _fields(environments.as_environment(row)) if row else {}
    after = _fields(environment)
    changes = [
        FieldChange(field=field, before=before.get(field), after=after[field])
        for field in _SHOWN
        if before.get(field) != after[field]
    ]
    changes += _secret_changes(context, session, row, imported)
    action: Literal["create", "change", "unchanged"] = (
        "create" if row is None else "change" if changes else "unchanged"
    )
    return EnvironmentChange(
        app=environment.app, name=environment.name, action=action, changes=changes
    )


def _secret_changes(
    context: Context,
    session: Session,
    row: EnvironmentRow | None,
    imported: Mapping[str, Secret],
) -> list[FieldChange]:
    """Secrets that get a new version. A value that is kept already changes nothing."""
    found = []
    for name, value in imported.items():
        check_secret_name(name)
        check_value(name, value, short=False)
        before, after = None, 1
        if row is not None:
            before, after = secrets.would_be(session, context.service.store.keys, row, name, value)
        if before != after:
            label = None if before is None else f"v{before}"
            found.append(FieldChange(field=f"secret {name}", before=label, after=f"v{after}"))
    return found


def _fields(environment: Environment) -> dict[str, JsonValue]:
    return TypeAdapter(dict[str, JsonValue]).validate_python(environment.model_dump(mode="json"))


def _stop_all(context: Context, row: EnvironmentRow) -> None:
    """Take the traffic away and stop every revision. Nothing to do where nothing was deployed."""
    store = context.service.store
    with store.session() as session:
        if deployments.newest(session, row.id or 0) is None:
            return
    provider = site_of(row, context.service.place).provider
    if isinstance(provider, Dismantling):
        provider.dismantle()
        with store.session() as session:
            environments.note_write(session, row.id or 0, provider.observe().write)
        return
    provider.route([], None, _write(context, row, "route"))
    for running in provider.observe().running:
        provider.stop(running.revision, _write(context, row, f"stop/{running.revision.key}"))


def _write(context: Context, row: EnvironmentRow, op: str) -> Write:
    with context.service.store.session() as session:
        number = environments.next_write(session, row.id or 0)
    return Write(number=number, key=f"delete/{number}/{op}", lease="delete")
