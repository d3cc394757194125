"""Values on their way to a server, as its nodes want them; asyncua's encoder takes every one, and its decoder gives it
back."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary, variant_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import CommandRejected
from gateway.model.profile import ValueType
from mappers.opcua.codec.structure import Kind, Structure, Types
from mappers.opcua.codec.values import INTEGERS, Decode
from mappers.opcua.codec.variants import Target, variant

V = ua.VariantType
TYPES = Types(namespaces=["http://opcfoundation.org/UA/", "urn:server", "urn:acme"])
PARTS = ("Identifier", "NamespaceIndex", "NamespaceUri", "ServerIndex")
GUID = "09087e75-8e5e-499b-954f-f2a9603db28a"


def sent(kind: Kind, value: Any, rank: int = -1, sizes: tuple[int, ...] = ()) -> ua.Variant:
    """After asyncua has packed and unpacked it."""
    return variant_from_binary(Buffer(variant_to_binary(variant(TYPES, Target("it", kind, rank, sizes), value))))


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (V.Boolean, True, True),
        (V.Boolean, 0, False),
        (V.Boolean, "true", True),
        (V.Byte, 255, 255),
        (V.Int16, -5.0, -5),
        (V.UInt64, str(2**64 - 1), 2**64 - 1),
        (V.Float, 2.5, 2.5),
        (V.Double, 5, 5.0),
        (V.Double, "1e3", 1000.0),
        (V.String, "grün", "grün"),
        (V.String, 5, "5"),
        (V.String, None, None),
        (V.DateTime, "2026-11-21T21:08:05.123456+01:00", datetime(2026, 11, 21, 20, 8, 5, 123456, tzinfo=UTC)),
        (V.DateTime, "2026-11-21 20:08:05z", datetime(2026, 11, 21, 20, 8, 5, tzinfo=UTC)),
        (V.Guid, GUID, uuid.UUID(GUID)),
        (V.ByteString, "AQI=", b"\1\2"),
        (V.ByteString, [1, 2], b"\1\2"),
        (V.ByteString, b"\1\2", b"\1\2"),
        (V.XmlElement, "<a/>", ua.XmlElement("<a/>")),
        (V.NodeId, "ns=2;s=Line1", ua.NodeId("Line1", 2)),
        (V.NodeId, "nsu=urn:acme;i=5", ua.NodeId(5, 2)),
        (V.NodeId, f"ns=2;g={GUID}", ua.NodeId(uuid.UUID(GUID), 2)),
        (V.NodeId, "b=AQI=", ua.NodeId(b"\1\2", 0)),
        (V.ExpandedNodeId, "i=5", ua.NodeId(5, 0)),
        (V.StatusCode, "BadOutOfRange", ua.StatusCode(0x803C0000)),
        (V.StatusCode, 0x803C0000, ua.StatusCode(0x803C0000)),
        (V.StatusCode, "0x803C0400", ua.StatusCode(0x803C0400)),
        (V.QualifiedName, "2:Speed", ua.QualifiedName("Speed", 2)),
        (V.QualifiedName, "Speed", ua.QualifiedName("Speed", 0)),
        (V.QualifiedName, {"NamespaceIndex": 2, "Name": "Speed"}, ua.QualifiedName("Speed", 2)),
        (V.QualifiedName, "0:12:30", ua.QualifiedName("12:30", 0)),
        (V.QualifiedName, {"Name": "12:30"}, ua.QualifiedName("12:30", 0)),
        (V.StatusCode, {"Code": 0x803C0000, "Symbol": "BadOutOfRange"}, ua.StatusCode(0x803C0000)),
        (V.Int16, {"Value": 5}, 5),
        (V.DateTime, "9999-12-31T23:59:59-14:00", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (V.LocalizedText, "schnell", ua.LocalizedText("schnell")),
        (V.LocalizedText, {"Text": "schnell", "Locale": "de"}, ua.LocalizedText("schnell", "de")),
        (V.ExtensionObject, {"TypeId": "ns=2;i=9", "Body": "AQI="}, ua.ExtensionObject(ua.NodeId(9, 2), b"\1\2")),
        (V.ExtensionObject, {"TypeId": "i=886", "Low": 0, "High": 1}, ua.Range(0.0, 1.0)),
        (V.ExtensionObject, {"TypeId": "i=884", "Low": 0, "High": 1}, ua.Range(0.0, 1.0)),
    ],
)  # fmt: skip
def test_a_value_is_sent_as_the_type_of_the_node(kind: ua.VariantType, value: Any, wanted: Any) -> None:
    found = sent(kind, value)

    assert found.VariantType is kind
    assert found.Value == wanted


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        (True, V.Boolean, True),
        (5, V.Int64, 5),
        (2**63, V.UInt64, 2**63),
        (1.5, V.Double, 1.5),
        ("a", V.String, "a"),
        ({"Type": "Int16", "Value": 5}, V.Int16, 5),
        ({"Value": 5}, V.Int64, 5),
        ({"Type": "Guid", "Value": GUID}, V.Guid, uuid.UUID(GUID)),
        ({"Type": "Int16", "Value": [1, 2]}, V.Int16, [1, 2]),
        ([1, 2.5], V.Double, [1.0, 2.5]),
        ([1, 2], V.Int64, [1, 2]),
        ([1, "a"], V.Variant, [ua.Variant(1, V.Int64), ua.Variant("a", V.String)]),
        (None, V.Null, None),
    ],
)
def test_where_every_type_will_do_it_is_what_json_says(value: Any, kind: ua.VariantType, wanted: Any) -> None:
    found = sent(V.Variant, value, rank=-2)

    assert found.VariantType is kind
    assert found.Value == wanted


@pytest.mark.parametrize(
    ("value", "rank", "sizes", "wanted", "dimensions"),
    [
        ([1, 2, 3], 1, (), [1, 2, 3], None),
        ([1, 2, 3], -2, (), [1, 2, 3], None),
        ([], 1, (), [], None),
        ([1, 2, 3, 4], 2, (2, 2), [[1, 2], [3, 4]], [2, 2]),
        ([[1, 2], [3, 4]], 2, (), [[1, 2], [3, 4]], [2, 2]),
        ({"Dimensions": [1, 4], "Value": [1, 2, 3, 4]}, 2, (2, 2), [[1, 2, 3, 4]], [1, 4]),
    ],
)
def test_lists_and_lists_in_lists(
    value: Any, rank: int, sizes: tuple[int, ...], wanted: Any, dimensions: list[int] | None
) -> None:
    found = sent(V.Int16, value, rank, sizes)

    assert (found.Value, found.Dimensions) == (wanted, dimensions)


@pytest.mark.parametrize(
    ("kind", "value", "rank", "words"),
    [
        (V.Boolean, 2, -1, "expected true or false, got 2"),
        (V.Int16, 40000, -1, "40000 does not fit Int16 (-32768 to 32767)"),
        (V.Byte, 1.5, -1, "expected a whole number from 0 to 255, got 1.5"),
        (V.Byte, None, -1, "expected a whole number from 0 to 255, got null"),
        (V.Float, 1e300, -1, "1e+300 does not fit Float"),
        (V.Double, float("inf"), -1, "expected a number, got Infinity"),
        (V.Double, True, -1, "expected a number, got true"),
        (V.String, {"a": 1}, -1, 'expected text, got {"a": 1}'),
        (V.String, "\ud800", -1, "expected text"),
        (V.DateTime, "2026-13-01T00:00:00Z", -1, "expected a time such as"),
        (V.DateTime, "2026-11-21T20:08:05", -1, "expected a time such as"),
        (V.Guid, "x", -1, "expected a GUID such as"),
        (V.Guid, 5, -1, "expected a GUID such as"),
        (V.ByteString, "not base64!", -1, "expected base64"),
        (V.ByteString, [256], -1, "expected base64"),
        (V.ByteString, 5, -1, "expected base64"),
        (V.ExpandedNodeId, "Line1", -1, "expected a node id such as"),
        (V.ExpandedNodeId, "svr=4294967296;i=1", -1, "expected a node id such as"),
        (V.ExpandedNodeId, None, -1, "expected a node id such as"),
        (V.NodeId, "Line1", -1, "expected a node id such as"),
        (V.NodeId, "nsu=urn:none;i=1", -1, "the server has no namespace urn:none"),
        (V.StatusCode, "Nonsense", -1, "expected a status such as"),
        (V.StatusCode, True, -1, "expected a status such as"),
        (V.QualifiedName, "70000:x", -1, "expected a name such as"),
        (V.QualifiedName, "40000:x", -1, "expected a name such as"),
        (V.QualifiedName, {"NamespaceIndex": "x", "Name": "y"}, -1, "expected a name such as"),
        (V.QualifiedName, {"Name": None}, -1, "expected a name such as"),
        (V.Int16, [1, 2, 3, 4], 2, 'expected 2 dimensions, as lists in lists or {"Dimensions": …, "Value": …}, got 1'),
        (V.Int16, [[1, 2], [3, 4]], 1, "expected a list of one dimension, got 2"),
        (V.Int16, {"Dimensions": [-2, -2], "Value": [1, 2, 3, 4]}, 2, "expected 2 dimensions"),
        (V.Byte, "x", 1, "expected base64"),
        (V.LocalizedText, {"Txt": "x"}, -1, "expected text, or"),
        (V.ExtensionObject, {"X": 1}, -1, "say which with TypeId"),
        (V.ExtensionObject, {"TypeId": "ns=2;i=9", "X": 1}, -1, "the structure ns=2;i=9 is not known"),
        (V.DiagnosticInfo, {}, -1, "a DiagnosticInfo cannot be sent"),
        (V.Variant, {"Type": "Int17", "Value": 1}, -1, '"Int17" is no builtin type'),
        (V.Int16, 5, 1, "expected a list, each a whole number from -32768 to 32767, got 5"),
        (V.Int16, [5], -1, "expected a whole number from -32768 to 32767, got a list"),
        (V.Int16, [1, "x"], 1, "number 2 of the list: expected a whole number"),
        (V.Int16, [[1, 2], [3]], 2, "expected lists of equal length inside the list"),
        (Structure("Lost", None), {}, -1, "the server does not say how Lost is encoded"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(kind: Kind, value: Any, rank: int, words: str) -> None:
    with pytest.raises(CommandRejected) as found:
        sent(kind, value, rank)

    assert found.value.code == 422
    assert str(found.value).startswith("it: ")
    assert words in str(found.value)


def test_dimensions_of_any_size_are_said_by_the_value() -> None:
    """Part 3, 5.6.2: 0 is any size, of which a list in a row says nothing."""
    with pytest.raises(CommandRejected, match="it: expected 2 dimensions, as lists in lists or"):
        sent(V.Int16, [1, 2, 3, 4], 2, (0, 0))
    assert sent(V.Int16, [[1, 2], [3, 4]], 2, (0, 0)).Dimensions == [2, 2]
    assert sent(V.Int16, [], 2).Dimensions == [0, 0]


def test_bytes_fit_a_list_of_byte() -> None:
    """As they are read (Part 4, 5.11.2)."""
    assert [sent(V.Byte, value, 1).Value for value in (b"\1\2", "AQI=", [1, 2])] == [[1, 2]] * 3


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ns=2;s=a;b", ua.ExpandedNodeId("a;b", 2)),
        ("nsu=urn:acme;i=5", ua.ExpandedNodeId(5, 2)),
        ("nsu=urn:a%3Bb%25;i=5", ua.ExpandedNodeId(5, 0, NamespaceUri="urn:a;b%")),
        ("svr=1;nsu=urn:acme;s=x", ua.ExpandedNodeId("x", 0, NamespaceUri="urn:acme", ServerIndex=1)),
        ("svr=1;ns=2;s=x", ua.ExpandedNodeId("x", 2, ServerIndex=1)),
    ],
)
def test_ids_of_other_servers_go_and_come_back(text: str, wanted: ua.ExpandedNodeId) -> None:
    """Part 6, 5.3.1.11."""
    found = sent(V.ExpandedNodeId, text)

    assert [getattr(found.Value, name, None) or 0 for name in PARTS] == [getattr(wanted, name) or 0 for name in PARTS]
    assert Decode(ValueType.STRING, (), TYPES)(found) == text.replace("nsu=urn:acme;i=5", "ns=2;i=5")


@pytest.mark.parametrize("name", [ua.QualifiedName("12:30", 0), ua.QualifiedName("a:b", 0), ua.QualifiedName("x", 3)])
def test_names_with_colons_come_back(name: ua.QualifiedName) -> None:
    shown = Decode(ValueType.STRING, (), TYPES)(ua.Variant(name, V.QualifiedName))
    assert sent(V.QualifiedName, shown).Value == name


def test_dimensions_that_do_not_multiply_to_the_list_are_refused() -> None:
    with pytest.raises(CommandRejected, match="it: expected 2 x 2 values, got 3"):
        sent(V.Int16, [1, 2, 3], 2, (2, 2))


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=9))
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from([*V]), anything, st.sampled_from([-3, -2, -1, 0, 1, 2]))
def test_any_value_is_sent_or_refused(kind: ua.VariantType, value: Any, rank: int) -> None:
    try:
        made = variant(TYPES, Target("it", kind, rank), value)
    except CommandRejected as error:
        code = error.code
    else:
        code = 0
        variant_to_binary(made)
    assert code in (0, 422)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_every_integer_that_a_type_has_goes_and_comes_back(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(INTEGERS)))
    bits = {"8": 8, "16": 16, "32": 32, "64": 64}["".join(c for c in INTEGERS[kind] if c.isdecimal())]
    signed = not INTEGERS[kind].startswith("U")
    value = data.draw(st.integers(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1))

    assert Decode(ValueType(INTEGERS[kind]), (), TYPES)(sent(kind, value)) == value
    with pytest.raises(CommandRejected):
        sent(kind, 2 ** (bits - signed))
