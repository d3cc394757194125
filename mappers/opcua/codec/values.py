"""What a server sends → the value of a resource."""

import struct
from typing import Any

from asyncua import ua

from gateway.model.profile import INTEGER_RANGE, ValueType
from gateway.model.reading import OVERFLOW, Quality
from mappers.opcua.point import Point


def to_value(variant: ua.Variant | None, point: Point) -> Any:
    """The value, or what is wrong with it (Quality)."""
    value = None if variant is None else variant.Value
    if value is None:
        return Quality("bad", "device", "no value")
    if isinstance(value, list) != point.is_array:
        held = "an array" if isinstance(value, list) else "one value"
        return Quality("bad", "config", f"the node holds {held}, not {point.value_type}")
    if not isinstance(value, list):
        return _one(value, point)
    found = [_one(one, point) for one in value]
    return next((one for one in found if isinstance(one, Quality)), found)


def _one(value: Any, point: Point) -> Any:
    wanted = ValueType(point.element)
    if wanted is ValueType.BOOL and isinstance(value, bool):
        return value
    if wanted is ValueType.STRING and isinstance(value, str):
        return value
    if wanted.is_integer and isinstance(value, int) and not isinstance(value, bool):
        low, high = INTEGER_RANGE[wanted]
        return int(value) if low <= value <= high else OVERFLOW
    if wanted.is_float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if wanted is ValueType.FLOAT64 else _float32(float(value))
    return Quality("bad", "config", f"the node holds {type(value).__name__}, not {wanted}")


def _float32(value: float) -> Any:
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return OVERFLOW
