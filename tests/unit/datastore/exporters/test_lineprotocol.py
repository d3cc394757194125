"""Events → line protocol: keys written once, exact values and times, quality beside what is not good."""

import math
from typing import Any

import pytest

from datastore.exporters.lineprotocol import DoesNotFit, Lines
from gateway.model.profile import ValueType
from gateway.model.reading import Event, OneTime, Quality, Source
from tests.support.records import ORIGIN, resource

V = ValueType


def line_of(
    values: dict[str, tuple[ValueType, Any]], device: str = "meter", lines: Lines | None = None, **more: Any
) -> str:
    resources = tuple(resource(name, kind) for name, (kind, _) in values.items())
    of = Source("device-modbus", "Profile A", device, "all", resources)
    lines = lines or Lines("{profile}", {"device": "{device}", "site": "north"}, "plant-7")
    return lines.of(Event(of, ORIGIN + 1, [value for _, value in values.values()], **more))


def test_floats_keep_every_digit() -> None:
    said = line_of({"a": (V.FLOAT64, 0.1 + 0.2), "b": (V.FLOAT64, 1e300), "c": (V.FLOAT64, -0.0)})
    assert said == f"Profile\\ A,device=meter,site=north a=0.30000000000000004,b=1e+300,c=-0.0 {ORIGIN + 1}\n"


def test_whole_numbers_truth_values_and_text() -> None:
    said = line_of({"i": (V.INT64, -(2**63)), "t": (V.BOOL, True), "s": (V.STRING, 'say "a\\b"\nü')})
    assert said.split(" ", 2)[2].rpartition(" ")[0] == 'i=-9223372036854775808i,t=true,s="say \\"a\\\\b\\"\nü"'


def test_binary_lists_and_objects_are_text() -> None:
    said = line_of({"b": (V.BINARY, b"\x00\xff"), "l": (V.UINT16_ARRAY, [1, 2]), "o": (V.OBJECT, {"k": 'a"'})})
    assert 'b="AP8=",l="[1,2]",o="{\\"k\\":\\"a\\\\\\"\\"}"' in said


def test_names_with_every_sign_of_the_protocol() -> None:
    said = line_of({"a b,c=d\\": (V.UINT16, 1)}, device="x, y=z\n\\")
    assert said.startswith("Profile\\ A,device=x\\,\\ y\\=z\\n\\\\,site=north a\\ b\\,c\\=d\\\\=1i ")


def test_a_measurement_is_never_a_comment() -> None:
    assert line_of({"a": (V.UINT16, 1)}, lines=Lines("#x", {}, "g")).startswith("\\#x a=1i ")


def test_what_influxdb_cannot_say_is_left_out_and_its_quality_said() -> None:
    quality = {0: Quality("bad", "timeout"), 1: Quality("uncertain", "device", "0x40"), 2: Quality("bad", "nan")}
    said = line_of(
        {"a": (V.UINT16, None), "b": (V.UINT16, 2), "c": (V.FLOAT32, math.nan), "d": (V.UINT16, 4)}, quality=quality
    )
    assert 'a.quality="bad timeout",b=2i,b.quality="uncertain device 0x40",c.quality="bad nan",d=4i' in said


def test_not_a_number_is_no_field_and_nothing_at_all_is_no_line() -> None:
    assert line_of({"a": (V.FLOAT64, math.inf), "b": (V.FLOAT64, 1.0)}).split(" ")[2] == "b=1.0"
    assert line_of({"a": (V.FLOAT64, math.nan)}) == ""


def test_values_with_times_of_their_own_have_lines_of_their_own() -> None:
    values = {"a": (V.UINT16, 1), "b": (V.UINT16, 2), "c": (V.UINT16, 3)}
    said = line_of(values, times={1: ORIGIN - 5}).splitlines()
    assert [line.split(" ", 2)[2] for line in said] == [f"a=1i,c=3i {ORIGIN + 1}", f"b=2i {ORIGIN - 5}"]
    assert line_of(values, times=OneTime(3, ORIGIN - 7)).endswith(f"a=1i,b=2i,c=3i {ORIGIN - 7}\n")


def test_only_some_values() -> None:
    resources = tuple(resource(name) for name in "abc")
    of = Source("s", "p", "d", "all", resources)
    assert Lines("m", {}, "g").of(Event(of, 7, [1, 3], which=(0, 2))) == "m a=1i,c=3i 7\n"


def test_a_number_too_large_is_said_so() -> None:
    with pytest.raises(DoesNotFit, match="integers: float"):
        line_of({"a": (V.UINT64, 2**63)})
    said = line_of({"a": (V.UINT64, 2**63)}, lines=Lines("m", {}, "g", floats=True))
    assert said == f"m a=9.223372036854775808e+18 {ORIGIN + 1}\n" or " a=9.223372036854776e+18 " in said


def test_tags_without_text_are_left_out() -> None:
    assert line_of({"a": (V.UINT16, 1)}, lines=Lines("m", {"x": "{gateway}", "y": ""}, "g")).startswith("m,x=g a")
