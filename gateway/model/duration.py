"""Durations as Go writes them."""

import math
import re

_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip
_PART = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h|d)"
_WHOLE = re.compile(rf"[-+]?(?:0|(?:{_PART})+)")
_PARTS = re.compile(r"([0-9.]+)([^0-9.]+)")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration: `500ms`, `1.5s`, `1h30m`, `-2s`, `0`; also days (`7d`), as EdgeX takes in some places.
    Raises ValueError."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write a number with its unit, such as 500ms, 10s or 1h30m")
    seconds = math.fsum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    if not seconds < 2**63 / 1e9:
        raise ValueError(f"{text!r} is longer than 292 years")
    return -seconds if text.startswith("-") else seconds
