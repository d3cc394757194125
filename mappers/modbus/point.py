"""What one resource is on the wire: its attributes and its value type, judged together. Pure."""

import weakref
from collections.abc import Iterator
from typing import NamedTuple

from gateway.model.errors import Problem
from gateway.model.profile import Compat, DeviceResource, ValueType
from gateway.model.scalar import literal_text
from mappers.modbus.address import (
    BASES,
    MAX_BITS,
    MAX_REGISTERS,
    MAX_WRITE_BITS,
    MAX_WRITE_REGISTERS,
    Attributes,
    Table,
    attributes,
)

WIDTH = {
    "Uint8": 1, "Int8": 1, "Uint16": 2, "Int16": 2, "Uint32": 4, "Int32": 4, "Uint64": 8, "Int64": 8,
    "Float32": 4, "Float64": 8,
}  # fmt: skip
"""Bytes of a value of each number type."""
SUPPORTED = ("Bool", *WIDTH, "String", "BoolArray", *(f"{name}Array" for name in WIDTH))


class Point(NamedTuple):
    """Compiled address of one resource."""

    name: str
    table: Table
    address: int
    """PDU address, 0 to 65535."""
    size: int
    """Registers, or bits of a bit table."""
    bit: int | None
    """Of a Bool in a register, 0 the least significant; None: the whole register counts."""
    wire: str
    """Type on the wire: Bool, a number type, BCD or String."""
    value_type: ValueType
    order: str
    """ABCD, CDAB, BADC or DCBA."""
    length: int | None
    """Elements of an array; None for one value."""
    barrier: bool
    write_function: int
    edgex: bool
    """EdgeX's behaviour where it is plainly wrong."""

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def width(self) -> int:
        """Bytes of one value or element; of a String all of it."""
        if self.wire == "String":
            return 2 * self.size
        return bcd_width(self.value_type) if self.wire == "BCD" else WIDTH.get(self.wire, 2)

    @property
    def element(self) -> str:
        """Value type of one element."""
        return self.value_type.removesuffix("Array")


def bcd_width(value_type: ValueType) -> int:
    """Bytes of a BCD value: as many as its value type has, two digits each; at least one register."""
    return max(2, WIDTH[value_type.removesuffix("Array")])


Located = tuple[Point | None, tuple[Problem, ...]]
"""The point (None when there is an error) and everything wrong or doubtful; `where` is relative to the resource."""


def locate(resource: DeviceResource, compat: Compat) -> Located:
    """Worked out once for each resource: many devices share a profile, and checking and planning both ask."""
    known = _KNOWN[compat].get(id(resource))
    if known is None or known() is not resource:
        known = _Known(resource, _forget)
        known.key, known.compat, known.found = id(resource), compat, _locate(resource, compat)
        _KNOWN[compat][known.key] = known
    return known.found


class _Known(weakref.ref[DeviceResource]):
    """What was found out about a resource, kept as long as there is the resource."""

    __slots__ = ("compat", "found", "key")
    key: int
    compat: Compat
    found: Located


_KNOWN: dict[Compat, dict[int, _Known]] = {compat: {} for compat in Compat}


def _forget(known: weakref.ref[DeviceResource]) -> None:
    if isinstance(known, _Known) and _KNOWN[known.compat].get(known.key) is known:
        del _KNOWN[known.compat][known.key]


def _locate(resource: DeviceResource, compat: Compat) -> Located:
    """Large maps are thousands of resources that differ in name and address alone: what is right of one is of all."""
    start, properties = resource.attributes.get("startingAddress"), resource.properties
    if type(start) is not int:
        return _judged(resource, compat)
    rest = [(k, type(v), literal_text(v)) for k, v in resource.attributes.items() if k != "startingAddress"]
    shape = (compat, properties.value_type, properties.read_write, *rest)
    like = _LIKE.get(shape)
    if like is not None:
        first, base = like
        address = start - base
        if 0 <= address <= 0x10000 - first.size:
            return Point(resource.name, first.table, address, *first[3:]), ()
    found = point, problems = _judged(resource, compat)
    if point is not None and not problems:
        if len(_LIKE) >= MOST_SHAPES:
            _LIKE.clear()
        _LIKE[shape] = point, start - point.address
    return found


_LIKE: dict[tuple[object, ...], tuple[Point, int]] = {}
"""A faultless resource of each shape (everything but name and address), and what its address counts from."""
MOST_SHAPES = 1024


def _judged(resource: DeviceResource, compat: Compat) -> Located:
    value_type = resource.properties.value_type
    given, problems = attributes(resource.attributes, compat)
    size = 0
    if given is not None and value_type in SUPPORTED:
        size = _size(value_type, given)
        problems += _judge(resource, given, size)
    problems = [Problem(f"attributes.{p.where}", p.what, severity=p.severity) for p in problems]
    if value_type not in SUPPORTED:
        what = f"Modbus cannot carry {value_type}; supported are {', '.join(SUPPORTED)}"
        problems.append(Problem("properties.valueType", what))
    if given is None or (problems and any(p.severity == "error" for p in problems)):
        return None, tuple(problems)
    return _point(resource, given, size, compat), tuple(problems)


def _point(resource: DeviceResource, given: Attributes, size: int, compat: Compat) -> Point:
    value_type = resource.properties.value_type
    element = value_type.removesuffix("Array")
    wire = given.raw_type or element
    return Point(
        name=resource.name,
        table=given.primary_table,
        address=_address(given),
        size=size,
        bit=given.starting_address.bit,
        wire=wire,
        value_type=value_type,
        order=_order(wire, value_type, given, compat),
        length=given.array_length if element != value_type else None,
        barrier=given.barrier,
        write_function=given.write_function or 0,
        edgex=compat is Compat.EDGEX,
    )


def _order(wire: str, value_type: ValueType, given: Attributes, compat: Compat) -> str:
    """EdgeX's swaps touch 32-bit values; here 64-bit ones too and, to say which byte of a register, 8-bit ones."""
    if given.byte_order:
        return given.byte_order
    width = bcd_width(value_type) if wire == "BCD" else WIDTH.get(wire, 2)
    ignored = width == 2 or (width == 8 and compat is Compat.EDGEX)
    return "ABCD" if ignored else given.order


def _address(given: Attributes) -> int:
    return given.starting_address.register - given.address_base


def _size(value_type: ValueType, given: Attributes) -> int:
    """Registers, or bits of a bit table."""
    length = given.array_length or 1
    element = value_type.removesuffix("Array")
    if element == "Bool":
        return length if given.primary_table.bits else -(-length // 16)
    if element == "String":
        return given.string_register_size or 1
    width = bcd_width(value_type) if given.raw_type == "BCD" else WIDTH[given.raw_type or element]
    return -(-length * width // 2)


def _judge(resource: DeviceResource, given: Attributes, size: int) -> list[Problem]:
    value_type = resource.properties.value_type
    found = [Problem(key, what) for key, what in _wrong_type(value_type, given)]
    found += [Problem(key, what) for key, what in _wrong_place(value_type, given, size)]
    if resource.properties.read_write.writable:
        found += [Problem(key, what) for key, what in _wrong_write(value_type, given, size)]
    found += [Problem(key, what, severity="warning") for key, what in _doubtful(value_type, given)]
    return found


def _wrong_type(value_type: ValueType, given: Attributes) -> Iterator[tuple[str, str]]:
    element = value_type.removesuffix("Array")
    if given.primary_table.bits and element != "Bool":
        yield "primaryTable", f"{given.primary_table.text} hold Bool or BoolArray, not {value_type}"
    if value_type.endswith("Array") and given.array_length is None:
        yield "arrayLength", f"is required for {value_type}: how many elements"
    if element == "String" and given.string_register_size is None:
        yield "stringRegisterSize", "is required for String: how many registers, two characters each"
    if given.raw_type:
        yield from _wrong_raw(element, given.raw_type)
    if given.byte_order and (given.is_byte_swap or given.is_word_swap):
        yield "byteOrder", "says the order already; remove isByteSwap and isWordSwap"
    if given.byte_order in ("CDAB", "DCBA") and element == "String":
        yield "byteOrder", "a String may be ABCD, or BADC where the two bytes of each register are swapped"


def _wrong_raw(element: str, raw: str) -> Iterator[tuple[str, str]]:
    if element in ("Bool", "String"):
        yield "rawType", f"means nothing for {element}; remove it"
    elif raw == "BCD":
        if element.startswith("Int"):
            yield "rawType", f"BCD has no sign; make the valueType U{element.lower()} or a float"
    elif element not in ("Float32", "Float64") and not _fits(raw, element):
        yield "rawType", f"the raw type {raw} does not fit into {element}; make the valueType wide enough"


def _fits(raw: str, element: str) -> bool:
    signed = raw.startswith("Int")
    if signed and element.startswith("Uint"):
        return False
    return WIDTH[raw] + (not signed and element.startswith("Int")) <= WIDTH[element]


def _wrong_place(value_type: ValueType, given: Attributes, size: int) -> Iterator[tuple[str, str]]:
    start, base = given.starting_address, given.address_base
    table = BASES[base]
    if table is not None and table is not given.primary_table:
        yield "addressBase", f"{base} counts {table.text}, not {given.primary_table.text}"
    if start.bit is not None and (value_type != ValueType.BOOL or given.primary_table.bits):
        yield "startingAddress", f"bit {start.bit} can be named for a Bool in a register only"
    if value_type == "String" and given.string_register_size is None:
        return
    most = MAX_BITS if given.primary_table.bits else MAX_REGISTERS
    address = _address(given)
    if not 0 <= address <= 0xFFFF:
        yield "startingAddress", f"is address {address} on the wire (addressBase {base}); addresses are 0 to 65535"
    elif address + size > 0x10000:
        yield "startingAddress", f"ends at address {address + size - 1}, beyond 65535"
    if size > most:
        unit = "bits" if given.primary_table.bits else "registers"
        yield "arrayLength", f"takes {size} {unit}; one request carries at most {most}"


def _wrong_write(value_type: ValueType, given: Attributes, size: int) -> Iterator[tuple[str, str]]:
    table, code = given.primary_table, given.write_function
    if not table.writable:
        yield "primaryTable", f"{table.text} are read-only; make readWrite R or name a writable table"
        return
    if value_type == "String" and given.string_register_size is None:
        return
    most = MAX_WRITE_BITS if table.bits else MAX_WRITE_REGISTERS
    if size > most:
        yield "arrayLength", f"takes {size}; one write carries at most {most}; make readWrite R or the array shorter"
    if code is None:
        return
    fitting = (5, 15) if table.bits else (6, 16, 22)
    if code not in fitting:
        yield "writeFunction", f"{code} does not write {table.text}; use {' or '.join(map(str, fitting))}"
    elif code in (5, 6) and size > 1:
        yield "writeFunction", f"{code} writes one {'coil' if table.bits else 'register'}, this takes {size}"
    elif code == 22 and given.starting_address.bit is None:
        yield "writeFunction", "22 sets single bits; name the bit in startingAddress, such as 10.3"


def _doubtful(value_type: ValueType, given: Attributes) -> Iterator[tuple[str, str]]:
    element = value_type.removesuffix("Array")
    swapped = "isByteSwap" if given.is_byte_swap else "isWordSwap"
    one_register = element in ("Bool", "String") or (given.raw_type or element) in ("Uint16", "Int16")
    if (given.is_byte_swap or given.is_word_swap) and one_register:
        yield swapped, f"has no effect on {element} (as in EdgeX); byteOrder: BADC swaps the bytes of a register"
    if given.array_length is not None and not value_type.endswith("Array"):
        yield "arrayLength", f"has no effect on {value_type}; make the valueType {value_type}Array"
    if given.string_register_size is not None and element != "String":
        yield "stringRegisterSize", f"has no effect on {value_type}"
