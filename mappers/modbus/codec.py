"""Bytes of a block ↔ values of its points, compiled once. Pure.

A block is decoded by one `struct`; where bytes are swapped or points overlap, one permutation of the block comes first,
so that every number is big-endian and stands alone.
"""

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any

from gateway.model.errors import CommandRejected
from gateway.model.profile import INTEGER_RANGE, ValueType
from mappers.modbus.point import Point

FORMAT = {
    "Uint8": "B", "Int8": "b", "Uint16": "H", "Int16": "h", "Uint32": "I", "Int32": "i", "Uint64": "Q", "Int64": "q",
    "Float32": "f", "Float64": "d",
}  # fmt: skip
_BITS = tuple(tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256))
Convert = Callable[[Any], Any]
Decode = Callable[[bytes], tuple[list[Any], list[int]]]
"""Payload of an answer → one value per point, and the positions that hold nothing sensible (BCD that is not)."""


def positions(point: Point) -> Sequence[int]:
    """Where, from the point's first byte, the bytes of its value lie on the wire, the most significant first; for
    arrays element by element, for text and bits register by register."""
    swapped = point.order in ("BADC", "DCBA")
    if point.width == 1:
        if point.length is None:
            return [0 if swapped else 1]
        return [at ^ swapped for at in range(point.length)]
    by_register = point.wire in ("Bool", "String")
    width, count = (2, point.size) if by_register else (point.width, point.length or 1)
    order = _order(width, point.order)
    return order if count == 1 else [base + at for base in range(0, count * width, width) for at in order]


@lru_cache(maxsize=256)
def _order(width: int, order: str) -> Sequence[int]:
    """Positions of the bytes of one value, the most significant first."""
    words = range(0, width, 2) if order in ("ABCD", "BADC") else range(width - 2, -1, -2)
    pair = (0, 1) if order in ("ABCD", "CDAB") else (1, 0)
    return tuple(word + byte for word in words for byte in pair)


@lru_cache(maxsize=1024)
def decoder(start: int, points: tuple[Point, ...]) -> Decode:
    """For a block that begins at `start` and holds all of `points` (of one table)."""
    return _bit_decoder(start, points) if points[0].table.bits else _register_decoder(start, points)


def _register_decoder(start: int, points: tuple[Point, ...]) -> Decode:
    places = [[at + 2 * (p.address - start) for at in positions(p)] for p in points]
    flat = [at for place in places for at in place]
    formats = [_format(p, len(place)) for p, place in zip(points, places, strict=True)]
    converts = [(i, convert) for i, p in enumerate(points) if (convert := _convert(p)) is not None]
    in_order = all(a < b for a, b in pairwise(flat)) and all(p[-1] - p[0] < len(p) for p in places)
    if in_order:
        unpack = struct.Struct(_padded(places, formats)).unpack_from
    else:
        gather, packed = itemgetter(*flat, flat[0]), struct.Struct(">" + "".join(formats)).unpack_from

        def unpack(data: bytes) -> tuple[Any, ...]:  # type: ignore[misc]
            return packed(bytes(gather(data)))

    if not converts:
        return lambda data: (list(unpack(data)), [])
    return lambda data: _converted(list(unpack(data)), converts)


def _padded(places: Sequence[Sequence[int]], formats: Sequence[str]) -> str:
    parts, end = [">"], 0
    for place, code in zip(places, formats, strict=True):
        if place[0] > end:
            parts.append(f"{place[0] - end}x")
        parts.append(code)
        end = place[-1] + 1
    return "".join(parts)


def _format(point: Point, size: int) -> str:
    if point.wire == "Bool" and point.length is None:
        return "H"
    plain = point.length is None and point.wire in FORMAT
    return FORMAT[point.wire] if plain else f"{size}s"


def _converted(values: list[Any], converts: Sequence[tuple[int, Convert]]) -> tuple[list[Any], list[int]]:
    bad = []
    for position, convert in converts:
        try:
            values[position] = convert(values[position])
        except ValueError:
            values[position] = None
            bad.append(position)
    return values, bad


def _convert(point: Point) -> Convert | None:
    """What is left to do after unpacking."""
    if point.wire == "Bool":
        return _bool(point)
    if point.wire == "String":
        return _text
    as_float = point.element.startswith("Float") and not point.wire.startswith("Float")
    one: Convert | None = float if as_float else None
    if point.wire == "BCD":
        one = (lambda raw: float(int(raw.hex()))) if as_float else (lambda raw: int(raw.hex()))
    return one if point.length is None else _array(point, point.length, one)


def _bool(point: Point) -> Convert:
    if point.length is not None:
        length = point.length
        return lambda raw: list(chain.from_iterable(_BITS[raw[at ^ 1]] for at in range(len(raw))))[:length]
    if point.bit is None:
        return bool
    bit = point.bit
    return lambda word: bool(word >> bit & 1)


def _text(raw: bytes) -> str:
    """NULs fall away at both ends, as in EdgeX; what is not UTF-8 is taken as Latin-1."""
    raw = raw.strip(b"\0")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _array(point: Point, length: int, one: Convert | None) -> Convert:
    code = f"{point.width}s" if point.wire == "BCD" else FORMAT[point.wire]
    unpack = struct.Struct(">" + length * code).unpack
    if one is None:
        return lambda raw: list(unpack(raw))
    return lambda raw: [one(element) for element in unpack(raw)]


def _bit_decoder(start: int, points: tuple[Point, ...]) -> Decode:
    spans = [(p.address - start, None if p.length is None else p.address - start + p.length) for p in points]

    def decode(data: bytes) -> tuple[list[Any], list[int]]:
        bits = list(chain.from_iterable(map(_BITS.__getitem__, data)))
        return [bits[at] if end is None else bits[at:end] for at, end in spans], []

    return decode


# ------------------------------------------------------------------------------------------------------------ writing


def encode(point: Point, value: Any) -> bytes:
    """The registers of a value as they go on the wire. Raises CommandRejected (422) for what does not fit."""
    big_endian = b"".join(_encode_one(point, one) for one in _elements(point, value))
    if point.wire == "Bool":
        big_endian = _register_bits(_elements(point, value)) if point.length else big_endian
    wire = bytearray(2 * point.size)
    if point.wire == "Int8" and point.length is None and big_endian[0] & 0x80:
        wire[:] = b"\xff\xff"  # a sign that a 16-bit reader sees too; the value's own byte follows
    for at, byte in zip(positions(point), big_endian, strict=True):
        wire[at] = byte
    return bytes(wire)


def encode_bits(point: Point, value: Any) -> list[bool]:
    """The coils of a value. Raises CommandRejected (422)."""
    return [_truth(point, one) for one in _elements(point, value)]


def _elements(point: Point, value: Any) -> Sequence[Any]:
    if point.length is None:
        return [value]
    if not isinstance(value, list | tuple) or len(value) != point.length:
        raise CommandRejected(422, f"{point.name}: expected a list of {point.length} values, got {_shown(value)}")
    return value


def _encode_one(point: Point, value: Any) -> bytes:
    if point.wire == "Bool":
        return bytes((0, _truth(point, value)))
    if point.wire == "String":
        return _encode_text(point, value)
    if point.wire == "BCD":
        return _encode_bcd(point, value)
    if point.wire.startswith("Float"):
        return _encode_float(point, value)
    number = _whole(point, value)
    low, high = INTEGER_RANGE[ValueType(point.wire)]
    if not low <= number <= high:
        raise CommandRejected(422, f"{point.name}: {value} does not fit {point.wire} ({low} to {high})")
    return struct.pack(">" + FORMAT[point.wire], number)


def _register_bits(bits: Sequence[Any]) -> bytes:
    number = sum(bool(bit) << at for at, bit in enumerate(bits))
    words = number.to_bytes(2 * -(-len(bits) // 16), "little")
    return bytes(words[at ^ 1] for at in range(len(words)))


def _truth(point: Point, value: Any) -> bool:
    if value not in (True, False):
        raise CommandRejected(422, f"{point.name}: expected true or false, got {_shown(value)}")
    return bool(value)


def _encode_text(point: Point, value: Any) -> bytes:
    if not isinstance(value, str):
        raise CommandRejected(422, f"{point.name}: expected text, got {_shown(value)}")
    data = value.encode(errors="surrogatepass")
    if len(data) > point.width and not point.edgex:
        raise CommandRejected(
            422, f"{point.name}: {len(data)} bytes of text; {point.size} registers hold {point.width}"
        )
    return data[: point.width].ljust(point.width, b"\0")


def _encode_bcd(point: Point, value: Any) -> bytes:
    number, digits = _whole(point, value), 2 * point.width
    if not 0 <= number < 10**digits:
        raise CommandRejected(422, f"{point.name}: {value} does not fit {digits} BCD digits")
    return bytes.fromhex(str(number).zfill(digits))


def _encode_float(point: Point, value: Any) -> bytes:
    try:
        if not isinstance(value, bool) and math.isfinite(value):
            return struct.pack(">" + FORMAT[point.wire], value)
    except (TypeError, OverflowError):
        pass
    raise CommandRejected(422, f"{point.name}: {_shown(value)} does not fit {point.wire}")


def _whole(point: Point, value: Any) -> int:
    """A float value type over an integer on the wire is rounded (EdgeX cuts the fraction off)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CommandRejected(422, f"{point.name}: expected a number, got {_shown(value)}")
    if isinstance(value, int):
        return value
    if point.element.startswith("Float"):
        return int(value) if point.edgex else round(value)
    if not value.is_integer():
        raise CommandRejected(422, f"{point.name}: expected a whole number, got {value}")
    return int(value)


def _shown(value: Any) -> str:
    return repr(value)[:60]
