import contextlib
import math
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import CommandRejected
from gateway.model.profile import INTEGER_RANGE, Compat, DeviceResource, ValueType
from gateway.model.reading import NAN, OVERFLOW, Event, Quality, Source
from gateway.model.single import shortest, shortest_all, single
from gateway.runtime.transform.compiled import check_transform, compile_transform, to_wire
from gateway.runtime.transform.gotext import go_text

EDGEX = Compat.EDGEX


def resource(kind: str, name: str = "R", **properties: Any) -> DeviceResource:
    return DeviceResource.model_validate(
        {"name": name, "properties": {"valueType": kind, "readWrite": "RW", **properties}}
    )


def source(*resources: DeviceResource, mappings: tuple[dict[str, str], ...] = ()) -> Source:
    return Source("s", "P", "D", "S", resources, mappings)


def read(
    one: DeviceResource, raw: Any, compat: Compat = Compat.NONE, mappings: dict[str, str] | None = None
) -> tuple[Any, Quality | None]:
    made = source(one, mappings=(mappings,) if mappings else ())
    event = Event(made, 1, [raw])
    transform = compile_transform(made, compat)
    if transform is not None:
        transform.apply(event)
    return event.values[0], (event.quality or {}).get(0)


GOLDEN = [
    # type, raw, properties, value by default, value with compat: edgex (contract, section 3.1)
    ("Uint8", 200, {"scale": 2.0}, (None, OVERFLOW), ("overflow", OVERFLOW)),
    ("Int16", 100, {"scale": 0.1}, (10.0, None), (0, None)),
    ("Int16", 25, {"scale": 0.1}, (2.5, None), ("overflow", OVERFLOW)),
    ("Int16", 10, {"scale": 1.5}, (15.0, None), (10, None)),
    ("Float32", 2653.0, {"scale": 0.01}, (26.53, None), (26.529999, None)),
    ("Float64", 2653.0, {"scale": 0.01}, (26.53, None), (26.53, None)),
    ("Uint16", 0xABCD, {"mask": 0x0F00, "shift": 8}, (11, None), (11, None)),
    ("Int8", 3, {"base": 2.0}, (8, None), (8, None)),
    ("Int8", 7, {"base": 2.0}, (None, OVERFLOW), ("overflow", OVERFLOW)),
    ("Float64", math.nan, {}, (None, NAN), ("NaN", NAN)),
    ("Float32", math.nan, {"scale": 2.0}, (None, NAN), ("NaN", NAN)),
    ("Float64", math.inf, {}, (None, NAN), (math.inf, None)),
    ("Float32", -math.inf, {}, (None, NAN), (-math.inf, None)),
    ("Float32", 3e38, {"scale": 10.0}, (None, OVERFLOW), ("overflow", OVERFLOW)),
    ("Float64", 1e308, {"scale": 10.0}, (None, OVERFLOW), ("overflow", OVERFLOW)),
    ("Float64", 1e300, {"scale": 0.123456789012}, (1.23456789012e299, None), (1.23456789012e299, None)),
    ("Uint16", 5, {"offset": -10.0}, (None, OVERFLOW), ("overflow", OVERFLOW)),
    ("Uint16", 15, {"offset": -10.0}, (5, None), (5, None)),
    ("Int16", 3, {"scale": 0.1}, (0.3, None), ("overflow", OVERFLOW)),
    ("Uint8", 0b1100_0000, {"shift": -2}, (None, OVERFLOW), (0, None)),
    ("Int16", -256, {"shift": 4}, (-16, None), (-16, None)),
    ("Int8", -1, {"mask": 0xF0}, (-16, None), (-16, None)),
    ("Uint64", 2**64 - 1, {}, (2**64 - 1, None), (2**64 - 1, None)),
    ("Uint64", 2**53 + 1, {"offset": 2.0}, (2**53 + 3, None), (2**53 + 3, None)),
    ("Int8", -1, {"base": 2.0}, (0.5, None), ("overflow", OVERFLOW)),
    ("Uint16", 2304, {"mask": 0, "shift": 0, "base": 0.0, "scale": 1.0, "offset": 0.0}, (2304, None), (2304, None)),
    ("Int16", 213, {"scale": 0.1, "offset": -4.2}, (17.1, None), ("overflow", OVERFLOW)),
    ("Float32", 26.530000686645508, {}, (26.53, None), (26.53, None)),
    ("String", "12", {"scale": 0.1}, ("12", None), ("12", None)),
    ("Bool", True, {}, (True, None), (True, None)),
    ("Int16Array", [1, 2], {"scale": 0.1}, ([1, 2], None), ([1, 2], None)),
    ("Float32Array", [0.10000000149011612, 2.0], {}, ([0.1, 2.0], None), ([0.1, 2.0], None)),
    ("Float64Array", [1.0, math.nan], {}, (None, NAN), None),
    ("Float32Array", [math.inf], {}, (None, NAN), ([math.inf], None)),
]


@pytest.mark.parametrize(("kind", "raw", "properties", "ours", "theirs"), GOLDEN)
def test_read_vectors(kind: str, raw: Any, properties: dict[str, Any], ours: Any, theirs: Any) -> None:
    one = resource(kind, **properties)
    found = read(one, raw)
    assert (found, type(found[0])) == (ours, type(ours[0]))
    if theirs is not None:
        found = read(one, raw, EDGEX)
        assert (found, type(found[0])) == (theirs, type(theirs[0]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"), (100000.0, "100000"), (1e6, "1e+06"), (123456789.0, "1.23456789e+08"), (1e-5, "1e-05"),
        (0.0001, "0.0001"), (0.0, "0"), (-0.5, "-0.5"), (True, "true"), (12, "12"), ([1, 2, 3], "[1 2 3]"),
        (math.inf, "+Inf"), (1e100, "1e+100"), (123456.7, "123456.7"), ("x", "x"),
    ],
)  # fmt: skip
def test_go_text(value: Any, text: str) -> None:
    assert go_text(value) == text


def test_an_unset_transform_costs_nothing_and_a_float_is_finished() -> None:
    assert compile_transform(source(resource("Uint16"), resource("Bool"))) is None
    assert compile_transform(source(resource("Uint16"), resource("Float32"))) is not None


def test_mapping_comes_last_and_other_values_stay() -> None:
    one = resource("Uint16", mask=0x3)
    assert read(one, 5, mappings={"1": "on"}) == ("on", None)
    assert read(one, 6, mappings={"1": "on"}) == (2, None)
    assert read(resource("Bool"), True, mappings={"true": "yes"}) == ("yes", None)
    assert read(resource("Uint8", scale=2.0), 200, EDGEX, {"overflow": "too much"}) == ("too much", OVERFLOW)


def test_a_refuted_assertion_spoils_the_value_or_as_edgex_the_event() -> None:
    pair = source(resource("Uint16", "A", assertion="1"), resource("Uint16", "B"))
    bad = Quality("bad", "device", "Assertion failed for DeviceResource A, with value 2")
    for compat, values, quality in (
        (Compat.NONE, [None, 7], {0: bad}),
        (EDGEX, [None, None], {0: bad, 1: bad}),
    ):
        event = Event(pair, 1, [2, 7])
        transform = compile_transform(pair, compat)
        assert transform is not None
        transform.apply(event)
        assert (event.values, event.quality) == (values, quality)


def test_one_bad_value_spares_its_neighbours_and_a_missing_one_stays_missing() -> None:
    made = source(*[resource("Float32", f"R{i}") for i in range(4)])
    event = Event(made, 1, [26.530000686645508, math.nan, None, 1.0], quality={2: Quality("bad", "refused", "2")})
    transform = compile_transform(made)
    assert transform is not None
    transform.apply(event)
    assert event.values == [26.53, None, None, 1.0]
    assert event.quality == {1: NAN, 2: Quality("bad", "refused", "2")}


def test_events_with_some_values_only() -> None:
    made = source(resource("Uint16", "A"), resource("Int16", "B", scale=0.1), resource("Float32", "C"))
    event = Event(made, 1, [0.10000000149011612, 3], which=(2, 1))
    transform = compile_transform(made)
    assert transform is not None
    transform.apply(event)
    assert event.values == [0.1, 0.3]


def _reference(value: float) -> float:
    candidates = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next(found for found in candidates if _packed(found) == struct.pack("<f", value))


def _packed(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return b""


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_reads_back(value: float) -> None:
    assert struct.pack("<f", shortest(value)) == struct.pack("<f", value)
    assert shortest(value) == _reference(value)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_a_column_is_what_its_values_are(column: list[float]) -> None:
    assert [repr(value) for value in shortest_all(column)] == [repr(shortest(value)) for value in column]


@given(st.integers(min_value=-999_999, max_value=999_999), st.integers(min_value=0, max_value=8))
def test_six_digits_survive_a_float32(digits: int, places: int) -> None:
    written = float(Fraction(digits, 10**places))
    assert shortest(single(written)) == written


SCALES = st.sampled_from([0.1, 0.01, 0.001, 1.0, 2.0, 10.0, 0.5, 0.25, -0.1, 1.5])
OFFSETS = st.sampled_from([0.0, -40.0, 4.2, 100.0, -273.15])
INTEGERS = st.sampled_from(sorted(INTEGER_RANGE, key=str))


@given(st.data(), INTEGERS, SCALES, OFFSETS)
def test_what_was_read_writes_back_as_the_same_integer(
    data: st.DataObject, kind: ValueType, scale: float, offset: float
) -> None:
    low, high = INTEGER_RANGE[kind]
    limit = 2**40  # a Float64 holds every such value exactly enough to come back
    raw = data.draw(st.integers(min_value=max(low, -limit), max_value=min(high, limit)))
    one = resource(kind.value, scale=scale, offset=offset)
    value, quality = read(one, raw)
    if value is None:
        assert quality == OVERFLOW
        return
    assert to_wire(one, value) == raw
    assert to_wire(one, go_text(value) if isinstance(value, int) else repr(value)) == raw


@given(st.data(), INTEGERS)
def test_plain_integers_of_all_widths_pass_exactly_both_ways(data: st.DataObject, kind: ValueType) -> None:
    low, high = INTEGER_RANGE[kind]
    raw = data.draw(st.integers(min_value=low, max_value=high))
    one = resource(kind.value)
    assert read(one, raw) == (raw, None)
    assert to_wire(one, raw) == to_wire(one, str(raw)) == to_wire(one, str(raw), EDGEX) == raw


@given(st.integers(min_value=0, max_value=15), st.integers(min_value=0, max_value=12))
def test_masked_and_shifted_fields_write_back(field: int, shift: int) -> None:
    one = resource("Uint16", mask=0xF << shift, shift=shift)
    assert read(one, (field << shift) | (0xFFFF & ~(0xF << shift))) == (field, None)
    assert to_wire(one, field) == field << shift


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100), SCALES)
def test_float32_round_trip(raw: float, scale: float) -> None:
    one = resource("Float32", scale=scale)
    value, quality = read(one, raw)
    assert quality is None
    back = single(to_wire(one, value))
    assert math.isclose(back, raw, rel_tol=2e-7, abs_tol=1e-37)


WRITES = [
    # type, properties, value, on the wire by default, with compat: edgex
    ("Bool", {}, True, True, True),
    ("Bool", {}, "t", True, True),
    ("Bool", {}, "no", None, None),
    ("Bool", {}, 1, True, True),
    ("Int16", {}, "12", 12, 12),
    ("Int16", {}, 12, 12, 12),
    ("Int16", {}, 12.0, 12, 12),
    ("Int16", {}, 12.5, None, None),
    ("Int16", {}, "12.0", None, None),
    ("Int16", {}, "0x10", None, None),
    ("Int16", {}, " 12", None, None),
    ("Int16", {}, "1_2", None, None),
    ("Int16", {}, "", None, None),
    ("Int16", {}, True, None, None),
    ("Int16", {}, 40000, None, None),
    ("Uint16", {}, "+5", None, None),
    ("Uint16", {}, -1, None, None),
    ("Int32", {}, 1_000_000, 1_000_000, None),
    ("Int32", {}, "1000000", 1_000_000, 1_000_000),
    ("Uint64", {}, "18446744073709551615", 2**64 - 1, 2**64 - 1),
    ("Uint64", {}, 2**64 - 1, 2**64 - 1, None),
    ("Int64", {}, "-9223372036854775808", -(2**63), -(2**63)),
    ("Int16", {"scale": 0.1}, 21.5, 215, None),
    ("Int16", {"scale": 0.1}, "21.5", 215, None),
    ("Int16", {"scale": 0.1}, 21.53, 215, None),
    ("Int16", {"scale": 0.1}, 4000, None, None),
    ("Int16", {"scale": 0.1}, 5, 50, None),
    ("Int16", {"scale": 2.0}, 10, 5, 5),
    ("Int16", {"offset": 5.0}, 10, 5, 5),
    ("Uint16", {"scale": 10.0}, 655350, 65535, None),
    ("Int8", {"base": 2.0}, 8, 3, 3),
    ("Int8", {"base": 2.0}, 0, None, None),
    ("Uint16", {"mask": 0x0F00, "shift": 8}, 11, 0x0B00, 0x0B00),
    ("Uint16", {"mask": 0x0F00, "shift": 8}, 16, None, 0),
    ("Float64", {"scale": 0.01}, 26.53, 2653.0, 2653.0),
    ("Float64", {}, "1e3", 1000.0, 1000.0),
    ("Float64", {}, "NaN", None, None),
    ("Float64", {}, "Infinity", None, None),
    ("Float64", {}, math.nan, None, None),
    ("Float64", {}, "1e999", None, None),
    ("Float32", {}, 1e39, None, None),
    ("Float32", {"scale": 0.01}, 26.53, 2653.0, 2653.0),
    ("Float32", {}, "P4AAAA==", 1.0, 1.0),
    ("Float64", {}, "P/gAAAAAAAA=", 1.5, 1.5),
    ("Float32", {}, "f8AAAA==", None, None),
    ("String", {}, "on", "on", "on"),
    ("String", {}, "", "", ""),
    ("String", {}, 5, "5", "5"),
    ("StringArray", {}, '["a", "b"]', ["a", "b"], ["a", "b"]),
    ("StringArray", {}, ["a"], ["a"], ["a"]),
    ("StringArray", {}, [1], None, None),
    ("Uint8Array", {}, "[1, 2,3]", [1, 2, 3], [1, 2, 3]),
    ("Uint8Array", {}, [1, 256], None, None),
    ("Int16Array", {}, "[1, -2]", [1, -2], [1, -2]),
    ("Int16Array", {}, "1, 2", None, None),
    ("Float32Array", {}, [1.5, 2], [1.5, 2.0], [1.5, 2.0]),
    ("BoolArray", {}, "[true, false]", [True, False], [True, False]),
    ("Object", {}, {"a": 1}, {"a": 1}, {"a": 1}),
    ("Object", {}, '{"a": 1}', {"a": 1}, {"a": 1}),
    ("Object", {}, "[1]", None, None),
    ("ObjectArray", {}, [{"a": 1}], [{"a": 1}], [{"a": 1}]),
    ("Int16", {}, None, None, "null"),
]


@pytest.mark.parametrize(("kind", "properties", "value", "ours", "theirs"), WRITES)
def test_write_vectors(kind: str, properties: dict[str, Any], value: Any, ours: Any, theirs: Any) -> None:
    one = resource(kind, **properties)
    for compat, wanted in ((Compat.NONE, ours), (EDGEX, theirs)):
        if wanted is None:
            with pytest.raises(CommandRejected) as caught:
                to_wire(one, value, compat)
            assert caught.value.code == 422
        else:
            found = to_wire(one, value, compat)
            if wanted == "null":
                assert found is None
            elif kind == "Float32" and compat is EDGEX:
                assert found == pytest.approx(wanted)
            else:
                assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("kind", "properties", "value", "text"),
    [
        ("Int16", {"maximum": 100.0}, 101, "set command parameter out of maximum value 100"),
        ("Int16", {"minimum": -5.0}, -6, "set command parameter out of minimum value -5"),
        ("Float32", {"maximum": 99.5}, 99.6, "set command parameter out of maximum value 99.5"),
        ("Int16", {"scale": 0.1, "maximum": 50.0}, 50.1, "set command parameter out of maximum value 50"),
        ("Int16", {}, "abc", 'ValueType Int16 -> strconv.ParseInt: parsing "abc": invalid syntax'),
        ("Uint8", {}, "300", 'ValueType Uint8 -> strconv.ParseUint: parsing "300": value out of range'),
        ("Uint16", {"mask": 0x0F00, "shift": 8}, 16, "does not fit into the mask 0xF00"),
        ("Int16", {"scale": 0.0}, 1, "everything was scaled to 0"),
    ],
)
def test_a_refusal_says_why_with_edgex_words(kind: str, properties: dict[str, Any], value: Any, text: str) -> None:
    with pytest.raises(CommandRejected, match="failed to ") as caught:
        to_wire(resource(kind, **properties), value)
    assert text in str(caught.value)


def test_limits_are_inclusive() -> None:
    one = resource("Int16", minimum=-5.0, maximum=100.0)
    assert [to_wire(one, value) for value in (-5, 100)] == [-5, 100]


def test_check_says_what_becomes_of_a_type() -> None:
    (note,) = check_transform(resource("Int16", scale=0.1))
    assert note.severity == "note"
    assert "Float64" in note.what
    (warning,) = check_transform(resource("Int16", scale=0.1), EDGEX)
    assert (warning.severity, warning.what) == (
        "warning", "EdgeX cuts scale 0.1 to 0 for Int16; declare a Float type",
    )  # fmt: skip
    assert check_transform(resource("Int16", scale=2.0, offset=-3.0)) == []
    assert check_transform(resource("Float32", scale=0.1)) == []
    assert [p.severity for p in check_transform(resource("Float32", mask=3))] == ["warning"]
    assert [p.severity for p in check_transform(resource("String", scale=2.0))] == ["warning"]
    assert check_transform(resource("Uint16", mask=3, readWrite="R")) == []
    (masked,) = check_transform(resource("Uint16", mask=3))
    assert (masked.severity, masked.where) == ("warning", "properties.mask")
    assert [p.where for p in check_transform(resource("Uint16", scale=0.0))] == ["properties.scale"]


@given(st.sampled_from(sorted(ValueType, key=str)), st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.floats())), st.dictionaries(st.text(), st.integers()),
))  # fmt: skip
def test_anything_at_all_is_written_or_refused(kind: ValueType, value: Any) -> None:
    for compat in Compat:
        with contextlib.suppress(CommandRejected):
            to_wire(resource(kind.value, scale=0.5, mask=7, maximum=10.0), value, compat)
