"""The requests that write a value: function 5, 6, 15, 16 or 22, as EdgeX chooses or the profile says. Pure."""

import struct
from collections.abc import Sequence
from typing import Any

from mappers.modbus.codec import encode, encode_bits
from mappers.modbus.point import Point

BIT_FOR_ALL = "one bit cannot be written to all units at once: nobody says what the others are; use writeFunction: 22"


def needs_reading(point: Point) -> bool:
    """Whether its register must be read before it is written, to change one bit of it."""
    return point.bit is not None and point.write_function != 22


def write_pdu(point: Point, value: Any) -> bytes | None:
    """The request that writes a value; None: its register must be read first, to change one bit of it. Raises
    CommandRejected (422)."""
    if point.table.bits:
        return _coil_pdu(point, encode_bits(point, value))
    data = encode(point, value)
    if needs_reading(point):
        return None
    if point.bit is None:
        return _register_pdu(point, data)
    mask = 1 << _wire_bit(point)
    return struct.pack(">BHHH", 22, point.address, 0xFFFF ^ mask, mask if value else 0)


def read_of(point: Point) -> bytes:
    """The request that reads the register a bit lies in."""
    return struct.pack(">BHH", 3, point.address, 1)


def with_bit(point: Point, register: int, value: Any) -> bytes:
    """The request that writes the register back with the point's bit changed."""
    mask = 1 << _wire_bit(point)
    return _register_pdu(point, struct.pack(">H", register | mask if value else register & ~mask))


def _coil_pdu(point: Point, bits: Sequence[bool]) -> bytes:
    if point.write_function == 5:
        return struct.pack(">BHH", 5, point.address, 0xFF00 if bits[0] else 0)
    size = -(-len(bits) // 8)
    data = sum(bit << at for at, bit in enumerate(bits)).to_bytes(size, "little")
    return struct.pack(">BHHB", 15, point.address, len(bits), size) + data


def _register_pdu(point: Point, data: bytes) -> bytes:
    if len(data) == 2 and point.write_function != 16:
        return struct.pack(">BH", 6, point.address) + data
    return struct.pack(">BHHB", 16, point.address, len(data) // 2, len(data)) + data


def _wire_bit(point: Point) -> int:
    """The bit of the register as it travels, 0 the least significant."""
    bit = point.bit or 0
    return bit if point.order in ("ABCD", "CDAB") else bit ^ 8
