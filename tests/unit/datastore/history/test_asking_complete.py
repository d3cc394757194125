"""What should have come, what came, and where nothing did, with the cause."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datastore.history.asking import complete, shapes
from datastore.history.spans import DAILY, HOUR, MINUTE, SECOND
from gateway.model.asking import Completeness
from gateway.model.profile import ValueType
from gateway.model.reading import Source
from tests.support.histories import COLUMNS
from tests.support.records import resource, source
from tests.unit.datastore.history.asked import Asked, asked

pytest.importorskip("duckdb")
MIDNIGHT = 1_763_596_800 * SECOND


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Asked]:
    with asked(tmp_path) as made:
        yield made


def report(history: Asked, end: int, *sources: tuple[str, str, int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = history.json(Completeness(MIDNIGHT, MIDNIGHT + end, sources))["sources"]
    return found


def gaps(of: dict[str, Any]) -> list[tuple[float, float, str]]:
    return [((g["start"] - MIDNIGHT) / 1e9, (g["end"] - MIDNIGHT) / 1e9, g["cause"]) for g in of["gaps"]]


def test_nothing_missing(history: Asked) -> None:
    history.values(history.source(source()), MIDNIGHT, [1] * 60)
    found = report(history, 60 * SECOND, ("meter", "all", SECOND))
    assert found == [
        {
            "device": "meter", "source": "all", "interval_s": 1.0, "expected": 60, "received": 60, "good": 60,
            "percent": 100.0, "gaps": [],
        }
    ]  # fmt: skip


def test_gaps_have_the_reason_that_the_device_gave(history: Asked) -> None:
    series = history.source(source())
    history.values(series, MIDNIGHT, [1] * 10 + [None])
    history.values(series, MIDNIGHT + 40 * SECOND, [2] * 20, offset=50)
    [found] = report(history, 60 * SECOND, ("meter", "all", SECOND))
    assert (found["expected"], found["received"], found["good"]) == (60, 31, 30)
    assert gaps(found) == [(10, 40, "timeout")]


def test_a_gap_of_all_is_the_gateway_s(history: Asked) -> None:
    other = Source("s", "p", "pump", "Flow", (resource("Flow"),))
    one, two = history.source(source()), history.source(other)
    history.values(one, MIDNIGHT, [1] * 10)
    history.values(one, MIDNIGHT + 40 * SECOND, [1] * 20)
    history.values(two, MIDNIGHT, [1] * 20)
    history.values(two, MIDNIGHT + 40 * SECOND, [1] * 20)
    first, second = report(history, 60 * SECOND, ("meter", "all", SECOND), ("pump", "Flow", SECOND))
    assert gaps(first) == [(10, 40, shapes.UNKNOWN)]
    assert gaps(second) == [(20, 40, shapes.NOBODY)]


def test_after_a_stop_of_all_one_comes_back_first(history: Asked) -> None:
    other = Source("s", "p", "pump", "Flow", (resource("Flow"),))
    for series, late in ((history.source(source()), 0), (history.source(other), 300_000_000)):
        history.values(series, MIDNIGHT + late, [1] * 10)
        history.values(series, MIDNIGHT + 40 * SECOND + late, [1] * 20)
    for one in report(history, 60 * SECOND, ("meter", "all", SECOND), ("pump", "Flow", SECOND)):
        assert [gap["cause"] for gap in one["gaps"]] == [shapes.NOBODY]


def test_one_that_never_came_is_one_gap(history: Asked) -> None:
    history.values(history.source(source()), MIDNIGHT, [1] * 60)
    never, known = report(history, 60 * SECOND, ("gone", "x", 10 * SECOND), ("meter", "all", 0))
    assert (never["received"], never["percent"], gaps(never)) == (0, 0.0, [(0, 60, shapes.UNKNOWN)])
    assert (known["expected"], known["received"], known["gaps"]) == (None, 60, [])


def test_over_long_spans_minutes_tell(history: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete, "FEW", 0)
    series = history.source(source())
    rows = f"SELECT {series}, {MIDNIGHT} + i * {SECOND}, NULL, i + 1, 1, NULL, NULL FROM range(7200) r(i)"
    kept = "i NOT BETWEEN 600 AND 1199 AND i NOT BETWEEN 3000 AND 3010"
    history.raw(f"SELECT * FROM ({rows} WHERE {kept}) v({COLUMNS})", DAILY)
    [found] = report(history, 2 * HOUR, ("meter", "all", SECOND))
    assert (found["expected"], found["received"]) == (7200, 7200 - 600 - 11)
    assert gaps(found) == [(600, 1200, shapes.NOBODY)]
    assert history.json(Completeness(MIDNIGHT, MIDNIGHT + HOUR, ()))["resolution"] in (SECOND, MINUTE)


def test_any_resource_stands_for_its_source(history: Asked) -> None:
    """Text alone, a first resource that is always refused, events that bring only some: each has come."""
    words = Source("s", "p", "plc", "Words", (resource("Word", ValueType.STRING),))
    some = Source("s", "p", "plc", "Some", (resource("A"), resource("B")))
    history.values(history.source(words), MIDNIGHT, ["a"] * 60)
    first = history.source(some)
    history.values(first, MIDNIGHT, [None] * 60, offset=100)
    history.values(first + 1, MIDNIGHT, [1] * 30, offset=100)
    history.values(first + 1, MIDNIGHT + 60 * SECOND, [1] * 30, offset=200)
    told, both = report(history, 90 * SECOND, ("plc", "Words", SECOND), ("plc", "Some", SECOND))
    assert (told["received"], told["good"], gaps(told)) == (60, 60, [(60, 90, shapes.UNKNOWN)])
    assert (both["received"], both["good"], gaps(both)) == (90, 60, [(30, 60, "timeout")])


def test_of_one_device_others_tell_whether_anything_was_read(history: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Source("s", "p", "pump", "Flow", (resource("Flow"),))
    one, two = history.source(source()), history.source(other)
    for series, count in ((one, 10), (two, 20)):
        history.values(series, MIDNIGHT, [1] * count)
        history.values(series, MIDNIGHT + 40 * SECOND, [1] * 200)
    sources = (("meter", "all", SECOND), ("pump", "Flow", SECOND))
    for few in (complete.FEW, 0):
        monkeypatch.setattr(complete, "FEW", few)
        asked = Completeness(MIDNIGHT, MIDNIGHT + 240 * SECOND, sources, "meter")
        [found] = history.json(asked)["sources"]
        assert found["device"] == "meter"
        assert [gap["cause"] for gap in found["gaps"]] == ([shapes.UNKNOWN] if few else [])
    asked = Completeness(MIDNIGHT, MIDNIGHT + 240 * SECOND, sources, "pump")
    monkeypatch.undo()
    assert [gap["cause"] for gap in history.json(asked)["sources"][0]["gaps"]] == [shapes.NOBODY]
