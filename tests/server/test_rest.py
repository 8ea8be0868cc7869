"""The REST door over its socket: documents true to their schemas, errors as problem details."""

import http.client
import json
import os
import pwd
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestrate.core.error_codes import known
from orchestrate.tools import TOOLS
from tests.support.approvers import person, register, store_of
from tests.support.real import need
from tests.support.service import World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

Json = dict[str, Any]
NOBODY = 65534
ENDS_THE_SERVICE = ("retire_service", "stop_service", "accept_restore")


@dataclass(frozen=True)
class Answer:
    status: int
    kind: str
    allow: str
    document: Json


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def ask(
    world: World, method: str, path: str, body: bytes | Mapping[str, object] | None = None
) -> Answer:
    raw = json.dumps(body).encode() if isinstance(body, Mapping) else body
    link = OverSocket(world.home / "run" / "api.sock")
    try:
        link.request(method, path, raw)
        found = link.getresponse()
        kind, allow = found.headers["content-type"], found.headers.get("allow", "")
        return Answer(found.status, kind, allow, json.loads(found.read()))
    finally:
        link.close()


def dropping(home: Path) -> dict[str, object]:
    """Migrations of a database that is a file: one that contracts is to come."""
    base = home / "applied.json"
    base.write_text("[]", encoding="utf-8")
    base.chmod(0o600)
    python = (sys.executable, "-c")
    write = "import sys; open(sys.argv[2], 'w').write(sys.argv[1])"
    run = [*python, write, '["{name}"]', str(base)]
    return {
        "expand": run,
        "contract": run,
        "applied": [*python, "import sys; print(open(sys.argv[1]).read())", str(base)],
        "listed": [*python, """print('[{"name": "0043_drop", "phase": "contract"}]')"""],
    }


@pytest.fixture(scope="module")
def documents(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """What each operation answers, in the course of one small job."""
    site = world.small("job", strategy={"type": "recreate"})
    site.live("1.0.0")
    plan = world.api.plan("job", "1.1.0")["digest"]
    first = ask(world, "POST", "/api/deployments", {"plan": plan, "reason": "to see it"}).document
    world.api.wait(first["id"])
    slow = world.small("slow", strategy={"type": "blue-green", "bake_s": 60})
    slow.deploy("1.0.0", strategy="recreate")
    baking = world.api.begin("slow", "1.1.0").id
    quiet = world.small("quiet", strategy={"type": "canary", "steps": [20, 100]})
    quiet.live("1.0.0")
    held = world.api.begin("quiet", "1.1.0").id
    eventually(lambda: world.api.get(held).verdict)
    schema = world.small("schema", strategy={"type": "recreate"}, migrations=dropping(world.home))
    schema.live("1.0.0")
    told = {"name": "team", "sink": {"kind": "webhook", "url": "https://hooks.example.com/x"}}
    world.small("told", strategy={"type": "recreate"}, notifications=[told], secrets=["API_KEY"])
    secret = {"environment": "told", "name": "API_KEY", "value": "a value that is long enough"}
    another = {**site.settings, "name": "other", "url": None}
    calls: dict[str, tuple[str, str, Mapping[str, object] | None]] = {
        "get_overview": ("GET", "/api/overview", None),
        "get_environment": ("GET", "/api/environments/job?include=settings", None),
        "validate": ("POST", "/api/validate", {"environment": "job", "version": "1.0.0"}),
        "plan_deployment": ("POST", "/api/plans", {"environment": "job", "version": "1.0.0"}),
        "show_plan": ("GET", f"/api/plans/{plan}", None),
        "get_evidence": ("GET", f"/api/deployments/{first['id']}/evidence", None),
        "wait_deployment": ("GET", f"/api/deployments/{baking}/wait?timeout_s=0", None),
        "get_deployment": ("GET", f"/api/deployments/{first['id']}", None),
        "follow_deployment": ("GET", f"/api/deployments/{first['id']}/follow?after=0", None),
        "list_deployments": ("GET", "/api/deployments?environment=job", None),
        "get_analysis": ("GET", "/api/analysis?environment=quiet&svg=true", None),
        "get_logs": ("GET", "/api/logs?environment=job&tail=5", None),
        "control_deployment": ("POST", f"/api/deployments/{baking}/cancel", {"reason": "enough"}),
        "rollback": ("POST", "/api/environments/job/rollback", {"reason": "a drill"}),
        "get_migrations": ("POST", "/api/environments/schema/migrations", {}),
        "contract_database": ("POST", "/api/environments/schema/contract", {"confirmed": True}),
        "set_environments": ("POST", "/api/environments", {"environments": [another]}),
        "delete_environment": ("DELETE", "/api/environments/other?confirm=other", None),
        "set_secret": ("POST", "/api/secrets", secret),
        "list_secrets": ("GET", "/api/secrets?environment=told", None),
        "remove_secret": (
            "DELETE",
            "/api/secrets?environment=told&name=API_KEY&confirm=API_KEY",
            None,
        ),
        "rotate_master_key": ("POST", "/api/master-key/rotate", {}),
        "try_notification": ("POST", "/api/notifications/team/try", {"environment": "told"}),
        "list_notifications": ("GET", "/api/notifications?environment=told", None),
        "get_service": ("GET", "/api/service", None),
        "doctor": ("GET", "/api/doctor", None),
        "list_audit": ("GET", "/api/audit?limit=3", None),
        "verify_audit": ("POST", "/api/audit/verify", {"since": 2}),
        "get_access": ("GET", "/api/access", None),
        "make_first_administrator": ("POST", "/api/first-administrator", {"person": "lee"}),
        "list_people": ("GET", "/api/people", None),
        "set_person": ("POST", "/api/people", {"person": "dana", "roles": ["viewer"]}),
        "change_roles": ("POST", "/api/people/dana/roles", {"grant": ["approver"]}),
        "create_token": ("POST", "/api/tokens", {"role": "viewer", "person": "dana"}),
        "list_tokens": ("GET", "/api/tokens?everybody=true", None),
        "remove_person": ("DELETE", "/api/people/dana", None),
    }
    found = {"start_deployment": first}
    for name, (method, path, body) in calls.items():
        answer = ask(world, method, path, body)
        assert (answer.status, answer.kind) == (200, "application/json"), (name, answer)
        found[name] = answer.document
    token = ask(world, "POST", "/api/tokens", {"role": "viewer"}).document["about"]["id"]
    found["revoke_token"] = ask(world, "DELETE", f"/api/tokens/{token}").document
    world.api.control(held, "cancel")
    world.api.wait(held)
    world.api.wait(baking)
    world.api.wait(str(found["rollback"]["id"]))
    # Last: from here on there are other people.
    return found | decided(world, tmp_path_factory.mktemp("keys"))


def decided(world: World, keys: Path) -> dict[str, Json]:
    """What the operations on approvals answer, for one that is approved and one that is not."""
    dana, found = person(keys, "dana"), {}
    with closing(store_of(world.home)) as store:
        register(store, dana)
    passphrase = {"passphrase": "correct horse battery staple"}
    set_it = ask(world, "POST", "/api/people/dana/passphrase", passphrase)
    found["set_passphrase"] = set_it.document
    for name, decision in (("yes", "approve"), ("no", "reject")):
        world.small(name, strategy={"type": "recreate"}, approvals={})
        begun = world.api.begin(name, "1.0.0").id
        path = f"/api/deployments/{begun}/request-approval"
        asked = ask(world, "POST", path, {"summary": "to see it"}).document
        found |= {
            "request_approval": asked,
            "show_approval": ask(world, "GET", f"/api/approvals/{asked['approval_id']}").document,
            "list_approvals": ask(world, "GET", "/api/approvals?state=waiting").document,
            decision: dana.decide(world.api, str(asked["approval_id"]), decision),
        }
        world.api.wait(begun)
    return found


@pytest.mark.parametrize(
    "tool", [t for t in TOOLS if t.name not in ENDS_THE_SERVICE], ids=lambda tool: tool.name
)
def test_a_document_is_what_its_schema_says(tool: Any, documents: dict[str, Json]) -> None:
    document = documents[tool.name]
    schema = tool.document.model_json_schema(mode="serialization", by_alias=True)
    Draft202012Validator(schema).validate(document)
    assert document["schema"] == tool.document.model_fields["schema_"].default
    assert set(document) == set(schema["properties"]), "every field is there, null or not"


@pytest.mark.parametrize("path", ["/api/service/retire", "/api/service/stop"])
def test_the_service_ends_when_it_is_asked_to(path: str) -> None:
    with a_world() as world:
        answer = ask(world, "POST", path, {"version": "9"} if "retire" in path else {})
        name = "retire_service" if "retire" in path else "stop_service"
        tool = next(tool for tool in TOOLS if tool.name == name)
        Draft202012Validator(
            tool.document.model_json_schema(mode="serialization", by_alias=True)
        ).validate(answer.document)
        assert world.service.process is not None
        assert world.service.process.wait(timeout=30) == 0
        assert not (world.home / "run" / "api.sock").exists()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "said"),
    [
        ("GET", "/", None, 404, "invalid_input", "there is nothing at GET /"),
        ("GET", "/api/nothing%0d%0ahere", None, 404, "invalid_input", "there is nothing"),
        ("PUT", "/api/plans", b"{}", 405, "invalid_input", "does not take PUT"),
        ("POST", "/api/plans", b"{", 400, "invalid_input", "not JSON"),
        ("POST", "/api/plans", b"\xff\xfe\x00", 400, "invalid_input", "not JSON"),
        ("POST", "/api/plans", b"[1]", 400, "invalid_input", "must be a JSON object"),
        ("POST", "/api/plans", b"[" * 100_000, 400, "invalid_input", "not JSON"),
        ("POST", "/api/plans", b"{}", 400, "invalid_input", "environment is missing"),
        ("POST", "/api/plans", b'{"environment": 1}', 400, "invalid_input", "valid string"),
        ("POST", "/api/plans", b'{"enviroment": "x"}', 400, "invalid_input", "2 arguments"),
        ("POST", "/api/plans", b'{"environment": "a", "environment": "b"}', 400, "invalid_input",
         "environment is given twice"),
        ("POST", "/api/plans?environment=a", b'{"environment": "b"}', 400, "invalid_input",
         "environment is given twice"),
        ("GET", "/api/deployments?limit=1&limit=2", None, 400, "invalid_input",
         "limit is given twice"),
        ("GET", "/api/deployments/d1?deployment=d2", None, 400, "invalid_input",
         "deployment is given twice"),
        ("GET", "/api/deployments?limit=0", None, 400, "invalid_input", "limit"),
        ("GET", "/api/deployments?phase=done", None, 400, "invalid_input", "phase"),
        ("GET", "/api/deployments?cursor=x", None, 400, "invalid_input", "not a cursor"),
        ("POST", "/api/deployments/d1/explode", b"{}", 400, "invalid_input", "action"),
        ("GET", "/api/deployments/d424242", None, 404, "unknown_deployment", "d424242"),
        ("GET", "/api/environments/nowhere", None, 404, "unknown_environment", "nowhere"),
        ("GET", "/api/plans/00000000", None, 404, "unknown_plan", "00000000"),
        ("GET", "/api/overview?app=shpo", None, 400, "invalid_input", "no app 'shpo'"),
        ("DELETE", "/api/environments/addressed", None, 409, "confirmation_needed", "addressed"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_a_problem_with_a_code(
    world: World,
    addressed: None,
    method: str,
    path: str,
    body: bytes | None,
    status: int,
    code: str,
    said: str,
) -> None:
    answer = ask(world, method, path, body)
    problem = answer.document
    assert (answer.status, answer.kind) == (status, "application/problem+json"), answer
    assert problem["schema"] == "orchestrate.error.v1"
    assert problem["status"] == status
    assert problem["type"] == f"/docs/errors#{code}"
    assert problem["error"]["code"] == code
    assert said in problem["detail"] == problem["error"]["message"]
    assert set(problem["error"]) == {
        "code", "message", "why", "fix", "retryable", "retry_after_s", "details", "request_id",
    }  # fmt: skip
    assert code in known()
    assert "Traceback" not in json.dumps(problem)


@pytest.fixture(scope="module")
def addressed(world: World) -> None:
    world.small("addressed", strategy={"type": "recreate"})


def test_a_method_that_is_not_taken_names_those_that_are(world: World) -> None:
    assert ask(world, "PUT", "/api/plans", b"{}").allow == "POST"


def test_a_name_nearly_right_is_met_with_the_right_one(world: World, addressed: None) -> None:
    answer = ask(world, "GET", "/api/environments/adressed")
    assert answer.document["error"]["fix"] == ["did you mean addressed?"]


def test_a_body_without_end_is_refused_before_it_is_read(world: World) -> None:
    link = OverSocket(world.home / "run" / "api.sock")
    link.putrequest("POST", "/api/plans")
    link.putheader("content-length", str(5 * 1024 * 1024))
    link.endheaders()
    link.send(b" " * (4 * 1024 * 1024 + 1))
    found = link.getresponse()
    assert "larger than 4 MB" in json.loads(found.read())["detail"]
    link.close()
    assert world.api.alive()


@pytest.mark.parametrize("name", ["twin", "shop/twin", "shop%2Ftwin", "depot/twin", "depot%2Ftwin"])
def test_an_environment_is_found_by_its_name_with_or_without_its_app(
    world: World, twins: None, name: str
) -> None:
    answer = ask(world, "GET", f"/api/environments/{name}")
    if name == "twin":
        assert answer.document["error"]["code"] == "ambiguous_environment"
        said = json.dumps(answer.document)
        assert "shop/twin" in said and "depot/twin" in said
    else:
        assert answer.document["app"] == name.replace("%2F", "/").split("/")[0]
    steps = ask(world, "POST", "/api/environments/depot/twin/rollback", {})
    assert steps.document["error"]["code"] == "no_rollback_target"


@pytest.fixture(scope="module")
def twins(world: World) -> None:
    for app in ("shop", "depot"):
        site = world.small("twin", strategy={"type": "recreate"})
        world.api.set({**site.settings, "app": app})


def test_pages_follow_one_another_without_gap_or_repetition(world: World) -> None:
    site = world.small("paged", strategy={"type": "recreate"})
    for version in ("1.0.0", "1.1.0", "1.0.0"):
        site.live(version)
    seen: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = ask(world, "GET", f"/api/deployments?environment=paged&limit=1{more}").document
        assert len(page["items"]) == 1
        seen += [row["id"] for row in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert pages == 3
    everything = site.api.history("paged")
    assert seen == [row["id"] for row in everything]
    assert seen == sorted(seen, key=lambda name: -int(name[1:]))


def test_only_its_owner_can_reach_what_the_service_keeps(world: World) -> None:
    home = world.home
    for path in (home, home / "run"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for name in ("run/api.sock", "run/mcp.sock", "service.json", "service.log"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
    open_to_others = [
        path
        for path in home.rglob("*")
        if world.root not in (path, *path.parents)  # the developer's, not the service's
        and path.name != "stderr.log"  # the test's
        and not path.is_symlink()
        and stat.S_IMODE(path.stat().st_mode) & 0o077
        and "versions" not in path.parts  # what is unpacked keeps its own modes, inside 0700
    ]
    assert open_to_others == []


def test_who_connected_is_who_asked(world: World) -> None:
    site = world.small("mine", strategy={"type": "recreate"})
    done = site.deploy("1.0.0").document
    name = world.api.call("GET", "/api/access")["name"]
    assert done["requested_by"] == {"actor": name, "on_behalf_of": None}


def test_another_user_cannot_connect(world: World) -> None:
    need(os.geteuid() == 0, "root", "sudo make test")
    for name in ("api.sock", "mcp.sock"):
        with as_user(NOBODY), socket.socket(socket.AF_UNIX) as link:
            with pytest.raises(PermissionError):
                link.connect(str(world.home / "run" / name))


@pytest.mark.attack("ID09", "another user connects where modes were loosened", "has no rights")
def test_the_kernel_says_who_asks_where_modes_were_loosened() -> None:
    need(os.geteuid() == 0, "root", "sudo make test")
    with a_world() as world:
        with opened(world), as_user(NOBODY):
            for method, path in (("GET", "/api/overview"), ("POST", "/api/first-administrator")):
                found = ask(world, method, path, b"{}" if method == "POST" else None)
                assert (found.status, found.document["error"]["code"]) == (403, "forbidden")
        world.api.call("POST", "/api/first-administrator", {"person": "lee"})
        linked = {"person": "nora", "roles": ["viewer"], "uids": [NOBODY]}
        world.api.call("POST", "/api/people", linked)
        with opened(world), as_user(NOBODY):
            found = ask(world, "GET", "/api/access")
        assert (found.document["name"], found.document["roles"]) == ("nora", ["viewer"])


@pytest.mark.attack("ID09", "a peer connects, then becomes another user", "it is who connected")
def test_who_asks_is_who_connected_whatever_they_became(world: World) -> None:
    need(os.geteuid() == 0, "root", "sudo make test")
    link = OverSocket(world.home / "run" / "api.sock")
    link.connect()
    with as_user(NOBODY):
        link.request("GET", "/api/access")
        found = json.loads(link.getresponse().read())
    link.close()
    assert found["person"] in (pwd.getpwuid(0).pw_name, "lee")


@contextmanager
def opened(world: World) -> Iterator[None]:
    """The socket open to every user of the machine."""
    door = world.home / "run" / "api.sock"
    parts = ((world.home, 0o700), (door.parent, 0o700), (door, 0o600))
    try:
        for (path, _), mode in zip(parts, (0o711, 0o711, 0o666), strict=True):
            path.chmod(mode)
        yield
    finally:
        for path, mode in parts:
            path.chmod(mode)


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """This process as another user for a moment: what a socket's other end is told."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
