"""Whether an environment can be deployed to in its cluster: what is there, and what is missing."""

from collections.abc import Callable, Sequence

from orchestrate.core.errors import OrchestrateError
from orchestrate.core.protocols import Finding
from orchestrate.providers.kubernetes import quota
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.manifests import has_probe, render
from orchestrate.providers.kubernetes.objects import Json, Kind, items, text
from orchestrate.providers.kubernetes.settings import Settings

UNUSABLE = "provider_unavailable"
ROLE = "kubectl apply -f docs/providers/kubernetes-role.yaml, as an administrator"
Right = tuple[str, str, str]
"""Group, resource (with subresource), verbs."""
RIGHTS: tuple[Right, ...] = (
    ("apps", "deployments", "get list create patch"),
    ("apps", "replicasets", "list"),
    ("", "pods", "list"),
    ("", "pods/log", "get"),
    ("", "events", "list"),
    ("", "services", "get create patch"),
    ("discovery.k8s.io", "endpointslices", "list watch"),
    ("coordination.k8s.io", "leases", "get create update"),
)
GATEWAY: Right = ("gateway.networking.k8s.io", "httproutes", "get create patch")
INGRESS: Right = ("networking.k8s.io", "ingresses", "get create patch")
SECRETS: Right = ("", "secrets", "create patch delete")
"""Those of old revisions are let go of in the middle of a deployment, and so are ConfigMaps."""
EXTRAS = "get create patch"
"""Verbs for each further kind that the manifests hold."""


def findings(
    settings: Settings,
    api: Api,
    means: str,
    secrets: bool,
    kinds: Sequence[Kind],
    rehearse: Callable[[], None],
    beside: bool,
) -> list[Finding]:
    """One finding for each thing looked at; only the first when the cluster does not answer.
    `kinds` are those that the manifests hold beside a Deployment and a Service; `rehearse`
    asks for what a deployment would write, as a dry run; `beside`: it starts while the old one
    runs."""
    try:
        version = api.call("get", "/version")
        found = [_cluster(settings, version), _rights(settings, api, secrets, kinds)]
        found += _gateway(settings, api)
        found.append(Finding("traffic", True, f"divided {means}"))
        found += _readiness(settings)
        if all(each.ok for each in found):
            found.append(_dry_run(rehearse))
        if all(each.ok for each in found):
            found += quota.findings(api, beside)
        return found
    except OrchestrateError as problem:
        return [bad("cluster", problem)]


def bad(name: str, problem: OrchestrateError) -> Finding:
    """What a problem says, as a finding."""
    said = "; ".join([problem.message, *problem.why])
    return Finding(name, False, said, "; ".join(problem.fix) or None, problem.code)


def _cluster(settings: Settings, version: Json) -> Finding:
    where = settings.access.context or "its current context"
    said = f"Kubernetes {text(version, 'gitVersion')}, namespace {settings.namespace}, by {where}"
    return Finding("cluster", True, said)


def _rights(settings: Settings, api: Api, secrets: bool, kinds: Sequence[Kind]) -> Finding:
    """Every right that a deployment would need, asked for before it begins."""
    needed = [*RIGHTS]
    if settings.gateway is not None:
        needed.append(GATEWAY)
    if settings.ingress is not None:
        needed.append(INGRESS)
    if secrets:
        needed.append(SECRETS)
    for kind in kinds:
        verbs = f"{EXTRAS} delete" if kind.plural == "configmaps" else EXTRAS
        needed.append((kind.group, kind.plural, verbs))
    missing = []
    for group, resource, verbs in needed:
        name, _, sub = resource.partition("/")
        lacking = [v for v in verbs.split() if not api.allowed(v, group, name, sub)]
        if lacking:
            missing.append(f"{'/'.join(lacking)} {resource}")
    if missing:
        text_ = f"these credentials may not: {', '.join(missing)}"
        fix = f"{ROLE}; rights for more kinds stand there as comments" if kinds else ROLE
        return Finding("rights", False, text_, fix, UNUSABLE)
    count = sum(len(verbs.split()) for _, _, verbs in needed)
    return Finding("rights", True, f"all {count} rights that are needed, none is missing")


def _gateway(settings: Settings, api: Api) -> list[Finding]:
    if settings.gateway is None:
        return []
    groups = {text(each, "name") for each in items(api.call("get", "/apis"), "groups")}
    if GATEWAY[0] in groups:
        return [Finding("gateway", True, "the cluster has the Gateway API")]
    return [
        Finding(
            "gateway",
            False,
            "the cluster has no Gateway API, and config has `gateway`",
            "install its CRDs and a controller, or leave `gateway` out: then replicas divide",
            UNUSABLE,
        )
    ]


def _readiness(settings: Settings) -> list[Finding]:
    """Whether manifests that can be read without a version have a probe."""
    if settings.source != "manifests":
        return []
    try:
        probed = has_probe(settings, render(settings, "", ""))
    except OrchestrateError as problem:
        return [bad("manifests", problem)]
    if probed:
        return [Finding("manifests", True, f"container {settings.container} has a readinessProbe")]
    said = f"container {settings.container} has no readinessProbe: it counts as ready when it runs"
    return [Finding("manifests", True, said)]


def _dry_run(rehearse: Callable[[], None]) -> Finding:
    """What the cluster itself says of the objects, with nothing stored."""
    try:
        rehearse()
    except OrchestrateError as problem:
        return bad("dry run", problem)
    return Finding("dry run", True, "the cluster would take the Deployment and its Service")
