"""What the file's shape gets wrong: pydantic's findings in the operator's words."""

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from daemon.config.problems import NOTHING, Path, Problem
from daemon.config.schema import Root
from daemon.core.parameters import nearest

_MAPPING, _LIST = "expected a mapping of keys to values", "expected a list"
_EMPTY, _WHOLE = "must not be empty", "expected a whole number"
_TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "string_type": lambda _: "expected text; put it in quotes",
    "int_type": lambda _: _WHOLE,
    "float_type": lambda _: "expected a number",
    "int_from_float": lambda _: _WHOLE,
    "int_parsing": lambda _: _WHOLE,
    "dict_type": lambda _: _MAPPING,
    "model_type": lambda _: _MAPPING,
    "model_attributes_type": lambda _: _MAPPING,
    "tuple_type": lambda _: _LIST,
    "greater_than_equal": lambda ctx: f"expected at least {_limit(ctx['ge'])}",
    "less_than_equal": lambda ctx: f"expected at most {_limit(ctx['le'])}",
    "literal_error": lambda ctx: f"expected {ctx['expected']}",
    "string_too_short": lambda _: _EMPTY,
    "too_short": lambda _: _EMPTY,
    "string_pattern_mismatch": lambda _: "expected a name of at most 64 letters, digits, '.', '_' and '-'",
    "value_error": lambda ctx: str(ctx["error"]),
}


def validate(data: Mapping[str, Any]) -> tuple[Root | None, list[Problem]]:
    """Return the typed file, or None and everything that is wrong with its shape."""
    try:
        return Root.model_validate(data), []
    except ValidationError as error:
        return None, [_problem(found) for found in error.errors(include_url=False)]


def keys_at(path: Path) -> tuple[str, ...]:
    """Return the keys that are known in the mapping at ``path``."""
    model: type[BaseModel] = Root
    parts = iter(path)
    for part in parts:
        field = {f.alias or name: f for name, f in model.model_fields.items()}.get(str(part))
        if field is None:
            continue  # the index of a list
        inner = _model_in(field.annotation)
        if inner is None:
            return ()
        if get_origin(field.annotation) is dict:
            next(parts, None)  # a name the operator chose, which may look like a key of ours
        model = inner
    return tuple(f.alias or name for name, f in model.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m is not None), None)


def _problem(found: Any) -> Problem:
    path: Path = tuple(part for part in found["loc"] if part != "[key]")
    kind, value = found["type"], found["input"]
    if kind == "extra_forbidden":
        return Problem(path, f"unknown key{nearest(str(path[-1]), keys_at(path[:-1]))}")
    text = _TEXTS[kind](found.get("ctx", {})) if kind in _TEXTS else str(found["msg"])
    return Problem(path, text, NOTHING if kind == "missing" else value)


def _limit(number: float) -> str:
    return f"{number:g} s" if isinstance(number, float) else str(number)  # only durations are floats here
