"""Our own keys under a resource's `properties.optional`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.model.duration import parse_duration


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a resource wants beyond EdgeX: in the twin, written again, how exact, how often reported."""

    twin: bool = False
    """Reported in the twin though not writable."""
    reapply: bool = False
    """A desired value is written again after the device's own outage."""
    tolerance: float = 0.0
    """How far a read-back may differ and still confirm."""
    min_interval: float | None = None
    """Seconds: reported at most every …"""
    max_interval: float | None = None
    """Seconds: reported at least every …"""


EXTENSIONS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "twin": {"type": ["boolean", "null"], "description": "Reported in the twin though not writable"},
        "reapply": {
            "type": ["boolean", "null"],
            "description": "A desired value is written again after the device's own outage",
        },
        "tolerance": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "How far a read-back may differ and still confirm",
        },
        "minInterval": {"type": ["string", "null"], "description": "Reported at most every …, such as 10s"},
        "maxInterval": {"type": ["string", "null"], "description": "Reported at least every …, such as 1h"},
    },
}
"""The same for JSON Schema."""


class WrongExtension(ValueError):
    """A key of ours in `optional` with a value that means nothing; `key` says which."""

    def __init__(self, key: str, what: str) -> None:
        self.key = key
        super().__init__(what)


def extensions(optional: Mapping[str, Any]) -> Extensions:
    """Ours among the free-form keys of `optional`; null counts as absent. Raises WrongExtension."""
    if not optional:
        return _NONE
    found = Extensions(
        twin=_flag(optional, "twin"),
        reapply=_flag(optional, "reapply"),
        tolerance=_tolerance(optional),
        min_interval=_interval(optional, "minInterval"),
        max_interval=_interval(optional, "maxInterval"),
    )
    if found.min_interval is not None and found.max_interval is not None and found.min_interval > found.max_interval:
        raise WrongExtension("maxInterval", "maxInterval must not be shorter than minInterval")
    return found


_NONE = Extensions()


def _flag(optional: Mapping[str, Any], key: str) -> bool:
    value = optional.get(key)
    if value is not None and not isinstance(value, bool):
        raise WrongExtension(key, f"expected true or false, got {value!r}")
    return bool(value)


def _tolerance(optional: Mapping[str, Any]) -> float:
    value = optional.get("tolerance")
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise WrongExtension("tolerance", f"expected a number of 0 or more, without quotes, got {value!r}")
    return float(value)


def _interval(optional: Mapping[str, Any], key: str) -> float | None:
    value = optional.get(key)
    if value is None:
        return None
    try:
        seconds = parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        raise WrongExtension(key, f"expected a duration such as 500ms, 10s or 1h30m, got {value!r}") from None
    if seconds <= 0:
        raise WrongExtension(key, f"expected a duration above 0, got {value!r}")
    return seconds
