"""The endpoint: a proxy before moto that carries out what moto does not, and fails when told to."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.aws.balancer import Balancer
from tests.support.aws.cloudwatch import metric_data
from tests.support.aws.ecs import Ecs, Refused
from tests.support.aws.moto import emptied, moto
from tests.support.aws.shapes import Wrong, as_json, as_xml, check, check_asked, check_text
from tests.support.aws.tasks import Task
from tests.support.platform import LOST, How

REGION = "eu-west-1"
_lock = threading.Lock()


@cache
def _made(service: str, address: str) -> Any:
    from boto3.session import Session

    return Session().client(
        service,  # type: ignore[call-overload]
        region_name=REGION,
        endpoint_url=f"http://{address}",
        aws_access_key_id="moto",
        aws_secret_access_key="moto",
    )


def client(service: str, address: str) -> Any:
    """A client that speaks to moto itself."""
    with _lock:  # making one is not safe in several threads
        return _made(service, address)


CLUSTER = "shop"


@dataclass
class Break:
    """The call that is to fail, counted from the moment this was made."""

    call: int
    how: How
    reached: bool = False


class Front:
    """See the package. `url` is where boto3 is sent to."""

    def __init__(self) -> None:
        self.moto = moto()
        emptied(self.moto)
        self.pace, self.minute = 0.03, 0.3
        self.alarms: set[str] = set()
        self.images: dict[str, str] = {}
        """Programs by the digest of their image."""
        self.rule_arn = ""
        self.calls: Counter[str] = Counter()
        self.wrong: list[str] = []
        """Answers, of our own or of moto, that AWS could not have given."""
        self._failures: dict[str, list[Refused]] = {}
        self._broken: Break | None = None
        self.stale_rules = 0
        """How many readings of a rule after a change still show what was read before it."""
        self._late = 0
        self.log_page: int | None = None
        """Lines in one answer, as when they are long."""
        self._rules_before: tuple[int, Mapping[str, str], bytes] | None = None
        self._weights: dict[str, int] | None = None
        self._definitions: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()
        self.balancer = Balancer(self.weights)
        self.ecs = Ecs(self, CLUSTER)
        handler = type("Handler", (_Handler,), {"front": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def allowed(self) -> str:
        """What whoever starts the service must list for it."""
        return self.url.removeprefix("http://")

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.balancer.close()
        self.ecs.close()
        assert not self.wrong, f"answers that AWS could not have given: {sorted(set(self.wrong))}"

    # -- failing as the platform does

    def fail(self, operation: str, code: str, times: int = 1, status: int = 400) -> None:
        """Let the next calls of an operation be refused with a code of AWS."""
        refused = Refused(code, f"{code} as asked for by the test", status)
        self._failures.setdefault(operation, []).extend([refused] * times)

    @contextmanager
    def failing(self, call: int, how: How) -> Iterator[Break]:
        """Let the call with this number from now on not arrive, or lose its answer."""
        broken = Break(call, how)
        with self._lock:
            self._broken = broken
        try:
            yield broken
        finally:
            with self._lock:
                self._broken = None

    # -- the world of a service

    def program(self, image: str) -> str | None:
        return self.images.get(image.rpartition("@")[2])

    def definition(self, name: str) -> Mapping[str, Any]:
        """A task definition, from moto; by its ARN it does not change."""
        if name not in self._definitions:
            found = self.asked("ecs", "DescribeTaskDefinition", {"taskDefinition": name})
            self._definitions[name] = found["taskDefinition"]
        return self._definitions[name]

    def active(self, name: str) -> str:
        """The ARN of a task definition that can be run."""
        answer = self.asked("ecs", "DescribeTaskDefinition", {"taskDefinition": name})
        found = answer.get("taskDefinition")
        if found is None or found["status"] != "ACTIVE":
            raise Refused("ClientException", "TaskDefinition is inactive or not found")
        return str(found["taskDefinitionArn"])

    def balanced(self, group: str) -> bool:
        """Whether any rule forwards to a target group: they all do in these tests' accounts, but
        for those a test takes away."""
        return bool(
            self.client("elbv2")
            .describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
            .get("LoadBalancerArns")
        )

    def wrote(self, task: Task, line: str) -> None:
        """A line of a task goes where its log driver sends it."""
        options = task.container.get("logConfiguration", {}).get("options", {})
        if "awslogs-group" not in options:
            return
        stream = f"{options['awslogs-stream-prefix']}/{task.container['name']}/{task.id}"
        where = {"logGroupName": options["awslogs-group"], "logStreamName": stream}
        self.asked("logs", "CreateLogStream", where)
        event = {"timestamp": int(time.time() * 1000), "message": line}
        self.asked("logs", "PutLogEvents", {**where, "logEvents": [event]})

    def weights(self) -> Mapping[str, int]:
        """Those of the rule that the balancer obeys, by target group."""
        if self._weights is None:
            rule = self.client("elbv2").describe_rules(RuleArns=[self.rule_arn])["Rules"][0]
            action = rule["Actions"][-1]
            groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
            if action["Type"] == "forward" and not groups:
                groups = [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]
            self._weights = {g["TargetGroupArn"]: g["Weight"] for g in groups}
        return self._weights

    def shift(self, rule: str, weights: Mapping[str, int]) -> None:
        """ECS itself changes the rule of a service."""
        if dict(self.weights()) == dict(weights):
            return
        groups = [{"TargetGroupArn": g, "Weight": w} for g, w in weights.items()]
        self.client("elbv2").modify_rule(
            RuleArn=rule, Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
        )
        self._weights = None

    def client(self, service: str) -> Any:
        """A client that speaks to moto past this front."""
        return client(service, self.moto)

    def asked(self, service: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One call of the JSON protocol to moto; what it refuses is an answer too."""
        targets = {"ecs": "AmazonEC2ContainerServiceV20141113", "logs": "Logs_20140328"}
        headers = {
            "X-Amz-Target": f"{targets[service]}.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=moto/20260101/{REGION}/{service}/"
            "aws4_request, SignedHeaders=host, Signature=0",
        }
        _, _, text = self._forward("POST", "/", headers, json.dumps(body).encode())
        found: dict[str, Any] = json.loads(text or b"{}")
        return found

    # -- answering

    def handle(self, handler: _Handler, headers: Mapping[str, str], body: bytes) -> None:
        service, operation, asked = _read(headers, body)
        self.calls[operation] += 1
        lost = self._is_lost()
        if lost is not None and lost.how == LOST:
            return  # the connection closes without an answer
        try:
            status, answered, text = self._answered(
                service, operation, asked, headers, body, handler
            )
        except Refused as refused:
            status, answered, text = _refusal(service, refused)
        except Wrong as problem:
            self.wrong.append(str(problem))
            status, answered, text = 500, {}, b"{}"
        if lost is None:
            handler.say(status, answered, text)

    def _answered(
        self,
        service: str,
        operation: str,
        asked: dict[str, Any],
        headers: Mapping[str, str],
        body: bytes,
        handler: _Handler,
    ) -> tuple[int, Mapping[str, str], bytes]:
        waiting = self._failures.get(operation)
        if waiting:
            raise waiting.pop(0)
        own = self._own(service, operation, asked)
        if own is not None:
            check(service, operation, own)
            if service in ("elasticloadbalancing",):
                return 200, {"Content-Type": "text/xml"}, as_xml(service, operation, own)
            return 200, {"Content-Type": "application/x-amz-json-1.1"}, as_json(own)
        if operation == "DescribeRules" and self._late and self._rules_before is not None:
            self._late -= 1
            return self._rules_before
        if operation == "GetLogEvents" and self.log_page is not None:
            body = json.dumps({**asked, "limit": min(asked["limit"], self.log_page)}).encode()
            headers = {k: v for k, v in headers.items() if k != "Content-Length"}
        answer = self._forward(handler.command, handler.path, headers, body)
        if answer[0] == 200:
            check_text(service, operation, answer[1], answer[2])
        if operation == "DescribeRules":
            self._rules_before = answer
        if operation == "ModifyRule":
            self._weights, self._late = None, self.stale_rules
        return answer

    def _own(self, service: str, operation: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        if service == "ecs" and operation in self.ecs.operations:
            if "service/" not in asked.get("resourceArn", "service/"):
                return None
            check_asked(service, operation, asked)
            with self.ecs.lock:
                return self.ecs.operations[operation](asked)
        if operation == "DescribeTargetHealth":
            return self._target_health(asked["TargetGroupArn"])
        if operation == "GetMetricData":
            return metric_data(asked, self.balancer.requests)
        return None

    def _target_health(self, group: str) -> dict[str, Any]:
        found = []
        with self.balancer.lock:
            for target in self.balancer.groups.get(group, {}).values():
                health = {"State": target.state}
                if target.reason:
                    health["Reason"] = target.reason
                found.append(
                    {"Target": {"Id": target.address, "Port": target.port}, "TargetHealth": health}
                )
        return {"TargetHealthDescriptions": found}

    def _forward(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection(self.moto, timeout=60)
        try:
            kept = {k: v for k, v in headers.items() if k.lower() not in ("connection", "host")}
            connection.request(method, path, body, {**kept, "Host": self.moto})
            answer = connection.getresponse()
            given = {"Content-Type": answer.headers.get("Content-Type", "text/plain")}
            return answer.status, given, answer.read()
        finally:
            connection.close()

    def _is_lost(self) -> Break | None:
        with self._lock:
            broken = self._broken
            if broken is None or broken.reached:
                return None
            broken.call -= 1
            if broken.call > 0:
                return None
            broken.reached = True
            return broken


def _read(headers: Mapping[str, str], body: bytes) -> tuple[str, str, dict[str, Any]]:
    """Service, operation and what is asked."""
    scope = headers.get("Authorization", "").partition("Credential=")[2].split("/")
    service = scope[3] if len(scope) > 3 else ""
    target = headers.get("X-Amz-Target")
    if target:
        return service, target.rpartition(".")[2], json.loads(body or b"{}")
    fields = dict(urllib.parse.parse_qsl(body.decode()))
    return service, fields.get("Action", ""), fields


def _refusal(service: str, refused: Refused) -> tuple[int, Mapping[str, str], bytes]:
    if service in ("elasticloadbalancing", "sts"):
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{refused.code}</Code>"
            f"<Message>{refused.message}</Message></Error></ErrorResponse>"
        )
        return refused.status, {"Content-Type": "text/xml"}, text.encode()
    body = {"__type": refused.code, "message": refused.message}
    return refused.status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(body).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    front: Front

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # Closed unless it was answered: what lost its answer must not be waited for.
        self.close_connection = True
        self.front.handle(self, dict(self.headers.items()), body)

    def say(self, status: int, headers: Mapping[str, str], text: bytes) -> None:
        self.close_connection = False
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: object) -> None:
        pass
