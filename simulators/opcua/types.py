"""What a value is on an OPC UA server, and the way there and back: asyncua's classes and encoders.

In a simulator values are plain Python: what the gateway gives for the type (southgate: text for DateTime, Guid, NodeId,
QualifiedName and LocalizedText, a dict for a structure, a list for an array).
"""

import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import VariantType as V
from asyncua.ua.ua_binary import (
    pack_uatype,
    pack_uatype_array,
    struct_to_binary,
    unpack_uatype,
    unpack_uatype_array,
)
from asyncua.ua.uaerrors import UaError

EDGEX: Mapping[str, V] = MappingProxyType(
    {
        "Bool": V.Boolean, "String": V.String, "Binary": V.ByteString, "Float32": V.Float, "Float64": V.Double,
        "Int8": V.SByte, "Int16": V.Int16, "Int32": V.Int32, "Int64": V.Int64,
        "Uint8": V.Byte, "Uint16": V.UInt16, "Uint32": V.UInt32, "Uint64": V.UInt64,
    }
)  # fmt: skip
"""By EdgeX scalar type."""
AS_TEXT = (V.DateTime, V.Guid, V.NodeId, V.QualifiedName, V.LocalizedText)
"""Types that EdgeX does not have, shown as text."""
INTEGERS: Mapping[V, tuple[int, int]] = MappingProxyType(
    {
        kind: (0, 2**bits - 1) if name[0] in "UB" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        for name, kind, bits in (
            ("SByte", V.SByte, 8), ("Byte", V.Byte, 8), ("Int16", V.Int16, 16), ("UInt16", V.UInt16, 16),
            ("Int32", V.Int32, 32), ("UInt32", V.UInt32, 32), ("Int64", V.Int64, 64), ("UInt64", V.UInt64, 64),
        )
    }
)  # fmt: skip
FLOATS: Mapping[V, float] = MappingProxyType({V.Float: 3.4028234663852886e38, V.Double: 1.7976931348623157e308})
"""Greatest number, by type."""
NAMES: Mapping[str, V] = MappingProxyType({kind.name: kind for kind in (*EDGEX.values(), *AS_TEXT)} | dict(EDGEX))
"""Every type that can be served, by OPC UA's name and by EdgeX's."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a built-in type, or an array of them."""

    kind: V
    array: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """Fields in their order (Part 3, 8.48); `array`: of structures."""

    name: str
    fields: Mapping[str, "Shape"]
    array: bool = False


Shape = Leaf | Structure


def shape_of(spec: Any, name: str) -> Shape:
    """A type as a profile names it: `DateTime`, `Double[]`, or a mapping of fields to types, which is a structure
    called `name`; a list of one such mapping is an array of structures. Raises ValueError listing the types."""
    if isinstance(spec, list) and len(spec) == 1 and isinstance(spec[0], Mapping):
        spec, array = spec[0], True
    else:
        array = False
    if isinstance(spec, Mapping) and spec:
        return Structure(name, {key: shape_of(value, f"{name}{key}") for key, value in spec.items()}, array)
    text = str(spec)
    kind = NAMES.get(text.removesuffix("[]"))
    if kind is None:
        raise ValueError(f"dataType {text!r} cannot be served; there are {', '.join(NAMES)}, with [] an array of them")
    return Leaf(kind, text.endswith("[]"))


def like(value: Any, name: str) -> Shape:
    """The type that fits a value of JSON."""
    if isinstance(value, dict) and value:
        return Structure(name, {key: like(one, f"{name}{key}") for key, one in value.items()})
    if isinstance(value, list) and value:
        first = like(value[0], name)
        return replace(first, array=True)
    kinds: dict[type, V] = {bool: V.Boolean, int: V.Int64, float: V.Double}
    return Leaf(kinds.get(type(value), V.String))


def empty(shape: Shape) -> Any:
    """A value of this type where nothing says which."""
    if shape.array:
        return []
    if isinstance(shape, Structure):
        return {key: empty(field) for key, field in shape.fields.items()}
    if shape.kind in INTEGERS or shape.kind in FLOATS:
        return 0
    starts: dict[V, Any] = {
        V.Boolean: False, V.ByteString: b"", V.Guid: str(uuid.UUID(int=0)), V.NodeId: "i=0",
        V.DateTime: "2026-01-01T00:00:00.000000000Z",
    }  # fmt: skip
    return starts.get(shape.kind, "")


# ---------------------------------------------------------------------------------------------------------- to asyncua


def to_variant(value: Any, shape: Shape, types: Mapping[str, ua.NodeId]) -> ua.Variant:
    """`types`: the encodings of structures on the server, by name. Raises ValueError if the value does not fit."""
    if isinstance(shape, Structure):
        made = [_extension(one, shape, types) for one in _items(value, shape)]
        return ua.Variant(made if shape.array else made[0], V.ExtensionObject, is_array=shape.array)
    found = [to_ua(one, shape.kind) for one in _items(value, shape)]
    return ua.Variant(found if shape.array else found[0], shape.kind, is_array=shape.array)


def to_ua(value: Any, kind: V) -> Any:
    """One value of a built-in type. Raises ValueError if it does not fit."""
    try:
        return _to_ua(value, kind)
    except (TypeError, OverflowError, UaError, AttributeError) as error:
        raise ValueError(f"{value!r} does not fit {kind.name}: {error}") from None


def _to_ua(value: Any, kind: V) -> Any:
    if kind in INTEGERS or kind in FLOATS:
        if isinstance(value, str | bytes | bool | dict | list):
            raise ValueError(f"{value!r} is not a number")
        return _number(value, kind)
    if kind == V.Boolean:
        return bool(value)
    if kind == V.ByteString:
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    makers: dict[V, Any] = {
        V.DateTime: _time, V.Guid: uuid.UUID, V.NodeId: ua.NodeId.from_string,
        V.QualifiedName: ua.QualifiedName.from_string, V.LocalizedText: ua.LocalizedText,
    }  # fmt: skip
    return makers[kind](value) if kind in makers else value


def _number(value: float, kind: V) -> float:
    if kind in FLOATS:
        if abs(value) > FLOATS[kind] and abs(value) != float("inf"):
            raise ValueError(f"{value} does not fit {kind.name}")
        return struct.unpack("<f", struct.pack("<f", value))[0] if kind == V.Float else float(value)
    low, high = INTEGERS[kind]
    if not low <= int(value) <= high:
        raise ValueError(f"{value} does not fit {kind.name}")
    return int(value)


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _items(value: Any, shape: Shape) -> list[Any]:
    if isinstance(value, list) != shape.array:
        raise ValueError(f"{'a list' if shape.array else 'one value'} was expected, got {value!r}")
    return list(value) if shape.array else [value]


def _extension(value: Any, shape: Structure, types: Mapping[str, ua.NodeId]) -> ua.ExtensionObject:
    made: Any = body(value, shape)
    return ua.ExtensionObject(types[shape.name], made)


def body(value: Any, shape: Structure) -> bytes:
    """The fields one after the other (Part 6, 5.2.6). Raises ValueError if one is missing or does not fit."""
    if not isinstance(value, dict) or set(value) != set(shape.fields):
        raise ValueError(f"an object with {', '.join(shape.fields)} was expected, got {value!r}")
    return b"".join(_field(value[key], field) for key, field in shape.fields.items())


def _field(value: Any, shape: Shape) -> bytes:
    if isinstance(shape, Structure):
        bodies = [body(one, shape) for one in _items(value, shape)]
        return (pack_uatype(V.Int32, len(bodies)) if shape.array else b"") + b"".join(bodies)
    items = [to_ua(one, shape.kind) for one in _items(value, shape)]
    return pack_uatype_array(shape.kind, items) if shape.array else pack_uatype(shape.kind, items[0])


# -------------------------------------------------------------------------------------------------------- from asyncua


def from_variant(variant: ua.Variant, shape: Shape) -> Any:
    """What `to_variant` made, or a client wrote. Raises ValueError if it is of another type."""
    wanted = V.ExtensionObject if isinstance(shape, Structure) else shape.kind
    if variant.VariantType != wanted or bool(variant.is_array) != shape.array:
        raise ValueError(f"{wanted.name} was expected, got {variant.VariantType}")
    items = (variant.Value or []) if shape.array else [variant.Value]
    found = [_structure(one, shape) if isinstance(shape, Structure) else from_ua(one) for one in items]
    return found if shape.array else found[0]


def from_ua(value: Any) -> Any:
    """One value of a built-in type as the gateway shows it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond:06}000Z"
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.NodeId | ua.QualifiedName):
        return value.to_string()
    return str(value) if isinstance(value, uuid.UUID) else value


def _structure(value: Any, shape: Structure) -> dict[str, Any]:
    data = value.Body if isinstance(value, ua.ExtensionObject) else struct_to_binary(value)
    try:
        return _unpacked(Buffer(data or b""), shape)
    except (struct.error, UaError, UnicodeDecodeError) as error:
        raise ValueError(f"not a {shape.name}: {error}") from None


def _unpacked(data: Buffer, shape: Structure) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, field in shape.fields.items():
        if isinstance(field, Leaf):
            values = unpack_uatype_array(field.kind, data) if field.array else [unpack_uatype(field.kind, data)]
            items = [from_ua(value) for value in values or []]
        else:
            count = unpack_uatype(V.Int32, data) if field.array else 1
            items = [_unpacked(data, field) for _ in range(count)]
        found[key] = items if field.array else items[0]
    return found
