"""What the text of a YAML scalar means: by YAML 1.2 as gopkg yaml.v3 reads it, decided once the target is known."""

import math
import re
from collections.abc import Mapping
from typing import Any, Self

MAX_DEPTH = 100
"""Levels of mappings and lists inside one another that are still read."""


class Plain(str):
    """Text of a scalar written without quotes; what it means depends on where it goes. Quoted text is a `str`."""

    __slots__ = ()


class LiteralInt(int):
    """An integer of a free-form map that was written otherwise than Python would: `0x10`, `0777`, `+5`."""

    text: str

    def __new__(cls, value: int, text: str) -> Self:
        self = super().__new__(cls, value)
        self.text = text
        return self


class LiteralFloat(float):
    """A number of a free-form map that was written otherwise than Python would, or like no integer: `10.10`, `10.0`.

    Equal to another number only when the text is: register 10.10 is not register 10.1, register 10 is not its bit
    10.0, and a file that changes one into the other has changed."""

    text: str

    def __new__(cls, value: float, text: str) -> Self:
        self = super().__new__(cls, value)
        self.text = text
        return self

    def __eq__(self, other: object) -> bool:
        return self.text == literal_text(other) if isinstance(other, int | float) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = float.__hash__


def literal_float(text: str) -> float:
    """A number with a point or an exponent, so that neither its text nor its being no integer is forgotten."""
    value = float(text.replace("_", ""))
    return LiteralFloat(value, str(text)) if value.is_integer() or repr(value) != text else value


def literal_text(value: object) -> str:
    """The text a value of a free-form map had in its file: `10.10`, `0x10`, `true`; empty for null."""
    if isinstance(value, LiteralInt | LiteralFloat):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


NULLS = ("", "~", "null", "Null", "NULL")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(NULLS, None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_FLAGS = {
    **dict.fromkeys(("true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
FLAG_WORDS = tuple(_FLAGS)
"""What a boolean field takes, YAML 1.1's words included."""
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST = 80  # digits of a number worth reading; longer ones are text


def resolve(text: str) -> bool | int | float | str | None:
    """The value of a plain scalar in a free-form map. Literal text that Python would write differently is kept
    (`LiteralInt`, `LiteralFloat`); dates and sexagesimals stay text, as do `yes`, `no`, `on` and `off`."""
    if text[:1] in _NUMERIC:
        number = _number(text)
        if number is not None:
            return number
    return _WORDS[text] if text in _WORDS else str(text)


_NUMERIC = frozenset("+-.0123456789")


def _number(text: str) -> int | float | None:
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 19:
        return int(text)
    integer = whole(text)
    if integer is not None and -(2**63) <= integer < 2**64:  # beyond, Go reads a float
        return integer if str(integer) == text else LiteralInt(integer, str(text))
    bare = text.replace("_", "")
    if len(bare) > _LONGEST or not _FLOAT.fullmatch(bare):
        return None
    return None if math.isinf(float(bare)) else literal_float(text)


def whole(text: str) -> int | None:
    """An integer as Go's base 0 reads it: 10, `0x0A`, `0b1010`, `012`; None when it is none or of too many digits."""
    bare = text.replace("_", "")
    found = _INTEGER.fullmatch(bare) if len(bare) <= _LONGEST else None
    if found is None:
        return None
    sign, *digits = found.groups()
    number, base = next((d, b) for d, b in zip(digits, (16, 2, 8, 10), strict=True) if d)
    return int(sign + number, base)


def number(value: Any) -> Any:
    """For a number field, where only the value counts: a plain scalar becomes its float; everything else is left to the
    field's strict type."""
    if isinstance(value, LiteralFloat):
        return float(value)
    if type(value) is not Plain:
        return value
    resolved = resolve(value)
    if isinstance(resolved, bool) or not isinstance(resolved, int | float):
        return value
    return float(resolved)


def integer(value: Any) -> Any:
    """For an integer field: a plain scalar that is a whole number becomes an int."""
    if type(value) is not Plain:
        return value
    resolved = resolve(value)
    if isinstance(resolved, bool) or not isinstance(resolved, int | float):
        return value
    if isinstance(resolved, float):
        return int(resolved) if resolved.is_integer() else float(resolved)
    return int(resolved)


def flag(value: Any) -> Any:
    """For a boolean field: a plain `true`, `yes`, `on` and their like."""
    return _FLAGS.get(value, value) if type(value) is Plain else value


def text(value: Any) -> Any:
    """For text in a list or map, where null is empty text. Raises ValueError for what cannot be written as UTF-8."""
    if isinstance(value, str):
        return _speakable(value)
    return "" if value is None else value


def text_map(value: Any) -> Any:
    """For a map of text: null is an empty one."""
    return {} if value is None else value


def free(value: Any, depth: int = 0) -> Any:
    """A value of a free-form map, plain scalars resolved; a copy. Raises ValueError for what JSON cannot say."""
    kind = type(value)
    if kind is Plain:
        value = resolve(value)
        kind = type(value)
    if kind is str:
        return _speakable(value)
    if isinstance(value, Mapping):
        _shallow(depth)
        return {_speakable(str(key)): free(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        _shallow(depth)
        return [free(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be sent; write a finite number, or text in quotes")
    if kind is float:
        return literal_float(repr(value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"expected text, a number, true, false, a list or a mapping, got a {kind.__name__}")


def free_map(value: Any) -> dict[str, Any]:
    """`free` where only a mapping will do; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping, got {'a list' if isinstance(value, list) else repr(value)[:60]}")
    found: dict[str, Any] = free(value)
    return found


def _shallow(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels inside one another")


def _speakable(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("text with half a surrogate pair cannot be written as UTF-8") from None
    return text
