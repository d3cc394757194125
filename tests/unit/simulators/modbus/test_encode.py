"""Values → registers against vectors written by hand from the standards, never from our decoder."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus.encode import decode, decode_bytes, encode, encode_bytes, limits, registers

VECTORS = [
    (-1, "Int16", "ABCD", 1, "ffff"),
    (0xABCD, "Uint16", "ABCD", 1, "abcd"),
    (0xABCD, "Uint16", "BADC", 1, "cdab"),
    (0x01020304, "Uint32", "ABCD", 2, "01020304"),
    (0x01020304, "Uint32", "CDAB", 2, "03040102"),
    (0x01020304, "Uint32", "BADC", 2, "02010403"),
    (0x01020304, "Uint32", "DCBA", 2, "04030201"),
    (-2, "Int32", "CDAB", 2, "fffeffff"),
    (0x0102030405060708, "Uint64", "ABCD", 4, "0102030405060708"),
    (0x0102030405060708, "Uint64", "CDAB", 4, "0708050603040102"),
    (0x0102030405060708, "Uint64", "BADC", 4, "0201040306050807"),
    (0x0102030405060708, "Uint64", "DCBA", 4, "0807060504030201"),
    (-1, "Int64", "DCBA", 4, "ffffffffffffffff"),
    (1.0, "Float32", "ABCD", 2, "3f800000"),
    (-118.625, "Float32", "ABCD", 2, "c2ed4000"),
    (1.0, "Float32", "CDAB", 2, "00003f80"),
    (0.1, "Float64", "ABCD", 4, "3fb999999999999a"),
    (0.1, "Float64", "DCBA", 4, "9a9999999999b93f"),
    (1234, "BCD", "ABCD", 1, "1234"),
    (12345678, "BCD", "ABCD", 2, "12345678"),
    (12345678, "BCD", "CDAB", 2, "56781234"),
    (7, "BCD", "ABCD", 2, "00000007"),
    (200, "Uint8", "ABCD", 1, "00c8"),
    (200, "Uint8", "BADC", 1, "c800"),
    (-2, "Int8", "ABCD", 1, "00fe"),
    ("AB", "String", "ABCD", 2, "41420000"),
    ("ABC", "String", "BADC", 2, "42410043"),
]


@pytest.mark.parametrize(("value", "kind", "order", "words", "wire"), VECTORS)
def test_the_vectors(value: object, kind: str, order: str, words: int, wire: str) -> None:
    data = encode(value, kind, order, words)  # type: ignore[arg-type]
    assert data.hex() == wire
    assert decode(data, kind, order) == value


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (-1, "Uint16", 1),
        (2**31, "Int32", 2),
        (10000, "BCD", 1),
        (-1, "BCD", 2),
        (256, "Uint8", 1),
        ("long", "String", 1),
    ],
)
def test_what_does_not_fit_is_refused(value: object, kind: str, words: int) -> None:
    with pytest.raises(ValueError, match=r"fit|longer"):
        encode(value, kind, "ABCD", words)  # type: ignore[arg-type]


def test_digits_beyond_nine_are_not_bcd() -> None:
    with pytest.raises(ValueError, match="not BCD"):
        decode(bytes.fromhex("123a"), "BCD")


def test_bytes_lie_two_to_a_register() -> None:
    assert registers(encode_bytes([1, 2, 3], "Uint8")) == (0x0102, 0x0300)
    assert registers(encode_bytes([1, 2, 3], "Uint8", "BADC")) == (0x0201, 0x0003)
    assert decode_bytes(bytes.fromhex("ff7f"), "Int8") == [-1, 127]


def test_not_a_number_travels() -> None:
    found = decode(encode(math.nan, "Float32"), "Float32")
    assert isinstance(found, float)
    assert math.isnan(found)


@given(st.sampled_from(["Int16", "Uint16", "Int32", "Uint32", "Int64", "Uint64", "Int8", "Uint8"]), st.data())
def test_every_integer_fits_its_type_and_struct_agrees(kind: str, data: st.DataObject) -> None:
    low, high = limits(kind)
    value = data.draw(st.integers(int(low), int(high)))
    code = {"8": "b", "16": "h", "32": "i", "64": "q"}[kind.lstrip("UIint")]
    plain = struct.pack(">" + (code.upper() if kind.startswith("U") else code), value)
    assert encode(value, kind)[-len(plain) :] == plain
