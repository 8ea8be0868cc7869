"""botocore's models of what AWS answers: checking an answer against them, and writing it as XML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import botocore.parsers
import botocore.session
from botocore.model import OperationModel, Shape

NAMES = {
    "ecs": "ecs",
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "logs": "logs",
    "ssm": "ssm",
    "ecr": "ecr",
    "sts": "sts",
    "application-autoscaling": "application-autoscaling",
}
"""Services by the name that requests are signed with."""


class Wrong(AssertionError):
    """An answer that AWS could not have given."""


@cache
def operation(service: str, name: str) -> OperationModel:
    """The model of an operation of a service, by its signing name."""
    session = botocore.session.get_session()
    return session.get_service_model(NAMES[service]).operation_model(name)


def check(service: str, name: str, answer: Mapping[str, Any]) -> None:
    """Raises Wrong for a member that is not in the model, a value of the wrong type, or a word
    that is not in its list."""
    model = operation(service, name)
    if model.output_shape is None:
        if answer:
            raise Wrong(f"{name} answers nothing, not {answer}")
        return
    _check(model.output_shape, answer, name)


def check_text(service: str, name: str, headers: Mapping[str, str], text: bytes) -> None:
    """The same for an answer as it was sent."""
    model = operation(service, name)
    protocol = str(model.service_model.metadata["protocol"])
    if protocol == "json":
        check(service, name, json.loads(text or b"{}", object_pairs_hook=_given))
        return
    parser = botocore.parsers.create_parser(protocol)
    sent = {"status_code": 200, "headers": dict(headers), "body": text}
    found = parser.parse(sent, model.output_shape)
    found.pop("ResponseMetadata", None)
    check(service, name, found)


def _given(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is null is not there, to botocore too."""
    return {name: value for name, value in pairs if value is not None}


def check_asked(service: str, name: str, asked: Mapping[str, Any]) -> None:
    """The same for what was asked."""
    shape = operation(service, name).input_shape
    if shape is not None:
        _check(shape, asked, name)


def _check(shape: Shape, value: Any, where: str) -> None:
    match shape.type_name:
        case "structure":
            if not isinstance(value, Mapping):
                raise Wrong(f"{where} is {value!r}, not a structure")
            for name in value:
                if name not in shape.members:
                    raise Wrong(f"{where}.{name} is not in {shape.name}")
                _check(shape.members[name], value[name], f"{where}.{name}")
            for name in getattr(shape, "required_members", ()):
                if name not in value:
                    raise Wrong(f"{where}.{name} is missing")
        case "list":
            if not isinstance(value, list):
                raise Wrong(f"{where} is {value!r}, not a list")
            for index, each in enumerate(value):
                _check(shape.member, each, f"{where}[{index}]")
        case "map":
            for key, each in value.items():
                _check(shape.value, each, f"{where}[{key}]")
        case "string":
            if not isinstance(value, str):
                raise Wrong(f"{where} is {value!r}, not a text")
            if shape.enum and value not in shape.enum:
                raise Wrong(f"{where} is {value!r}, not one of {shape.enum}")
        case "integer" | "long":
            if not isinstance(value, int) or isinstance(value, bool):
                raise Wrong(f"{where} is {value!r}, not a whole number")
        case "boolean":
            if not isinstance(value, bool):
                raise Wrong(f"{where} is {value!r}, not a truth value")
        case "double" | "float":
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise Wrong(f"{where} is {value!r}, not a number")
        case "timestamp":
            if not isinstance(value, int | float | datetime):
                raise Wrong(f"{where} is {value!r}, not a time")


def as_json(answer: Mapping[str, Any]) -> bytes:
    """Times as seconds, which is how the JSON protocol has them."""
    return json.dumps(answer, default=lambda when: round(when.timestamp(), 3)).encode()


def as_xml(service: str, name: str, answer: Mapping[str, Any]) -> bytes:
    """The answer of an operation of the query protocol."""
    shape = operation(service, name).output_shape
    inside = _xml(shape, answer) if shape else ""
    return (
        f"<{name}Response><{name}Result>{inside}</{name}Result><ResponseMetadata>"
        f"<RequestId>front</RequestId></ResponseMetadata></{name}Response>"
    ).encode()


def _xml(shape: Shape, value: Any) -> str:
    match shape.type_name:
        case "structure":
            return "".join(
                f"<{name}>{_xml(shape.members[name], each)}</{name}>"
                for name, each in value.items()
            )
        case "list":
            return "".join(f"<member>{_xml(shape.member, each)}</member>" for each in value)
        case _:
            return escape(str(value))


def now() -> datetime:
    return datetime.now(UTC)
