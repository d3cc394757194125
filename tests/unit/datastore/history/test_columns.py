"""What is in the columns is what the journal's own decoder says."""

import base64
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore import codec
from datastore.history.columns import NONE, Place, Readings, Words, readings
from datastore.segment import Row
from gateway.model.reading import GOOD, Event, OneTime
from tests.support.records import ORIGIN, source
from tests.unit.datastore.test_codec import QUALITIES, SCALARS

COUNT = 300
"""Resources: values of one event take a header of each kind."""
SOURCES = {number: source(f"d{number}", [f"R{i}" for i in range(COUNT)]) for number in (1, 7)}
PLACES = {1: Place(1, COUNT), 7: Place(1001, COUNT)}
FLOATS = st.floats() | st.floats(width=32)
VALUES = st.one_of(
    st.lists(st.integers(0, 65535), max_size=COUNT),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8),
    st.lists(FLOATS, max_size=8),
    st.lists(st.floats(width=32), max_size=8),
    st.lists(st.booleans(), max_size=8),
    st.lists(SCALARS | FLOATS, max_size=8),
)


Said = tuple[int, int, bytes]
"""A row without its offset."""


@st.composite
def events(draw: st.DrawFn) -> Said:
    number = draw(st.sampled_from([1, 7]))
    values = draw(VALUES)
    found = Event(SOURCES[number], ORIGIN + draw(st.integers(0, 10**12)), values)
    if values and draw(st.booleans()):
        positions = st.integers(0, len(values) - 1)
        found.which = draw(st.none() | st.just(tuple(range(COUNT - len(values), COUNT))))
        found.quality = draw(st.none() | st.dictionaries(positions, QUALITIES, min_size=1))
        found.times = draw(
            st.none()
            | st.dictionaries(positions, st.integers(0, 2**62), min_size=1)
            | st.integers(0, 2**62).map(lambda at: OneTime(len(values), at))
        )
    return number, found.origin, codec.encode(found)


def rows_of(some: Sequence[Said]) -> list[Row]:
    return [(at + 5, *said) for at, said in enumerate(some)]


def plain(number: int, values: list[Any]) -> bytes:
    return codec.encode(Event(SOURCES[number], ORIGIN, values))


def spelled(value: Any) -> tuple[float | None, str | None]:
    """Value and exact, plainly."""
    if value is None:
        return None, None
    if isinstance(value, int):
        return float(value), None if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        odd = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return (value, None) if math.isfinite(value) else (None, odd)
    if isinstance(value, bytes):
        return None, base64.b64encode(value).decode()
    return None, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def expected(some: Sequence[Said]) -> list[tuple[Any, ...]]:
    found = []
    for offset, number, origin, body in rows_of(some):
        event = codec.decode(SOURCES[number], offset, origin, body)
        for position, value in enumerate(event.values):
            index = position if event.which is None else event.which[position]
            own = (event.times or {}).get(position, origin)
            quality = (event.quality or {}).get(position, GOOD)
            told = None if quality == GOOD else " ".join(quality).rstrip()
            event_origin = origin if own != origin else None
            found.append((PLACES[number].first + index, own, event_origin, offset, *spelled(value), told))
    return found


def plainly(columns: Readings, words: Words) -> list[tuple[Any, ...]]:
    return [
        (
            series,
            origin,
            None if event == NONE else event,
            offset,
            None if math.isnan(value) else value,
            words.all[exact],
            words.all[quality],
        )
        for series, origin, event, offset, value, exact, quality in zip(
            *[column.tolist() for column in columns.columns()], strict=True
        )
    ]


@given(st.lists(events(), max_size=6))
def test_columns_say_what_the_decoder_says(some: list[Said]) -> None:
    words = Words()
    found = readings(rows_of(some), PLACES, words)
    assert plainly(found, words) == expected(some)


def test_messages_and_what_people_deleted_are_no_readings() -> None:
    body = plain(1, [1, 2])
    found = readings([(1, 0, 5, body), (2, -1, 5, body), (3, 1, 5, body)], PLACES, Words())
    assert found.offset.tolist() == [3, 3]


@given(st.data())
def test_a_flipped_bit_spoils_one_row_and_no_more(data: st.DataObject) -> None:
    """Whatever a row has become, the rows around it are what they were."""
    some = [data.draw(events()) for _ in range(3)]
    rows = rows_of(some)
    offset, number, origin, body = rows[1]
    spoilt = bytearray(body)
    spoilt[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    rows[1] = (offset, number, origin, bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))]))
    words = Words()
    found = plainly(readings(rows, PLACES, words), words)
    assert [row for row in found if row[3] != offset] == [row for row in expected(some) if row[3] != offset]
    assert all(PLACES[number].first <= row[0] < PLACES[number].first + COUNT for row in found if row[3] == offset)


def test_order_is_by_series_origin_and_offset() -> None:
    some = [(7, 9, plain(7, [1, 2])), (1, 8, plain(1, [3])), (7, 4, plain(7, [5]))]
    found = readings(rows_of(some), PLACES, Words()).ordered()
    assert list(zip(found.series.tolist(), found.origin.tolist(), strict=True)) == [
        (1, 8), (1001, 4), (1001, 9), (1002, 9),
    ]  # fmt: skip


def test_a_row_of_no_source_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    found = readings(rows_of([(7, 9, plain(7, [1])), (1, 9, plain(1, [2]))]), {1: Place(1, 1)}, Words())
    assert found.value.tolist() == [2]
    assert "offset 5 is damaged" in caplog.text
    assert len(Readings.join([])) == 0
