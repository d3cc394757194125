"""From the journal's files into the history's: everything once, whatever happens in between; merged and summed up."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from datastore.history import spans
from datastore.history.spans import DAILY, DAY, FLUSHED, HOUR, HOURLY, MINUTE
from gateway.model.reading import Event, Record, Source
from tests.support.clock import MovingClock
from tests.support.history import Row, keeper, levels, rows, take, tend
from tests.support.journals import journal
from tests.support.records import ORIGIN, message, source

HOUR_START = ORIGIN // HOUR * HOUR
DAY_START = ORIGIN // DAY * DAY


async def written(folder: Path, records: Iterable[Record], clock: MovingClock | None = None) -> None:
    async with journal(folder, clock or MovingClock(), max_age="36500d") as made:
        made.append(list(records))
        await made.commit()


def at(of: Source, origin: int, values: list[Any], **more: Any) -> Event:
    return Event(of, origin, values, **more)


def expected(records: Iterable[Record]) -> list[Row]:
    """Series count from 1 in the order of the sources; offsets from 1 in the order of the records."""
    bases: dict[str, int] = {}
    top, found = 1, []
    for offset, record in enumerate(records, 1):
        if not isinstance(record, Event):
            continue
        key = f"{record.source.device} {record.source.name}"
        if key not in bases:
            bases[key] = top
            top += len(record.source.names)
        for series, value in enumerate(record.values, bases[key]):
            found.append((series, record.origin, None, offset, float(value), None, None))
    return sorted(found, key=repr)


async def test_everything_comes_once_also_after_a_restart(tmp_path: Path) -> None:
    of = source("d1", ["A", "B"])
    records: list[Record] = [at(of, ORIGIN + n * 10**9, [n, n + 0.5]) for n in range(100)]
    await written(tmp_path / "journal", [*records, message(1)])
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        assert take(made, ORIGIN) == 101
        assert take(made, ORIGIN) == 0
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        assert take(made, ORIGIN) == 0
    assert rows(tmp_path / "history") == expected(records)
    said = rows(tmp_path / "history", "messages")
    assert [(row[0], row[2:5]) for row in said] == [(101, ("alarm", "meter", "Hot"))]


async def test_texts_and_bad_values_come_through_files(tmp_path: Path) -> None:
    from gateway.model.reading import TIMEOUT

    of = source("d1", ["A", "B"])
    odd = at(of, ORIGIN, ["it's \0 \U0001f600", None], quality={1: TIMEOUT}, times={0: ORIGIN - 5})
    await written(tmp_path / "journal", [odd, at(of, ORIGIN, [2**63, float("inf")])])
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        take(made, ORIGIN)
        tend(made, HOUR_START + 2 * HOUR)
    assert rows(tmp_path / "history") == sorted(
        [
            (1, ORIGIN - 5, ORIGIN, 1, None, "it's \0 \U0001f600", None),
            (2, ORIGIN, None, 1, None, None, "bad timeout"),
            (1, ORIGIN, None, 2, float(2**63), str(2**63), None),
            (2, ORIGIN, None, 2, None, "Infinity", None),
        ],
        key=repr,
    )


async def test_hours_and_days_are_merged_and_hold_the_same(tmp_path: Path) -> None:
    of = source("d1", ["A", "B"])
    every = [DAY_START + n * 5 * MINUTE for n in range(26 * 12)]
    records: list[Record] = [at(of, origin, [n % 7, float(n)]) for n, origin in enumerate(every)]
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        for some in range(0, len(records), 24):
            await written(tmp_path / "journal", records[some : some + 24])
            now = records[min(some + 23, len(records) - 1)].origin
            take(made, now)
            tend(made, now)
            assert len(rows(tmp_path / "history")) == 2 * min(some + 24, len(records))
        now = DAY_START + DAY + 2 * HOUR
        tend(made, now)
        assert set(levels(tmp_path / "history")) == {DAILY, HOURLY, FLUSHED}
        assert rows(tmp_path / "history") == expected(records)
        tend(made, now + HOUR)
        assert levels(tmp_path / "history") == [HOURLY, HOURLY, DAILY]
        assert rows(tmp_path / "history") == expected(records)
    assert rows(tmp_path / "history", "hour") == plain_tier(records, HOUR)
    assert rows(tmp_path / "history", "minute") == plain_tier(records, MINUTE)


def plain_tier(records: list[Record], bucket: int) -> list[Row]:
    """Row by row, as one would by hand; for one source whose series begin at 1."""
    groups: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for offset, record in enumerate(records, 1):
        assert isinstance(record, Event)
        for position, value in enumerate(record.values):
            start = record.origin // bucket * bucket
            groups.setdefault((position + 1, start), []).append((record.origin, offset, value))
    found = []
    for (series, start), some in groups.items():
        values = [value for _, _, value in sorted(some)]
        mean = sum(values) / len(values)
        count = len(values)
        found.append(
            (series, start, min(values), max(values), pytest.approx(mean), values[0], values[-1], count, count, count)
        )
    return sorted(found, key=lambda row: repr(row[:2]))


async def test_rows_that_come_late_make_their_day_anew(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    now = DAY_START + 3 * DAY
    early = [at(of, DAY_START + n * HOUR, [float(n)]) for n in range(24)]
    late = [at(of, DAY_START + n * HOUR + MINUTE, [100.0 + n]) for n in range(24)]
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal") as made:
        await written(tmp_path / "journal", early)
        take(made, now)
        tend(made, now)
        assert levels(history) == [DAILY]
        assert rows(history, "hour") == plain_tier([*early], HOUR)
        await written(tmp_path / "journal", late)
        take(made, now)
        assert made.catalog.snapshot().covered("minute") == []
        tend(made, now)
        assert levels(history) == [DAILY]
        assert rows(history) == expected([*early, *late])
        assert rows(history, "hour") == plain_tier([*early, *late], HOUR)
        assert rows(history, "minute") == plain_tier([*early, *late], MINUTE)


async def test_a_day_is_cut_into_parts_by_series_and_time(tmp_path: Path) -> None:
    some = [source(f"d{n}", ["A", "B"]) for n in range(5)]
    busy = source("busy", ["X"])
    records: list[Record] = [at(one, DAY_START + n * HOUR, [float(n), 1.0]) for one in some for n in range(24)]
    records += [at(busy, DAY_START + n * 10 * MINUTE, [float(n)]) for n in range(140)]
    await written(tmp_path / "journal", records)
    with keeper(tmp_path / "history", tmp_path / "journal") as made:
        made.part_rows(50)
        take(made, DAY_START + 2 * DAY)
        tend(made, DAY_START + 2 * DAY)
        assert levels(tmp_path / "history").count(DAILY) > 6
        assert rows(tmp_path / "history") == expected(records)
        hours = {(row[0], row[1]): row for row in rows(tmp_path / "history", "hour")}
        assert len(hours) == len(rows(tmp_path / "history", "hour")) == 10 * 24 + 24
        assert sum(row[7] for row in hours.values()) == len(expected(records))


async def test_a_month_of_hours_becomes_one_file(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    month = spans.span(ORIGIN, spans.MONTHLY)
    records: list[Record] = [at(of, month[0] + n * 6 * HOUR, [float(n)]) for n in range(4 * 30)]
    await written(tmp_path / "journal", [*records, *[message(n) for n in range(3)]])
    with keeper(tmp_path / "history", tmp_path / "journal", raw="60d") as made:
        take(made, month[1] + 3 * DAY)
        tend(made, month[1] + 3 * DAY)
        tend(made, month[1] + 3 * DAY)
    assert levels(tmp_path / "history", "hour") == [spans.MONTHLY]
    assert rows(tmp_path / "history", "hour") == plain_tier(records, HOUR)
    assert set(levels(tmp_path / "history", "raw")) == {DAILY}
    assert len(rows(tmp_path / "history", "messages")) == 3


async def test_age_takes_readings_first_and_what_is_older_is_not_taken_again(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    records: list[Record] = [at(of, DAY_START + n * 6 * HOUR, [float(n)]) for n in range(40)]
    history = tmp_path / "history"
    await written(tmp_path / "journal", records)
    with keeper(history, tmp_path / "journal", raw="2d", minute="4d", hour="3650d") as made:
        now = DAY_START + 10 * DAY
        take(made, now)
        tend(made, DAY_START + 2 * DAY)  # the clock was wrong then: nothing goes too early
        tend(made, DAY_START + 2 * DAY + HOUR)
        assert len(rows(history)) == 40
        tend(made, now)
        assert [row[1] for row in rows(history)] == [r.origin for r in records if r.origin >= now - 2 * DAY]
        await written(tmp_path / "journal", [at(of, DAY_START, [7.0])])
        take(made, now)
        assert made.answer({"do": "report"})["taken"]["too_old"] == 1
        tend(made, now, trusted=False)
        assert made.catalog.state("raw_from") == now - 2 * DAY


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def names(history: Path) -> set[str]:
    return {path.name for path in (history / "files").iterdir()}


async def test_files_of_a_merge_that_was_cut_short_are_removed(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    await written(tmp_path / "journal", [at(of, DAY_START + n * HOUR, [float(n)]) for n in range(24)])
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal") as made:
        take(made, DAY_START)
        before = rows(history)
        for _ in range(2):
            made.answer({"do": "tend", "now": DAY_START + 3 * DAY, "trusted": True})
        assert names(history) > {file.name for file in made.catalog.files()}
        made.catalog.close()  # and no more: as if killed
    with keeper(history, tmp_path / "journal") as made:
        assert names(history) == {file.name for file in made.catalog.files()}
        assert rows(history) == before
        tend(made, DAY_START + 3 * DAY)
        assert rows(history) == before
        assert levels(history) == [DAILY]


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50] + bytes(100))


async def test_a_damaged_file_is_set_aside_and_the_others_are_merged(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    await written(tmp_path / "journal", [at(of, DAY_START + n * DAY, [float(n)]) for n in range(3)])
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal") as made:
        take(made, DAY_START + 5 * DAY)
        spoil(made.catalog.path(made.catalog.files("raw")[0]))
        tend(made, DAY_START + 5 * DAY)
        tend(made, DAY_START + 5 * DAY)
        assert [row[4] for row in rows(history)] == [1.0, 2.0]
        assert levels(history) == [DAILY, DAILY]
        assert made.answer({"do": "report"})["moved_aside"].endswith(".corrupt")


async def test_what_came_late_and_is_damaged_is_set_aside_also_beside_what_is_merged(tmp_path: Path) -> None:
    """With a rule that is heeded by merging, so that the two are read apart."""
    some = [source(f"d{n}", ["A"]) for n in range(2)]
    keep = [{"device": "d0"}, {"keep": {"around": {"event": "Hot", "before": "1m", "after": "1m"}}}]
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal", keep=keep) as made:
        for day in (2, 3):
            records = [at(of, DAY_START + n * HOUR + day, [1.0]) for of in some for n in range(24)]
            await written(tmp_path / "journal", records)
            take(made, DAY_START + day * DAY)
            if day == 3:
                (late,) = [file for file in made.catalog.files("raw") if file.level == FLUSHED]
                spoil(made.catalog.path(late))
            tend(made, DAY_START + day * DAY)
        assert [row[4] for row in rows(history)] == [1.0] * 24
        assert made.answer({"do": "report"})["moved_aside"].endswith(".corrupt")


async def test_no_file_is_set_aside_because_duckdb_has_given_up(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    await written(tmp_path / "journal", [at(of, DAY_START + n * HOUR, [float(n)]) for n in range(24)])
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal") as made:
        take(made, DAY_START + 5 * DAY)
        before = names(history)
        made.answer({"do": "tend", "now": DAY_START + 5 * DAY, "trusted": True})
        made._engine._db.close()
        with pytest.raises(duckdb.Error):
            tend(made, DAY_START + 5 * DAY)
        assert names(history) == before
        assert made.answer({"do": "report"})["moved_aside"] == ""


async def test_a_damaged_catalog_is_moved_aside_with_all_its_files(tmp_path: Path) -> None:
    of = source("d1", ["A"])
    await written(tmp_path / "journal", [at(of, ORIGIN, [1.0])])
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal") as made:
        take(made, ORIGIN)
    spoil(history / "catalog.db")
    with keeper(history, tmp_path / "journal") as made:
        assert made.moved_aside
        assert on_disk(Path(made.moved_aside, "files"))
        assert take(made, ORIGIN) == 1
        assert len(rows(history)) == 1


async def test_what_people_delete_is_gone_at_once_and_from_the_disk_later(tmp_path: Path) -> None:
    some = [source(f"d{n}", ["A", "B"]) for n in range(2)]
    records: list[Record] = [at(one, DAY_START + n * HOUR, [float(n), 1.0]) for one in some for n in range(24)]
    await written(tmp_path / "journal", records)
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal") as made:
        now = DAY_START + 2 * DAY
        take(made, now)
        tend(made, now)
        made.answer({"do": "delete", "tombstones": [{"first_series": 3, "last_series": 4, "last_offset": 48}]})
        assert {row[0] for row in rows(history)} == {1, 2}
        assert {row[0] for row in rows(history, "hour")} == {1, 2}
        await written(tmp_path / "journal", [at(some[1], DAY_START + 5 * MINUTE, [9.0, 9.0])])
        take(made, now)
        assert [row[4] for row in rows(history) if row[0] == 3] == [9.0]  # what comes later is something else
        tend(made, now + 2 * DAY)
        assert made.catalog.tombstones() == []
        assert sum(file.rows for file in made.catalog.files("raw")) == 48 + 2
        assert [row[4] for row in rows(history) if row[0] == 3] == [9.0]
        assert sorted({row[0] for row in rows(history, "minute")}) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("retained", "left"),
    [((0, 0, 6 * 3600), 6), ((0, 8, 6 * 3600), 8), ((0, 3, 0), 3), ((100, 3, 0), 24), ((24, 3, 0), 3)],
)
async def test_the_retention_of_an_autoevent_is_edgexs(
    tmp_path: Path, retained: tuple[int, int, int], left: int
) -> None:
    """maxCap, minCap, duration as EdgeX 4's core-data follows them."""
    one, other = source("d1", ["A"]), source("d2", ["A"])
    day: list[Record] = [at(of, DAY_START + n * HOUR, [float(n)]) for n in range(24) for of in (one, other)]
    await written(tmp_path / "journal", day)
    history = tmp_path / "history"
    max_cap, min_cap, seconds = retained
    told = [("d1", "all", max_cap, min_cap, seconds * 10**9)]
    now = DAY_START + DAY - 1
    with keeper(history, tmp_path / "journal") as made:
        take(made, now)
        made.answer({"do": "keep", "rules": [], "labels": {}, "retained": told})
        tend(made, now)
        assert [row[0] for row in rows(history)] == [1] * left + [2] * 24
        tend(made, now + 2 * DAY)
        assert sum(file.rows for file in made.catalog.files("raw")) <= 24 + left
