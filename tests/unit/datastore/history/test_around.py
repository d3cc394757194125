"""`keep: {around: …}`: readings stay until it is known whether an alarm wants them; what was merged is left alone."""

from pathlib import Path

from datastore.history.keeper import Keeper
from datastore.history.settings import KeepRule
from datastore.history.spans import DAY, HOUR, MINUTE, SECOND
from gateway.model.reading import Event, Message
from tests.support.clock import MovingClock
from tests.support.history import keeper, rows, take, tend
from tests.support.journals import journal
from tests.support.records import ORIGIN, source

START = ORIGIN // HOUR * HOUR
DAY_START = ORIGIN // DAY * DAY
PUMP = source("pump", ["A"])


def around(before: str, after: str) -> KeepRule:
    return KeepRule.model_validate({"keep": {"around": {"event": "Hot", "before": before, "after": after}}})


def hot(origin: int) -> Message:
    return Message("alarm", "pump", "Hot", origin, {"id": "1", "state": "raised"})


def rule(made: Keeper, *rules: KeepRule) -> None:
    told = [one.model_dump(mode="json", by_alias=True) for one in rules]
    made.answer({"do": "keep", "rules": told, "labels": {}, "retained": []})


async def test_many_batches_before_the_alarm_do_not_take_what_it_wants(tmp_path: Path) -> None:
    """With `flush: 30s` an hour has more files than are left lying: they become one, before the alarm is known."""
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal", keep=[around("30m", "1m")]) as made:
        async with journal(tmp_path / "journal", MovingClock()) as store:
            for n in range(80):
                now = START + n * 30 * SECOND
                store.append([Event(PUMP, now, [n])])
                await store.commit()
                take(made, now)
                if n % 10 == 9:
                    tend(made, now)
            assert len(made.catalog.files("raw")) < 20
            store.append([hot(START + 40 * MINUTE)])
            await store.commit()
        take(made, START + 41 * MINUTE)
        tend(made, START + 3 * HOUR)
    assert [row[4] for row in sorted(rows(history), key=lambda row: row[1])] == [float(n) for n in range(20, 80)]


async def test_a_rule_of_today_leaves_what_was_kept_before_it(tmp_path: Path) -> None:
    history = tmp_path / "history"
    with keeper(history, tmp_path / "journal") as made:
        async with journal(tmp_path / "journal", MovingClock()) as store:
            store.append([Event(PUMP, DAY_START + n * HOUR, [n]) for n in range(24)])
            await store.commit()
            take(made, DAY_START + DAY)
            tend(made, DAY_START + DAY + HOUR)
            rule(made, around("1m", "1m"))
            made.answer(
                {
                    "do": "delete",
                    "tombstones": [{"first_series": 1, "last_series": 1, "end": DAY_START, "last_offset": 9}],
                }
            )
            late = [Event(PUMP, DAY_START + n * HOUR + MINUTE, [100 + n]) for n in range(24)]
            store.append([*late, hot(DAY_START + 5 * HOUR + 90 * SECOND)])
            await store.commit()
        take(made, DAY_START + 3 * DAY)
        tend(made, DAY_START + 3 * DAY)
        assert sum(file.rows for file in made.catalog.files("raw")) == 23 + 1
    assert sorted(row[4] for row in rows(history)) == [float(n) for n in range(1, 24)] + [105.0]
