"""The provider `aws_ecs`: an application's revisions in services of one ECS cluster.

With `service` there is one service, which ECS changes by a strategy of its own. With `traffic`
there are two, each a place for one revision, behind a listener rule whose weights are set here.
Everything is in AWS: what runs in the task definitions, who wrote last in tags. Only the fence of
writers on one host, and the tasks that ECS forgets, are in <home>/aws_ecs/<app>--<environment>/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from pydantic import JsonValue

from orchestrate.core.environment import Environment
from orchestrate.core.errors import EdgeFailed, OrchestrateError, StepFailed
from orchestrate.core.protocols import (
    Finding,
    LiveState,
    LogLine,
    Progress,
    RequestCounts,
    Restorable,
    Secrets,
    Write,
)
from orchestrate.core.revision import Artifact, Ref, Revision
from orchestrate.core.steps import Share
from orchestrate.core.untrusted import clean
from orchestrate.providers.aws_ecs import changing, fence, probe
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.definitions import Definitions
from orchestrate.providers.aws_ecs.following import FOR, SINCE, Following, since_of
from orchestrate.providers.aws_ecs.images import Images
from orchestrate.providers.aws_ecs.logs import Logs
from orchestrate.providers.aws_ecs.metrics import Metrics
from orchestrate.providers.aws_ecs.native import capabilities_of
from orchestrate.providers.aws_ecs.observing import FALLBACK, View, place_tags, tags_of
from orchestrate.providers.aws_ecs.parameters import Parameters
from orchestrate.providers.aws_ecs.remembered import Remembered
from orchestrate.providers.aws_ecs.rollouts import Rollouts
from orchestrate.providers.aws_ecs.seen import Place
from orchestrate.providers.aws_ecs.services import Services
from orchestrate.providers.aws_ecs.settings import Deploying, settings_of
from orchestrate.providers.aws_ecs.template import container_of, repository_of, template_digest
from orchestrate.providers.aws_ecs.template import template_of as template_in
from orchestrate.providers.aws_ecs.traffic import Rule, refuse_unhealthy
from orchestrate.providers.processes.fence import Fence

FOUND = f"{fence.PREFIX}found"
"""Tag: the task definition that a service ran before the first revision of ours."""
LINES_SHOWN = 10


class AwsEcsProvider:
    """See the module. Raises ProviderConfigInvalid at once when `config` is wrong; that AWS cannot
    be asked, only when it is."""

    def __init__(self, environment: Environment, home: str, secrets: Secrets) -> None:
        self.settings = settings_of(environment.config)
        self.capabilities = capabilities_of(self.settings)
        self.address = environment.url
        name = f"{environment.app}--{environment.name}"
        directory = os.path.join(os.path.abspath(home), "aws_ecs", name)
        self.local = Fence(directory)
        self.remembered = Remembered(directory)
        self.account = Account(self.settings, environment, secrets)
        self.parameters = Parameters(self.account, environment, secrets)
        self.definitions = Definitions(self.account, environment, self.parameters)
        self.services = Services(self.account, self.settings)
        self.rollouts = Rollouts(self.account, self.settings)
        self.following = Following(self.definitions, self.rollouts)
        self.images = Images(self.account, self.settings, secrets)
        self.metrics = Metrics(self.account)
        self.tagging = fence.Tagging(self.account)
        traffic = self.settings.traffic
        self.rule = Rule(self.account, traffic.rule) if traffic else None

    def replicas(self) -> int:
        """What config says, else what the service wants now. Where Auto Scaling has its say, the
        least that it may go down to: more is its affair."""
        limits = self.services.autoscaled()
        if limits:
            return max(1, *(least for least, _ in limits.values()))
        if self.settings.replicas is not None:
            return self.settings.replicas
        return max(1, *(s["desiredCount"] for _, s in self.services.described()))

    def probe(self) -> list[Finding]:
        return probe.findings(self)

    def resolve(self, version: str) -> Artifact:
        template = template_digest(template_in(self.settings))
        return self.images.pin(self.pattern(), version, template)

    def pattern(self) -> str:
        """Repository and tag of the image, `{version}` in the tag: the config's, else from what the
        service runs."""
        if self.settings.image is not None:
            return self.settings.image
        _, service = self.services.described()[0]
        described = self.definitions.described_json(service["taskDefinition"])
        container = container_of(described, self.settings.container)
        return f"{repository_of(str(container.get('image')))}:{{version}}"

    def observe(self) -> LiveState:
        return self.view().state(self.address, self.services.autoscaled())

    def view(self) -> View:
        """All there is to see of the environment."""
        return View(
            places=tuple(self._places()),
            percent=self.rule.weights() if self.rule else {},
            rule_tags=self.tagging.of_rule(self.rule.arn) if self.rule else {},
            definitions=self.definitions,
            ask_tasks=self.settings.ask_tasks,
        )

    def requests(self) -> Mapping[str, RequestCounts]:
        if self.settings.traffic is None:
            return {}
        view = self.view()
        refs: dict[str, Ref] = {}
        since: dict[str, datetime] = {}
        # The slot that serves comes last: of two that hold one revision its counts are the ones.
        for place in sorted(view.places, key=view.weight):
            ref = self.definitions.ref(place.primary)
            deployment = place.deployment(place.primary)
            if ref and place.slot.target_group and deployment and "createdAt" in deployment:
                refs[place.slot.target_group] = ref
                since[place.slot.target_group] = deployment["createdAt"]
        counts = self.metrics.counts(since)
        return {refs[group].key: found for group, found in counts.items()}

    def start(self, revision: Revision, replicas: int, write: Write) -> None:
        view = self.view()
        fence.check(write, view.marks)
        place = changing.slot_for(revision.ref, view.places, view.refs, view.percent)
        definition = self.definitions.ensure(revision, place.primary)
        same = place.primary == definition
        busy = changing.with_traffic(view.places, view.percent)
        limits = self.services.autoscaled()
        desired = changing.desired_beside(place, same, replicas, busy, limits)
        with self._passed(write, place, self._asked(place, revision)):
            configuration = changing.configured(place, Deploying(), rollback=False)
            anew = changing.given_up(place, definition)
            self.services.update(place.slot.service, definition, desired, anew, configuration)

    def roll(self, revision: Revision, replicas: int, write: Write) -> None:
        """Have ECS replace what runs, by its own strategy."""
        view = self.view()
        again = fence.check(write, view.marks)
        place = changing.with_traffic(view.places, view.percent) or changing.slot_for(
            revision.ref, view.places, view.refs, view.percent
        )
        definition = self.definitions.ensure(revision, place.primary)
        if self._under_way(place, definition, again, write, revision):
            return
        desired = changing.desired_in_place(place, replicas, self.services.autoscaled())
        tags = {**self._asked(place, revision), **self._found(place, view)}
        with self._passed(write, place, tags):
            configuration = changing.configured(place, self.settings.deploying, rollback=True)
            anew = changing.given_up(place, definition)
            self.services.update(place.slot.service, definition, desired, anew, configuration)
        if self.rule is not None and not view.percent:
            # The first of all: nothing is served that could be lost.
            self.rule.set({place.slot.target_group or "": 100})

    def progress(
        self,
        revision: Revision,
        replicas: int,
        watched_s: float,
        memory: Mapping[str, JsonValue],
    ) -> Progress:
        """How ECS stands with a revision that it was asked for, with its log where it fails."""
        places = self._places()
        try:
            return self.following.progress(places, revision, replicas, watched_s, memory)
        except StepFailed as error:
            error.why = (*error.why, *self._last_lines(revision.ref))
            raise

    def scale(self, revision: Ref, replicas: int, write: Write) -> None:
        view = self.view()
        fence.check(write, view.marks)
        place = view.place_of(revision.key)
        if place is None:
            return
        with self._passed(write, place, {}):
            if replicas == 0:
                self._leave(view, place)
            if place.service["desiredCount"] > replicas:
                self._shrink(place, replicas)

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        view = self.view()
        fence.check(write, view.marks)
        if self.rule is None:
            self._route_one(view, shares, write)
            return
        percent: dict[str, int] = {}
        for share in shares:
            place = view.place_of(share.revision.key)
            if place is None:
                refuse_unhealthy(share.revision.version, 0, ["no service runs it"])
                continue
            if share.percent:
                reasons = [r.reason for r in place.replicas(place.primary, None) if r.reason]
                serving = place.serving(place.primary)
                refuse_unhealthy(share.revision.version, serving, reasons)
            percent[place.slot.target_group or ""] = share.percent
        spare = {s.target_group or "": 0 for s in self.settings.slots} if shares else {}
        tags = {FALLBACK: f"{fallback.key} {fallback.version}" if fallback else "-"}
        with self._passed(write, None, tags):
            self.rule.set({**spare, **percent})

    def stop(self, revision: Ref, write: Write) -> None:
        self.scale(revision, 0, write)

    def dismantle(self) -> None:
        """Take the traffic away, have no task run, and delete the parameters with the secrets,
        whatever the number of the last write. Services, target groups, the rule and the task
        definitions stay. For an environment that is deleted."""
        seen = self.observe()
        self.route([], None, Write(seen.write + 1, "dismantle/route", "dismantle"))
        for number, each in enumerate(seen.running, seen.write + 2):
            self.stop(each.revision, Write(number, f"dismantle/{number}", "dismantle"))
        self.parameters.forget()

    def restorable(self, revision: Revision) -> Restorable:
        definition = self.definitions.find(revision.key)
        for place in self.services.places() if definition else ():
            if place.primary == definition and place.service["desiredCount"]:
                return Restorable(ok=True, running=True)
        lost = self.parameters.lost(revision)
        if definition is None:
            lost.append(f"task definition {self.definitions.family(revision.key)} is not active")
        image = self.images.lost(revision.artifact)
        if image is not None:
            lost.append(image)
        return Restorable(ok=not lost, lost=tuple(lost))

    def logs(self, revision: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        definition = self.definitions.find(revision.key)
        if definition is None:
            return
        described = self.definitions.described_json(definition)
        container = container_of(described, self.settings.container)
        reader = Logs(self.account)
        shown = False
        for place in self._places():
            mine = [t for t in place.tasks if t["taskDefinitionArn"] == definition]
            mine.sort(key=lambda task: str(task.get("createdAt")))
            for number, task in enumerate(mine):
                shown = True
                yield from reader.of(container, task["taskArn"], revision.key, number, tail, grep)
        if not shown:
            for number, arn in enumerate(self.remembered.of(definition)):
                yield from reader.of(container, arn, revision.key, number, tail, grep)

    def _places(self) -> list[Place]:
        """Every slot as it is, its tasks remembered."""
        found = self.services.places()
        self.remembered.note(found)
        return found

    @contextmanager
    def _passed(self, write: Write, place: Place | None, tags: Mapping[str, str]) -> Iterator[None]:
        """Carry out a write to a slot, or with None to the rule: alone on this host, after it left
        its tag, and only when no newer tag is there."""
        with self.local.passed(write):
            arn = place.service["serviceArn"] if place else self.rule.arn if self.rule else ""
            seen = self._tags()
            if not fence.check(write, fence.marks_in(seen.values())):
                mark = {fence.name_of(write): fence.value_of(write)}
                gone = fence.outdated(seen.get(arn, {}), write)
                self.tagging.put(arn, {**mark, **tags}, gone)
                fence.check(write, fence.marks_in(self._tags().values()))
            yield

    def _tags(self) -> dict[str, dict[str, str]]:
        """The tags of everything that writes are left on, by its ARN."""
        found = {s["serviceArn"]: tags_of(s) for _, s in self.services.described()}
        if self.rule is not None:
            found[self.rule.arn] = self.tagging.of_rule(self.rule.arn)
        return found

    def _asked(self, place: Place, revision: Revision) -> dict[str, str]:
        """By which our own deployment is found again."""
        newest = self.rollouts.newest_at(place.slot.service) or datetime.fromtimestamp(0, UTC)
        return {FOR: revision.key, SINCE: newest.isoformat()}

    def _found(self, place: Place, view: View) -> dict[str, str]:
        """What was there before the first revision of ours, to be put back should that fail."""
        ref = view.refs[view.places.index(place)]
        if ref is None and self.rule is None and place.service["desiredCount"]:
            return {FOUND: place.primary}
        return {FOUND: "-"} if FOUND in place_tags(place) else {}

    def _under_way(
        self, place: Place, definition: str, again: bool, write: Write, revision: Revision
    ) -> bool:
        """Whether ECS is on its way to a task definition already, and need not be asked; where it
        is on its way from it, it is told to go back."""
        going = self.rollouts.under_way(place.slot.service)
        if going is not None and self.rollouts.leads_back(going, definition):
            with self._passed(write, place, {FOR: revision.key}):
                self.rollouts.take_back(going)
            return True
        since = since_of(place)
        return again and self.rollouts.ours(place.slot.service, definition, since) is not None

    def _last_lines(self, revision: Ref) -> list[str]:
        try:
            lines = [clean(line.text) for line in self.logs(revision, LINES_SHOWN)]
        except OrchestrateError as problem:
            return [f"its log could not be read: {problem.message}"]
        shown = [f"untrusted | {line}" for line in dict.fromkeys(lines)][-LINES_SHOWN:]
        return ["last lines of its log:", *shown] if shown else []

    def _leave(self, view: View, place: Place) -> None:
        """Take a slot out of the traffic; what is left has all of it."""
        group = place.slot.target_group or ""
        if self.rule is None or not view.percent.get(group):
            return
        others = {arn: percent for arn, percent in view.percent.items() if arn != group}
        total = sum(others.values())
        rest = {arn: round(100 * percent / total) for arn, percent in others.items()}
        self.rule.set({**rest, group: 0} if rest else {})

    def _shrink(self, place: Place, replicas: int) -> None:
        """Fewer tasks. One service that stops its first revision goes back to what was there."""
        found = place_tags(place).get(FOUND, "-")
        if replicas == 0 and self.rule is None and found != "-":
            self.services.update(place.slot.service, found, None)
            return
        self.services.resize(place.slot.service, replicas)

    def _route_one(self, view: View, shares: Sequence[Share], write: Write) -> None:
        """With one service ECS sends the traffic to what it runs; nothing else can be asked for."""
        (place,) = view.places
        ref = view.refs[0]
        asked = [share for share in shares if share.percent]
        if not asked:
            if ref is not None:
                self.scale(ref, 0, write)
            return
        if ref is None or [share.revision.key for share in asked] != [ref.key]:
            raise EdgeFailed(
                f"the traffic cannot be sent to {asked[-1].revision.version}",
                why=[
                    f"service {place.slot.service} runs {ref.version if ref else 'something else'}"
                ],
                fix=["roll it out, or give `traffic` two slots in config"],
            )
