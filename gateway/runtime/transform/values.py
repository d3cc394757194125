"""What somebody wants written, typed or as EdgeX text → a value of the resource's type.

Typed JSON is taken as it is meant: integers exactly, also of 64 bits; text as Go's `strconv` reads it. NaN and
infinities are refused.
"""

import base64
import binascii
import json
import math
import re
import struct
from typing import Any, NoReturn

from gateway.model.errors import CommandRejected
from gateway.model.profile import INTEGER_RANGE, ValueType
from gateway.runtime.transform.gotext import go_text

_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?", re.ASCII)
_SYNTAX = "invalid syntax"
_RANGE = "value out of range"


def typed(kind: ValueType, value: Any) -> Any:
    """A value of this type: bool, int, float, str, list or dict. Raises CommandRejected 422."""
    if kind is ValueType.BOOL:
        return _boolean(value)
    if kind.is_integer:
        return _integer(kind, value)
    if kind.is_float:
        return _float(kind, value)
    if kind is ValueType.STRING:
        return value if isinstance(value, str) else _text(kind, value)
    if kind is ValueType.OBJECT or kind is ValueType.OBJECT_ARRAY:
        return _object(kind, value)
    if kind is ValueType.BINARY:
        refuse(kind, value, "unrecognized value type")
    return _array(kind, value)


def number(kind: ValueType, value: Any) -> int | float:
    """Any finite number, for an integer resource that people see as a fraction. Raises CommandRejected 422."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if type(value) is int:
        return value
    found: float = _float(ValueType.FLOAT64, value, kind)
    return found


def refuse(kind: ValueType, value: Any, why: str) -> NoReturn:
    """EdgeX's sentence for a value that is not of the type."""
    shown = value if isinstance(value, str) else go_text(value)
    what = f"failed to convert set parameter {shown[:200]} to ValueType {kind.value} -> {why}"
    raise CommandRejected(422, f"failed to create CommandValue -> {what}")


def _go(function: str, value: Any, why: str) -> str:
    return f"strconv.{function}: parsing {json.dumps(str(value)[:200], ensure_ascii=False)}: {why}"


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    found = _BOOLS.get(str(value)) if isinstance(value, str | int) else None
    if found is None:
        refuse(ValueType.BOOL, value, _go("ParseBool", value, _SYNTAX))
    return found


def _integer(kind: ValueType, value: Any) -> int:
    low, high = INTEGER_RANGE[kind]
    parse = "ParseInt" if low else "ParseUint"
    whole = type(value) is int or (type(value) is float and value.is_integer())
    text = isinstance(value, str) and _INTEGER.fullmatch(value) and (low or value[0] not in "+-")
    if not (whole or text):
        refuse(kind, value, _go(parse, value, _SYNTAX))
    found = int(value)
    if not low <= found <= high:
        refuse(kind, value, _go(parse, value, _RANGE))
    return found


def _float(kind: ValueType, value: Any, shown: ValueType | None = None) -> float:
    found: float | None = None
    if type(value) is float or type(value) is int:
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        found = float(value)
    elif isinstance(value, str) and value:
        found = _bytes_as_float(kind, value)
    if found is None:
        refuse(shown or kind, value, _go("ParseFloat", value, _SYNTAX))
    if math.isnan(found):
        refuse(shown or kind, value, "NaN is not a number that can be written")
    if math.isinf(found) or (kind is ValueType.FLOAT32 and abs(found) > _MAX_SINGLE):
        refuse(shown or kind, value, _go("ParseFloat", value, _RANGE))
    return found


_MAX_SINGLE = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]


def _bytes_as_float(kind: ValueType, text: str) -> float | None:
    """Base64 of the big-endian IEEE 754 bytes."""
    shape = ">f" if kind is ValueType.FLOAT32 else ">d"
    try:
        found: float = struct.unpack(shape, base64.b64decode(text, validate=True))[0]
    except (binascii.Error, struct.error, ValueError):
        return None
    return found


def _text(kind: ValueType, value: Any) -> str:
    if isinstance(value, bool | int | float) and not (isinstance(value, float) and not math.isfinite(value)):
        return go_text(value)
    return refuse(kind, value, "expected text")


def _object(kind: ValueType, value: Any) -> Any:
    found = _from_json(kind, value) if isinstance(value, str) else value
    if kind is ValueType.OBJECT and isinstance(found, dict):
        return found
    if kind is ValueType.OBJECT_ARRAY and isinstance(found, list) and all(isinstance(one, dict) for one in found):
        return found
    return refuse(kind, value, "expected an object" if kind is ValueType.OBJECT else "expected a list of objects")


def _array(kind: ValueType, value: Any) -> list[Any]:
    element = ValueType(kind.value.removesuffix("Array"))
    found = value
    if isinstance(value, str):
        unsigned = element.is_integer and INTEGER_RANGE[element][0] == 0
        found = _parts(value) if unsigned else _from_json(kind, value)
    if not isinstance(found, list):
        refuse(kind, value, "expected a list")
    if element is ValueType.STRING and not all(isinstance(one, str) for one in found):
        refuse(kind, value, "expected a list of text")
    return [typed(element, one) for one in found]


def _parts(text: str) -> list[str]:
    inner = text.strip().removeprefix("[").removesuffix("]").strip()
    return [part.strip() for part in inner.split(",")] if inner else []


def _from_json(kind: ValueType, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return refuse(kind, text, "the text is not JSON")
