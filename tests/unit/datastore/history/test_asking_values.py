"""Values over time: tiers, edges, what is flushed and what only the journal has; JSON, CSV, Arrow."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from datastore.history.catalog import Tombstone
from datastore.history.spans import DAILY, DAY, HOUR, MINUTE, SECOND
from gateway.model.asking import Values
from gateway.model.profile import ValueType
from gateway.model.reading import Source
from tests.support.answers import Desks
from tests.support.clock import MovingClock
from tests.support.histories import COLUMNS
from tests.support.journals import journal
from tests.support.records import event, resource, source
from tests.unit.datastore.history.asked import Asked, asked

pytest.importorskip("duckdb")
MIDNIGHT = 1_763_596_800 * SECOND
EVERYTHING = ("mean", "min", "max", "first", "last", "count", "good")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Asked]:
    with asked(tmp_path) as made:
        yield made


def values(start: int, end: int, bucket: int = 0, of: tuple[str, ...] = EVERYTHING, **more: str) -> Values:
    return Values("meter", "Voltage", MIDNIGHT + start, MIDNIGHT + end, bucket, of, **more)  # type: ignore[arg-type]


def test_every_reading_in_order_with_quality(history: Asked) -> None:
    series = history.source(source())
    history.values(series, MIDNIGHT + 10 * SECOND, [7, None], DAILY)
    history.values(series, MIDNIGHT, [1, 2], offset=9)
    history.values(series + 1, MIDNIGHT, [99])
    found = history.json(values(0, 11 * SECOND))
    assert found["time"] == [MIDNIGHT, MIDNIGHT + SECOND, MIDNIGHT + 10 * SECOND]
    assert found["value"] == [1, 2, 7]
    assert "quality" not in found
    found = history.json(values(0, DAY))
    assert (found["value"], found["quality"]) == ([1, 2, 7, None], [None, None, None, "bad timeout"])
    assert (found["rows"], found["valueType"], found["tier"]) == (4, "Uint16", "raw")


def test_a_bucket_says_what_its_readings_were(history: Asked) -> None:
    history.values(history.source(source()), MIDNIGHT, [4, 1, None, 3])
    found = history.json(values(0, HOUR, MINUTE))
    assert found["time"] == [MIDNIGHT]
    assert [found[name] for name in EVERYTHING] == [[8 / 3], [1], [4], [4], [3], [4], [75]]


@pytest.mark.parametrize(
    ("bucket", "tier"), [(SECOND, "raw"), (MINUTE, "minute"), (5 * MINUTE, "minute"), (HOUR, "hour")]
)
def test_the_coarsest_tier_that_fits_says_the_same(history: Asked, bucket: int, tier: str) -> None:
    """Edges are in the middle of a minute, so that every finer tier has to help."""
    series = history.source(source())
    history.values(series, MIDNIGHT, [n % 17 if n % 5 else None for n in range(3 * 3600)], DAILY)
    history.values(series, MIDNIGHT + 3 * HOUR, [n % 13 for n in range(90)], offset=20_000)
    asked = values(61 * MINUTE + 30 * SECOND, 3 * HOUR + 70 * SECOND, bucket)
    found = history.json(asked)
    assert found["tier"] == tier
    raw = history.json(values(61 * MINUTE + 30 * SECOND, 3 * HOUR + 70 * SECOND))
    assert len(raw["time"]) == 3 * 3600 + 70 - 61 * 60 - 30
    buckets: dict[int, list[float | None]] = {}
    for at, value in zip(raw["time"], raw["value"], strict=True):
        buckets.setdefault(at // bucket * bucket, []).append(value)
    assert found["time"] == sorted(buckets)
    for at, *told in zip(*[found[name] for name in ("time", *EVERYTHING)], strict=True):
        all_of = buckets[at]
        good = [value for value in all_of if value is not None]
        if not good:
            assert told == [None] * 5 + [len(all_of), 0]
            continue
        mean = sum(good) / len(good)
        wanted = [min(good), max(good), good[0], good[-1], len(all_of), 100 * len(good) / len(all_of)]
        assert told == pytest.approx([mean, *wanted])


def test_late_readings_are_added_to_what_is_summed_up(history: Asked) -> None:
    series = history.source(source())
    history.values(series, MIDNIGHT, [10] * 60, DAILY)
    history.values(series, MIDNIGHT + 30 * SECOND + 1, [40] * 20, offset=100)
    found = history.json(values(0, HOUR, MINUTE))
    assert (found["count"], found["mean"], found["max"]) == ([80], [17.5], [40])


def test_where_raw_was_removed_the_minutes_answer_finer_questions(history: Asked) -> None:
    series = history.source(source())
    history.values(series, MIDNIGHT, [1] * 60 + [2] * 60, DAILY)
    history.raw_removed(MIDNIGHT + HOUR)
    history.values(series, MIDNIGHT + HOUR, [3], DAILY)
    found = history.json(values(0, DAY, SECOND, ("mean", "count")))
    assert found["time"] == [MIDNIGHT, MIDNIGHT + MINUTE, MIDNIGHT + HOUR]
    assert (found["mean"], found["count"]) == ([1, 2, 3], [60, 60, 1])


def test_what_was_deleted_is_gone_at_once(history: Asked) -> None:
    series = history.source(source())
    history.values(series, MIDNIGHT, [1, 2, 3, 4])
    history.bury(
        [Tombstone(first_series=series, last_series=series, start=MIDNIGHT + SECOND, end=MIDNIGHT + 2 * SECOND)]
    )
    assert history.json(values(0, DAY))["value"] == [1, 4]
    assert history.json(values(0, DAY, DAY, ("count",)))["count"] == [2]


async def test_the_journal_s_newest_are_there_too(history: Asked) -> None:
    """Of a source that the catalog knows, and of one that it does not."""
    known = source()
    history.values(history.source(known), MIDNIGHT, [1, 2])
    other = Source("device-modbus", "p", "new", "Power", (resource("Power", ValueType.FLOAT64),))
    async with journal(history.journal, MovingClock()) as store:
        store.append([event(known, 1, [100, 5]), event(known, 2, [7, 5]), event(other, 1, [1.5])])
        await store.commit()
        found = history.json(values(0, 3 * DAY))
        assert found["value"] == [1, 2, 100, 7]
        assert history.json(values(0, 3 * DAY, 3 * DAY, ("max", "count")))["count"] == [4]
        assert history.json(Values("new", "Power", 0, 2**62))["value"] == [1.5]
        history.cursor(1)
        assert history.json(values(0, 3 * DAY))["value"] == [1, 2, 7], "up to the cursor all is in files"


def test_values_are_as_the_device_said_them(history: Asked) -> None:
    kinds = {
        "On": ValueType.BOOL, "Name": ValueType.STRING, "Big": ValueType.UINT64, "F": ValueType.FLOAT32,
        "A": ValueType.INT16_ARRAY, "O": ValueType.OBJECT,
    }  # fmt: skip
    all_of = Source("s", "p", "d", "all", tuple(resource(name, kind) for name, kind in kinds.items()))
    first = history.source(all_of)
    exact = ["1.0", "NULL", "18446744073709551615.0", "NULL", "NULL", "NULL"]
    texts = ["NULL", "'=on'", "'18446744073709551615'", "'NaN'", "'[1,2]'", """'{"a":1}'"""]
    rows = [
        f"({first + n}, {MIDNIGHT}, NULL, 1, {value}, {text}, NULL)"
        for n, (value, text) in enumerate(zip(exact, texts, strict=True))
    ]
    history.raw(f"FROM (VALUES {', '.join(rows)}) v({COLUMNS})")
    said = {name: history.json(Values("d", name, MIDNIGHT, MIDNIGHT + DAY))["value"] for name in kinds}
    assert said == {"On": [True], "Name": ["=on"], "Big": [2**64 - 1], "F": [None], "A": [[1, 2]], "O": [{"a": 1}]}
    cells = {name: history.csv(Values("d", name, MIDNIGHT, MIDNIGHT + DAY, form="csv"))[0]["value"] for name in kinds}
    assert cells["Name"] == "'=on", "no spreadsheet takes it for a formula"
    assert (cells["On"], cells["Big"], cells["F"]) == ("true", str(2**64 - 1), "NaN")


def test_csv_and_arrow_say_what_json_says(history: Asked) -> None:
    history.values(history.source(source()), MIDNIGHT, [4, None, 3])
    rows = history.csv(values(0, DAY, form="csv"))
    assert rows[0] == {"time": "2025-11-20T00:00:00.000000000Z", "value": "4", "quality": ""}
    assert rows[1]["quality"] == "bad timeout"
    assert history.arrow(values(0, DAY, form="arrow"))["value"] == [4, None, 3]
    assert history.arrow(values(DAY, 2 * DAY, form="arrow")) == {"time": [], "value": [], "text": [], "quality": []}
    buckets = history.arrow(values(0, DAY, DAY, ("mean", "count"), form="arrow"))
    assert (buckets["mean"], buckets["count"]) == ([3.5], [3])
    assert history.csv(values(0, DAY, DAY, ("good",), form="csv")) == [
        {"time": "2025-11-20T00:00:00.000000000Z", "good": str(200 / 3)}
    ]


def test_gaps_are_buckets_without_a_reading(history: Asked) -> None:
    series = history.source(source())
    history.values(series, MIDNIGHT + MINUTE, [1])
    history.values(series, MIDNIGHT + 4 * MINUTE, [2])
    asked = values(0, 5 * MINUTE + 30 * SECOND, MINUTE, ("mean", "count", "gaps"))
    found = history.json(asked)
    assert found["count"] == [0, 1, 0, 0, 1, 0]
    assert found["mean"] == [None, 1, None, None, 2, None]
    gaps = [(gap["start"] - MIDNIGHT, gap["end"] - MIDNIGHT) for gap in found["gaps"]]
    assert gaps == [(0, MINUTE), (2 * MINUTE, 4 * MINUTE), (5 * MINUTE, 5 * MINUTE + 30 * SECOND)]
    assert len(history.csv(values(0, 5 * MINUTE, MINUTE, ("mean", "gaps"), form="csv"))) == 5


def test_ten_years_of_readings_are_refused_with_a_way_out(history: Asked) -> None:
    series = history.source(source())
    columns = f'{series} series, {MIDNIGHT} + i * {SECOND} origin, NULL event, i + 1 "offset", i AS value'
    history.raw(f"SELECT {columns}, NULL exact, NULL quality FROM range(2_100_000) r(i)", DAILY)
    asked = values(-3650 * DAY, 3650 * DAY)
    reply = history.reply(asked)
    assert reply.code == 413
    assert "bucket=1m" in reply.said
    assert history.json(values(-3650 * DAY, 3650 * DAY, DAY, ("count",)))["count"][0] == 86_400
    reply = history.reply(values(-3650 * DAY, 3650 * DAY, SECOND))
    assert (reply.code, "larger ones" in reply.said) == (413, True)


def test_what_is_not_known_is_refused_unless_it_is_configured(history: Asked) -> None:
    assert history.reply(values(0, DAY)).code == 404
    found = history.json(values(0, DAY, value_type="Float32"))
    assert (found["rows"], found["value"], found["valueType"]) == (0, [], "Float32")


def test_before_the_keeper_ever_ran_there_is_nothing(tmp_path: Path) -> None:
    from datastore.history.asking.serving import Orders
    from datastore.history.asking.worker import Worker

    orders = Orders(str(tmp_path / "nowhere"), str(tmp_path / "answers"), 100_000_000, 1.0, str(tmp_path / "none"))
    worker = Worker(orders)
    question = Values("d", "r", 0, 1, value_type="Int8")
    assert Desks(worker, tmp_path / "answers").reply(question).code == 200
    worker.close()
