"""Values ↔ registers, for what a simulated device serves.

pymodbus's own converters do what they can (whole numbers of 16, 32 and 64 bits, floats, text). The rest has a table
of its own: the orders of bytes and words, values of 8 bits, BCD. Nothing here knows how the gateway decodes: an error
made twice would cancel out.
"""

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pymodbus.client.mixin import ModbusClientMixin

DATATYPE = ModbusClientMixin.DATATYPE
Value = bool | int | float | str | list[Any]

_LIBRARY = MappingProxyType(
    {
        "Int16": DATATYPE.INT16, "Uint16": DATATYPE.UINT16, "Int32": DATATYPE.INT32, "Uint32": DATATYPE.UINT32,
        "Int64": DATATYPE.INT64, "Uint64": DATATYPE.UINT64, "Float32": DATATYPE.FLOAT32, "Float64": DATATYPE.FLOAT64,
    }
)  # fmt: skip

_BYTES: Mapping[tuple[str, int], tuple[int, ...]] = {
    ("ABCD", 2): (0, 1), ("CDAB", 2): (0, 1), ("BADC", 2): (1, 0), ("DCBA", 2): (1, 0),
    ("ABCD", 4): (0, 1, 2, 3), ("CDAB", 4): (2, 3, 0, 1), ("BADC", 4): (1, 0, 3, 2), ("DCBA", 4): (3, 2, 1, 0),
    ("ABCD", 8): (0, 1, 2, 3, 4, 5, 6, 7), ("CDAB", 8): (6, 7, 4, 5, 2, 3, 0, 1),
    ("BADC", 8): (1, 0, 3, 2, 5, 4, 7, 6), ("DCBA", 8): (7, 6, 5, 4, 3, 2, 1, 0),
}  # fmt: skip
"""Which byte of the big-endian value (0 the most significant) arrives at each place on the wire."""


def encode(value: Value, kind: str, order: str = "ABCD", words: int = 1) -> bytes:
    """The bytes of the registers that hold one value, as they go over the wire.

    `kind` is an EdgeX scalar type name or `BCD`; `words` is the number of registers (what a String fills, what a BCD
    number spans). Raises ValueError if the value does not fit.
    """
    if kind == "String":
        text = _text(str(value), words)
        return swapped(text) if order == "BADC" else text
    if kind == "BCD":
        return _ordered(_bcd(int(_number(value)), words), order)
    if kind in ("Int8", "Uint8"):
        return _ordered(_byte(int(_number(value)), kind), order)
    return _ordered(_library(_number(value), kind), order)


def decode(data: bytes, kind: str, order: str = "ABCD") -> Value:
    """The value in the registers of one value: what `encode` made. Raises ValueError (not BCD, not UTF-8)."""
    if kind == "String":
        return (swapped(data) if order == "BADC" else data).rstrip(b"\x00").decode()
    plain = _ordered(data, order, back=True)
    if kind == "BCD":
        return _from_bcd(plain)
    if kind in ("Int8", "Uint8"):
        return int.from_bytes(plain[1:2], "big", signed=kind == "Int8")
    registers = list(struct.unpack(f">{len(plain) // 2}H", plain))
    found: Value = ModbusClientMixin.convert_from_registers(registers, _LIBRARY[kind])
    return found


SWAPPED = ("BADC", "DCBA")
"""Orders in which the two bytes of a register arrive the other way round."""
WORDS: Mapping[str, int] = MappingProxyType(
    {"Int8": 1, "Uint8": 1, **{kind: datatype.value[1] for kind, datatype in _LIBRARY.items()}}
)
"""Registers of one value, by the types that say their own length."""


def encode_bytes(values: Sequence[Any], kind: str, order: str = "ABCD") -> bytes:
    """An array of 8-bit values, two to a register, the first in the upper byte (BADC: the lower). Raises ValueError."""
    data = b"".join(_byte(int(_number(value)), kind)[1:] for value in values)
    data += b"\0" * (len(data) % 2)
    return swapped(data) if order in SWAPPED else data


def decode_bytes(data: bytes, kind: str, order: str = "ABCD") -> list[int]:
    """What `encode_bytes` made; one more if there was an odd number."""
    plain = swapped(data) if order in SWAPPED else data
    return [int.from_bytes(plain[at : at + 1], "big", signed=kind == "Int8") for at in range(len(plain))]


def swapped(data: bytes) -> bytes:
    """The two bytes of every register the other way round."""
    return bytes(data[at ^ 1] for at in range(len(data)))


def limits(kind: str, words: int = 1) -> tuple[float, float]:
    """Lowest and highest number that the wire can carry."""
    if kind == "BCD":
        return 0, 10 ** (4 * words) - 1
    if kind == "Float32":
        return -3.4028234663852886e38, 3.4028234663852886e38
    if kind == "Float64":
        return -1.7976931348623157e308, 1.7976931348623157e308
    bits = int(kind.lstrip("UIint"))
    return (0, 2**bits - 1) if kind.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _number(value: Value) -> int | float:
    if isinstance(value, str | list):
        raise ValueError(f"{value!r} is not a number")
    return value


def _library(value: float, kind: str) -> bytes:
    number = float(value) if kind.startswith("Float") else int(value)
    try:
        registers = ModbusClientMixin.convert_to_registers(number, _LIBRARY[kind])
    except (struct.error, OverflowError):
        raise ValueError(f"{value} does not fit {kind}") from None
    return struct.pack(f">{len(registers)}H", *registers)


def _ordered(data: bytes, order: str, back: bool = False) -> bytes:
    if order == "ABCD":
        return data
    places = _BYTES.get((order, len(data)))
    if places is None:
        raise ValueError(f"a value of {len(data)} bytes has no order {order}")
    if not back:
        return bytes(data[place] for place in places)
    plain = bytearray(len(data))
    for position, place in enumerate(places):
        plain[place] = data[position]
    return bytes(plain)


def _text(value: str, words: int) -> bytes:
    data = value.encode()
    if len(data) > 2 * words:
        raise ValueError(f"{value!r} is longer than {2 * words} bytes")
    return data.ljust(2 * words, b"\x00")


def _byte(value: int, kind: str) -> bytes:
    low, high = limits(kind)
    if not low <= value <= high:
        raise ValueError(f"{value} does not fit {kind}")
    return bytes((0, value & 0xFF))


def _bcd(value: int, words: int) -> bytes:
    if not 0 <= value < 10 ** (4 * words):
        raise ValueError(f"{value} does not fit {4 * words} BCD digits")
    return bytes.fromhex(str(value).zfill(4 * words))


def _from_bcd(data: bytes) -> int:
    digits = data.hex()
    if not digits.isdecimal():
        raise ValueError(f"{digits} is not BCD")
    return int(digits)


def registers(data: bytes) -> Sequence[int]:
    """Bytes of whole registers as numbers, for people and tests."""
    return struct.unpack(f">{len(data) // 2}H", data)
