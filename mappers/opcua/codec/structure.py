"""What a structure is made of, and its body → plain Python (Part 6, 5.2.6 to 5.2.8). Pure.

asyncua would keep classes of structures for the whole process, by namespace index: two servers would mix theirs up.
Here every connection has its own `Types`, and what a server says of its types is data, never code.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import unpack_uatype

from mappers.opcua.codec import limits
from mappers.opcua.codec.natural import clean, natural, short, too_much

V = ua.VariantType


@dataclass(slots=True, eq=False)
class Structure:
    """A structure of one server."""

    name: str
    encoding: ua.NodeId | None
    """Of its binary encoding, which is what goes over the wire; None: not known (yet)."""
    fields: tuple["Field", ...] = ()
    """Those of its base types included."""
    union: bool = False
    """Only one of the fields is there."""
    masked: bool = False
    """Begins with a mask that says which optional fields are there."""


Kind = ua.VariantType | Structure
"""A builtin type (Int32 for enumerations, Variant and ExtensionObject for abstract types, Null for what is not
known), or a structure."""


class Field(NamedTuple):
    """One member of a structure."""

    name: str
    kind: Kind
    rank: int = -1
    """Dimensions of an array; -1: one value."""
    bit: int | None = None
    """Of the mask; None: always there."""


@dataclass(slots=True, eq=False)
class Types:
    """What is known of one server's data types; as long as its connection."""

    structures: dict[ua.NodeId, Structure] = field(default_factory=dict)
    """By the id of the binary encoding."""
    kinds: dict[ua.NodeId, Kind] = field(default_factory=dict)
    """By the id of the data type."""
    namespaces: list[str] = field(default_factory=list)
    """URIs by index."""
    wanted: set[ua.NodeId] = field(default_factory=set)
    """Encodings that came and were not known; whoever can asks the server what they are."""
    unknown: set[ua.NodeId] = field(default_factory=set)
    """Encodings and data types of which the server does not say what they are."""
    _last: tuple[ua.ExtensionObject, Any] | None = None
    """Several resources may each want a member of one value."""

    def forget(self, namespaces: Sequence[str]) -> None:
        """Another connection: everything may be of another type now."""
        self.namespaces = list(namespaces)
        self.structures.clear()
        self.kinds.clear()
        self.wanted.clear()
        self.unknown.clear()
        self._last = None

    def learned(self) -> None:
        """More is known than when values were last unpacked."""
        self._last = None

    def natural(self, value: Any) -> Any:
        """Plain Python of anything asyncua decodes. Raises Misfit."""
        return natural(value, self.unpack)

    def unpack(self, given: ua.ExtensionObject, depth: int) -> Any:
        """A structure's members by name; `TypeId` and `Body` (bytes) of one that is not known, None where there is
        none. Raises Misfit."""
        if given.Body is None and given.TypeId.is_null():
            return None
        if self._last is not None and self._last[0] is given:
            return self._last[1]
        if isinstance(given.Body, limits.XmlBody):
            return {"TypeId": clean(given.TypeId.to_string()), "Body": given.Body.decode(errors="replace")}
        known = self.structures.get(given.TypeId)
        if known is None:
            if given.TypeId not in self.unknown and len(self.wanted) < limits.TYPES:
                self.wanted.add(given.TypeId)
            return _raw(given)
        try:
            found = Body(given.Body or b"", self).structure(known, depth)
        except Unexplained:
            found = _raw(given)
        self._last = given, found
        return found

    def nested(self, given: ua.ExtensionObject, depth: int) -> Any:
        """As `unpack`, for a member that may be of any type: its `TypeId` beside its own members."""
        found = self.unpack(given, depth)
        return found if found is None else {"TypeId": clean(given.TypeId.to_string()), **found}


def _raw(given: ua.ExtensionObject) -> dict[str, Any]:
    return {"TypeId": clean(given.TypeId.to_string()), "Body": given.Body}


class Unexplained(Exception):
    """The server does not say what a field is."""


class Body:
    """Bytes of one structure, read from the beginning."""

    def __init__(self, data: bytes, types: Types) -> None:
        self._data = data
        self._types = types
        self._at = 0
        self._left = limits.VALUES

    def structure(self, known: Structure, depth: int) -> dict[str, Any]:
        """Raises Misfit for what the type does not explain."""
        if depth > limits.DEPTH:
            raise too_much(f"a structure of more than {limits.DEPTH} levels")
        self._count(1)
        if known.union:
            return self._union(known, depth)
        mask = self._number("<I", 4) if known.masked else 0
        return {
            name: self._field(kind, rank, depth)
            for name, kind, rank, bit in known.fields
            if bit is None or mask >> bit & 1
        }

    def _union(self, known: Structure, depth: int) -> dict[str, Any]:
        switch = self._number("<I", 4)
        if switch == 0:
            return {}
        if switch > len(known.fields):
            raise too_much(f"{known.name} has {len(known.fields)} fields, not {switch}")
        chosen = known.fields[switch - 1]
        return {chosen.name: self._field(chosen.kind, chosen.rank, depth)}

    def _field(self, kind: Kind, rank: int, depth: int) -> Any:
        if rank < 0:
            return self._one(kind, depth)
        if rank < 2:
            return self._list(kind, self._number("<i", 4), depth)
        dimensions = self._number("<i", 4)
        if dimensions > limits.DEPTH:
            raise too_much(f"an array of {dimensions} dimensions")
        sizes = self._list(V.Int32, dimensions, depth)
        return shaped(self._list(kind, math.prod(max(size, 0) for size in sizes) if sizes else 0, depth), sizes)

    def _list(self, kind: Kind, count: int, depth: int) -> list[Any]:
        if count <= 0:
            return []
        if isinstance(kind, ua.VariantType) and kind in _NUMBERS:
            code, size = _NUMBERS[kind]
            found = struct.unpack(f"<{count}{code}", self._take(count * size))
            return [short(one) for one in found] if kind is V.Float else list(found)
        self._count(count)
        return [self._one(kind, depth) for _ in range(count)]

    def _one(self, kind: Kind, depth: int) -> Any:
        if isinstance(kind, Structure):
            return self.structure(kind, depth + 1)
        if kind in _NUMBERS:
            code, size = _NUMBERS[kind]
            found = self._number(f"<{code}", size)
            return short(found) if kind is V.Float else found
        if kind is V.Null:
            raise Unexplained
        read = _OWN.get(kind)
        return read(self) if read is not None else self._builtin(kind, depth)

    def _builtin(self, kind: ua.VariantType, depth: int) -> Any:
        self._count(1)
        buffer = Buffer(self._data, self._at)
        try:
            found = unpack_uatype(kind, buffer)
        except RecursionError:
            raise too_much(f"a value of more than {limits.DEPTH} levels") from None
        except Exception as error:  # noqa: BLE001 - asyncua raises whatever its parts do
            raise too_much(f"a {kind.name} that cannot be read ({error})") from None
        self._at = buffer.cur_pos
        shown = natural(found, self._types.nested, depth + 1)
        standard = ua.typeid_by_extension_objects.get(type(found)) if kind is V.ExtensionObject else None
        return shown if standard is None else {"TypeId": standard.to_string(), **shown}

    def _bytes(self) -> bytes | None:
        length = self._number("<i", 4)
        return None if length < 0 else self._take(length)

    def _text(self) -> str | None:
        found = self._bytes()
        return None if found is None else found.decode(errors="replace")

    def _time(self) -> str:
        return ticks_text(self._number("<q", 8))

    def _number(self, code: str, size: int) -> Any:
        return struct.unpack(code, self._take(size))[0]

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise too_much(f"a structure of {len(self._data)} bytes that wants {end}")
        found = self._data[self._at : end]
        self._at = end
        return found

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise too_much(f"a structure of more than {limits.VALUES} values")


_NUMBERS: dict[ua.VariantType, tuple[str, int]] = {
    V.Boolean: ("?", 1), V.SByte: ("b", 1), V.Byte: ("B", 1), V.Int16: ("h", 2), V.UInt16: ("H", 2), V.Int32: ("i", 4),
    V.UInt32: ("I", 4), V.Int64: ("q", 8), V.UInt64: ("Q", 8), V.Float: ("f", 4), V.Double: ("d", 8),
}  # fmt: skip
_OWN: dict[ua.VariantType, Callable[[Body], Any]] = {
    V.String: Body._text,  # noqa: SLF001
    V.XmlElement: Body._text,  # noqa: SLF001
    V.ByteString: Body._bytes,  # noqa: SLF001
    V.DateTime: Body._time,  # noqa: SLF001
}


def shaped(flat: list[Any], sizes: list[int]) -> list[Any]:
    """Lists of lists, the last dimension innermost."""
    for size in reversed(sizes[1:]):
        if size < 1:
            return []
        flat = [flat[at : at + size] for at in range(0, len(flat), size)]
    return flat


_START = datetime(1601, 1, 1)  # noqa: DTZ001 - UTC, as its text says
END = 2_650_467_743_990_000_000
"""Ticks at which OPC UA's time ends, the last second of 9999 (Part 6, 5.2.2.5)."""


def ticks_text(ticks: int) -> str:
    """Of 100 ns since 1601, as RFC 3339 text; before and after what can be said, the first and the last time."""
    seconds, rest = divmod(min(max(ticks, 0), END), 10_000_000)
    return f"{(_START + timedelta(seconds=seconds)).isoformat()}.{rest:07d}00Z"
