"""EdgeX's questions: the same answers from files, from the journal, and from both."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from datastore.history.asking import fresh
from datastore.history.asking import records as module
from datastore.history.asking.fresh import Fresh
from datastore.history.catalog import Tombstone
from datastore.history.columns import NONE, Place, Words, readings
from datastore.history.spans import DAILY, DAY, FLUSHED, SECOND
from gateway.model.asking import Records
from gateway.model.edgexjson import event_json, readings_json
from gateway.model.ids import mark
from gateway.model.profile import ValueType
from gateway.model.query import Selection
from gateway.model.reading import Event, Quality, Source, refused
from gateway.model.scalar import literal_float
from tests.support.clock import MovingClock
from tests.support.histories import COLUMNS
from tests.support.journals import journal
from tests.support.records import ORIGIN, resource
from tests.unit.datastore.history.asked import Asked, asked

pytest.importorskip("duckdb")
POWER = Source("s", "p", "meter", "Power", (resource("Power", ValueType.FLOAT32),))
BOTH = Source(
    "s", "p", "boiler", "Both", (resource("Hot", ValueType.INT16), resource("Name", ValueType.STRING)), tags={"g": 1}
)
TYPES = (
    ValueType.BOOL, ValueType.UINT64, ValueType.INT16, ValueType.FLOAT64, ValueType.STRING, ValueType.BINARY,
    ValueType.OBJECT, ValueType.INT16_ARRAY, ValueType.STRING_ARRAY, ValueType.FLOAT32,
)  # fmt: skip
MANY = Source("s", "p", "plc", "Many", tuple(resource(kind.value, kind) for kind in TYPES))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Asked]:
    with asked(tmp_path) as made:
        yield made


def all_events() -> list[Event]:
    """Three sources that take turns; some events lack values, some readings have times of their own."""
    found: list[Event] = []
    for n in range(30):
        at = ORIGIN + n * SECOND
        found.append(Event(POWER, at, [1.5 + n]))
        found.append(Event(BOTH, at + 1, [n, f"n{n}"]))
        if n % 3 == 0:
            found[-1] = Event(BOTH, at + 1, [f"only {n}"], which=(1,))
        if n % 7 == 3:
            qualities = {0: refused("2"), 1: Quality("uncertain", "device", "a b")}
            found[-1] = Event(BOTH, at + 1, [None, "x"], quality=qualities)
        if n % 5 == 1:
            found[-2] = Event(POWER, at, [1.5 + n], times={0: at - 3 * 3600 * SECOND})
    values: list[Any] = [True, 2**64 - 1, -5, 2.5, "=x", b"\x00\xff", {"a": [1]}, [1, 2], ["a"], float("nan")]
    found.append(Event(MANY, ORIGIN + 31 * SECOND, values))
    return found


async def fill(history: Asked, events: Sequence[Event], in_files: int, level: int = FLUSHED) -> None:
    """Through the journal: so many of them are taken into files, as the keeper does it."""
    async with journal(history.journal, MovingClock()) as store:
        store.append(events)
        await store.commit()
    fresh = Fresh(history.journal)
    places = {}
    for number in fresh.sources(0):
        source = fresh.source(number)
        places[number] = Place(history.source(source), len(source.resources))
    words = Words()
    for start in range(0, in_files, 20):
        rows = [row for row in fresh.events(0) if start < row[0] <= min(start + 20, in_files)]
        found = readings(rows, places, words)
        cells = [
            f"({s}, {o}, {'NULL' if e == NONE else e}, {f}, {'NULL' if v != v else v}, {_text(words.all[x])}, "
            f"{_text(words.all[q])})"
            for s, o, e, f, v, x, q in zip(*[column.tolist() for column in found.columns()], strict=True)
        ]
        history.raw(f"FROM (VALUES {', '.join(cells)}) v({COLUMNS})", level)
    history.cursor(in_files)


def _text(word: str | None) -> str:
    return "NULL" if word is None else "'" + word.replace("'", "''") + "'"


def newest_first(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: -event.origin)


@pytest.mark.parametrize("in_files", [0, 17, 61])
async def test_events_are_as_they_were_wherever_they_are(history: Asked, in_files: int) -> None:
    events = all_events()
    await fill(history, events, in_files)
    told = history.json(Records("events", Selection(limit=1024)))
    assert (told["apiVersion"], told["statusCode"], told["totalCount"]) == ("v3", 200, 61)
    assert told["events"] == [_plain(event_json(event)) for event in newest_first(events)]


def _plain(value: Any) -> Any:
    import json

    from gateway.model.gojson import go_json

    return json.loads(go_json(value))


@pytest.mark.parametrize(("offset", "limit"), [(0, 1), (0, 7), (3, 20), (58, 10), (61, 5), (0, 0), (20, 41)])
async def test_pages_of_events_and_readings(history: Asked, offset: int, limit: int) -> None:
    events = all_events()
    await fill(history, events, 40, DAILY)
    expected = [_plain(event_json(event)) for event in newest_first(events)]
    told = history.json(Records("events", Selection(offset=offset, limit=limit)))
    assert told["events"] == expected[offset : offset + limit]
    flat = [_plain(one) for event in newest_first(events) for one in readings_json(event)]
    told = history.json(Records("readings", Selection(offset=offset, limit=limit)))
    assert told["totalCount"] == len(flat)
    assert told["readings"] == flat[offset : offset + limit]


async def test_a_page_behind_the_end_is_416(history: Asked) -> None:
    await fill(history, all_events(), 40)
    reply = history.reply(Records("events", Selection(offset=62, limit=1)))
    assert (reply.code, reply.said) == (416, "query objects bounds out of range. length:61 offset:62")
    assert history.json(Records("events", Selection(device="nobody", offset=9)))["events"] == []


async def test_selections(history: Asked) -> None:
    events = all_events()
    await fill(history, events, 40)

    def readings_of(wanted: Any) -> list[Any]:
        return [_plain(one) for event in newest_first(events) for one in readings_json(event) if wanted(event, one)]

    def told(selection: Selection, **more: Any) -> list[Any]:
        answer = history.json(Records("readings", selection, **more))
        assert answer["totalCount"] == len(answer["readings"])
        found: list[Any] = answer["readings"]
        return found

    whole = {"limit": 1024}
    assert told(Selection(device="boiler", **whole)) == readings_of(lambda e, r: e.source.name == "Both")  # type: ignore[arg-type]
    assert told(Selection(resource="Name", **whole)) == readings_of(lambda e, r: r["resourceName"] == "Name")  # type: ignore[arg-type]
    start, end = ORIGIN + 5 * SECOND, ORIGIN + 9 * SECOND + 1
    assert told(Selection(start=start, end=end, **whole)) == readings_of(lambda e, r: start <= e.origin <= end)  # type: ignore[arg-type]
    only = told(Selection(device="boiler", start=start, end=end, **whole), only=("Hot",))  # type: ignore[arg-type]
    assert only == readings_of(lambda e, r: start <= e.origin <= end and r["resourceName"] == "Hot")
    of_device = history.json(Records("events", Selection(device="meter", limit=5)))
    assert of_device["totalCount"] == 30
    assert history.json(Records("events", Selection(device="meter"), count=True)) == {
        "apiVersion": "v3", "statusCode": 200, "count": 30,
    }  # fmt: skip
    assert history.json(Records("readings", Selection(), count=True))["count"] == sum(
        len(event.values) for event in events
    )


async def test_one_event_by_its_mark(history: Asked) -> None:
    events = all_events()
    await fill(history, events, 61)
    event = events[1]
    asked = Records("events", Selection(start=event.origin, end=event.origin), mark=mark("boiler", "Both"))
    assert history.json(asked)["event"] == _plain(event_json(event))
    gone = Records("events", Selection(start=event.origin, end=event.origin), mark=mark("boiler", "Other"))
    assert history.reply(gone).code == 404


async def test_what_was_deleted_is_gone(history: Asked) -> None:
    events = all_events()
    await fill(history, events, 61)
    history.bury([Tombstone(end=ORIGIN + 10 * SECOND, last_offset=61)])
    left = [event for event in newest_first(events) if event.origin > ORIGIN + 10 * SECOND]
    told = history.json(Records("events", Selection(limit=1024)))
    assert told["events"] == [_plain(event_json(event)) for event in left]
    assert told["totalCount"] == len(left)
    counted = history.json(Records("readings", Selection(), count=True))["count"]
    assert counted == sum(len(event.values) for event in left)


async def test_numbers_as_numbers_and_tags_of_devices(history: Asked) -> None:
    await fill(history, all_events(), 40)
    asked = Records(
        "events",
        Selection(device="meter", limit=1),
        numeric=True,
        tags={"meter": {"site": "n", "x": literal_float("1.50")}},
    )
    event = history.json(asked)["events"][0]
    assert (event["readings"][0]["value"], event["tags"]) == (30.5, {"site": "n", "x": 1.5})
    named = history.json(Records("readings", Selection(device="plc"), numeric=True))["readings"]
    values = [one.get("value") for one in named]
    assert values == ["true", 2**64 - 1, -5, 2.5, "=x", None, None, "[1, 2]", '["a"]', "NaN"]


@pytest.mark.parametrize(
    ("how", "power", "hot"),
    [
        ("COUNT", (30, "Int64"), (18, "Int64")),
        ("SUM", (480, "Float64"), (None, "Int64")),
        ("AVG", (16, "Float64"), (None, "Float64")),
        ("MIN", (1.5, "Float32"), (1, "Int16")),
        ("MAX", (30.5, "Float32"), (29, "Int16")),
    ],
)
async def test_aggregates(history: Asked, how: str, power: tuple[float, str], hot: tuple[float | None, str]) -> None:
    events = all_events()
    await fill(history, events, 40, DAILY)
    given = [e.values[0] for e in events if e.source.name == "Both" and e.which is None and e.values[0] is not None]
    assert len(given) == 18
    wanted = {"SUM": sum(given), "AVG": sum(given) / len(given)}.get(how, hot[0])
    told = history.json(Records("readings", Selection(limit=1024), aggregate=how))
    assert told["aggregateFunc"] == how
    shown = {(one["deviceName"], one["resourceName"]): (one["value"], one["valueType"]) for one in told["readings"]}
    assert shown["meter", "Power"] == power
    assert shown["boiler", "Hot"] == (pytest.approx(wanted), hot[1])
    assert shown["boiler", "Name"] == ("", "String")


async def test_among_very_many_readings_hours_tell_how_many_events(
    history: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", 0)
    whole = [Event(BOTH, ORIGIN + n * SECOND, [n, "x"]) for n in range(40)]
    await fill(history, whole, 20, DAILY)
    assert history.json(Records("events", Selection(), count=True))["count"] == 40
    told = history.json(Records("events", Selection(offset=45)))
    assert (told["totalCount"], told["events"]) == (40, []), "what is only the least refuses no page"


async def test_a_page_far_back_is_found_in_steps(history: Asked) -> None:
    """Years apart."""
    events = [Event(POWER, ORIGIN + n * 400 * DAY, [float(n)]) for n in range(4)]
    await fill(history, events, 4)
    told = history.json(Records("events", Selection(limit=3)))
    assert [event["origin"] for event in told["events"]] == [ORIGIN + n * 400 * DAY for n in (3, 2, 1)]


@pytest.mark.parametrize("level", [FLUSHED, DAILY])
async def test_a_value_told_weeks_after_its_time_is_in_its_event(history: Asked, level: int) -> None:
    """As an OPC UA server tells a value that has not changed since."""
    events = [Event(BOTH, ORIGIN + n * SECOND, [n, "x"]) for n in range(5)]
    events[2].times = {0: ORIGIN - 21 * DAY, 1: ORIGIN - 400 * DAY}
    await fill(history, events, 5, level)
    only = Selection(start=ORIGIN + 2 * SECOND, end=ORIGIN + 2 * SECOND)
    for picked in (Selection(), only, Selection(end=ORIGIN + 3 * SECOND), Selection(device="boiler", limit=3)):
        wanted = [_plain(event_json(one)) for one in newest_first(events) if picked.start <= one.origin <= picked.end]
        told = history.json(Records("events", picked))
        assert (told["events"], told["totalCount"]) == (wanted[: picked.limit], len(wanted))
    assert history.json(Records("readings", only))["totalCount"] == 2
    assert history.json(Records("readings", Selection(end=ORIGIN - DAY), count=True))["count"] == 0


async def test_while_very_much_waits_in_the_journal_it_is_said(history: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(history, all_events(), 0)
    monkeypatch.setattr(fresh, "MOST_BYTES", 5500)
    reply = history.reply(Records("events", Selection()))
    assert (reply.code, "ask again" in reply.said) == (503, True)
    assert history.json(Records("events", Selection(device="meter", limit=1)))["totalCount"] == 30
