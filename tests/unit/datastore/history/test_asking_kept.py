"""What history gives to whoever sends it once more: the records as they were published, with the ids they had."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from datastore.history.asking import kept as module
from datastore.history.asking.pages import Unpacker
from datastore.history.catalog import Tombstone
from datastore.history.spans import DAILY, DAY, FLUSHED, HOUR, SECOND
from gateway.model.asking import Kept
from gateway.model.edgexjson import event_json
from gateway.model.export.fields import event_fields, reading_fields
from gateway.model.reading import Event, Message, Record
from tests.support.clock import MovingClock
from tests.support.history import keeper, take
from tests.support.journals import journal
from tests.support.records import ORIGIN
from tests.unit.datastore.history.asked import Asked, asked
from tests.unit.datastore.history.test_asking_records import BOTH, all_events, fill

pytest.importorskip("duckdb")
ALL = Kept(0, 2**63 - 1, 0, 2**62)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Asked]:
    with asked(tmp_path) as made:
        yield made


def pages(
    history: Asked, start: int = 0, end: int = 2**63 - 1, above: int = 0, upto: int = 2**62
) -> list[list[Record]]:
    found, last, unpacker = [], (0, 0), Unpacker()
    while True:
        page = unpacker.page(history.body(Kept(start, end, above, upto, last)))
        if page.last is None:
            return found
        assert page.last > last
        last = page.last
        found.append(list(page.records))


def whole(event: Event) -> tuple[Any, ...]:
    """All that leaves of it."""
    return event.offset, event_json(event), event_fields(event, "g"), list(reading_fields(event, "g"))


def by_time(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.origin, event.offset))


@pytest.mark.parametrize("level", [FLUSHED, DAILY])
@pytest.mark.parametrize("most", [7, 2000])
async def test_events_are_as_they_were(history: Asked, level: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECORDS", most)
    events = all_events()
    await fill(history, events, 61, level)
    found = pages(history)
    flat = [one for page in found for one in page]
    assert [repr(whole(one)) for one in flat if isinstance(one, Event)] == [repr(whole(one)) for one in by_time(events)]
    assert max(map(len, found)) <= most
    assert len({id(one.source) for one in flat if isinstance(one, Event)}) == 3, "sources are made once"


async def test_pages_end_at_their_readings_and_spans_at_times_and_offsets(
    history: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READINGS", 10)
    events = all_events()
    await fill(history, events, 61, DAILY)
    found = pages(history, ORIGIN + 3 * SECOND, ORIGIN + 20 * SECOND, 10, 30)
    wanted = [
        e.offset
        for e in by_time(events)
        if ORIGIN + 3 * SECOND <= e.origin < ORIGIN + 20 * SECOND and 10 < e.offset <= 30
    ]
    assert [one.offset for page in found for one in page] == wanted
    sizes = [sum(len(one.values) for one in page if isinstance(one, Event)) for page in found]
    assert max(sizes) <= 10
    assert [one.offset for page in pages(history, upto=40, above=40) for one in page] == []


async def test_pages_end_at_their_texts(history: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures: a thousand of them are more than a process may hold."""
    monkeypatch.setattr(module, "READINGS", 25)
    events = [Event(BOTH, ORIGIN + n * SECOND, [n, "x" * (1000 if n < 4 else 1)]) for n in range(10)]
    await fill(history, events, 10, DAILY)
    assert [[one.offset for one in page] for page in pages(history)] == [[1, 2], [3, 4], [5, 6, 7, 8, 9, 10]]


async def test_messages_come_in_their_place_and_what_is_deleted_does_not(history: Asked) -> None:
    await fill(history, all_events(), 61)
    at = ORIGIN + 5 * SECOND
    body = '{"id":"a","state":"raised"}'
    said = f"62::BIGINT \"offset\", {at}::BIGINT origin, 'alarm' kind, 'meter' device, 'Hot' AS name, '{body}' body"
    history.write("messages", f"SELECT {said}", FLUSHED)
    history.bury([Tombstone(start=ORIGIN + 6 * SECOND, last_offset=61)])
    flat = [one for page in pages(history) for one in page]
    assert [one.offset for one in flat] == [*range(1, 12), 62, 12]
    (said,) = [one for one in flat if isinstance(one, Message)]
    assert (said.kind, said.device, said.name, said.body["state"]) == ("alarm", "meter", "Hot", "raised")


async def test_a_value_told_weeks_after_its_time_leaves_with_its_event(tmp_path: Path) -> None:
    """As an OPC UA server tells a value that has not changed since: it lies in the file of its own day."""
    events = all_events()[:10]
    events[2].times = {0: ORIGIN - 21 * DAY}
    events[5].times = {0: ORIGIN - 21 * DAY, 1: ORIGIN - 400 * DAY}
    async with journal(tmp_path / "journal", MovingClock()) as store:
        store.append(events)
        await store.commit()
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        take(made, ORIGIN + HOUR)
    with asked(tmp_path) as history:
        for start in (0, ORIGIN):
            told = [one for page in pages(history, start) for one in page if isinstance(one, Event)]
            assert [repr(whole(one)) for one in told] == [repr(whole(one)) for one in by_time(events)]
        assert pages(history, 0, ORIGIN - DAY) == []


async def test_a_few_old_values_do_not_make_a_page_look_through_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READINGS", 10)
    looked: list[int] = []
    within = module._Look._within
    monkeypatch.setattr(
        module._Look, "_within", lambda look, low, high: looked.append(high - low) or within(look, low, high)
    )
    events = [Event(BOTH, ORIGIN + n * SECOND // 1000, [n, "x"]) for n in range(100)]
    events[0].times = {0: ORIGIN - 400 * DAY, 1: ORIGIN - 400 * DAY + HOUR // 2}
    async with journal(tmp_path / "journal", MovingClock()) as store:
        store.append(events)
        await store.commit()
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        take(made, ORIGIN + HOUR)
    with asked(tmp_path) as history:
        assert [one.offset for page in pages(history, ORIGIN) for one in page] == list(range(1, 101))
    assert max(looked) < SECOND


async def test_years_without_anything_are_passed_over(history: Asked) -> None:
    first, second = all_events()[:20], all_events()[20:40]
    for one in second:
        one.origin += 700 * DAY
        one.times = None
    await fill(history, [*first, *second], 40)
    assert [one.offset for page in pages(history) for one in page] == [e.offset for e in by_time([*first, *second])]
