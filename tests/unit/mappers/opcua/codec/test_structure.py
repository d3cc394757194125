"""Structures by definition, byte for byte as asyncua's own encoder has them (which makes classes, where we do not)."""

import contextlib
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import extensionobject_to_binary, variant_from_binary, variant_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import CommandRejected
from mappers.opcua.codec import standard
from mappers.opcua.codec.learn import explain
from mappers.opcua.codec.structure import Field, Kind, Structure, Types, ticks_text
from mappers.opcua.codec.variants import Target, variant
from tests.unit.mappers.opcua.codec.peer import NAMESPACE, body, builtin, classes, definition, field

V = ua.VariantType
POSITION, LINE, COLOUR = (ua.NodeId(number, NAMESPACE) for number in (1, 2, 3))
FIRST = datetime(1601, 1, 1, tzinfo=UTC)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
times = st.integers(1, 8_000 * 365 * 24 * 3600 * 10**6).map(lambda at: FIRST + timedelta(microseconds=at))
node_ids = st.one_of(
    st.builds(ua.NodeId, st.integers(0, 2**32 - 1), st.integers(0, 65535)),
    st.builds(ua.NodeId, st.text("abc.;=", min_size=1, max_size=9), st.integers(0, 65535)),
    st.builds(ua.NodeId, st.uuids(), st.integers(0, 65535)),
)


def whole(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


SINGLE: dict[ua.VariantType, st.SearchStrategy[Any]] = {
    V.Boolean: st.booleans(),
    V.SByte: whole(8, signed=True),
    V.Byte: whole(8, signed=False),
    V.Int16: whole(16, signed=True),
    V.UInt16: whole(16, signed=False),
    V.Int32: whole(32, signed=True),
    V.UInt32: whole(32, signed=False),
    V.Int64: whole(64, signed=True),
    V.UInt64: whole(64, signed=False),
    V.Float: st.floats(width=32, allow_nan=False, allow_infinity=False),
    V.Double: st.floats(allow_nan=False, allow_infinity=False),
    V.String: texts,
    V.DateTime: times,
    V.Guid: st.uuids(),
    V.ByteString: st.binary(max_size=20),
    V.NodeId: node_ids,
    V.StatusCode: st.sampled_from([0, 0x80340000, 0x80000001, 0x00A20400]).map(ua.StatusCode),
    V.QualifiedName: st.builds(ua.QualifiedName, texts.filter(lambda text: ":" not in text), st.integers(0, 2**15 - 1)),
    V.LocalizedText: st.builds(ua.LocalizedText, texts),
}
ARRAYS = [V.Int16, V.Float, V.Double, V.String, V.Boolean, V.Guid, V.LocalizedText]
"""asyncua cannot say arrays of every type inside a structure."""


@st.composite
def made(draw: st.DrawFn) -> tuple[list[ua.StructureField], ua.StructureType, list[Any]]:
    """Fields, what is optional among them, and values (None: not there)."""
    optional = draw(st.booleans())
    fields, values = [], []
    for number in range(draw(st.integers(1, 8))):
        rank = 1 if draw(st.booleans()) else -1
        kind = draw(st.sampled_from(ARRAYS if rank == 1 else list(SINGLE)))
        may_lack = optional and draw(st.booleans())
        fields.append(field(f"F{number}", builtin(kind), rank, may_lack))
        one = st.lists(SINGLE[kind], max_size=4) if rank == 1 else SINGLE[kind]
        values.append(draw(st.one_of(st.none(), one) if may_lack else one))
    optional = any(one.IsOptional for one in fields)
    return fields, ua.StructureType(int(optional)), values


def known(
    number: int, fields: list[ua.StructureField], kind: ua.StructureType, kinds: dict[ua.NodeId, Kind]
) -> Structure:
    of = definition(number, fields, kind)
    found = Structure(f"Structure{number}", of.DefaultEncodingId)
    standards = {one.DataType: standard.kind_of(one.DataType) for one in fields}
    explain(found, of, {**{d: k for d, k in standards.items() if k is not None}, **kinds})
    return found


def types_of(*structures: Structure) -> Types:
    return Types({one.encoding: one for one in structures if one.encoding is not None})


def wrapped(one: Structure, data: bytes) -> ua.ExtensionObject:
    return ua.ExtensionObject(one.encoding, data)


@settings(deadline=None, max_examples=150)
@given(made())
def test_bodies_are_read_and_written_as_asyncua_has_them(
    given: tuple[list[ua.StructureField], ua.StructureType, list[Any]],
) -> None:
    fields, kind, values = given
    node = ua.NodeId(9, NAMESPACE)
    with classes({node: ("Drawn", definition(9, fields, kind))}) as classes_:
        instance = classes_[node](**{one.Name: value for one, value in zip(fields, values, strict=True)})
        theirs = body(instance)
    ours = known(9, fields, kind, {})
    types = types_of(ours)

    found = types.natural(wrapped(ours, theirs))

    assert found == {
        one.Name: expected(one.DataType, value) for one, value in zip(fields, values, strict=True) if value is not None
    }
    assert variant(types, Target("it", ours), found).Value.Body == theirs


def reads_back(found: float, exact: float) -> bool:
    """A rounded one may be beyond what Float32 has."""
    with contextlib.suppress(OverflowError):
        return struct.pack("<f", found) == struct.pack("<f", exact)
    return False


def expected(data_type: ua.NodeId, value: Any) -> Any:
    """What people see of a value, said in another way than ours."""
    if isinstance(value, list):
        return [expected(data_type, one) for one in value]
    if data_type == builtin(V.Float):
        (exact,) = struct.unpack("<f", struct.pack("<f", value))
        return float(next(t for t in (f"{value:.{n}g}" for n in range(1, 18)) if reads_back(float(t), exact)))
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.").rjust(20, "0") + f"{value.microsecond:06d}000Z"
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, ua.NodeId):
        return value.to_string()
    if isinstance(value, ua.StatusCode):
        return {0: "Good", 0x80340000: "BadNodeIdUnknown"}.get(value.value, f"0x{value.value:08X}")
    if isinstance(value, ua.QualifiedName):
        return f"{value.NamespaceIndex}:{value.Name}" if value.NamespaceIndex else value.Name
    return value.Text if isinstance(value, ua.LocalizedText) else value


# -------------------------------------------------------------------------------------------------------- put together

POSITION_FIELDS = [field("X", builtin(V.Double)), field("Y", builtin(V.Double))]
COLOURS = ua.EnumDefinition([ua.EnumField(0, Name="Red"), ua.EnumField(1, Name="Green"), ua.EnumField(2, Name="Blue")])
LINE_FIELDS = [
    field("Name", builtin(V.String)),
    field("Start", POSITION),
    field("Points", POSITION, 1),
    field("Colour", COLOUR),
    field("Colours", COLOUR, 1),
    field("Any", builtin(V.Variant)),
    field("Range", ua.NodeId(884)),
]
position = known(1, POSITION_FIELDS, ua.StructureType.Structure, {})
line = known(2, LINE_FIELDS, ua.StructureType.Structure, {POSITION: position, COLOUR: V.Int32})


def drawn_line() -> bytes:
    definitions = {POSITION: ("Position", definition(1, POSITION_FIELDS)), LINE: ("Line", definition(2, LINE_FIELDS))}
    with classes(definitions, {COLOUR: ("Colour", COLOURS)}) as made_:
        spot, colour = made_[POSITION], made_[COLOUR]
        return body(
            made_[LINE](
                "edge", spot(1.5, 2.5), [spot(3.0, 4.0), spot(5.0, 6.0)], colour(2), [colour(0), colour(1)],
                ua.Variant(7, V.Int16), ua.Range(0.0, 10.0),
            )
        )  # fmt: skip


LINE_VALUE = {
    "Name": "edge",
    "Start": {"X": 1.5, "Y": 2.5},
    "Points": [{"X": 3.0, "Y": 4.0}, {"X": 5.0, "Y": 6.0}],
    "Colour": 2,
    "Colours": [0, 1],
    "Any": 7,
    "Range": {"Low": 0.0, "High": 10.0},
}


def test_structures_inside_structures_lists_of_them_enumerations_and_standard_types() -> None:
    types = types_of(position, line)

    assert types.natural(wrapped(line, drawn_line())) == LINE_VALUE
    typed = {**LINE_VALUE, "Any": {"Type": "Int16", "Value": 7}}
    assert variant(types, Target("it", line), typed).Value.Body == drawn_line()


@pytest.mark.parametrize(("switch", "value"), [(0, None), (1, 4.5), (2, "nine")])
def test_unions_hold_one_of_their_fields(switch: int, value: Any) -> None:
    fields = [field("Number", builtin(V.Double)), field("Text", builtin(V.String))]
    ours = known(4, fields, ua.StructureType.Union, {})
    node = ua.NodeId(4, NAMESPACE)
    with classes({node: ("Either", definition(4, fields, ua.StructureType.Union))}) as made_:
        instance = made_[node]()
        instance.Encoding, instance.Value = switch, value
        theirs = body(instance)
    shown = {fields[switch - 1].Name: value} if switch else {}

    assert types_of(ours).natural(wrapped(ours, theirs)) == shown
    assert variant(Types(), Target("it", ours), shown).Value.Body == theirs


def test_fields_of_any_structure_say_which_one_it_is() -> None:
    kind = ua.StructureType.StructureWithSubtypedValues
    ours = known(5, [field("What", POSITION, optional=True)], kind, {POSITION: position})
    inside = struct.pack("<dd", 1.0, 2.0)
    assert position.encoding is not None
    head = struct.pack("<BBH", 1, NAMESPACE, position.encoding.Identifier)
    data = head + b"\1" + struct.pack("<i", len(inside)) + inside

    found = types_of(position, ours).natural(wrapped(ours, data))

    assert found == {"What": {"TypeId": position.encoding.to_string(), "X": 1.0, "Y": 2.0}}
    assert variant(types_of(position, ours), Target("it", ours), found).Value.Body == data


def test_fields_of_several_dimensions_are_lists_in_lists() -> None:
    ours = Structure("Matrix", ua.NodeId(6, NAMESPACE), (Field("Cells", V.Int16, 2),))
    data = struct.pack("<i2i6h", 2, 2, 3, 1, 2, 3, 4, 5, 6)  # Part 6, 5.2.5

    assert types_of(ours).natural(wrapped(ours, data)) == {"Cells": [[1, 2, 3], [4, 5, 6]]}
    assert variant(Types(), Target("it", ours), {"Cells": [[1, 2, 3], [4, 5, 6]]}).Value.Body == data


def test_hundreds_of_nanoseconds_are_kept_inside_structures() -> None:
    ours = Structure("Stamp", ua.NodeId(7, NAMESPACE), (Field("At", V.DateTime),))
    seconds = (datetime(2026, 11, 21, 20, 8, 5, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    data = struct.pack("<q", seconds * 10_000_000 + 1_234_567)

    assert types_of(ours).natural(wrapped(ours, data)) == {"At": "2026-11-21T20:08:05.123456700Z"}
    assert variant(Types(), Target("it", ours), {"At": "2026-11-21T21:08:05.1234567+01:00"}).Value.Body == data


def test_the_end_of_time_is_sent_as_the_standard_has_it() -> None:
    """Part 6, 5.2.2.5."""
    ours = Structure("Stamp", ua.NodeId(7, NAMESPACE), (Field("At", V.DateTime),))

    for at in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"):
        assert variant(Types(), Target("it", ours), {"At": at}).Value.Body == struct.pack("<q", 2**63 - 1)


@pytest.mark.parametrize(
    ("ticks", "text"),
    [
        (0, "1601-01-01T00:00:00.000000000Z"),
        (-5, "1601-01-01T00:00:00.000000000Z"),
        (2**63 - 1, "9999-12-31T23:59:59.000000000Z"),
    ],
)
def test_times_that_cannot_be_said_are_the_first_and_the_last(ticks: int, text: str) -> None:
    assert ticks_text(ticks) == text


def test_structures_of_namespace_0_are_known_without_asking() -> None:
    info = standard.kind_of(ua.NodeId(887))
    assert isinstance(info, Structure)
    theirs = ua.EUInformation("http://acme", 5, ua.LocalizedText("bar"), ua.LocalizedText("pressure"))

    shown = Types().natural(theirs)

    assert shown == {"NamespaceUri": "http://acme", "UnitId": 5, "DisplayName": "bar", "Description": "pressure"}
    sent = variant(Types(), Target("it", info), shown)
    assert variant_from_binary(Buffer(variant_to_binary(sent))).Value == theirs


def test_a_field_of_an_abstract_structure_says_which_one_it_is() -> None:
    """Of namespace 0, too: CartesianCoordinates, Vector and the like only stand for their subtypes."""
    (abstract,) = {standard.kind_of(ua.NodeId(number)) for number in (18807, 18809, 18811, 18813, 316)}
    assert abstract is V.ExtensionObject
    ours = Structure("Robot", ua.NodeId(6, NAMESPACE), (Field("Tip", abstract), Field("Next", V.Int16)))
    tip = ua.ThreeDCartesianCoordinates(1.0, 2.0, 3.0)
    data = extensionobject_to_binary(tip) + b"\7\0"

    found = types_of(ours).natural(wrapped(ours, data))

    assert found == {"Tip": {"TypeId": "i=18819", "X": 1.0, "Y": 2.0, "Z": 3.0}, "Next": 7}
    assert variant(types_of(ours), Target("it", ours), found).Value.Body == data


def test_what_is_not_known_is_kept_as_it_came_and_asked_for() -> None:
    types = Types()

    found = types.natural(ua.ExtensionObject(ua.NodeId(77, 3), b"\1\2"))

    assert found == {"TypeId": "ns=3;i=77", "Body": b"\1\2"}
    assert types.wanted == {ua.NodeId(77, 3)}
    types.wanted.clear()
    types.unknown.add(ua.NodeId(77, 3))
    types.natural(ua.ExtensionObject(ua.NodeId(77, 3), b"\1\2"))
    assert not types.wanted


def test_a_structure_with_a_field_of_an_unknown_type_is_kept_as_it_came() -> None:
    ours = Structure("Half", ua.NodeId(8, NAMESPACE), (Field("A", V.Int16), Field("B", V.Null)))

    assert types_of(ours).natural(wrapped(ours, b"\1\0\2")) == {"TypeId": "ns=2;i=8", "Body": b"\1\0\2"}


# ------------------------------------------------------------------------------------------------- refused when written


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({**LINE_VALUE, "Z": 1}, "it: Line has no field Z; it has Name, Start"),
        ({"Name": "x"}, "it: Structure2 wants Start, too"),
        ({**LINE_VALUE, "Start": {"X": 1.0}}, "it: Start: Structure1 wants Y, too; it has X, Y"),
        ({**LINE_VALUE, "Start": 5}, "it: Start: expected an object with X, Y, got 5"),
        (
            {**LINE_VALUE, "Colour": "red"},
            'it: Colour: expected a whole number from -2147483648 to 2147483647, got "red"',
        ),
        ({**LINE_VALUE, "Points": {}}, "it: Points: expected a list, got {}"),
        ([LINE_VALUE], "it: expected an object with Name, Start"),
        (5, "it: expected an object with Name, Start"),
    ],
)
def test_structures_that_do_not_fit_are_refused_with_the_place(value: Any, words: str) -> None:
    with pytest.raises(CommandRejected) as found:
        variant(types_of(position, line), Target("it", line), value)
    assert found.value.code == 422
    assert words.replace("Line has", "Structure2 has") in str(found.value)


def test_a_structure_too_deep_to_send_is_refused() -> None:
    ours = Structure("Tree", ua.NodeId(8, NAMESPACE))
    ours.fields = (Field("Inner", ours, 1),)
    value: dict[str, Any] = {"Inner": []}
    for _ in range(50):
        value = {"Inner": [value]}

    with pytest.raises(CommandRejected, match="more than 32 levels"):
        variant(types_of(ours), Target("it", ours), value)
