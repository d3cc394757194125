"""Where a resource of a profile lies on a simulated Modbus device, and its value there and as people see it."""

from dataclasses import dataclass
from typing import Any

from gateway.model.profile import Compat, DeviceResource
from mappers.modbus.address import Attributes, Table, attributes
from simulators.modbus.encode import (
    SWAPPED,
    WORDS,
    Value,
    decode,
    decode_bytes,
    encode,
    encode_bytes,
    limits,
    swapped,
)
from simulators.transform import to_people, to_wire


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One resource on the wire."""

    resource: DeviceResource
    table: Table
    address: int
    """PDU address of the first register or bit."""
    count: int
    """Registers (or bits) it covers."""
    kind: str
    """Scalar type on the wire: an EdgeX type name, `BCD` or `Bool`."""
    order: str = "ABCD"
    bit: int | None = None
    """Which bit of the register as it is on the wire, 0 the least significant."""
    length: int | None = None
    """Elements of an array; None for one value."""
    function: int = 0
    """The only function that writes it; 0 is any."""
    barrier: bool = False

    @property
    def writable(self) -> bool:
        """Whether a client may write it."""
        return self.table.writable and self.resource.properties.read_write.writable

    @property
    def end(self) -> int:
        return self.address + self.count

    def encode(self, value: Value) -> bytes:
        """Bytes of the registers, or one byte per bit. Raises ValueError if the value does not fit."""
        if self.length is not None and (not isinstance(value, list) or len(value) != self.length):
            raise ValueError(f"{self.resource.name} takes a list of {self.length} values")
        if self.length is None and isinstance(value, list):
            raise ValueError(f"{self.resource.name} takes one value")
        items = value if isinstance(value, list) else [value]
        if self.table.bits:
            return bytes(map(bool, items))
        if self.kind == "Bool":
            return swapped(_packed(items, self.count)) if self.order in SWAPPED else _packed(items, self.count)
        if self.length is not None and self.kind in ("Int8", "Uint8"):
            return encode_bytes(items, self.kind, self.order)
        return b"".join(encode(item, self.kind, self.order, self._words) for item in items)

    def decode(self, data: bytes) -> Value:
        """What `encode` made. Raises ValueError."""
        if self.table.bits:
            return list(map(bool, data)) if self.length is not None else bool(data[0])
        if self.kind == "Bool":
            data = swapped(data) if self.order in SWAPPED else data
            return _unpacked(data)[: self.length] if self.length is not None else any(data)
        if self.length is None:
            return decode(data, self.kind, self.order)
        if self.kind in ("Int8", "Uint8"):
            return decode_bytes(data, self.kind, self.order)[: self.length]
        size = 2 * self._words
        return [decode(data[at : at + size], self.kind, self.order) for at in range(0, len(data), size)]

    @property
    def _words(self) -> int:
        """Registers of one value or element."""
        return self.count // (self.length or 1)

    def to_wire(self, value: Any) -> Value:
        """The value on the wire for a value as people see it: the profile's transform backwards. Raises ValueError."""
        if isinstance(value, bool | str | list) or not self._numeric:
            return value  # type: ignore[no-any-return]
        found: Value = to_wire(value, self.resource.properties, floating=self.kind.startswith("Float"))
        return found

    def to_people(self, wire: Value) -> Any:
        """The value as people see it: the profile's transform."""
        if isinstance(wire, bool | str | list):
            return wire
        return to_people(wire, self.resource.properties)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest number on the wire."""
        return limits(self.kind, self.count)

    @property
    def longest(self) -> int:
        """Bytes of the longest text."""
        return 2 * self.count

    def clamp(self, wire: Value) -> Value:
        """The nearest number that the wire can carry."""
        if isinstance(wire, bool | str | list) or not self._numeric:
            return wire
        low, high = limits(self.kind, self._words)
        return min(max(wire, low), high)

    @property
    def _numeric(self) -> bool:
        return self.kind not in ("Bool", "String")


def point_of(resource: DeviceResource, compat: Compat = Compat.NONE) -> Point:
    """Where a resource lies, from its attributes. Raises ValueError saying which one is wrong."""
    given, problems = attributes(resource.attributes, compat)
    if given is None:
        wrong = "; ".join(f"{p.where} {p.what}" for p in problems if p.severity == "error")
        raise ValueError(f"{resource.name}: {wrong}")
    value_type = resource.properties.value_type.value
    scalar = value_type.removesuffix("Array")
    kind = scalar if scalar in ("Bool", "String") else given.raw_type or scalar
    if kind not in SERVED:
        raise ValueError(f"{resource.name}: {value_type} cannot be served over Modbus")
    address = given.starting_address.register - given.address_base
    count = _count(given, kind, scalar)
    if not 0 <= address <= 0x10000 - count:
        raise ValueError(f"{resource.name}: startingAddress lies outside 0 to 65535 (addressBase {given.address_base})")
    order, bit = _order(given, kind, scalar, compat), given.starting_address.bit
    return Point(
        resource=resource,
        table=given.primary_table,
        address=address,
        count=count,
        kind=kind,
        order=order,
        bit=None if bit is None else bit ^ 8 if order in SWAPPED else bit,
        length=(given.array_length or 1) if value_type.endswith("Array") else None,
        function=given.write_function or 0,
        barrier=given.barrier,
    )


SERVED = frozenset(("Bool", "String", "BCD", "Int8", "Uint8", "Float32", "Float64")) | {
    f"{sign}{bits}" for sign in ("Int", "Uint") for bits in (16, 32, 64)
}


def _count(given: Attributes, kind: str, scalar: str) -> int:
    length = given.array_length or 1
    if given.primary_table.bits:
        return length
    if kind == "Bool":
        return (length + 15) // 16
    if kind == "String":
        return given.string_register_size or 1
    if kind in ("Int8", "Uint8"):
        return (length + 1) // 2
    return length * WORDS[scalar if kind == "BCD" else kind]


def _order(given: Attributes, kind: str, scalar: str, compat: Compat) -> str:
    """EdgeX's two swaps leave text, bits and single registers alone (in its own compatibility 64-bit values, too)."""
    if given.byte_order or kind in ("Int8", "Uint8"):
        return given.order
    words = WORDS.get(scalar if kind == "BCD" else kind, 1)
    return "ABCD" if words == 1 or (words == 4 and compat is Compat.EDGEX) else given.order


def _packed(items: list[Any], words: int) -> bytes:
    number = sum(1 << index for index, item in enumerate(items) if item)
    return b"".join(((number >> (16 * word)) & 0xFFFF).to_bytes(2, "big") for word in range(words))


def _unpacked(data: bytes) -> list[bool]:
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    return [bool(word >> bit & 1) for word in words for bit in range(16)]
