"""EdgeX's text of values, against vectors of its contract and against reading back."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.edgexjson import event_json, float_text, quality_tags, shown_type, value_text
from gateway.model.profile import DeviceResource, ResourceProperties, ValueType
from gateway.model.reading import GOOD, OVERFLOW, Event, Quality, Source, refused


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("Float32", 26.529998779296875, "2.6529999e+01"),
        ("Float64", 26.53, "2.653e+01"),
        ("Float64", 1.5, "1.5e+00"),
        ("Float64", 0.0, "0e+00"),
        ("Float64", -0.0, "-0e+00"),
        ("Float64", 100.0, "1e+02"),
        ("Float64", 1e300, "1e+300"),
        ("Float64", 5e-324, "5e-324"),
        ("Float32", 16777216.0, "1.6777216e+07"),
        ("Float32", 0.10000000149011612, "1e-01"),
        ("Float64", 7, "7e+00"),
        ("Uint64", 2**64 - 1, "18446744073709551615"),
        ("Int8", -128, "-128"),
        ("Bool", True, "true"),
        ("Bool", 0, "false"),
        ("String", "a <b>", "a <b>"),
        ("Int16Array", [1, -2, 3], "[1, -2, 3]"),
        ("BoolArray", [True, False], "[true, false]"),
        ("Float32Array", [1.5, 0.25], "[1.5e+00, 2.5e-01]"),
        ("StringArray", ["a b", "c"], '["a b","c"]'),
    ],
)
def test_text_is_edgex_s(kind: str, value: Any, text: str) -> None:
    assert value_text(ValueType(kind), value) == text


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_float32_reads_back(value: float) -> None:
    text = float_text(value, single=True)
    assert struct.pack("f", float(text)) == struct.pack("f", value)
    assert len(text.partition("e")[2].lstrip("+-")) >= 2


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float64_reads_back(value: float) -> None:
    assert float(float_text(value, single=False)) == value


def test_a_fractional_integer_is_a_float64_and_a_mapped_value_a_string() -> None:
    assert shown_type(ValueType.INT16, 10.5) is ValueType.FLOAT64
    assert shown_type(ValueType.INT16, "open") is ValueType.STRING
    assert shown_type(ValueType.INT16, 10) is ValueType.INT16


def _source(kind: str, **properties: Any) -> Source:
    shape = ResourceProperties(value_type=ValueType(kind), read_write="R", **properties)
    return Source("device-modbus", "P", "d", "s", (DeviceResource(name="r", properties=shape, tags={"a": "b"}),))


def test_a_bad_value_is_a_null_reading_with_its_quality_as_tags() -> None:
    event = Event(_source("Int16"), 5, [None], quality={0: refused("2")})
    reading = event_json(event)["readings"][0]
    assert reading["tags"] == {"a": "b", "quality": "bad", "qualityCode": "2", "qualityReason": "refused"}
    assert [reading[key] for key in ("value", "binaryValue", "objectValue")] == [None, None, None]


def test_quality_is_said_only_when_it_is_not_good() -> None:
    assert quality_tags(GOOD) == {}
    assert quality_tags(OVERFLOW) == {"quality": "bad", "qualityReason": "overflow"}
    assert quality_tags(Quality("uncertain")) == {"quality": "uncertain"}


def test_fields_stand_in_edgex_s_order() -> None:
    body = event_json(Event(_source("Float64", units="C"), 5, [1.0]), {"site": "n"})
    assert list(body) == ["apiVersion", "id", "deviceName", "profileName", "sourceName", "origin", "readings", "tags"]
    assert list(body["readings"][0]) == [
        *("id", "origin", "deviceName", "resourceName", "profileName", "valueType", "units", "tags", "value"),
    ]


def test_binary_leaves_as_base64_with_its_media_type_and_objects_as_json() -> None:
    binary = event_json(Event(_source("Binary", media_type="image/png"), 5, [b"\x00\xff"]))["readings"][0]
    assert (binary["binaryValue"], binary["mediaType"], "value" in binary) == ("AP8=", "image/png", False)
    assert event_json(Event(_source("Object"), 5, [{"x": 1}]))["readings"][0]["objectValue"] == {"x": 1}


@pytest.mark.parametrize(
    ("source", "value", "raw", "shown"),
    [
        (_source("Float32", scale=0.1), 21.5, 215, "215"),
        (_source("Uint16"), "winter", 2, "2"),
        (_source("Int16", scale=1000.0), None, 400, "400"),
        (_source("Uint64", offset=1.0), 2**64 - 1, 2**64 - 2, "18446744073709551614"),
        (_source("Bool"), "true", True, "true"),
        (_source("Uint16Array", mask=15), [1, 2], [17, 18], "[17,18]"),
        (_source("Float32"), 2.4502194, 2.450219392776489, None),
        (_source("Uint16", scale=1.0), 2, 2, None),
        (_source("String"), "a", "a", None),
    ],
)
def test_what_came_is_shown_to_whoever_asks_where_the_profile_changes_it(
    source: Source, value: Any, raw: Any, shown: str | None
) -> None:
    event = Event(source, 5, [value], raw=[raw])
    assert event_json(event, raw=True)["readings"][0]["tags"].get("raw") == shown
    assert "raw" not in event_json(event)["readings"][0]["tags"]
    assert "raw" not in event_json(Event(source, 5, [value]), raw=True)["readings"][0]["tags"], "of a poll: not kept"


def test_own_source_times_and_partial_events_keep_their_places() -> None:
    one = _source("Int16").resources[0]
    two = one.model_copy(update={"name": "r2"})
    source = Source("device-modbus", "P", "d", "s", (one, two))
    readings = event_json(Event(source, 9, [4], which=(1,), times={0: 7}))["readings"]
    assert [(r["resourceName"], r["origin"], r["value"]) for r in readings] == [("r2", 7, "4")]
