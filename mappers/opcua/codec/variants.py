"""The value of a resource → what a server takes."""

import math
from typing import Any

from asyncua import ua

from gateway.model.errors import CommandRejected
from gateway.model.profile import ValueType
from mappers.opcua.point import Point

V = ua.VariantType
RANGE = {
    V.SByte: (-(2**7), 2**7 - 1), V.Byte: (0, 2**8 - 1), V.Int16: (-(2**15), 2**15 - 1), V.UInt16: (0, 2**16 - 1),
    V.Int32: (-(2**31), 2**31 - 1), V.UInt32: (0, 2**32 - 1), V.Int64: (-(2**63), 2**63 - 1), V.UInt64: (0, 2**64 - 1),
}  # fmt: skip
NATURAL = {
    "Bool": V.Boolean, "String": V.String, "Int8": V.SByte, "Uint8": V.Byte, "Int16": V.Int16, "Uint16": V.UInt16,
    "Int32": V.Int32, "Uint32": V.UInt32, "Int64": V.Int64, "Uint64": V.UInt64, "Float32": V.Float, "Float64": V.Double,
}  # fmt: skip
"""The built-in type of a value type."""


def to_variant(value: Any, built_in: ua.VariantType | None, point: Point) -> ua.Variant:
    """As the node's own built-in type; None: as the resource's value type. Raises CommandRejected (422)."""
    kind = built_in or NATURAL.get(ValueType(point.element))
    if kind is None:
        raise CommandRejected(422, f"{point.name}: {point.value_type} cannot be written")
    if isinstance(value, list):
        return ua.Variant([_one(one, kind, point) for one in value], kind, is_array=True)
    return ua.Variant(_one(value, kind, point), kind)


def _one(value: Any, kind: ua.VariantType, point: Point) -> Any:
    if kind is V.Boolean and isinstance(value, bool):
        return value
    if kind is V.String and isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (V.Float, V.Double) and is_number and math.isfinite(value):
        return float(value)
    if kind in RANGE and is_number and value == int(value):
        low, high = RANGE[kind]
        if low <= value <= high:
            return int(value)
        raise CommandRejected(
            422, f"{point.name}: {value} does not fit {kind.name}, {low} to {high}, which the node holds"
        )
    raise CommandRejected(422, f"{point.name}: the node holds {kind.name}, which {str(value)[:40]!r} is not")
