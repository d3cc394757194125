"""What `valueType` makes of the variants servers send."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from asyncua import ua

from gateway.model.profile import INTEGER_RANGE, ValueType
from gateway.model.reading import NAN, OVERFLOW, Quality
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.codec.structure import Field, Structure, Types
from mappers.opcua.codec.values import INTEGERS, Decode

V = ua.VariantType
AT = datetime(2026, 11, 21, 20, 8, 5, 123456, tzinfo=UTC)
FLOAT = 26.530000686645508
GUID = uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a")


def decoded(kind: str, variant: ua.Variant | None, field: str = "", types: Types | None = None) -> Any:
    return Decode(ValueType(kind), tuple(field.split(".")) if field else (), types or Types())(variant)


def why_not(kind: str, variant: ua.Variant | None, field: str = "", types: Types | None = None) -> Quality:
    with pytest.raises(Misfit) as found:
        decoded(kind, variant, field, types)
    return found.value.quality


@pytest.mark.parametrize(
    ("kind", "variant", "value"),
    [
        ("Bool", ua.Variant(True, V.Boolean), True),
        ("Bool", ua.Variant(1, V.Byte), True),
        ("Uint8", ua.Variant(True, V.Boolean), 1),
        ("Int16", ua.Variant(-5, V.Int16), -5),
        ("Int16", ua.Variant(-5, V.Int64), -5),
        ("Int16", ua.Variant(5.0, V.Double), 5),
        ("Int32", ua.Variant(3, V.Int32), 3),
        ("Uint64", ua.Variant(2**64 - 1, V.UInt64), 2**64 - 1),
        ("Float64", ua.Variant(5, V.Int16), 5.0),
        ("Float64", ua.Variant(2.5, V.Float), 2.5),
        ("Float32", ua.Variant(2.5, V.Double), 2.5),
        ("String", ua.Variant("grün", V.String), "grün"),
        ("String", ua.Variant(5, V.Int16), "5"),
        ("String", ua.Variant(False, V.Boolean), "false"),
        ("String", ua.Variant(26.530000686645508, V.Float), "26.53"),
        ("String", ua.Variant(AT, V.DateTime), "2026-11-21T20:08:05.123456000Z"),
        ("String", ua.Variant(GUID, V.Guid), str(GUID)),
        ("String", ua.Variant(ua.NodeId("Line1.Speed", 2), V.NodeId), "ns=2;s=Line1.Speed"),
        ("String", ua.Variant(ua.ExpandedNodeId(5, 0), V.ExpandedNodeId), "i=5"),
        ("String", ua.Variant(ua.QualifiedName("Speed", 2), V.QualifiedName), "2:Speed"),
        ("String", ua.Variant(ua.LocalizedText("schnell", "de"), V.LocalizedText), "schnell"),
        ("String", ua.Variant(ua.XmlElement("<a/>"), V.XmlElement), "<a/>"),
        ("String", ua.Variant(ua.StatusCode(0x80340000), V.StatusCode), "BadNodeIdUnknown"),
        ("Uint32", ua.Variant(ua.StatusCode(0x80340000), V.StatusCode), 0x80340000),
        ("String", ua.Variant(b"\1\2", V.ByteString), "AQI="),
        ("String", ua.Variant(None, V.String), ""),
        ("Binary", ua.Variant(b"\1\2", V.ByteString), b"\1\2"),
        ("Binary", ua.Variant([1, 2], V.Byte), b"\1\2"),
        ("Binary", ua.Variant(None, V.ByteString), b""),
        ("Uint8Array", ua.Variant(b"\1\2", V.ByteString), [1, 2]),
        ("Int16Array", ua.Variant([1, 2], V.Int16), [1, 2]),
        ("Int16Array", ua.Variant([1, 2], V.Int64), [1, 2]),
        ("Int32Array", ua.Variant([], V.Int32, is_array=True), []),
        ("Int32Array", ua.Variant(None, V.Int32, is_array=True), []),
        ("Float64Array", ua.Variant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], V.Double), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("Float64Array", ua.Variant([1, 2], V.UInt16), [1.0, 2.0]),
        ("BoolArray", ua.Variant([True, False], V.Boolean), [True, False]),
        ("StringArray", ua.Variant(["a", None], V.String), ["a", ""]),
        ("StringArray", ua.Variant([ua.LocalizedText("a")], V.LocalizedText), ["a"]),
        ("Int16Array", ua.Variant([ua.Variant(1, V.Int16), ua.Variant(2, V.Byte)], V.Variant), [1, 2]),
        ("Float64", ua.Variant(ua.DataValue(ua.Variant(1.5)), V.DataValue), 1.5),
        ("Object", ua.Variant(5, V.Int16), {"Value": 5}),
        ("Object", ua.Variant(26.530000686645508, V.Float), {"Value": 26.53}),
        ("Object", ua.Variant(b"\1\2", V.ByteString), {"Value": "AQI="}),
        ("Object", ua.Variant([1, 2], V.Int16), {"Value": [1, 2]}),
        ("Object", ua.Variant([[1, 2], [3, 4]], V.Int16), {"Dimensions": [2, 2], "Value": [1, 2, 3, 4]}),
        ("Object", ua.Variant(ua.LocalizedText("schnell", "de")), {"Locale": "de", "Text": "schnell"}),
        ("Object", ua.Variant(ua.QualifiedName("Speed", 2)), {"NamespaceIndex": 2, "Name": "Speed"}),
        ("Object", ua.Variant(ua.StatusCode(0)), {"Code": 0, "Symbol": "Good"}),
        ("Object", ua.Variant(ua.Range(0.0, float("inf"))), {"Low": 0.0, "High": None}),
        ("Object", ua.Variant(ua.DataValue(ua.Variant(5, V.Int16), SourceTimestamp=AT)),
            {"Value": 5, "SourceTimestamp": "2026-11-21T20:08:05.123456000Z"}),
        ("ObjectArray", ua.Variant([ua.Range(0.0, 1.0)]), [{"Low": 0.0, "High": 1.0}]),
        ("ObjectArray", ua.Variant([ua.LocalizedText("a", "en")]), [{"Locale": "en", "Text": "a"}]),
    ],
)  # fmt: skip
def test_what_arrives(kind: str, variant: ua.Variant, value: Any) -> None:
    found = decoded(kind, variant)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "variant", "quality"),
    [
        ("Int16", ua.Variant(70000, V.Int32), OVERFLOW),
        ("Int16", ua.Variant(float("inf"), V.Double), OVERFLOW),
        ("Int16", ua.Variant(float("nan"), V.Double), NAN),
        ("Bool", ua.Variant(2, V.Byte), OVERFLOW),
        ("Int8Array", ua.Variant([1, 200], V.Int16), OVERFLOW),
        ("Int16", ua.Variant("5", V.String), "the node holds a String, the resource says Int16"),
        ("Int16", ua.Variant([5], V.Int16), "the node holds an array of Int16, the resource says Int16"),
        ("Int16Array", ua.Variant(5, V.UInt16), "the node holds a UInt16, the resource says Int16Array"),
        ("Float64", ua.Variant([5.0], V.Double), "the node holds an array of Double, the resource says Float64"),
        ("Bool", ua.Variant("true", V.String), "the node holds a String, the resource says Bool"),
        ("Bool", ua.Variant(0.0, V.Double), "the node holds a Double, the resource says Bool"),
        ("Int16", ua.Variant(5.5, V.Double), "the node holds a fraction, the resource says whole numbers"),
        ("String", ua.Variant(ua.Range()), "the node holds a structure, the resource says String"),
        ("Binary", ua.Variant("x", V.String), "the node holds a String, the resource says Binary"),
        ("Binary", ua.Variant([256], V.Int16), "the node holds an array of Int16, the resource says Binary"),
        ("ObjectArray", ua.Variant(ua.Range()), "the node holds a structure, the resource says ObjectArray"),
        ("ObjectArray", ua.Variant([1], V.Int16), "the node holds an array of Int16, the resource says ObjectArray"),
    ],
)
def test_what_has_no_place_is_bad_and_says_why(kind: str, variant: ua.Variant, quality: Quality | str) -> None:
    assert why_not(kind, variant) == (Quality("bad", "config", quality) if isinstance(quality, str) else quality)


@pytest.mark.parametrize(
    ("kind", "variant", "value"),
    [
        ("Object", ua.Variant([[FLOAT]], V.Float, [1, 1]), {"Dimensions": [1, 1], "Value": [26.53]}),
        ("Object", ua.Variant([FLOAT], V.Float), {"Value": [26.53]}),
        ("Object", ua.Variant([ua.Variant(FLOAT, V.Float)], V.Variant), {"Value": [26.53]}),
        ("StringArray", ua.Variant([FLOAT], V.Float), ["26.53"]),
    ],
)
def test_floats_leave_as_their_shortest_decimal(kind: str, variant: ua.Variant, value: Any) -> None:
    """Where no transform sees them."""
    assert decoded(kind, variant) == value


def test_statuses_are_numbers_where_numbers_are_wanted() -> None:
    codes = ua.Variant([ua.StatusCode(0x803C0000), ua.StatusCode(0)], V.StatusCode)
    assert decoded("Uint32Array", codes) == [0x803C0000, 0]
    assert decoded("StringArray", codes) == ["BadOutOfRange", "Good"]


def test_structures_of_several_dimensions_and_none_among_them() -> None:
    low = ua.Range(1.0, 2.0)
    shown = {"Low": 1.0, "High": 2.0}
    assert decoded("ObjectArray", ua.Variant([[low], [low]], V.ExtensionObject, [2, 1])) == [shown, shown]
    assert decoded("ObjectArray", ua.Variant([ua.ExtensionObject(), low], V.ExtensionObject)) == [{}, shown]
    assert why_not("Object", ua.Variant(ua.ExtensionObject())) == Quality("bad", "device", "the node holds no value")
    assert decoded("Object", ua.Variant(None, V.Int32, is_array=True)) == {"Value": []}


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (ua.ExpandedNodeId("a;b", 2), "ns=2;s=a;b"),
        (ua.ExpandedNodeId(5, 3, NamespaceUri="urn:a;b%", ServerIndex=1), "svr=1;nsu=urn:a%3Bb%25;i=5"),
    ],
)
def test_ids_of_other_servers_are_written_as_the_standard_has_them(node: ua.ExpandedNodeId, text: str) -> None:
    """Part 6, 5.3.1.11."""
    assert decoded("String", ua.Variant(node, V.ExpandedNodeId)) == text


@pytest.mark.parametrize("variant", [None, ua.Variant(), ua.Variant(None, V.DateTime)])
def test_a_node_without_a_value_is_bad(variant: ua.Variant | None) -> None:
    assert why_not("String", variant) == Quality("bad", "device", "the node holds no value")


def test_a_bad_value_inside_a_value_is_bad() -> None:
    inner = ua.DataValue(ua.Variant(5, V.Int16), ua.StatusCode(0x80340000))

    assert why_not("Int16", ua.Variant(inner, V.DataValue)) == Quality("bad", "device", "BadNodeIdUnknown")


def test_floats_that_are_no_numbers_are_left_to_the_transform_that_says_so() -> None:
    assert decoded("Float64", ua.Variant(float("nan"), V.Double)) != decoded("Float64", ua.Variant(1.0, V.Double))


def test_text_that_is_not_utf_8_can_still_leave() -> None:
    found = decoded("String", ua.Variant(b"gr\xfcn".decode(errors="surrogateescape"), V.String))

    assert found == "gr\ufffdn"
    assert found.encode()


def test_times_of_other_zones_are_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=2)))

    assert decoded("String", ua.Variant(there, V.DateTime)) == "2026-11-21T20:08:05.123456000Z"


@pytest.mark.parametrize("kind", [kind for kind in ValueType if kind.is_integer])
def test_integers_pass_without_a_call_where_every_one_of_them_fits(kind: ValueType) -> None:
    low, high = INTEGER_RANGE[kind]
    fitting = {
        wire
        for wire, name in INTEGERS.items()
        if INTEGER_RANGE[ValueType(name)][0] >= low and INTEGER_RANGE[ValueType(name)][1] <= high
    }

    assert Decode(kind, (), Types()).passes == fitting
    assert V[{"Uint8": "Byte", "Int8": "SByte"}.get(kind, kind.replace("Uint", "UInt"))] in fitting


def test_what_passes_without_a_call_is_what_a_call_gives() -> None:
    values = {V.Boolean: True, V.Float: 1.5, V.Double: 2.5} | dict.fromkeys(INTEGERS, 7)
    for kind in ValueType:
        decode = Decode(kind, (), Types())
        for wire in decode.passes:
            found = decode(ua.Variant(values[wire], wire))
            assert found == values[wire]
            assert type(found) is type(values[wire])
    assert not Decode(ValueType.INT16, ("X",), Types()).passes


# ------------------------------------------------------------------------------------------------------------- fields

SPOT = Structure(
    "Spot", ua.NodeId(1, 2), (Field("X", V.Double), Field("Tags", V.String, 1), Field("Raw", V.ByteString))
)
PLACE = Structure("Place", ua.NodeId(2, 2), (Field("At", SPOT), Field("All", SPOT, 1)))
BODY = bytes.fromhex("000000000000f83f010000000100000061020000000102")
"""X 1.5, Tags ["a"], Raw 01 02."""
KNOWN = Types({one.encoding: one for one in (SPOT, PLACE) if one.encoding})
HELD = ua.Variant(ua.ExtensionObject(ua.NodeId(2, 2), ua.ByteString(BODY + b"\2\0\0\0" + BODY * 2)))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("Float64", "At.X", 1.5),
        ("StringArray", "At.Tags", ["a"]),
        ("String", "At.Tags.0", "a"),
        ("Binary", "At.Raw", b"\1\2"),
        ("Float64", "All.1.X", 1.5),
        ("Object", "At", {"X": 1.5, "Tags": ["a"], "Raw": "AQI="}),
        ("ObjectArray", "All", [{"X": 1.5, "Tags": ["a"], "Raw": "AQI="}] * 2),
    ],
)
def test_a_field_is_one_member_of_a_structure(kind: str, field: str, value: Any) -> None:
    assert decoded(kind, HELD, field, KNOWN) == value


def test_a_field_of_a_standard_structure_and_of_a_text() -> None:
    assert decoded("Float64", ua.Variant(ua.Range(0.0, 9.5)), "High") == 9.5
    assert decoded("String", ua.Variant(ua.LocalizedText("schnell", "de")), "Locale") == "de"


@pytest.mark.parametrize(
    ("kind", "field", "words"),
    [
        ("Float64", "At.Z", "there is no field At.Z; here are X, Tags, Raw"),
        ("Float64", "All.2.X", "there is no field All.2: here is a list of 2; a position is a number from 0"),
        ("Float64", "At.X.Y", "there is no field At.X.Y: here is a number, no structure"),
        ("Int16", "At.Tags", "the node holds a list in At.Tags, the resource says Int16"),
        ("Float64", "At", "the node holds a structure in At, the resource says Float64"),
    ],
)
def test_a_field_that_is_not_there_is_bad_and_says_what_is(kind: str, field: str, words: str) -> None:
    assert why_not(kind, HELD, field, KNOWN) == Quality("bad", "config", words)
