"""pydantic's errors in plain words: what was expected, what came, what to do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.model.near import nearest
from gateway.model.profile import ReadWrite, ValueType
from gateway.model.scalar import Plain

Path = tuple[str | int, ...]

_WANTED: Mapping[str, str] = {
    "name": "text",
    "properties": "a mapping with at least valueType and readWrite",
    "valueType": f"one of {', '.join(ValueType)}",
    "readWrite": f"one of {', '.join(ReadWrite)}",
    "resourceOperations": "a list of at least one {deviceResource: …}",
    "deviceResource": "the name of a device resource",
    "interval": "a duration such as 500ms, 10s or 1h30m",
    "sourceName": "the name of a device command or a device resource",
    "adminState": "LOCKED or UNLOCKED",
    "operatingState": "UP, DOWN or UNKNOWN",
    "serviceName": "the device service, such as device-modbus",
    "protocols": "a mapping such as {modbus-tcp: {Address: …}}",
}
_EXPECTED: Mapping[str, str] = {
    "string_type": "expected text",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller whole number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
}
_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("ge", "of {} or more"),
    "greater_than": ("gt", "above {}"),
    "less_than_equal": ("le", "of at most {}"),
    "less_than": ("lt", "below {}"),
}


SEVERAL = "several"
"""Kind of an error of ours that holds errors of models which are loaded only when they are needed."""


def several(found: Sequence[tuple[Path, str]]) -> PydanticCustomError:
    """What is wrong with a model, to be raised by a validator of the model around it."""
    return PydanticCustomError(SEVERAL, "{what}", {"what": found[0][1], "found": found})


def each(error: ValidationError) -> Iterator[tuple[Path, str]]:
    """Where, below the model's root, and what, of all that is wrong."""
    for one in error.errors(include_url=False):
        if one["type"] == SEVERAL:
            yield from (((*one["loc"], *path), what) for path, what in one["ctx"]["found"])
        else:
            yield said(one)


def said(error: ErrorDetails) -> tuple[Path, str]:
    """Where, below the model's root, and what."""
    kind = error["type"]
    path = error["loc"]
    context = error.get("ctx", {})
    if kind == "extension":
        return (*path, context["key"]), context["what"]
    if kind == "missing":
        return path, required(path[-1])
    if kind == "value_error":
        return path, str(context["error"])
    if kind == "extra_forbidden":
        return path, f"unknown key {str(path[-1])!r}"
    if kind == "enum":
        return path, _choice(error["input"], context["expected"])
    if kind == "union_tag_not_found":
        return (*path, "kind"), "is required: what kind it is"
    if kind == "union_tag_invalid":
        return (*path, "kind"), _choice(context["tag"], context["expected_tags"])
    if kind in _EXPECTED:
        return path, f"{_EXPECTED[kind]}, got {shown(error['input'])}{_unquote(kind, error['input'])}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return path, f"expected a number {words.format(context[name])}, got {shown(error['input'])}"
    if kind == "too_short":
        return path, f"expected at least {context['min_length']} of them, got {context['actual_length']}"
    return path, f"{_lower(error['msg'])}, got {shown(error['input'])}"


def required(key: str | int) -> str:
    """What to say about a key that is missing."""
    return f"is required: {_WANTED[key]}" if isinstance(key, str) and key in _WANTED else "is required"


def _choice(given: Any, expected: str) -> str:
    choices = [part.strip("'") for part in expected.replace(" or ", ", ").split(", ")]
    near = nearest(given, choices) if isinstance(given, str) else ""
    hint = f"; did you mean {near}?" if near else ""
    return f"expected one of {', '.join(choices)}, got {shown(given)}{hint}"


def _unquote(kind: str, given: Any) -> str:
    if isinstance(given, str) and "$(" in given:
        return "; what $(…) stands for is declared under parameters"
    if type(given) is not str:
        return ""
    try:
        float(given)
    except ValueError:
        return ""
    return "; write it without quotes" if kind.startswith(("float", "int")) else ""


def _lower(message: str) -> str:
    return message.removeprefix("Input ").replace("should be", "must be")


def shown(value: Any) -> str:
    """A value as the person who wrote it would know it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if type(value) is Plain and value:
        return value[:60] + ("…" if len(value) > 60 else "")
    if isinstance(value, str):
        return f"{str(value[:60])!r}" + ("…" if len(value) > 60 else "")
    return str(value) if not isinstance(value, int) or abs(value) < 2**128 else "a number of too many digits"
