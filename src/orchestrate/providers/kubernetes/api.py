"""Calls to one namespace of a cluster, plain dicts in and out, its errors as ours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrate.core.errors import (
    FieldConflict,
    ProviderConfigInvalid,
    ProviderUnavailable,
    RateLimited,
    StepFailed,
    TemporaryError,
)
from orchestrate.core.protocols import Secrets
from orchestrate.core.untrusted import clean
from orchestrate.providers.kubernetes.access import Access
from orchestrate.providers.kubernetes.objects import (
    MANAGER,
    POD,
    Json,
    Kind,
    items,
    name_of,
    number,
    part,
    text,
    version_of,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

TIMEOUT_S = 20.0
APPLY = "application/apply-patch+yaml"
_DENIED = re.compile(r"(?:admission webhook|ValidatingAdmissionPolicy) .* denied (?:the )?request")


class Stale(Exception):
    """The object was changed since it was read."""


class Exists(Exception):
    """An object of this name is there already."""


class Gone(Exception):
    """The resource version that a watch should begin with is too old: list again."""


class Api:
    """The API of a cluster, for one namespace."""

    def __init__(self, access: Access, namespace: str, secrets: Secrets) -> None:
        self.access, self.namespace, self._secrets = access, namespace, secrets

    def get(self, kind: Kind, name: str) -> Json | None:
        """An object; None when there is none."""
        found = self.call("get", kind.path(self.namespace, name), missing=True)
        return found or None

    def find(
        self, kind: Kind, labels: Mapping[str, str] | None = None, fields: str = ""
    ) -> list[Json]:
        """Objects with these labels and fields."""
        return self.find_at(kind, labels, fields)[0]

    def find_at(
        self, kind: Kind, labels: Mapping[str, str] | None = None, fields: str = ""
    ) -> tuple[list[Json], str]:
        """Objects with these labels and fields, and the resource version at which they were so."""
        found = self.call(
            "get",
            kind.path(self.namespace),
            label_selector=_selector(labels),
            field_selector=fields or None,
        )
        return items(found, "items"), version_of(found)

    def await_change(
        self, kind: Kind, labels: Mapping[str, str], version: str, within_s: float
    ) -> None:
        """Return when an object with these labels was changed after `version`, or the time is over:
        list again either way. Raises Gone when that version is too old to begin at."""
        import urllib3

        seconds = max(math.ceil(within_s), 1)
        path = kind.path(self.namespace)
        with told(f"GET {path} (watch)"):
            response = self._open(
                "get",
                path,
                label_selector=_selector(labels),
                resource_version=version,
                timeout_seconds=seconds,
                watch="true",
                _request_timeout=seconds + TIMEOUT_S,
            )
            try:
                line = next(iter(response), b"")
            except urllib3.exceptions.ProtocolError:
                return  # the watch was cut: what is there is listed again
            finally:
                response.close()
        event = json.loads(line) if line.strip() else {}
        if event.get("type") == "ERROR" and number(event, "object", "code") == 410:
            raise Gone(text(event, "object", "message"))

    def apply(
        self,
        kind: Kind,
        body: Json,
        *,
        manager: str = MANAGER,
        force: bool = False,
        dry_run: bool = False,
    ) -> Json:
        """Server-side apply: the object as it is then. Raises FieldConflict, Stale."""
        # `force` is left out when false: the parameter with an empty value is true to the server.
        return self.call(
            "patch",
            kind.path(self.namespace, name_of(body)),
            body={"apiVersion": kind.api, "kind": kind.name, **body},
            content_type=APPLY,
            field_manager=manager,
            dry_run="All" if dry_run else None,
            force_conflicts="true" if force else None,
        )

    def create(self, kind: Kind, body: Json) -> Json:
        """Raises Exists."""
        full: Json = {"apiVersion": kind.api, "kind": kind.name, **body}
        return self.call("post", kind.path(self.namespace), body=full, field_manager=MANAGER)

    def replace(self, kind: Kind, body: Json) -> Json:
        """The whole object anew, if it still is at its resource version. Raises Stale."""
        path = kind.path(self.namespace, name_of(body))
        return self.call("put", path, body=body, field_manager=MANAGER)

    def patch(self, kind: Kind, name: str, operations: Sequence[Json]) -> Json:
        """JSON patch, for what somebody else owns. Raises Stale when a `test` in it fails."""
        return self.call(
            "patch",
            kind.path(self.namespace, name),
            body=list(operations),
            content_type="application/json-patch+json",
            field_manager=MANAGER,
        )

    def delete(self, kind: Kind, name: str) -> None:
        """One that is gone is fine."""
        self.call(
            "delete",
            kind.path(self.namespace, name),
            missing=True,
            body={"propagationPolicy": "Background"},
        )

    def log(self, pod: str, container: str, *, tail: int, previous: bool = False) -> str:
        """The last lines of a container; nothing where it has none yet, or the Pod is gone."""
        query = [("container", container), ("tailLines", str(tail)), ("timestamps", "true")]
        if previous:
            query.append(("previous", "true"))
        path = POD.path(self.namespace, pod, "log")
        with told("a log was not read"):
            try:
                found = self._send("get", path, query_params=query)
            except Refused as problem:
                # Before a container has started there is no log: 400, and not our mistake.
                if problem.status in (400, 404):
                    return ""
                raise
        return found.decode("utf-8", "replace")

    def allowed(self, verb: str, group: str, resource: str, part_of: str = "") -> bool:
        """Whether these credentials may do something in the namespace; needs no right itself."""
        asked: Json = {"namespace": self.namespace, "verb": verb, "group": group}
        asked |= {"resource": resource, **({"subresource": part_of} if part_of else {})}
        found = self.call(
            "post",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": asked},
            },
        )
        return part(found, "status").get("allowed") is True

    def call(self, method: str, path: str, *, missing: bool = False, **given: object) -> Json:
        """One call. With `missing`, an object that is not there is an empty answer."""
        with told(f"{method.upper()} {path}"):
            try:
                answer = self._send(method, path, **given)
            except Refused as problem:
                if missing and problem.status == 404 and not problem.namespace_missing:
                    return {}
                raise
        found = json.loads(answer) if answer else {}
        return found if isinstance(found, dict) else {}

    def _send(self, method: str, path: str, **given: object) -> bytes:
        return bytes(self._open(method, path, **given).data)

    def _open(self, method: str, path: str, **given: object) -> BaseHTTPResponse:
        """The answer, not read yet."""
        from kubernetes.client.exceptions import ApiException

        client = self.access.client(self._secrets)
        kept = {name: value for name, value in given.items() if value is not None}
        kept.setdefault("_request_timeout", TIMEOUT_S)
        try:
            response: BaseHTTPResponse = client.request(method, path, serialize=False, **kept)
            return response
        except ApiException as problem:
            raise Refused(problem.status or 0, problem.body, problem.headers) from problem


class Refused(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, body: object, headers: object) -> None:
        raw = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
        try:
            found = json.loads(raw)
        except ValueError:
            found = {}
        self.body: Json = found if isinstance(found, dict) else {}
        self.status = status
        self.message = clean(text(self.body, "message") or raw)
        after = headers.get("Retry-After") if isinstance(headers, Mapping) else None
        self.retry_after_s = float(after) if after and str(after).isdigit() else None
        super().__init__(self.message)

    @property
    def reason(self) -> str:
        return text(self.body, "reason")

    @property
    def namespace_missing(self) -> bool:
        return part(self.body, "details").get("kind") == "namespaces"


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of the library and of the cluster as ours."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except Refused as problem:
        raise as_ours(problem, what) from problem
    except (HTTPError, OSError) as problem:
        said = clean(str(problem))
        raise TemporaryError("the cluster does not answer", why=[f"{what}: {said}"]) from problem


def as_ours(problem: Refused, what: str) -> Exception:
    """The error that an answer means; Stale, Exists and Gone are for the caller to settle."""
    said = problem.message or f"HTTP {problem.status}"
    if problem.status < 500 and _DENIED.search(said):
        # Whatever the status, 403 among them: no right more would help.
        return ProviderConfigInvalid("a policy of the cluster refuses an object", why=[said])
    match problem.status:
        case 401:
            return ProviderUnavailable(
                "the cluster does not know these credentials", why=[said], fix=["renew them"]
            )
        case 403:
            if "exceeded quota" in said:
                return StepFailed("a quota of the namespace is used up", why=[said])
            return ProviderUnavailable(
                "the cluster does not allow it",
                why=[said],
                fix=_allowing(said),
            )
        case 404:
            return ProviderUnavailable("the cluster has no such thing", why=[f"{what}: {said}"])
        case 409:
            return _conflict(problem, said, what)
        case 410:
            return Gone(said)
        case 422 if problem.reason == "Invalid" and not part(problem.body, "details").get("causes"):
            return Stale(said)  # a `test` of a JSON patch that failed says no more than this
        case 400 | 422:
            return ProviderConfigInvalid(
                "the cluster refuses an object", why=_causes(problem) or [said]
            )
        case 429:
            return RateLimited(
                "the cluster asks for patience", why=[said], retry_after_s=problem.retry_after_s
            )
        case 500 if "not declared in schema" in said:
            # An unknown field in an apply is a 500; the same call fails again.
            return ProviderConfigInvalid("the cluster refuses an object", why=[said])
    return TemporaryError(
        "the cluster could not do it now", why=[said], retry_after_s=problem.retry_after_s
    )


def _conflict(problem: Refused, said: str, what: str) -> Exception:
    causes = items(problem.body, "details", "causes")
    owned = [cause for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    if owned:
        resource, name, namespace = _place(what)
        # To set the old value again by hand would not help: whoever set a field owns it.
        return FieldConflict(
            f"somebody else has set what this deployment sets: {resource}/{name}",
            why=[f"{text(each, 'field')}: {text(each, 'message')}" for each in owned],
            fix=[
                f"to take these fields of {resource}/{name} in namespace {namespace} over: "
                "`take_over: true` in the environment's config, then deploy again",
                f"who set what: kubectl get {resource} {name} --namespace {namespace}"
                " --output yaml --show-managed-fields",
            ],
        )
    return Exists(said) if problem.reason == "AlreadyExists" else Stale(said)


def _selector(labels: Mapping[str, str] | None) -> str | None:
    return ",".join(f"{name}={value}" for name, value in (labels or {}).items()) or None


def _allowing(said: str) -> list[str]:
    """What an administrator is to do for a call that was forbidden."""
    found = re.search(r'cannot (\w+) resource "([\w./-]+)"', said)
    role = "kubectl apply -f docs/providers/kubernetes-role.yaml, as an administrator"
    if found is None:
        return [role]
    verb, resource = found.groups()
    return [
        f"{role}: the Role must allow `{verb}` of `{resource}`; rights for kinds that only some"
        " manifests hold stand in that file as comments",
    ]


def _place(what: str) -> tuple[str, str, str]:
    """Resource, name and namespace of the object that a call (`PATCH /apis/...`) was for."""
    _, _, after = what.partition("/namespaces/")
    namespace, resource, name = [*after.split("/"), "", "", ""][:3]
    return resource, name, namespace


def _causes(problem: Refused) -> list[str]:
    return [
        clean(f"{text(cause, 'field')}: {text(cause, 'message')}")
        for cause in items(problem.body, "details", "causes")
    ]
