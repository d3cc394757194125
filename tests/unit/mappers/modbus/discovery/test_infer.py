"""From registers and the number on a display to type, order and scale."""

import struct

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.discovery.infer import decodings, infer, shown_number


def named(registers: list[int]) -> dict[str, object]:
    return {d.name: d.value for d in decodings(registers)}


def test_every_type_and_order_side_by_side() -> None:
    found = named([0x42F6, 0xE979, 0x4142, 0x4300])
    assert found["Uint16 ABCD"] == 0x42F6
    assert found["Uint16 BADC"] == 0xF642
    assert found["Float32 ABCD"] == 123.45600128173828
    assert found["Uint32 CDAB"] == 0xE97942F6
    assert found["Uint64 DCBA"] == 0x0043424179E9F642
    assert found["Int8 ABCD"] == -10
    assert not [name for name in found if name.startswith("BCD64")]


def test_text_and_bcd_are_shown_where_they_are() -> None:
    assert named([0x4142, 0x4344])["String ABCD"] == "ABCD"
    assert named([0x4241, 0x0043])["String BADC"] == "ABC"
    assert named([0x2301])["BCD16 ABCD"] == 2301
    assert "BCD16 ABCD" not in named([0x2A01])
    assert "String ABCD" not in named([0x0001, 0x0002])


@pytest.mark.parametrize(
    ("registers", "shown", "name", "scale"),
    [
        ([2301], "230.1", "Uint16 ABCD", 0.1),
        ([0xFFCE], "-5.0", "Int16 ABCD", 0.1),
        ([0x42F6, 0xE979], "123.46", "Float32 ABCD", 1.0),
        ([0xE979, 0x42F6], "123.5 V", "Float32 CDAB", 1.0),
        ([0x79E9, 0xF642], "123.456", "Float32 DCBA", 1.0),
        ([0x0001, 0x86A0], "100000", "Uint32 ABCD", 1.0),
        ([0x86A0, 0x0001], "1000.00 kWh", "Uint32 CDAB", 0.01),
        ([0x2301], "2301", "BCD16 ABCD", 1.0),
        ([0xFD08], "2301", "Uint16 BADC", 1.0),
        ([45], "22.5", "Uint16 ABCD", 0.5),
        ([0], "0", "Uint16 ABCD", 1.0),
        ([0x4069, 0x0000, 0x0000, 0x0000], "200", "Float64 ABCD", 1.0),
    ],
)
def test_the_best_guess(registers: list[int], shown: str, name: str, scale: float) -> None:
    best = infer(registers, shown)[0]
    assert (best.decoding.name, best.scale) == (name, scale)


def test_a_guess_gives_yaml_to_paste() -> None:
    pasted = yaml.safe_load(infer([0x86A0, 0x0001], "1000.00")[0].yaml("INPUT_REGISTERS", 17))
    assert pasted["properties"] == {"valueType": "Uint32", "readWrite": "R", "scale": 0.01}
    assert pasted["attributes"] == {"primaryTable": "INPUT_REGISTERS", "startingAddress": 17, "byteOrder": "CDAB"}


@pytest.mark.parametrize(
    ("text", "number", "half"),
    [("230.1", 230.1, 0.05), ("-5", -5, 0.5), ("12,34 kWh", 12.34, 0.005), ("1 234", 1234, 0.5), ("1.5e3", 1500, 50)],
)
def test_numbers_as_displays_show_them(text: str, number: float, half: float) -> None:
    assert shown_number(text) == (pytest.approx(number), pytest.approx(half))


@pytest.mark.parametrize("text", ["", "-", "abc", "--5", "1.2.3"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number as a display shows it"):
        infer([1], text)


@pytest.mark.parametrize("text", ["1e400", "1e-400", "9" * 400, "0." + "0" * 400 + "1", "1e31", "1.00e-29"])
def test_numbers_no_display_shows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large or too small"):
        infer([0], text)


@pytest.mark.parametrize("registers", [[], [-1], [65536], [1.5]])
def test_what_is_no_register_is_refused(registers: list[int]) -> None:
    with pytest.raises(ValueError, match="registers are whole numbers"):
        decodings(registers)


@given(st.floats(0.5, 1e6, width=32), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]))
def test_a_float_is_always_found(value: float, order: str) -> None:
    raw = struct.pack(">f", value)
    where = {"ABCD": (0, 1, 2, 3), "CDAB": (2, 3, 0, 1), "BADC": (1, 0, 3, 2), "DCBA": (3, 2, 1, 0)}[order]
    registers = struct.unpack(">2H", bytes(raw[i] for i in where))
    assert f"Float32 {order}" in [guess.decoding.name for guess in infer(list(registers), f"{value:.2f}")]
