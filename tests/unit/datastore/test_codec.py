"""Whatever travels comes out of its row as it went in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore import codec
from gateway.model.reading import GOOD, TIMEOUT, Event, Message, OneTime, Quality, refused
from tests.support.records import event, source

SOURCE = source(names=[f"R{i}" for i in range(8)])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.binary(),
    st.lists(st.integers(-(2**31), 2**31)),
    st.dictionaries(st.text(), st.integers(0, 100)),
)
COLUMNS = st.one_of(
    st.lists(st.integers(0, 65535), max_size=8),
    st.lists(st.integers(-(2**63), 2**64 - 1), max_size=8),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=8),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8),
    st.lists(st.booleans(), max_size=8),
    st.lists(SCALARS, max_size=8),
)
QUALITIES = st.sampled_from([TIMEOUT, refused("2"), Quality("uncertain", "device", "0x40"), GOOD])


def back(of: Event) -> Event:
    return codec.decode(SOURCE, 7, of.origin, codec.encode(of))


@given(COLUMNS)
def test_values_keep_type_and_value(values: list[Any]) -> None:
    found = back(Event(SOURCE, 5, values)).values
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@given(st.data())
def test_everything_beside_the_values(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=8))
    positions = st.integers(0, len(values) - 1)
    stamps = st.integers(0, 2**62)
    apart = st.dictionaries(positions, stamps, min_size=1)
    together = stamps.map(lambda stamp: OneTime(len(values), stamp))
    given_ = Event(
        SOURCE,
        data.draw(st.integers(0, 2**62)),
        values,
        which=data.draw(st.none() | st.just(tuple(range(len(values))))),
        quality=data.draw(st.none() | st.dictionaries(positions, QUALITIES, min_size=1)),
        times=data.draw(st.none() | apart | together),
        historical=data.draw(st.booleans()),
    )
    found = back(given_)
    assert (found.which, found.quality, found.times) == (given_.which, given_.quality, given_.times)
    assert (found.historical, found.offset, found.origin) == (given_.historical, 7, given_.origin)


def test_times_that_are_all_the_same_cost_one() -> None:
    stamped = Event(SOURCE, 5_000_000_000, [1.5] * 100, times=OneTime(100, 4_990_000_000))
    assert len(codec.encode(stamped)) <= 420


def test_zero_keeps_its_sign() -> None:
    assert str(back(Event(SOURCE, 5, [-0.0, 1.5])).values[0]) == "-0.0"


@pytest.mark.parametrize(
    ("values", "longest"),
    [([65535] * 100, 204), ([-70000] * 100, 405), ([1.5] * 100, 405), ([230.4] * 100, 805), ([7] * 100, 204)],
)
def test_numbers_are_packed(values: list[Any], longest: int) -> None:
    assert len(codec.encode(Event(SOURCE, 5, values))) <= longest


def test_a_whole_silent_event_is_small() -> None:
    silent = Event(SOURCE, 5, [None] * 100, quality=dict.fromkeys(range(100), TIMEOUT))
    assert len(codec.encode(silent)) < 140
    assert back(silent).quality == silent.quality


def test_carries() -> None:
    some = event(SOURCE, 1, [4, 5])
    some.which = (2, 6)
    assert [i for i in range(8) if codec.carries(codec.encode(some), i)] == [2, 6]
    assert codec.carries(codec.encode(event(SOURCE, 1)), 5)


def test_message() -> None:
    said = Message("result", "pump", "Start", 11, {"id": "a", "args": {"x": [1, None, "ü"]}}, "replies/1", b"\x00\xff")
    said.offset = 9
    found = codec.decode_message(9, 11, codec.encode(said))
    assert [getattr(found, name) for name in Message.__slots__] == [getattr(said, name) for name in Message.__slots__]
