"""Keep rules: which readings and messages of those that come are kept."""

import errno
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from datastore.history.parquet import Engine
from datastore.history.settings import HistorySettings, KeepRule
from datastore.history.spans import HOUR, MINUTE
from gateway.config import load_settings
from gateway.model.errors import ConfigError
from gateway.model.reading import TIMEOUT, Event, Message, Record, Source
from tests.support.clock import MovingClock
from tests.support.history import Row, keeper, rows, take, tend
from tests.support.journals import journal
from tests.support.records import ORIGIN, source

START = ORIGIN // HOUR * HOUR
ONE = source("pump-1", ["Power", "Mode"])
OTHER = source("meter", ["Power"])
SINGLE = source("pump-1", ["Power"], name="Power")


def at(of: Source, minute: float, *values: Any, **more: Any) -> Event:
    return Event(of, START + int(minute * MINUTE), list(values), **more)


def alarm(name: str, minute: float, device: str = "", state: str = "raised") -> Message:
    return Message("alarm", device, name, START + int(minute * MINUTE), {"id": "1", "state": state})


async def kept(folder: Path, records: list[Record], *rules: dict[str, Any], **more: Any) -> list[Row]:
    """Rows of what is kept of these, merged."""
    async with journal(folder / "journal", MovingClock()) as made:
        made.append(records)
        await made.commit()
    with keeper(folder / "history", folder / "journal") as history:
        told = [KeepRule.model_validate(rule).model_dump(mode="json", by_alias=True) for rule in rules]
        history.answer({"do": "keep", "rules": told, "labels": more.get("labels", {}), "retained": []})
        take(history, START + HOUR)
        tend(history, START + 3 * HOUR)
    return sorted(rows(folder / "history"), key=lambda row: (row[3], row[0]))


def values(found: list[Row], series: int) -> list[Any]:
    return [row[4] if row[5] is None else row[5] for row in found if row[0] == series]


async def test_the_first_rule_that_fits_counts(tmp_path: Path) -> None:
    records: list[Record] = [at(ONE, 1, 1.0, "a"), at(OTHER, 1, 2.0), at(SINGLE, 1, 3.0)]
    found = await kept(
        tmp_path,
        records,
        {"device": "pump-*", "source": "Power"},
        {"device": "pump-?", "keep": "nothing"},
        {"label": "hall", "keep": "nothing"},
        labels={"meter": ["roof"]},
    )
    assert [(row[3], row[4]) for row in found] == [(2, 2.0), (3, 3.0)]


async def test_labels_are_those_of_now(tmp_path: Path) -> None:
    found = await kept(tmp_path, [at(OTHER, 1, 2.0)], {"label": "hall", "keep": "nothing"}, labels={"meter": ["hall"]})
    assert found == []


async def test_on_change_keeps_what_differs_from_the_one_before(tmp_path: Path) -> None:
    said = [(1.0, "a"), (1.0, "a"), (1.0, "b"), (2.0, "b"), (2.0, "b"), (1.0, "a")]
    records: list[Record] = [at(ONE, n, *pair) for n, pair in enumerate(said)]
    records.append(at(ONE, 9, None, "a", quality={0: TIMEOUT}))
    records.append(at(ONE, 10, None, "a", quality={0: TIMEOUT}))
    records.append(at(ONE, 11, 1.0, "a"))
    found = await kept(tmp_path, records, {"keep": "on-change"})
    assert values(found, 1) == [1.0, 2.0, 1.0, None, 1.0]
    assert values(found, 2) == ["a", "b", "a"]


async def test_on_change_does_not_take_what_came_late_for_what_is_now(tmp_path: Path) -> None:
    """A device that remembers delivers minutes 1 to 3 after minute 10."""
    said = [(0, 3.0), (10, 5.0), (1, 5.0), (2, 5.0), (3, 4.0), (11, 5.0), (12, 6.0)]
    found = await kept(tmp_path, [at(OTHER, *one) for one in said], {"keep": "on-change"})
    assert sorted(((row[1] - START) // MINUTE, row[4]) for row in found) == [
        (0, 3.0), (1, 5.0), (3, 4.0), (10, 5.0), (12, 6.0),
    ]  # fmt: skip


async def test_on_change_does_not_take_what_is_now_for_what_came_late(tmp_path: Path) -> None:
    """The last of what came late is as the next that did not: in one batch, and where a batch begins with it."""
    first, second = [(10, 1.0), (1, 1.0), (2, 0.0), (11, 0.0), (12, 0.0)], [(5, 1.0), (6, 1.0), (13, 1.0), (14, 1.0)]
    with keeper(tmp_path / "history", tmp_path / "journal", keep=[{"keep": "on-change"}]) as history:
        async with journal(tmp_path / "journal", MovingClock()) as made:
            for said in (first, second):
                made.append([at(OTHER, *one) for one in said])
                await made.commit()
                take(history, START + HOUR)
    assert sorted(((row[1] - START) // MINUTE, row[4]) for row in rows(tmp_path / "history")) == [
        (1, 1.0), (2, 0.0), (5, 1.0), (10, 1.0), (11, 0.0), (13, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize("keep", ["on-change", {"while": "Mode == 'run'"}])
async def test_a_batch_that_could_not_be_written_is_kept_as_if_it_came_first(
    tmp_path: Path, keep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: what rules remember of the batch must not count when it comes again."""
    mode = source("pump-1", ["Mode"], name="Mode")
    rule = {"source": "Power", "keep": keep}

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with keeper(tmp_path / "history", tmp_path / "journal", keep=[rule]) as history:
        async with journal(tmp_path / "journal", MovingClock()) as made:
            made.append([at(mode, 0, "run")])
            await made.commit()
            take(history, START + HOUR)
            made.append([at(SINGLE, 1, 50.0), at(SINGLE, 2, 60.0), at(mode, 3, "idle")])
            await made.commit()
            with monkeypatch.context() as patch:
                patch.setattr(Engine, "write", full)
                with pytest.raises(OSError, match="no space"):
                    take(history, START + HOUR)
            take(history, START + HOUR)
    found = sorted(rows(tmp_path / "history"), key=lambda row: row[3])
    assert [row[4] if row[5] is None else row[5] for row in found] == ["run", 50.0, 60.0, "idle"]


async def test_a_deadband_counts_from_what_was_kept(tmp_path: Path) -> None:
    drift = [0.0, 0.4, 0.8, 1.2, 1.2, 0.9, 0.1, -5.0]
    records: list[Record] = [at(OTHER, n, value) for n, value in enumerate(drift)]
    found = await kept(tmp_path, records, {"keep": {"deadband": 1}})
    assert values(found, 1) == [0.0, 1.2, 0.1, -5.0]


async def test_what_changed_is_remembered_from_batch_to_batch(tmp_path: Path) -> None:
    with keeper(tmp_path / "history", tmp_path / "journal", keep=[{"keep": "on-change"}]) as history:
        async with journal(tmp_path / "journal", MovingClock()) as made:
            for n, value in enumerate([1.0, 1.0, 2.0, 2.0]):
                made.append([at(OTHER, n, value)])
                await made.commit()
                take(history, START + HOUR)
    assert values(rows(tmp_path / "history"), 1) == [1.0, 2.0]


async def test_while_looks_at_the_last_values_of_the_device(tmp_path: Path) -> None:
    records: list[Record] = [
        at(ONE, 1, 50.0, "idle"),
        at(ONE, 2, 50.0, "run"),
        at(SINGLE, 3, 5.0),
        at(ONE, 4, 60.0, "run"),
        at(ONE, 5, None, "run", quality={0: TIMEOUT}),
        at(OTHER, 6, 1.0),
    ]
    rule = {"device": "pump-*", "keep": {"while": "Power > 10 and Mode == 'run'"}}
    found = await kept(tmp_path, records, rule)
    assert [(row[3], row[4] if row[5] is None else row[5]) for row in found] == [
        (2, 50.0), (2, "run"), (4, 60.0), (4, "run"), (6, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("last", "left"), [("run", [2, 3]), ("idle", []), (None, [])])
async def test_while_knows_the_last_values_after_a_restart(tmp_path: Path, last: str | None, left: list[int]) -> None:
    """A mode that changes once a day: its last change lies before the start, and in another file of the journal."""
    mode = source("pump-1", ["Mode"], name="Mode")
    rule = {"source": "Power", "keep": {"while": "Mode == 'run'"}}
    changes = [at(mode, 0, "idle"), at(mode, 1, last, **({} if last else {"quality": {0: TIMEOUT}}))]
    if last == "run":
        changes.append(Event(source("pump-1", ["Mode", "Load"], name="Load"), START + MINUTE, [5], which=(1,)))
    for n, records in enumerate((changes, [at(SINGLE, 2, 50.0)], [at(SINGLE, 3, 60.0)])):
        async with journal(tmp_path / "journal", MovingClock()) as made:
            made.append(records)
            await made.commit()
            made._disk.segments[-1].seal(1)
        with keeper(tmp_path / "history", tmp_path / "journal", keep=[rule] if n else []) as history:
            take(history, START + HOUR)
    assert [row[1] // MINUTE - START // MINUTE for row in rows(tmp_path / "history") if row[4] in (50.0, 60.0)] == left


async def test_around_an_alarm(tmp_path: Path) -> None:
    records: list[Record] = [at(of, n, float(n)) for n in range(40) for of in (SINGLE, OTHER)]
    records += [alarm("Hot oil", 20, "pump-1"), alarm("Cold", 30, "pump-1"), alarm("Hot oil", 35, "pump-1", "cleared")]
    window = {"event": "Hot*", "before": "2m", "after": "3m"}
    found = await kept(tmp_path, records, {"keep": {"around": window}})
    assert [row[4] for row in found] == [18.0, 19.0, 20.0, 21.0, 22.0, 23.0]  # of the pump only
    assert {row[0] for row in found} == {values_of(found, 18.0)}


def values_of(found: list[Row], value: float) -> int:
    return int(next(row[0] for row in found if row[4] == value))


async def test_around_an_alarm_of_any_device_and_of_the_gateway(tmp_path: Path) -> None:
    records: list[Record] = [at(of, n, float(n)) for n in range(40) for of in (SINGLE, OTHER)]
    records += [alarm("Hot", 20, "boiler"), alarm("clock-step", 10)]
    plant = {"event": "Hot", "before": "0s", "after": "0s", "of": "any"}
    own = {"event": "clock-*", "before": "0s", "after": "1m"}
    found = await kept(tmp_path, records, {"device": "meter", "keep": {"around": plant}}, {"keep": {"around": own}})
    assert [row[4] for row in found] == [10.0, 11.0, 20.0]


async def test_messages_have_rules_too(tmp_path: Path) -> None:
    records: list[Record] = [
        alarm("Hot", 1, "pump-1"),
        Message("result", "pump-1", "set", START, {}),
        alarm("Hot", 1, "meter"),
        Message("result", "other", "set", START, {}),
    ]
    await kept(
        tmp_path,
        records,
        {"device": "pump-*", "source": "Power", "messages": False},
        {"device": "pump-*", "messages": ["result"]},
        {"device": "meter", "messages": False},
    )
    assert sorted(row[0] for row in rows(tmp_path / "history", "messages")) == [2, 4]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"keep": "on_change"}, "write everything, on-change"),
        ({"keep": {"deadband": 0}}, "greater than 0"),
        ({"keep": {"while": "Power"}}, "neither true nor false"),
        ({"keep": {"while": "__import__('os').system('x') == 1"}}, "no function"),
        ({"keep": {"while": "Power >"}}, "no expression"),
        ({"keep": {"around": {"event": "x", "before": "3d"}}}, "write 0s to 24h"),
        ({"device": "x", "tag": "y"}, "Extra inputs"),
        ({"messages": ["alarms"]}, "'alarm'"),
    ],
)
def test_a_wrong_rule_is_refused_in_words(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        KeepRule.model_validate(rule)


def test_every_way_to_keep_is_read_from_gateway_yaml(tmp_path: Path) -> None:
    """The example of the how-to, word for word."""
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "keep-a-history.md").read_text("utf-8")
    example = next(block for block in page.split("```yaml\n")[1:] if "keep:" in block).partition("```")[0]
    (tmp_path / "gateway.yaml").write_text(example, "utf-8")
    rules = load_settings(tmp_path / "gateway.yaml").keep_rules()
    assert [type(rule.keep).__name__ for rule in rules] == [
        "str", "Deadband", "str", "str", "While", "AroundRule", "str"
    ]  # fmt: skip
    (tmp_path / "gateway.yaml").write_text("history: { keep: [{ keep: { around: { evnt: x } } }] }", "utf-8")
    with pytest.raises(ConfigError, match="did you mean event"):
        load_settings(tmp_path / "gateway.yaml")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"flush": "0s"}, "write 1s to 1h"),
        ({"raw": "5m"}, "an hour or more"),
        ({"raw": "30d", "minute": "7d"}, "at least as long"),
        ({"max_bytes": "1MB"}, "at least 10MB"),
    ],
)
def test_wrong_settings_are_refused_in_words(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HistorySettings(**settings)
