"""Wrong arguments, told in our own words."""

from pydantic import ValidationError

from orchestrate.core.errors import InvalidInput
from orchestrate.core.names import did_you_mean
from orchestrate.tools.operation import Arguments


def explain(error: ValidationError, model: type[Arguments]) -> InvalidInput:
    """Every problem in one line each, without the library's links and class names."""
    why: list[str] = []
    for found in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in found["loc"]) or "the arguments"
        if found["type"] == "extra_forbidden":
            meant = did_you_mean(name, model.model_fields)
            hint = f"; did you mean {meant[0]}?" if meant else ""
            why.append(f"{name} is not an argument{hint}")
        elif found["type"] == "missing":
            why.append(f"{name} is missing")
        else:
            why.append(f"{name}: {found['msg'][0].lower()}{found['msg'][1:]}")
    return InvalidInput(
        why[0] if len(why) == 1 else f"{len(why)} arguments are wrong",
        why=why if len(why) > 1 else [],
        fix=[f"arguments are: {', '.join(model.model_fields) or 'none'}"],
    )
