"""Bytes ↔ values against vectors written by hand: the examples of the Modbus specification, and one number in every
order."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import CommandRejected
from gateway.model.profile import INTEGER_RANGE, Compat, ValueType
from mappers.modbus.codec import decoder, encode
from mappers.modbus.point import Point
from mappers.modbus.writes import read_of, with_bit, write_pdu
from tests.unit.mappers.modbus.build import point


def decode(found: Point, data: bytes) -> Any:
    values, bad = decoder(found.address, (found,))(data)
    assert bad == []
    return values[0]


@pytest.mark.parametrize(
    ("value_type", "attributes", "data", "value"),
    [
        ("Uint16", {}, "02 2B", 555),
        ("Int16", {}, "FF FE", -2),
        ("Int16", {"byteOrder": "BADC"}, "FE FF", -2),
        ("Uint16", {"byteOrder": "DCBA"}, "2B 02", 555),
        ("Uint16", {"byteOrder": "CDAB"}, "02 2B", 555),
        ("Uint16", {"isByteSwap": True, "isWordSwap": True}, "02 2B", 555),
        ("Uint32", {}, "12 34 56 78", 0x12345678),
        ("Uint32", {"byteOrder": "CDAB"}, "56 78 12 34", 0x12345678),
        ("Uint32", {"byteOrder": "BADC"}, "34 12 78 56", 0x12345678),
        ("Uint32", {"byteOrder": "DCBA"}, "78 56 34 12", 0x12345678),
        ("Uint32", {"isWordSwap": "true"}, "56 78 12 34", 0x12345678),
        ("Uint32", {"isByteSwap": True}, "34 12 78 56", 0x12345678),
        ("Uint32", {"isByteSwap": True, "isWordSwap": True}, "78 56 34 12", 0x12345678),
        ("Int32", {}, "FF FF FF FE", -2),
        ("Uint64", {}, "01 23 45 67 89 AB CD EF", 0x0123456789ABCDEF),
        ("Uint64", {"byteOrder": "CDAB"}, "CD EF 89 AB 45 67 01 23", 0x0123456789ABCDEF),
        ("Uint64", {"byteOrder": "BADC"}, "23 01 67 45 AB 89 EF CD", 0x0123456789ABCDEF),
        ("Uint64", {"byteOrder": "DCBA"}, "EF CD AB 89 67 45 23 01", 0x0123456789ABCDEF),
        ("Uint64", {"isWordSwap": True}, "CD EF 89 AB 45 67 01 23", 0x0123456789ABCDEF),
        ("Int64", {}, "80 00 00 00 00 00 00 01", -(2**63) + 1),
        ("Float32", {}, "42 F6 E9 79", 123.45600128173828),
        ("Float32", {"byteOrder": "CDAB"}, "E9 79 42 F6", 123.45600128173828),
        ("Float32", {"byteOrder": "BADC"}, "F6 42 79 E9", 123.45600128173828),
        ("Float32", {"byteOrder": "DCBA"}, "79 E9 F6 42", 123.45600128173828),
        ("Float64", {}, "40 5E DD 2F 1A 9F BE 77", 123.456),
        ("Float64", {"byteOrder": "CDAB"}, "BE 77 1A 9F DD 2F 40 5E", 123.456),
        ("Float64", {"byteOrder": "DCBA"}, "77 BE 9F 1A 2F DD 5E 40", 123.456),
        ("Uint8", {}, "12 34", 0x34),
        ("Uint8", {"isByteSwap": True}, "12 34", 0x12),
        ("Int8", {}, "FF FE", -2),
        ("Float32", {"rawType": "Int16"}, "FF 9C", -100.0),
        ("Float64", {"rawType": "Uint16"}, "FF 9C", 65436.0),
        ("Float64", {"rawType": "Int32", "isWordSwap": True}, "FF 9C FF FF", -100.0),
        ("Float64", {"rawType": "Uint8"}, "00 07", 7.0),
        ("Int32", {"rawType": "Uint16"}, "FF FF", 65535),
        ("Uint16", {"rawType": "BCD"}, "12 34", 1234),
        ("Uint32", {"rawType": "BCD"}, "12 34 56 78", 12345678),
        ("Uint32", {"rawType": "BCD", "byteOrder": "CDAB"}, "56 78 12 34", 12345678),
        ("Float32", {"rawType": "BCD"}, "00 00 23 01", 2301.0),
        ("Bool", {}, "00 01", True),
        ("Bool", {}, "00 00", False),
        ("String", {"stringRegisterSize": 3}, "41 42 43 00 00 00", "ABC"),
        ("String", {"stringRegisterSize": 2, "byteOrder": "BADC"}, "42 41 00 43", "ABC"),
        ("String", {"stringRegisterSize": 2}, "C3 A9 00 00", "é"),
        ("String", {"stringRegisterSize": 2}, "E9 20 00 00", "é "),
        ("Uint16Array", {"arrayLength": 3}, "00 01 00 02 00 03", [1, 2, 3]),
        ("Int32Array", {"arrayLength": 2, "byteOrder": "CDAB"}, "FF FE FF FF 00 01 00 00", [-2, 1]),
        ("Float32Array", {"arrayLength": 1}, "3F 80 00 00", [1.0]),
        ("Float32Array", {"arrayLength": 2, "rawType": "Int16"}, "00 01 FF FF", [1.0, -1.0]),
        ("Uint16Array", {"arrayLength": 2, "rawType": "BCD"}, "00 10 00 99", [10, 99]),
        ("Uint8Array", {"arrayLength": 3}, "01 02 03 00", [1, 2, 3]),
        ("Uint8Array", {"arrayLength": 4, "isByteSwap": True}, "02 01 04 03", [1, 2, 3, 4]),
        ("BoolArray", {"arrayLength": 18}, "80 01 00 02", [True] + [False] * 14 + [True, False, True]),
    ],
)
def test_registers_and_values_both_ways(value_type: str, attributes: dict[str, Any], data: str, value: Any) -> None:
    found = point(value_type, 7, **attributes)
    wire = bytes.fromhex(data)
    assert decode(found, wire) == value
    if value_type in ("Uint8", "Int8") or wire == bytes.fromhex("E9 20 00 00"):
        assert decode(found, encode(found, value)) == value  # the other byte, or Latin-1, is not restored
    else:
        assert encode(found, value) == wire


def test_float_value_types_keep_their_type() -> None:
    assert isinstance(decode(point("Float32", rawType="Int16"), b"\0\1"), float)
    assert isinstance(decode(point("Float32", rawType="BCD"), b"\0\0\0\1"), float)


def test_edgex_ignores_swaps_of_64_bit_values() -> None:
    data = bytes.fromhex("01 23 45 67 89 AB CD EF")
    assert decode(point("Uint64", compat=Compat.EDGEX, isWordSwap=True), data) == 0x0123456789ABCDEF


@pytest.mark.parametrize("bit", range(16))
def test_every_bit_of_a_register(bit: int) -> None:
    found = point("Bool", f"5.{bit}")
    assert decode(found, (1 << bit).to_bytes(2, "big")) is True
    assert decode(found, (0xFFFF ^ 1 << bit).to_bytes(2, "big")) is False
    swapped = point("Bool", f"5.{bit}", byteOrder="BADC")
    assert decode(swapped, (1 << bit).to_bytes(2, "little")) is True


def test_coils_of_the_specification() -> None:
    """Modbus Application Protocol V1.1b3, 6.1: coils 20 to 38, CD 6B 05."""
    coils = [point("Bool", 19 + i, "COILS", name=f"c{i}") for i in range(19)]
    values, _ = decoder(19, tuple(coils))(bytes.fromhex("CD 6B 05"))
    assert values == [bit == "1" for bit in "1011001111010110101"]


def test_an_array_of_coils_does_not_reach_into_its_neighbour() -> None:
    points = (point("BoolArray", 3, "COILS", arrayLength=7, name="a"), point("Bool", 10, "COILS", name="b"))
    values, _ = decoder(3, points)(bytes((0b1000_0001,)))
    assert values == [[True] + [False] * 6, True]


def test_a_block_of_everything_with_gaps_and_overlaps() -> None:
    points = (
        point("Uint16", 10, name="a"),
        point("Bool", "10.15", name="bit"),
        point("Uint32", 11, name="b", byteOrder="CDAB"),
        point("Uint16", 12, name="half"),
        point("String", 20, name="text", stringRegisterSize=1),
    )
    data = bytes.fromhex("8001 5678 1234") + bytes(14) + b"OK"
    values, bad = decoder(10, points)(data)
    assert (values, bad) == ([0x8001, True, 0x12345678, 0x1234, "OK"], [])


def test_registers_that_are_no_bcd_are_no_value() -> None:
    points = (point("Uint16", 0, rawType="BCD", name="a"), point("Uint16", 1, name="b"))
    assert decoder(0, points)(bytes.fromhex("12 3A 00 05")) == ([None, 5], [0])


@pytest.mark.parametrize(
    ("value_type", "attributes", "value"),
    [
        ("Uint16", {}, 65536),
        ("Uint16", {}, -1),
        ("Int16", {}, 32768),
        ("Uint8", {}, 256),
        ("Uint64", {}, 2**64),
        ("Uint16", {}, 1.5),
        ("Uint16", {}, "12"),
        ("Uint16", {}, True),
        ("Uint16", {}, None),
        ("Float32", {}, 1e39),
        ("Float64", {}, float("nan")),
        ("Float64", {}, float("inf")),
        ("Float32", {"rawType": "Int16"}, 40000.0),
        ("Uint16", {"rawType": "BCD"}, 10000),
        ("Uint16", {"rawType": "BCD"}, -1),
        ("Bool", {}, "yes"),
        ("Bool", {}, 2),
        ("String", {"stringRegisterSize": 1}, "ABC"),
        ("String", {"stringRegisterSize": 1}, 5),
        ("Uint16Array", {"arrayLength": 2}, [1]),
        ("Uint16Array", {"arrayLength": 2}, [1, 65536]),
        ("Uint16Array", {"arrayLength": 2}, 7),
    ],
)
def test_what_does_not_fit_is_refused(value_type: str, attributes: dict[str, Any], value: Any) -> None:
    with pytest.raises(CommandRejected, match=r"^v: ") as refusal:
        encode(point(value_type, **attributes), value)
    assert refusal.value.code == 422


def test_a_scaled_float_is_rounded_and_cut_by_edgex() -> None:
    assert encode(point("Float64", rawType="Int16"), 0.3 / 0.1) == b"\0\3"
    assert encode(point("Float64", rawType="Int16", compat=Compat.EDGEX), 0.3 / 0.1) == b"\0\2"


def test_edgex_cuts_text_that_is_too_long() -> None:
    assert encode(point("String", stringRegisterSize=1, compat=Compat.EDGEX), "ABC") == b"AB"


@pytest.mark.parametrize(
    ("found", "value", "pdu"),
    [  # the examples of Modbus Application Protocol V1.1b3, 6.5, 6.6, 6.11, 6.12 and 6.16
        (point("Bool", 0xAC, "COILS", writeFunction=5), True, "05 00 AC FF 00"),
        (point("Uint16", 1), 3, "06 00 01 00 03"),
        (
            point("BoolArray", 0x13, "COILS", arrayLength=10),
            [bit == "1" for bit in "1011001110"],
            "0F 00 13 00 0A 02 CD 01",
        ),
        (point("Uint16Array", 1, arrayLength=2), [0x0A, 0x0102], "10 00 01 00 02 04 00 0A 01 02"),
        (point("Bool", "4.5", writeFunction=22), True, "16 00 04 FF DF 00 20"),
        (point("Bool", "4.5", writeFunction=22), False, "16 00 04 FF DF 00 00"),
        # EdgeX's choices
        (point("Bool", 9, "COILS"), True, "0F 00 09 00 01 01 01"),
        (point("Bool", 9, "COILS"), False, "0F 00 09 00 01 01 00"),
        (point("Bool", 9), True, "06 00 09 00 01"),
        (point("Int32", 9), -2, "10 00 09 00 02 04 FF FF FF FE"),
        (point("Uint16", 9, writeFunction=16), 5, "10 00 09 00 01 02 00 05"),
        (point("Bool", 9, "COILS", writeFunction=5), False, "05 00 09 00 00"),
    ],
)
def test_the_requests_that_write(found: Point, value: Any, pdu: str) -> None:
    assert write_pdu(found, value) == bytes.fromhex(pdu)


def test_a_bit_is_written_into_what_its_register_holds() -> None:
    found = point("Bool", "4.0")
    assert write_pdu(found, True) is None
    assert with_bit(found, 0x8000, True) == bytes.fromhex("06 00 04 80 01")
    assert with_bit(found, 0x8001, False) == bytes.fromhex("06 00 04 80 00")
    assert with_bit(point("Bool", "4.0", byteOrder="BADC"), 0, True) == bytes.fromhex("06 00 04 01 00")


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
@given(data=st.data())
def test_every_integer_survives_the_way_there_and_back(order: str, data: st.DataObject) -> None:
    value_type = data.draw(st.sampled_from(list(INTEGER_RANGE)))
    low, high = INTEGER_RANGE[ValueType(value_type)]
    value = data.draw(st.integers(low, high))
    found = point(value_type, byteOrder=order)
    back = decode(found, encode(found, value))
    assert back == value
    assert type(back) is int


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]))
def test_every_float32_survives(value: float, order: str) -> None:
    found = point("Float32", byteOrder=order)
    assert struct.pack(">f", decode(found, encode(found, value))) == struct.pack(">f", value)


def test_a_whole_number_may_be_written_as_a_float() -> None:
    assert encode(point("Uint16"), 5.0) == b"\0\5"
    with pytest.raises(CommandRejected, match=r"v: expected a whole number, got 5\.5"):
        encode(point("Uint16"), 5.5)


# What follows was found missing by `make mutants` (T46).


@pytest.mark.parametrize(
    ("value", "order", "wire"),
    [
        (-2, "ABCD", "ff fe"),
        (-128, "BADC", "80 ff"),
        (3, "ABCD", "00 03"),
        (2, "BADC", "02 00"),
        (127, "ABCD", "00 7f"),
    ],
)
def test_a_signed_byte_fills_its_register(value: int, order: str, wire: str) -> None:
    assert encode(point("Int8", byteOrder=order), value).hex(" ") == wire
    assert decode(point("Int8", byteOrder=order), bytes.fromhex(wire)) == value


def test_bytes_of_an_array_have_no_sign_of_their_neighbours() -> None:
    assert encode(point("Int8Array", arrayLength=2), [-2, 3]).hex(" ") == "fe 03"


def test_text_as_long_as_its_registers_and_text_of_x() -> None:
    text = point("String", stringRegisterSize=2)
    assert encode(text, "XabX") == b"XabX"
    assert decode(text, b"XabX") == "XabX"
    assert encode(text, "\ud800") == b"\xed\xa0\x80\0"


@pytest.mark.parametrize(
    ("found", "value", "says"),
    [
        (point("Uint16Array", arrayLength=2), [1], "expected a list of 2 values, got [1]"),
        (point("Bool", 3, "COILS"), "on", "v: expected true or false, got 'on'"),
        (point("String", stringRegisterSize=2), 5, "expected text, got 5"),
        (point("Float32"), 1e300, "1e+300 does not fit Float32"),
        (point("Uint16"), "5", "expected a number, got '5'"),
    ],
)
def test_what_was_given_is_shown(found: Point, value: Any, says: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        write_pdu(found, value)
    assert says in str(refusal.value)


def test_what_was_given_is_not_shown_without_end() -> None:
    with pytest.raises(CommandRejected) as refusal:
        encode(point("Uint16"), "x" * 1000)
    assert str(refusal.value).endswith("'" + "x" * 59)


@pytest.mark.parametrize(
    ("found", "value", "pdu"),
    [
        (point("Uint16", 0xFFFE), 0x8001, "06 ff fe 80 01"),
        (point("Uint32", 0xFFFE), 1, "10 ff fe 00 02 04 00 00 00 01"),
        (point("Bool", 0xFFFF, "COILS", writeFunction=5), True, "05 ff ff ff 00"),
        (point("BoolArray", 0xFF00, "COILS", arrayLength=9), [True] * 9, "0f ff 00 00 09 02 ff 01"),
        (point("BoolArray", 0, "COILS", arrayLength=1968), [True] * 1968, "0f 00 00 07 b0 f6" + " ff" * 246),
        (point("Bool", "65535.3", writeFunction=22, byteOrder="CDAB"), True, "16 ff ff ff f7 00 08"),
        (point("Bool", "65535.3", writeFunction=22, byteOrder="BADC"), False, "16 ff ff f7 ff 00 00"),
    ],
)
def test_writes_at_the_end_of_a_table(found: Point, value: Any, pdu: str) -> None:
    assert write_pdu(found, value) == bytes.fromhex(pdu)


def test_the_register_of_a_bit_is_asked_for_alone() -> None:
    assert read_of(point("Bool", "65535.3")) == bytes.fromhex("03 ff ff 00 01")
