"""Register tables of vendors."""

from pathlib import Path

import pytest

from gateway.importers.types import UnknownType, kind
from gateway.model.errors import ConfigError
from tests.unit.importers.helpers import carry, lefts, resources, runs

ACME = """Acme HM4 register map;;;;;;;;
;;;;;;;;
Register Address;Parameter;Data Type;Factor;Unit;R/W;Min;Max;Remarks
40011;flow temperature;INT16;0,1;°C;R;;;
40013-40014;power;FLOAT;;kW;RO;;;
40021;energy;UINT32;1/10;kWh;R;;;total
Settings;;;;;;;;
40101;mode;UINT16;;;R/W;0;2;"0 off; 1 summer"
40102.3;sensor fault;bit;;;R;;;
40110;serial;string(16);;;R;;;
40130;temps;INT16[4];;;R;;;
"""


def test_a_table_out_of_a_manual(tmp_path: Path) -> None:
    found = carry("table", ACME, address_base="modicon", address="10.0.0.1:1502", unit=3, profile="HM4")
    assert lefts(found) == []
    values = resources(found)
    assert values["flow temperature"] == {
        "valueType": "Float64", "readWrite": "R", "units": "°C", "scale": 0.1,
        "primaryTable": "HOLDING_REGISTERS", "startingAddress": 40011, "addressBase": 40001, "rawType": "Int16",
    }  # fmt: skip
    assert (values["mode"]["readWrite"], values["mode"]["minimum"], values["mode"]["maximum"]) == ("RW", 0, 2)
    assert values["sensor fault"]["startingAddress"] == "40102.3"
    assert values["serial"]["stringRegisterSize"] == 8
    assert (values["temps"]["valueType"], values["temps"]["arrayLength"]) == ("Int16Array", 4)
    device = found.devices[0]
    assert device.protocols == {"modbus-tcp": {"Address": "10.0.0.1", "Port": 1502, "UnitID": 3}}
    assert runs(found, tmp_path) >= 1
    assert any("titles" in note.what for note in found.report.notes())


def test_the_address_base_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"row 3, column Register Address.*--address-base"):
        carry("table", ACME)
    with pytest.raises(ConfigError, match="--table holding"):
        carry("table", "Address,Name,Type\n1,a,U16\n", address_base="1")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("40200;a;T5;;;R;;;", "row 12, column Data Type: a: 't5': 5 bits"),
        ("xyz;a;U16;;;R;;;", "row 12, column Register Address: a: 'xyz'"),
        (";a;U16;;;R;;;", "row 12, column Register Address: a: it has no address"),
        ("40200;a;U16;1,000;;R;;;", "row 12, column Factor: a: '1,000' may be"),
        ("40200;a;U16;0;;R;;;", "row 12, column Factor: a: '0' would make"),
        ("40200;a;U16;;;RW;abc;;", "row 12, column Min: a: expected a number"),
        ("49999.99;a;bit;;;R;;;", "row 12: a: attributes.startingAddress: bit 99"),
        ('40200;"a" b;U16;;;R;;;', "row 12: text stands behind a closing quote"),
        ('40200;"a;U16;;;R;;;', "row 12: a quote is opened here and not closed"),
        ("30200;a;U16;;;RW;;;", "row 12, column R/W: a cannot be written"),
        ("40200;a;string;;;R;;;", "row 12, column Data Type: a: string: how long"),
        ("40200-40203;a;U32;;;R;;;", ""),
        ("40200-40202;a;U32;;;R;;;", "row 12, column Data Type: a: U32 takes 2 registers, the table says 3"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_come_through(row: str, why: str) -> None:
    found = carry("table", ACME + row + "\n", address_base="modicon")
    assert len(lefts(found)) == bool(why)
    assert all(left.startswith(f"12: {why}") for left in lefts(found))
    assert len(found.profiles[0].device_resources) >= 7


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separators_encodings_line_ends(separator: str, encoding: str, ending: str) -> None:
    lines = ["FC|Addr.|Name|Type|Unit", '3|0x10|"wörk|er, one; two"|U16|°C', "04|17|b|S32|°C"]
    parts = [line.replace("rk|er", "rker").split("|") for line in lines]
    quoted = [[f'"{cell.strip(chr(34))}"' if " " in cell else cell for cell in row] for row in parts]
    text = ending.join(separator.join(row) for row in quoted) + ending
    found = carry("table", text.encode(encoding), address_base="0", byte_order="CDAB")
    assert lefts(found) == []
    values = resources(found)
    assert values["wörker, one; two"]["startingAddress"] == 16
    assert values["wörker, one; two"]["units"] == "°C"
    assert (values["b"]["primaryTable"], values["b"]["byteOrder"]) == ("INPUT_REGISTERS", "CDAB")


def test_columns_by_name() -> None:
    text = "Wo,Was,Wie,Teiler,Seite\n5,a,U16,10,1\n"
    with pytest.raises(ConfigError, match="no headings found"):
        carry("table", text, address_base="0", table="holding")
    columns = {"address": "Wo", "name": "Was", "type": "Wie", "divisor": "teiler"}
    found = carry("table", text, address_base="0", table="holding", columns=columns)
    assert resources(found)["a"]["scale"] == 0.1
    assert lefts(found) == ["1: row 1, column Seite: this column is not known; its 1 cells were left out "
                            "(--column name=heading gives it a meaning)"]  # fmt: skip
    with pytest.raises(ConfigError, match="--column wo="):
        carry("table", text, columns={"wo": "Wo"})


def test_function_codes_say_what_may_be_written() -> None:
    text = "Address,Name,Type,Function Code\n1,a,U16,03/16\n2,b,U16,06\n3,c,bool,1/5\n4,d,U16,0x04\n5,e,U16,99\n"
    found = carry("table", text, address_base="1")
    values = resources(found)
    assert (values["a"]["readWrite"], values["a"]["writeFunction"]) == ("RW", 16)
    assert values["b"]["readWrite"] == "W"
    assert (values["c"]["primaryTable"], values["c"]["writeFunction"]) == ("COILS", 5)
    assert values["d"]["primaryTable"] == "INPUT_REGISTERS"
    assert lefts(found) == ["6: row 6, column Function Code: e: '99' names no single table; "
                            "holding, input, coil, discrete or a function code do"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "count", "wanted"),
    [
        ("U16", None, "Uint16"), ("int", 2, "Int32"), ("FLOAT", None, "Float32"), ("float", 4, "Float64"),
        ("bitfield", None, "Uint16"), ("Bitfield32", None, "Uint32"), ("16-bit unsigned integer", None, "Uint16"),
        ("uint16_t", None, "Uint16"), ("INT32U", None, "Uint32"), ("acc64", None, "Uint64"), ("REAL", 2, "Float32"),
        ("unsigned long", None, "Uint32"), ("DINT", None, "Int32"), ("enum16", None, "Uint16"), ("U8", None, "Uint8"),
    ],
)  # fmt: skip
def test_types(text: str, count: int | None, wanted: str) -> None:
    assert kind(text, count).name == wanted


def test_types_with_more_to_say() -> None:
    assert kind("Float32 CDAB", None).order == "CDAB"
    assert kind("float (swapped)", None).order == "CDAB"
    assert kind("bcd32", None).raw == "BCD"
    assert kind("UTF8", 4).registers == 4
    assert kind("INT32", 4).length == 2
    for wrong in ("float16", "T5", "x" * 100, "", "(", "int24"):
        with pytest.raises(UnknownType):
            kind(wrong, None)


def test_a_flood_of_rows_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.importers.draft.MAX_VALUES", 10_000)
    rows = "".join(f"{n % 65536},v{n},U16\n" for n in range(1_000_000))
    found = carry("table", "Address,Name,Type\n" + rows, address_base="0", table="holding")
    assert len(found.profiles[0].device_resources) == 10_000
    assert found.report.left_count == 990_000
    assert "at most 10,000 values" in lefts(found)[0]


@pytest.mark.parametrize(
    "raw", [b"", b"PK\x03\x04zip", b"\xff\xfe\x00", b"\x00\x01\x02", b"a,b\n1,2\n", b'"', b"\n" * 99]
)
def test_what_is_no_table(raw: bytes) -> None:
    with pytest.raises(ConfigError):
        carry("table", raw, address_base="0", table="holding")
