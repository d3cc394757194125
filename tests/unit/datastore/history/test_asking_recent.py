"""What the journal alone answers is what a history answers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from datastore.history.asking import shapes
from datastore.history.asking.recent import values
from datastore.history.asking.recent.answerer import Recent
from datastore.history.asking.serving import Orders
from datastore.history.spans import DAY, HOUR, MINUTE, SECOND
from gateway.model.asking import COLUMNS, Completeness, Question, Records, Values
from gateway.model.profile import ValueType
from gateway.model.query import Selection
from gateway.model.reading import TIMEOUT, Event, Source
from tests.support.answers import Desks
from tests.support.clock import MovingClock
from tests.support.journals import journal
from tests.support.records import ORIGIN, event, resource, source

BOTH = Source("s", "p", "boiler", "Both", (resource("Hot", ValueType.FLOAT64), resource("Name", ValueType.STRING)))


async def fill(folder: Path, events: Sequence[Event]) -> Desks:
    """A journal of several files, the newest still written to."""
    async with journal(folder / "journal", MovingClock(), max_bytes="100MB") as store:
        store.append(events)
        await store.commit()
    orders = Orders(str(folder / "journal"), str(folder / "answers"), 100_000_000, 60.0)
    return Desks(Recent(orders), folder / "answers")


def answer(asked: Desks, question: Question) -> Any:
    return json.loads(asked.body(question))


def awkward() -> list[Event]:
    """Some lack values, some are bad, some tell late what was long ago."""
    found = [Event(BOTH, ORIGIN + n * SECOND, [n + 0.5, f"=n{n}"]) for n in range(100)]
    found[7] = Event(BOTH, ORIGIN + 7 * SECOND, [None, None], quality={0: TIMEOUT, 1: TIMEOUT})
    found[9] = Event(BOTH, ORIGIN + 9 * SECOND, ["only"], which=(1,))
    found[50] = Event(BOTH, ORIGIN + 50 * SECOND, [-1.0, "late"], times={0: ORIGIN - 20 * DAY})
    found[60] = Event(BOTH, ORIGIN + 60 * SECOND, [float("nan"), "x"])
    return found


def near(found: Any, wanted: Any) -> None:
    """Equal, but for the last digits of sums, and where it was found."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in wanted.keys() - {"tier"}:
            near(found[key], wanted[key])
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            near(one, other)
    else:
        assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


async def test_every_reading(tmp_path: Path) -> None:
    asked = await fill(tmp_path, awkward())
    told = answer(asked, Values("boiler", "Hot", ORIGIN, ORIGIN + 12 * SECOND))
    assert told["time"] == [ORIGIN + n * SECOND for n in range(12) if n != 9]
    assert told["value"] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, None, 8.5, 10.5, 11.5]
    assert told["quality"] == [None] * 7 + ["bad timeout"] + [None] * 3
    assert (told["valueType"], told["rows"], told["tier"]) == ("Float64", 11, "raw")
    late = answer(asked, Values("boiler", "Hot", ORIGIN - 21 * DAY, ORIGIN - 19 * DAY))
    assert (late["time"], late["value"]) == ([ORIGIN - 20 * DAY], [-1.0])
    cells = asked.body(Values("boiler", "Name", ORIGIN, ORIGIN + 2 * SECOND, form="csv")).decode()
    assert cells == ("time,value,quality\n2025-11-20T10:40:00.000000000Z,'=n0,\n2025-11-20T10:40:01.000000000Z,'=n1,\n")


async def test_buckets_are_those_of_a_history(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    from tests.unit.datastore.history.asked import asked as history

    asked = await fill(tmp_path, awkward())
    with history(tmp_path) as other:
        for span in (
            (ORIGIN, ORIGIN + 100 * SECOND),
            (ORIGIN - 30 * DAY, ORIGIN + DAY),
            (ORIGIN + DAY, ORIGIN + 2 * DAY),
        ):
            for width in (7 * SECOND, MINUTE, HOUR):
                for of in (COLUMNS[:-1], ("mean",)):
                    question = Values("boiler", "Hot", *span, bucket=width, of=of)
                    near(answer(asked, question), other.json(question))
            for form in ("json", "csv"):
                for name in ("Hot", "Name"):
                    whole = Values("boiler", name, *span, form=form)  # type: ignore[arg-type]
                    assert asked.body(whole) == other.body(whole), (span, form, name)
        few = Values("boiler", "Hot", ORIGIN, ORIGIN + 200 * SECOND, bucket=50 * SECOND, of=("count", "gaps"))
        assert answer(asked, few) == other.json(few)
        rows = Values("boiler", "Hot", ORIGIN, ORIGIN + 200 * SECOND, bucket=50 * SECOND, of=COLUMNS, form="csv")
        assert asked.body(rows) == other.body(rows)
        steps = (("boiler", "Both", SECOND), ("boiler", "Never", 10 * SECOND))
        for device in ("", "boiler"):
            missing = Completeness(ORIGIN - MINUTE, ORIGIN + 3 * MINUTE, steps, device)
            assert answer(asked, missing) == other.json(missing)
            assert [gap["cause"] for gap in answer(asked, missing)["sources"][0]["gaps"]] == [shapes.NOBODY] * 2
        for how in ("MIN", "MAX", "COUNT", "SUM", "AVG"):
            for picked, only in ((Selection(), ()), (Selection(resource="Name"), ()), (Selection("boiler"), ("Hot",))):
                sums = Records("readings", picked, only, aggregate=how)
                near(answer(asked, sums), other.json(sums))


async def test_too_much_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_ROWS", 50)
    asked = await fill(tmp_path, awkward())
    decade = 3650 * DAY
    for question in (
        Values("boiler", "Hot", ORIGIN - decade, ORIGIN + DAY),
        Values("boiler", "Hot", ORIGIN - decade, ORIGIN, bucket=HOUR),
    ):
        reply = asked.reply(question)
        assert (reply.code, "ask for" in reply.said) == (413, True)
    assert asked.reply(Values("boiler", "Cold", 0, 1)).code == 404
    assert answer(asked, Values("boiler", "Cold", 0, 1, value_type="Bool"))["rows"] == 0


async def test_nothing_yet(tmp_path: Path) -> None:
    asked = await fill(tmp_path, [])
    assert answer(asked, Records("events", Selection()))["events"] == []
    assert answer(asked, Records("readings", Selection(), aggregate="SUM"))["readings"] == []
    [never] = answer(asked, Completeness(ORIGIN, ORIGIN + MINUTE, (("d", "s", SECOND),)))["sources"]
    assert [gap["cause"] for gap in never["gaps"]] == [shapes.NOBODY]


@pytest.fixture
def many() -> list[Event]:
    return [event(source(), n) for n in range(30_000)]


async def test_files_that_are_sealed_and_one_that_is_not(tmp_path: Path, many: list[Event]) -> None:
    async with journal(tmp_path / "journal", MovingClock(), max_bytes="3MB") as store:
        for start in range(0, len(many), 3000):
            store.append(many[start : start + 3000])
            await store.commit()
        orders = Orders(str(tmp_path / "journal"), str(tmp_path / "answers"), 100_000_000, 60.0)
        asked = Desks(Recent(orders), tmp_path / "answers")
        assert len(list((tmp_path / "journal").glob("journal-*.db"))) > 2
        kept, total = await store.events(Selection(limit=5, offset=20_000))
        told = answer(asked, Records("events", Selection(limit=5, offset=20_000)))
        assert (told["totalCount"], [e["origin"] for e in told["events"]]) == (total, [e.origin for e in kept])
        assert answer(asked, Records("readings", Selection(), count=True))["count"] == 2 * total
        named = Selection(device="meter", resource="Current")
        assert answer(asked, Records("readings", named, count=True))["count"] == total
        before = answer(asked, Values("meter", "Voltage", ORIGIN, ORIGIN + DAY, bucket=DAY, of=("count",)))["count"]
        await store.delete(Selection(start=ORIGIN + 29_000 * SECOND))
        after = answer(asked, Values("meter", "Voltage", ORIGIN, ORIGIN + DAY, bucket=DAY, of=("count",)))["count"]
        assert (sum(before), sum(after)) == (total, total - 1000)


async def test_a_long_answer_when_the_disk_takes_nothing(tmp_path: Path, many: list[Event]) -> None:
    asked = await fill(tmp_path, many[:20_000])
    whole = Values("meter", "Voltage", ORIGIN, ORIGIN + DAY)
    assert asked.reply(whole).path
    (tmp_path / "blocked").write_text("a file")
    blocked = Desks(Recent(Orders(str(tmp_path / "journal"), "", 0, 0.0)), tmp_path / "blocked" / "answers")
    assert blocked.reply(whole).body == asked.body(whole)


async def test_an_object_with_a_nan_does_not_spoil_a_page(tmp_path: Path) -> None:
    plc = Source("s", "p", "plc", "State", (resource("State", ValueType.OBJECT),))
    asked = await fill(tmp_path, [Event(plc, ORIGIN, [{"x": float("nan"), "y": [1.5, float("-inf")]}])])
    [shown] = answer(asked, Records("events", Selection()))["events"]
    assert shown["readings"][0]["objectValue"] == {"x": None, "y": [1.5, None]}
