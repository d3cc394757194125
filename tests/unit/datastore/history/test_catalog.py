"""The catalog says what lies where; one transaction is one state."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from datastore.history import spans
from datastore.history.catalog import Catalog, File, Tombstone, cursor_of, gone
from datastore.history.spans import DAILY, DAY, FLUSHED, HOUR, HOURLY, MONTHLY
from datastore.sources import Sources
from tests.support.records import source

NOON = 1_763_640_000_000_000_000


def a_file(name: str, start: int = 0, end: int = HOUR, level: int = FLUSHED, **more: object) -> File:
    plain = File(0, "raw", level, name, start, end, start, end - 1, 1, 9, 1, 50, 100, 1000, 0, NOON)
    return replace(plain, **more)  # type: ignore[arg-type]


def swap(catalog: Catalog, come: list[File], cursor: int) -> None:
    with catalog.change():
        catalog.drop(catalog.files())
        catalog.note("cursor", cursor)
        catalog.add(come)


def test_a_change_is_all_or_nothing(tmp_path: Path) -> None:
    with closing(Catalog.writer(tmp_path)) as catalog:
        with catalog.change():
            catalog.add([a_file("a"), a_file("b")])
            catalog.note("cursor", 50)
        with pytest.raises(sqlite3.IntegrityError):
            swap(catalog, [a_file("c"), a_file("c")], 90)
        assert [file.name for file in catalog.files()] == ["a", "b"]
        assert catalog.cursor == 50
    assert cursor_of(tmp_path) == 50
    assert cursor_of(tmp_path / "nowhere") == 0


def test_a_snapshot_does_not_see_half_a_change(tmp_path: Path) -> None:
    with closing(Catalog.writer(tmp_path)) as writer, closing(Catalog.reader(tmp_path)) as reader:
        with writer.change():
            writer.add([a_file("old")])
            before = reader.snapshot()
            writer.note("cursor", 7)
        assert (before.cursor, before.files) == (0, [])
        assert reader.snapshot().cursor == 7


def test_files_are_found_by_series_and_time(tmp_path: Path) -> None:
    with closing(Catalog.writer(tmp_path)) as catalog:
        with catalog.change():
            catalog.add([a_file("a"), a_file("b", HOUR, 2 * HOUR, first_series=10, last_series=20)])
        now = catalog.snapshot()
        assert [file.name for file in now.of("raw", 0, HOUR)] == ["a", "b"]
        assert [file.name for file in now.of("raw", 0, HOUR - 1)] == ["a"]
        assert [file.name for file in now.of("raw", series=[15])] == ["b"]
        assert not now.of("minute")
        assert [file.name for file in catalog.files("raw", 0, HOUR)] == ["a"]


def test_series_of_a_source_follow_each_other_and_keep_their_number(tmp_path: Path) -> None:
    sources = Sources()
    first, second = sources.number(source("d1", ["A", "B", "C"])), sources.number(source("d2", ["A"]))
    rows, definitions = zip(*[sources.row(one.number) for one in (first, second)], strict=True)
    bodies = {row.resources: body for row, body in zip(rows, definitions, strict=True)}
    with closing(Catalog.writer(tmp_path)) as catalog:
        catalog.enrol([rows[1]], bodies)
        catalog.enrol(rows, bodies)
        assert catalog.series_of() == {rows[1].fingerprint: (1, 1), rows[0].fingerprint: (2, 3)}
    with closing(Catalog.reader(tmp_path)) as catalog:
        known = Sources()
        known.load(*catalog.sources())
        assert [(one.device, one.names) for one in known.all()] == [("d2", ("A",)), ("d1", ("A", "B", "C"))]
        with closing(sqlite3.connect(tmp_path / "catalog.db")) as db:
            told = db.execute("SELECT series, device, source, resource, position, value_type FROM series").fetchall()
        assert told[0] == (1, "d2", "all", "A", 0, "Uint16")
        assert [row[0] for row in told] == [1, 2, 3, 4]


def test_a_tier_holds_where_no_fresh_rows_reach(tmp_path: Path) -> None:
    with closing(Catalog.writer(tmp_path)) as catalog:
        with catalog.change():
            catalog.add(
                [
                    a_file("m1", 0, DAY, DAILY, tier="minute"),
                    a_file("m2", DAY, DAY + HOUR, HOURLY, tier="minute"),
                    a_file("late", HOUR, 2 * HOUR),
                    a_file("summed", 5 * HOUR, 6 * HOUR, HOURLY),
                ]
            )
        assert catalog.snapshot().covered("minute") == [(0, HOUR), (2 * HOUR, DAY + HOUR)]
        assert catalog.snapshot().covered("hour") == []


def test_tombstones_hold_for_files_written_before_them(tmp_path: Path) -> None:
    with closing(Catalog.writer(tmp_path)) as catalog:
        with catalog.change():
            catalog.add([a_file("a"), a_file("elsewhere", first_series=30, last_series=40)])
            catalog.bury([Tombstone(first_series=1, last_series=3, end=500, last_offset=50)])
        with catalog.change():
            catalog.add([a_file("clean", cleaned=1)])
        now = catalog.snapshot()
        assert [file.name for file in now.files if now.hidden(file)] == ["a"]
        assert gone(now.tombstones, "minute") == f"(series BETWEEN 1 AND 3 AND origin BETWEEN {spans.FIRST} AND 500)"
        assert "offset" in gone(now.tombstones, "raw")
        assert gone([], "raw") == "false"
        with catalog.change():
            catalog.unbury(now.tombstones)
        assert catalog.tombstones() == []


def test_time_is_cut_in_utc() -> None:
    assert spans.span(NOON, HOURLY) == (NOON, NOON + HOUR)
    assert spans.span(NOON, DAILY)[1] - spans.span(NOON, DAILY)[0] == DAY
    november = spans.span(NOON, MONTHLY)
    assert november[1] - november[0] == 30 * DAY
    assert spans.span(november[1], MONTHLY)[1] - november[1] == 31 * DAY
    assert spans.span(-1, HOURLY) == (-HOUR, 0)
