"""Tools and prompts as `tools/list` and `prompts/list` show them."""

from functools import cache
from typing import Any

import mcp_types as types

from orchestrate import prompts
from orchestrate.server.schema import input_schema, output_schema
from orchestrate.tools.operation import Operation


# Once in a process: the schemas of all tools take 40 ms, which every session would wait for.
@cache
def tool(operation: Operation[Any, Any]) -> types.Tool:
    """An operation, with all four hints stated."""
    hints = operation.hints
    return types.Tool(
        name=operation.name,
        title=operation.title,
        description=operation.description,
        input_schema=input_schema(operation),
        output_schema=output_schema(operation),
        annotations=types.ToolAnnotations(
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=hints.open_world,
        ),
    )


def prompt(name: str) -> types.Prompt:
    """A page of `prompts/`."""
    page = prompts.page(name)
    return types.Prompt(
        name=name,
        title=page.title,
        description=page.description,
        arguments=[
            types.PromptArgument(
                name=each.name, description=each.description, required=each.required
            )
            for each in page.arguments
        ],
    )
