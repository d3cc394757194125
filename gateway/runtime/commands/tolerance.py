"""Whether two values of a resource are the same, for read-backs, desired values and twin patches."""

import re
from datetime import UTC, datetime
from typing import Any

from gateway.model.errors import CommandRejected
from gateway.model.extensions import extensions
from gateway.model.profile import DeviceResource, ValueType
from gateway.model.single import single
from gateway.runtime.transform.affine import chain_of
from gateway.runtime.transform.steps import step_of
from gateway.runtime.transform.towire import to_wire

_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def same(one: Any, other: Any, within: float = 0.0) -> bool:
    """Equal, or numbers at most `within` apart."""
    if one == other:
        return True
    # The limit itself confirms; the last digit of a float must not decide.
    return bool(within) and _numbers(one, other) and abs(one - other) <= within * (1 + 1e-9)


def same_of(resource: DeviceResource, wanted: Any, read: Any) -> bool:
    """Equal as this resource carries it (Float32 as single precision, a scaled integer to its nearest step), or within
    its tolerance."""
    if same(wanted, read, extensions(resource.properties.optional).tolerance):
        return True
    kind = resource.properties.value_type
    if not _numbers(wanted, read):
        return False
    if kind is ValueType.FLOAT32:
        return single(wanted) == single(read)
    return kind.is_integer and _nearest(resource, wanted) == read


def alike(one: Any, other: Any) -> bool:
    """Whether two raw values are equal or texts that mean the same time or GUID; also inside objects and lists. What an
    object has not is as good as null."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(alike(one.get(name), other.get(name)) for name in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, str) and isinstance(other, str):
        return one == other or ((meant := _meaning(one)) is not None and meant == _meaning(other))
    return bool(one == other)


def _meaning(text: str) -> object:
    """Of a time (RFC 3339) its second and the digits after it, of a GUID its lower case; None: it is neither."""
    if _GUID.fullmatch(text):
        return text.lower()
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, time, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{time}{'+00:00' if zone in 'Zz' else zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at, (fraction or "").rstrip("0")


def _nearest(resource: DeviceResource, wanted: Any) -> Any:
    """What reads back of a device that holds the raw value which is written for it; None: nothing is."""
    step = step_of(chain_of(resource.properties))
    try:
        raw = to_wire(resource, wanted)
        return raw if step is None else step(raw)
    except (CommandRejected, ArithmeticError, ValueError):
        return None


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
