"""Capacity, drain and wear in human words."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from datastore.history import wear
from datastore.history.catalog import Catalog
from datastore.history.outlook import Outlook
from gateway.model.amount import bytes_words, time_words
from gateway.model.health import HistoryReport

AGES = {"raw": 30 * 86400.0, "minute": 1e9, "hour": 1e10, "messages": 1e9}
RAW = {"files": 1, "rows": 1_000_000, "bytes": 1_000_000, "oldest": 1, "newest": 2}


def report(outlook: Outlook, behind: int = 0, **told: Any) -> HistoryReport:
    return outlook.report("ok", behind, {"tiers": {"raw": RAW}, "written": 0} | told, AGES)


def test_hours_at_this_rate() -> None:
    outlook = Outlook(bytes_max=10**9)
    for minute in range(120):
        outlook.took(records=4065, readings=406_500, seconds=0.5, now=1000 + 60 * minute)
    told = report(outlook, behind=8130)
    assert told.readings_per_s == pytest.approx(6775)
    assert told.capacity_s == pytest.approx(10**9 / 6775)
    assert told.words[0].startswith("room for 41 hours of readings at this rate")
    assert told.drain_s == pytest.approx(1.0)
    assert "8130 records wait to be taken, which takes 1.0 seconds" in told.words[1]


def test_what_rules_do_not_keep_takes_no_room() -> None:
    outlook = Outlook(bytes_max=10**9)
    for minute in range(3):
        outlook.took(60_000, 60_000, 0.1, 60.0 * minute)
    assert report(outlook, taken={"readings": 180_000, "kept": 1800}).capacity_s == pytest.approx(10**9 / 10)


def test_room_for_more_than_the_age() -> None:
    outlook = Outlook(bytes_max=10**12)
    for minute in range(3):
        outlook.took(600, 600, 0.1, 60.0 * minute)
    assert report(outlook).words[0].startswith("readings are kept for 30 days; there is room for 3171 years")


def test_wear_is_that_of_both_processes_also_over_restarts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of each of two lives what was written while both were watched."""
    own = [0]
    monkeypatch.setattr(wear, "written_bytes", lambda: own[0])
    for started, gateway in ((100.0, 5000), (7.0, 0)):
        with closing(Catalog.writer(tmp_path)) as catalog:
            counted = wear.Wear(catalog)
            counted.told(started, gateway)
            own[0] += 60_000
            counted.told(started + 60, gateway + 30_000)
            counted.save()
            own[0] = 0
    assert (counted.bytes, counted.ms) == (180_000, 120_000)
    told = report(Outlook(10**9), written=counted.bytes, watched_s=counted.ms / 1000)
    assert told.written_per_year == pytest.approx(1500 * 365 * 86400)
    assert told.words[-1] == "gateway and history write about 47.3 GB a year to the disk, going by 2 minutes of work"


def test_wear_is_saved_now_and_then_and_long_ago_fades(tmp_path: Path) -> None:
    with closing(Catalog.writer(tmp_path)) as catalog:
        counted = wear.Wear(catalog)
        counted.told(0.0, 0)
        counted.told(1800.0, 10**6)
        assert catalog.state("written") == 0
        counted.told(3600.0, 2 * 10**6)
        assert catalog.state("written") >= 2 * 10**6
        counted.told(40 * 86400.0, 4 * 10**6)
        assert counted.ms == 20 * 86_400_000


def test_nothing_is_said_before_it_is_known() -> None:
    outlook = Outlook(10**9)
    assert outlook.per_record > 1
    told = outlook.report("ok", 5, {}, AGES)
    assert (told.capacity_s, told.drain_s, told.written_per_year) == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0.4 seconds"), (90, "90 seconds"), (147_600, "41 hours"), (86400 * 3, "3 days"), (1e8, "3.2 years")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(12, "12 bytes"), (1234, "1.23 kB"), (2.5e12, "2.5 TB")])
def test_bytes_in_words(count: float, words: str) -> None:
    assert bytes_words(count) == words
