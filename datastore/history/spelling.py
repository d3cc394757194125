"""How files and answers spell what is no plain number."""

import base64
from typing import Any

import msgspec

_json = msgspec.json.Encoder().encode


def spelled(number: float) -> str:
    """A number whose `value` does not say all."""
    if isinstance(number, int):
        return str(number)
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def quality(level: str, reason: str, code: str) -> str:
    """`bad refused 2`; empty: good, and nothing more to say."""
    return f"{level} {reason} {code}".rstrip() if level != "good" or reason or code else ""


def text(value: Any) -> str:
    """`exact` of what is no number."""
    if isinstance(value, str):
        return value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else _json(value).decode()
