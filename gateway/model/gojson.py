"""JSON as Go writes it."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def go_json(value: Any) -> bytes:
    """JSON as Go writes it: no blanks, integral floats without `.0`, `<`, `>` and `&` escaped. Raises ValueError for
    NaN and infinities."""
    text = msgspec.json.encode(_plain(value))
    for char, escape in _ESCAPES:
        if char in text:
            text = text.replace(char, escape)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return msgspec.Raw(go_float(value).encode())
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.Raw(str(value).encode())
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def go_float(value: float) -> str:
    """Shortest text that reads back; e-form only below 1e-6 and from 1e21."""
    if not math.isfinite(value):
        raise ValueError("NaN and infinities have no JSON")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    if 1e-6 <= abs(value) < 1e21:
        from decimal import Decimal

        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"
