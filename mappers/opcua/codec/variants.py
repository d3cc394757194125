"""Our values → what asyncua sends, by the data type of the node or argument: numbers with their range, text that means
a time, a node or a status, lists, structures by the names of their fields. What does not fit is refused in words."""

import math
import struct
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.ua.ua_binary import pack_uatype

from gateway.model.errors import CommandRejected
from mappers.opcua.codec import limits, standard
from mappers.opcua.codec.scalars import SCALARS, Unfit, expanded_id, guess, node_id, shown, ticks, wanted
from mappers.opcua.codec.structure import Field, Kind, Structure, Types

V = ua.VariantType
ANY = (V.Variant, V.Null)
"""Kinds that take values of every type, or of nobody knows which."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a value goes: a node or an argument."""

    name: str
    """For words."""
    kind: Kind
    rank: int = -1
    """-1: one value; 1 and above: dimensions; others: either (Part 3, 5.6.2)."""
    sizes: tuple[int, ...] = ()
    """Of each dimension; 0: any. Empty: nobody says."""


def variant(types: Types, target: Target, value: Any) -> ua.Variant:
    """Raises CommandRejected 422."""
    try:
        return _Sender(types).variant(target, value)
    except Unfit as error:
        raise CommandRejected(422, f"{target.name}: {error}") from None


USUAL: dict[str, ua.VariantType] = {
    "Bool": V.Boolean, "String": V.String, "Binary": V.ByteString, "Int8": V.SByte, "Uint8": V.Byte, "Int16": V.Int16,
    "Uint16": V.UInt16, "Int32": V.Int32, "Uint32": V.UInt32, "Int64": V.Int64, "Uint64": V.UInt64, "Float32": V.Float,
    "Float64": V.Double,
}  # fmt: skip
"""By value type of a resource, what is sent where the node takes any type."""


class _Sender:
    """To one server."""

    def __init__(self, types: Types) -> None:
        self._types = types

    def variant(self, target: Target, value: Any) -> ua.Variant:
        kind, sizes = target.kind, list(target.sizes)
        named = isinstance(kind, Structure) or kind in (V.ExtensionObject, V.DataValue)
        if isinstance(value, dict) and value.keys() == {"Value"} and not named:
            value = value["Value"]  # as it is read
        if kind is V.Byte and target.rank != -1 and isinstance(value, bytes | str):
            value = list(SCALARS[V.ByteString](value))  # the same (Part 4, 5.11.2)
        if isinstance(value, dict) and value.keys() == {"Dimensions", "Value"}:
            sizes, value = self._list(V.Int32, value["Dimensions"]), value["Value"]
        if isinstance(value, list) and not (kind is V.ByteString and target.rank == -1):
            if target.rank == -1 and kind not in ANY:
                raise Unfit(f"expected {_wanted(kind)}, got a list")
            return self._array(kind, value, sizes, target.rank)
        if target.rank >= 0:
            raise Unfit(f"expected {takes(target)}, got {shown(value)}")
        if kind in ANY:
            return self.any(value)
        return ua.Variant(self.one(kind, value), _wire(kind))

    def _array(self, kind: Kind, value: list[Any], sizes: list[int], rank: int) -> ua.Variant:
        flat, shape = _flat(value)
        kind = guess(flat) if kind in ANY else kind
        if len(shape) == 1 and len(sizes) > 1:
            if math.prod(sizes) != len(flat) or min(sizes) < 0:
                raise Unfit(f"expected {_sized(sizes)}, got {len(flat)}")
            shape = sizes
        if rank > 0 and len(shape) != rank:
            if flat:
                raise Unfit(f"expected {_sized([0] * rank)}, got {len(shape)}")
            shape = [0] * rank
        dimensions = [ua.Int32(size) for size in shape] if len(shape) > 1 else None
        return ua.Variant(self._list(kind, flat), _wire(kind), dimensions, is_array=True)

    def _list(self, kind: Kind, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Unfit(f"expected a list, got {shown(value)}")
        found = []
        for position, one in enumerate(value):
            try:
                found.append(self.one(kind, one))
            except Unfit as error:
                raise Unfit(f"number {position + 1} of the list: {error}") from None
        return found

    def one(self, kind: Kind, value: Any, depth: int = 0) -> Any:
        """As asyncua wants it."""
        if depth > limits.DEPTH:
            raise Unfit(f"more than {limits.DEPTH} levels inside one another")
        if isinstance(kind, Structure):
            return self._extension(kind, value, depth)
        if kind in SCALARS:
            return SCALARS[kind](value)
        if kind in (V.NodeId, V.ExpandedNodeId):
            return self._node(kind, value)
        if kind is V.ExtensionObject:
            return self._any_structure(value, depth)
        if kind is V.DataValue:
            return self._data_value(value)
        if kind is V.Variant:
            return self.any(value)
        raise Unfit(f"a {kind.name} cannot be sent")

    def any(self, value: Any) -> ua.Variant:
        """Where every type will do: `{"Type": "Int16", "Value": 5}` says which; else what JSON says."""
        if isinstance(value, dict) and value.keys() == {"Type", "Value"}:
            kind = V.__members__.get(str(value["Type"]))
            if kind is None or kind in (V.Null, V.Variant, V.DiagnosticInfo):
                raise Unfit(f"{shown(value['Type'])} is no builtin type; there are Boolean, Int16, Double, String, ...")
            rank = 1 if isinstance(value["Value"], list) else -1
            return self.variant(Target("", kind, rank), value["Value"])
        if isinstance(value, list):
            return self._array(V.Variant, value, [], -2)
        if value is None:
            return ua.Variant()
        kind = guess([value])
        return ua.Variant(self.one(kind, value), kind)

    def _node(self, kind: Kind, value: Any) -> ua.NodeId:
        read = expanded_id if kind is V.ExpandedNodeId else node_id
        return read(value, self._types.namespaces)

    def _data_value(self, value: Any) -> ua.DataValue:
        if not isinstance(value, dict) or "Value" not in value:
            raise Unfit(f'expected {{"Value": …}}, got {shown(value)}')
        status = SCALARS[V.StatusCode](value.get("StatusCode", 0))
        stamp = value.get("SourceTimestamp")
        return ua.DataValue(self.any(value["Value"]), status, None if stamp is None else SCALARS[V.DateTime](stamp))

    # ------------------------------------------------------------------------------------------------- structures

    def _any_structure(self, value: Any, depth: int) -> ua.ExtensionObject:
        if value is None:
            return ua.ExtensionObject()
        if not isinstance(value, dict) or "TypeId" not in value:
            raise Unfit("a structure of any type may stand here: say which with TypeId, the node id of its encoding")
        type_id = self._node(V.NodeId, value["TypeId"])
        if value.keys() == {"TypeId", "Body"}:
            return ua.ExtensionObject(type_id, SCALARS[V.ByteString](value["Body"]))
        types = self._types
        known: Kind | None = types.structures.get(type_id) or standard.structure_of(type_id)
        known = known or types.kinds.get(type_id) or standard.kind_of(type_id)
        if not isinstance(known, Structure):
            raise Unfit(f"the structure {value['TypeId']} is not known; send its Body in base64")
        return self._extension(known, {name: one for name, one in value.items() if name != "TypeId"}, depth)

    def _extension(self, kind: Structure, value: Any, depth: int) -> ua.ExtensionObject:
        if kind.encoding is None:
            raise Unfit(f"the server does not say how {kind.name} is encoded")
        return ua.ExtensionObject(kind.encoding, ua.ByteString(self._body(kind, value, depth + 1)))

    def _body(self, kind: Structure, value: Any, depth: int) -> bytes:
        if depth > limits.DEPTH:
            raise Unfit(f"more than {limits.DEPTH} levels inside one another")
        if not isinstance(value, dict):
            raise Unfit(f"expected an object with {_names(kind)}, got {shown(value)}")
        unknown = [name for name in value if all(name != field.name for field in kind.fields)]
        if unknown:
            raise Unfit(f"{kind.name} has no field {unknown[0]}; it has {_names(kind)}")
        if kind.union:
            return self._union(kind, value, depth)
        mask = sum(1 << f.bit for f in kind.fields if f.bit is not None and value.get(f.name) is not None)
        parts = [struct.pack("<I", mask)] if kind.masked else []
        there = (field for field in kind.fields if field.bit is None or value.get(field.name) is not None)
        return b"".join([*parts, *(self._member(kind, field, value, depth) for field in there)])

    def _union(self, kind: Structure, value: dict[str, Any], depth: int) -> bytes:
        if len(value) > 1:
            raise Unfit(f"{kind.name} holds one of {_names(kind)}, not {len(value)} of them")
        for position, field in enumerate(kind.fields):
            if field.name in value:
                return struct.pack("<I", position + 1) + self._member(kind, field, value, depth)
        return struct.pack("<I", 0)

    def _member(self, kind: Structure, field: Field, value: dict[str, Any], depth: int) -> bytes:
        if field.name not in value:
            raise Unfit(f"{kind.name} wants {field.name}, too; it has {_names(kind)}")
        try:
            return self._field(field, value[field.name], depth)
        except Unfit as error:
            raise Unfit(f"{field.name}: {error}") from None

    def _field(self, field: Field, value: Any, depth: int) -> bytes:
        if field.rank < 0:
            return self._packed(field.kind, value, depth)
        if not isinstance(value, list):
            raise Unfit(f"expected a list, got {shown(value)}")
        if field.rank == 1:
            flat, head = value, struct.pack("<i", len(value))
        else:
            flat, shape = _flat(value)
            if len(shape) != field.rank:
                raise Unfit(f"expected lists in lists, {field.rank} dimensions")
            head = struct.pack(f"<i{len(shape)}i", len(shape), *shape)
        return head + b"".join(self._packed(field.kind, one, depth) for one in flat)

    def _packed(self, kind: Kind, value: Any, depth: int) -> bytes:
        if isinstance(kind, Structure):
            return self._body(kind, value, depth + 1)
        if kind is V.Null:
            raise Unfit("the server does not say of what type it is")
        if kind is V.DateTime:
            return struct.pack("<q", ticks(value))
        found: bytes = pack_uatype(kind, self.one(kind, value, depth + 1))
        return found


def _names(kind: Structure) -> str:
    return ", ".join(field.name for field in kind.fields) or "no fields"


def _wanted(kind: Kind) -> str:
    return f"an object with {_names(kind)}" if isinstance(kind, Structure) else wanted(kind)


def takes(target: Target) -> str:
    """What may be sent there, in words."""
    one = "any value" if target.kind in ANY else _wanted(target.kind)
    return f"a list, each {one}" if target.rank >= 0 else one


def _wire(kind: Kind) -> ua.VariantType:
    return V.ExtensionObject if isinstance(kind, Structure) else kind


def _sized(sizes: list[int]) -> str:
    """Of how many dimensions, or of which; a list in a row says none."""
    if all(size > 0 for size in sizes):
        return f"{' x '.join(map(str, sizes))} values"
    if len(sizes) == 1:
        return "a list of one dimension"
    return f'{len(sizes)} dimensions, as lists in lists or {{"Dimensions": …, "Value": …}}'


def _flat(value: list[Any]) -> tuple[list[Any], list[int]]:
    """Lists in lists as one list, the last dimension fastest, and how many there are of each."""
    shape = [len(value)]
    while value and all(isinstance(one, list) for one in value):
        sizes = {len(one) for one in value}
        if len(sizes) > 1 or len(shape) >= limits.DEPTH:
            raise Unfit("expected lists of equal length inside the list")
        shape += sizes
        value = [each for one in value for each in one]
    return value, shape
