"""Attributes: EdgeX's spellings, literal text, and every way to be wrong with what to do about it."""

import re
from typing import Any

import pytest

from gateway.model.errors import Problem
from gateway.model.profile import Compat
from gateway.model.scalar import resolve
from mappers.modbus import point as point_module
from mappers.modbus.address import Table
from mappers.modbus.point import SUPPORTED, locate
from mappers.shared.given import whole
from tests.unit.mappers.modbus.build import point, resource


def problems(value_type: str, address: Any = 0, table: str = "HOLDING_REGISTERS", **more: Any) -> list[Problem]:
    return list(locate(resource("v", value_type, address, table, **more), Compat.NONE)[1])


@pytest.mark.parametrize(
    ("text", "number"),
    [("10", 10), ("0x0A", 10), ("0b1010", 10), ("012", 10), ("0o12", 10), ("+10", 10), ("1_000", 1000), ("0", 0)],
)
def test_numbers_in_any_base(text: str, number: int) -> None:
    assert whole(text) == number
    assert whole(resolve(text)) == number


@pytest.mark.parametrize(
    ("spelled", "table"),
    [
        ("COILS", Table.COILS),
        ("coils", Table.COILS),
        ("DISCRETES_INPUT", Table.DISCRETE_INPUTS),
        ("Discrete_Inputs", Table.DISCRETE_INPUTS),
        ("INPUT_REGISTERS", Table.INPUT_REGISTERS),
        ("holding_registers", Table.HOLDING_REGISTERS),
    ],
)
def test_tables_in_every_spelling(spelled: str, table: Table) -> None:
    assert point("Bool", 0, spelled, read_write="R").table is table


@pytest.mark.parametrize(
    ("written", "address", "bit"),
    [
        ("10.1", 10, 1),
        (resolve("10.1"), 10, 1),
        (resolve("10.10"), 10, 10),
        (resolve("10.01"), 10, 1),
        (resolve("10.0"), 10, 0),
        (10.1, 10, 1),
        ("0x10.3", 16, 3),
        ("7", 7, None),
        (resolve("0x10"), 16, None),
        (7, 7, None),
    ],
)
def test_the_literal_text_of_an_address_counts(written: Any, address: int, bit: int | None) -> None:
    found = point("Bool", written)
    assert (found.address, found.bit) == (address, bit)


def test_edgex_reads_an_unquoted_bit_address_with_two_decimals() -> None:
    assert point("Bool", resolve("100.1"), compat=Compat.EDGEX).bit == 10
    assert point("Bool", resolve("100.01"), compat=Compat.EDGEX).bit == 1
    assert point("Bool", "100.1", compat=Compat.EDGEX).bit == 1


@pytest.mark.parametrize(
    ("table", "base", "written", "address"),
    [
        ("HOLDING_REGISTERS", 0, 100, 100),
        ("HOLDING_REGISTERS", 1, 100, 99),
        ("HOLDING_REGISTERS", 40001, 40100, 99),
        ("HOLDING_REGISTERS", "400001", 465536, 65535),
        ("INPUT_REGISTERS", 30001, 30001, 0),
        ("DISCRETE_INPUTS", 10001, 10008, 7),
        ("COILS", 1, 1, 0),
    ],
)
def test_what_an_address_counts_from(table: str, base: Any, written: int, address: int) -> None:
    kind = "Uint16" if "REGISTERS" in table else "Bool"
    assert point(kind, written, table, addressBase=base).address == address


@pytest.mark.parametrize(
    ("value_type", "registers"),
    [("Bool", 1), ("Int8", 1), ("Uint16", 1), ("Int32", 2), ("Float32", 2), ("Uint64", 4), ("Float64", 4)],
)
def test_sizes(value_type: str, registers: int) -> None:
    assert point(value_type).size == registers
    assert point("Float64", rawType="Int16").size == 1


@pytest.mark.parametrize(
    ("value_type", "address", "table", "more", "where", "says"),
    [
        (
            "Uint16",
            0,
            "HOLDING_REGISTER",
            {},
            "primaryTable",
            "expected one of COILS, .* did you mean HOLDING_REGISTERS",
        ),
        ("Uint16", "x", "HOLDING_REGISTERS", {}, "startingAddress", "expected an address such as 100"),
        ("Uint16", True, "HOLDING_REGISTERS", {}, "startingAddress", "expected an address"),
        ("Uint16", -1, "HOLDING_REGISTERS", {}, "startingAddress", "expected an address"),
        ("Uint16", 65536, "HOLDING_REGISTERS", {}, "startingAddress", "addresses are 0 to 65535"),
        ("Uint32", 65535, "HOLDING_REGISTERS", {}, "startingAddress", "beyond 65535"),
        ("Uint16", 5, "HOLDING_REGISTERS", {"addressBase": 40001}, "startingAddress", "is address -39996 on the wire"),
        ("Uint16", 40005, "INPUT_REGISTERS", {"addressBase": 40001}, "addressBase", "40001 counts holding registers"),
        ("Uint16", 5, "HOLDING_REGISTERS", {"addressBase": 2}, "addressBase", "expected one of 0, 1"),
        ("Bool", "5.16", "HOLDING_REGISTERS", {}, "startingAddress", "bit 16 of a register does not exist"),
        ("Bool", "5.1", "COILS", {}, "startingAddress", "bit 1 can be named for a Bool in a register only"),
        ("Uint16", "5.1", "HOLDING_REGISTERS", {}, "startingAddress", "for a Bool in a register only"),
        ("Uint16", 5, "COILS", {}, "primaryTable", "coils hold Bool or BoolArray, not Uint16"),
        ("Uint16", 5, "INPUT_REGISTERS", {"read_write": "RW"}, "primaryTable", "input registers are read-only"),
        ("String", 5, "HOLDING_REGISTERS", {}, "stringRegisterSize", "is required for String"),
        ("String", 5, "HOLDING_REGISTERS", {"stringRegisterSize": 124}, "stringRegisterSize", "got 124"),
        ("Uint16Array", 5, "HOLDING_REGISTERS", {}, "arrayLength", "is required for Uint16Array"),
        ("Uint16Array", 5, "INPUT_REGISTERS", {"arrayLength": 126}, "arrayLength", "at most 125"),
        ("Uint16Array", 5, "HOLDING_REGISTERS", {"arrayLength": 124}, "arrayLength", "one write carries at most 123"),
        ("Float32", 5, "HOLDING_REGISTERS", {"rawType": "Int17"}, "rawType", "did you mean Int1"),
        ("Bool", 5, "HOLDING_REGISTERS", {"rawType": "Int16"}, "rawType", "means nothing for Bool"),
        ("Uint16", 5, "HOLDING_REGISTERS", {"rawType": "Uint32"}, "rawType", "does not fit into Uint16"),
        ("Int32", 5, "HOLDING_REGISTERS", {"rawType": "Uint32"}, "rawType", "does not fit into Int32"),
        ("Int16", 5, "HOLDING_REGISTERS", {"rawType": "BCD"}, "rawType", "BCD has no sign"),
        ("Uint32", 5, "HOLDING_REGISTERS", {"byteOrder": "ABDC"}, "byteOrder", "expected one of ABCD"),
        ("Uint32", 5, "HOLDING_REGISTERS", {"byteOrder": "CDAB", "isWordSwap": True}, "byteOrder", "remove isByteSwap"),
        ("Uint32", 5, "HOLDING_REGISTERS", {"isWordSwap": "yes"}, "isWordSwap", "expected true or false"),
        (
            "Uint32",
            5,
            "HOLDING_REGISTERS",
            {"writeFunction": 6},
            "writeFunction",
            "6 writes one register, this takes 2",
        ),
        ("Uint16", 5, "HOLDING_REGISTERS", {"writeFunction": 5}, "writeFunction", "5 does not write holding registers"),
        ("Uint16", 5, "HOLDING_REGISTERS", {"writeFunction": 7}, "writeFunction", "expected 5, 6, 15, 16 or 22"),
        ("Uint16", 5, "HOLDING_REGISTERS", {"writeFunction": 22}, "writeFunction", "22 sets single bits"),
    ],
)
def test_errors_say_what_to_do(
    value_type: str, address: Any, table: str, more: dict[str, Any], where: str, says: str
) -> None:
    found = problems(value_type, address, table, **more)
    assert [(p.where, p.severity) for p in found] == [(f"attributes.{where}", "error")]
    assert re.search(says, found[0].what)


@pytest.mark.parametrize("value_type", ["Binary", "Object", "ObjectArray", "StringArray"])
def test_types_that_modbus_cannot_carry(value_type: str) -> None:
    (problem,) = problems(value_type, read_write="R")
    assert problem.where == "properties.valueType"
    assert all(name in problem.what for name in SUPPORTED)


def test_what_is_missing_is_named() -> None:
    bare = resource("v", "Uint16", 0).model_copy(update={"attributes": {}})
    found, said = locate(bare, Compat.NONE)
    assert found is None
    assert [p.where for p in said] == ["attributes.primaryTable", "attributes.startingAddress"]


@pytest.mark.parametrize(
    ("value_type", "more", "says"),
    [
        ("Uint16", {"primarytable": 1}, "did you mean primaryTable"),
        ("Uint16", {"colour": 1}, "known are primaryTable"),
        ("Uint16", {"isByteSwap": True}, "no effect on Uint16"),
        ("Uint16", {"arrayLength": 2}, "make the valueType Uint16Array"),
        ("Uint16", {"stringRegisterSize": 2}, "no effect on Uint16"),
    ],
)
def test_what_is_doubtful_is_a_warning(value_type: str, more: dict[str, Any], says: str) -> None:
    (problem,) = problems(value_type, **more)
    assert problem.severity == "warning"
    assert says in problem.what


def test_what_is_right_of_one_resource_is_asked_again_where_it_may_not_be_of_another() -> None:
    """Thousands that differ in name and address alone are judged by the first; their addresses by themselves."""
    assert [point("Float32", at, name=f"v{at}").address for at in (0, 40, 65534)] == [0, 40, 65534]
    assert problems("Float32", 65535) == [Problem("attributes.startingAddress", "ends at address 65536, beyond 65535")]
    assert point("Uint16", 40011, addressBase=40001).address == 10
    assert [problem.where for problem in problems("Uint16", 40000, addressBase=40001)] == ["attributes.startingAddress"]
    assert point("Uint16", 1, rawType=None).wire == "Uint16"
    assert [problem.where for problem in problems("Uint16", 1, rawType="")] == ["attributes.rawType"]
    assert point("Uint16", 1, compat=Compat.EDGEX).edgex
    assert not point("Uint16", 1).edgex


def test_what_was_found_out_about_a_resource_goes_with_it() -> None:
    made = [resource(f"v{at}", "Uint16", at) for at in range(50)]
    before = len(point_module._KNOWN[Compat.NONE])
    assert locate(made[0], Compat.NONE) is locate(made[0], Compat.NONE)
    for one in made:
        locate(one, Compat.NONE)
    assert len(point_module._KNOWN[Compat.NONE]) == before + 50
    del made, one
    assert len(point_module._KNOWN[Compat.NONE]) == before


@pytest.mark.parametrize(
    ("value_type", "more", "where", "says"),
    [
        ("String", {"stringRegisterSize": 2, "byteOrder": "CDAB"}, "byteOrder", "a String may be ABCD, or BADC"),
        ("Uint32", {"rawType": "Int16"}, "rawType", "the raw type Int16 does not fit into Uint32"),
        ("Int16", {"rawType": "Uint16"}, "rawType", "the raw type Uint16 does not fit into Int16"),
    ],
)
def test_orders_and_raw_types_that_cannot_be(value_type: str, more: dict[str, Any], where: str, says: str) -> None:
    found, problems = locate(resource("v", value_type, 0, **more), Compat.NONE)
    assert found is None
    assert [(p.where, says in p.what) for p in problems if p.severity == "error"] == [(f"attributes.{where}", True)]


def test_shapes_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_module, "MOST_SHAPES", 2)
    monkeypatch.setattr(point_module, "_LIKE", {})
    for length in range(1, 8):
        assert locate(resource("v", "Uint16Array", 0, arrayLength=length), Compat.NONE)[0] is not None
        assert len(point_module._LIKE) <= 2


def test_what_is_forgotten_is_not_another_s() -> None:
    """A resource may lie where one lay that is gone: what is said of the gone one must not take the new one's."""
    one = resource("v", "Uint16", 0)
    locate(one, Compat.NONE)
    known = point_module._KNOWN[Compat.NONE][id(one)]
    other = point_module._Known(one, None)
    other.key, other.compat, other.found = known.key, known.compat, known.found
    point_module._KNOWN[Compat.NONE][id(one)] = other
    point_module._forget(known)
    assert point_module._KNOWN[Compat.NONE][id(one)] is other
