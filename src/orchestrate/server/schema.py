"""JSON Schemas of operations as agents see them: complete for arguments, brief for answers.

A client pays for every byte of `tools/list` in its model's context: pydantic's titles and its
`anyOf [..., null]` for what is optional anyway say nothing (a quarter of the whole).
"""

from typing import Any

from pydantic import BaseModel

from orchestrate.tools.operation import Operation

Schema = dict[str, Any]


def input_schema(tool: Operation[Any, Any]) -> Schema:
    """The arguments in full."""
    return _slim(_inline(tool.arguments.model_json_schema()))


def output_schema(tool: Operation[Any, Any]) -> Schema:
    """The answer's fields with their plain types: enough to read it, and true.

    That every field is always there goes without saying: `required` would name them all again.
    """
    document: type[BaseModel] = tool.document
    full = document.model_json_schema(mode="serialization", by_alias=True)
    properties = {name: _brief(part, full) for name, part in full["properties"].items()}
    return {"type": "object", "properties": properties}


def _brief(part: Schema, full: Schema) -> Schema:
    """A property's type alone; what may be null says so."""
    if "$ref" in part:
        part = full["$defs"][part["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in part:
        types = [_brief(each, full).get("type", "object") for each in part["anyOf"]]
        return {"type": list(dict.fromkeys(types))}
    if "const" in part:
        return {"const": part["const"]}
    return {"type": part["type"]} if "type" in part else {}


def _inline(schema: Schema) -> Schema:
    """References replaced by what they refer to."""
    parts = schema.pop("$defs", {})

    def replace(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                target = dict(parts[value["$ref"].rsplit("/", 1)[1]])
                target.pop("description", None)
                return replace({**target, **{k: v for k, v in value.items() if k != "$ref"}})
            return {k: replace(v) for k, v in value.items()}
        return [replace(each) for each in value] if isinstance(value, list) else value

    found: Schema = replace(schema)
    return found


def _slim(schema: Schema) -> Schema:
    schema.pop("description", None)
    slim: Schema = _without_noise(schema, top=True)
    return slim


def _without_noise(value: Any, top: bool = False) -> Any:
    if isinstance(value, list):
        return [_without_noise(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {
        key: _without_noise(each)
        for key, each in value.items()
        if not (key == "title" and isinstance(each, str))
    }
    choices = found.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices and len(choices) == 2:
        real = next(each for each in choices if each != {"type": "null"})
        rest = {k: v for k, v in found.items() if k not in ("anyOf", "default")}
        return {**real, **rest}
    return found
