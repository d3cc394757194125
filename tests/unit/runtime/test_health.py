import asyncio

import pytest

from gateway.model.reading import Batch, Message, Record
from gateway.runtime.alarms import Alarms
from gateway.runtime.health import ClockWatch, LoopLag, gauges
from tests.support.clock import MovingClock


class Heard:
    def __init__(self) -> None:
        self.records: list[Record] = []

    def __call__(self, batch: Batch) -> None:
        self.records.extend(batch)

    def told(self) -> list[tuple[str, float]]:
        return [(r.body["state"], r.body["value"]) for r in self.records if isinstance(r, Message)]


@pytest.mark.parametrize("step", [3600.0, -3600.0, -1_763_635_200.0])
async def test_a_step_of_the_wall_clock_is_noticed_and_told(clock: MovingClock, step: float) -> None:
    alarms = Heard()
    watch = ClockWatch(clock, Alarms(alarms, clock))
    task = asyncio.create_task(watch.run())
    await clock.advance(10)
    assert alarms.records == []
    clock.step_wall(step)
    clock.trust = False
    await clock.advance(1)
    assert alarms.told() == [("raised", step)]
    assert watch.state == "untrusted"
    await clock.advance(5)
    clock.trust = True
    await clock.advance(1)
    assert alarms.told() == [("raised", step), ("cleared", 0.0)]
    assert (watch.steps, watch.state) == (1, "trusted")
    assert watch.stepped_s == pytest.approx(step)
    task.cancel()
    await asyncio.wait([task])


async def test_drift_and_slewing_are_no_step(clock: MovingClock) -> None:
    alarms = Heard()
    watch = ClockWatch(clock, Alarms(alarms, clock))
    for _ in range(100):
        await clock.advance(1)
        clock.step_wall(0.3)
        watch.look()
    assert alarms.records == []


async def test_a_clock_never_set_is_told_once(clock: MovingClock) -> None:
    alarms = Heard()
    clock.trust = False
    watch = ClockWatch(clock, Alarms(alarms, clock))
    for _ in range(10):
        watch.look()
    assert alarms.told() == [("raised", 0.0)]


def test_the_lag_of_the_last_minute(clock: MovingClock) -> None:
    lag = LoopLag(clock)
    assert lag.quantile(0.99) == 0.0
    for n in range(600):
        lag.note(0.5 if n % 100 == 0 else 0.001)
    lag.note(-0.001)
    assert lag.quantile(0.5) == 0.001
    assert lag.quantile(0.999) == 0.5
    for _ in range(600):
        lag.note(0.002)
    assert lag.quantile(0.99) == 0.002
    assert lag.worst == 0.5
    assert gauges(lag, ClockWatch(clock, Alarms(lambda _: None, clock)))["loop_lag_p99_seconds"] == 0.002


async def test_a_blocked_loop_shows(clock: MovingClock) -> None:
    lag = LoopLag(clock)
    task = asyncio.create_task(lag.run())
    await clock.advance(1)
    assert lag.worst == pytest.approx(0.0, abs=1e-9)
    clock._move_to(clock.monotonic() + 0.25)
    await clock.advance(0.1)
    assert 0.1 < lag.worst < 0.3
    task.cancel()
    await asyncio.wait([task])


async def test_one_alarm_has_one_id_from_first_to_last_and_the_next_another(clock: MovingClock) -> None:
    heard = Heard()
    alarms = Alarms(heard, clock)
    for state in ("raised", "raised", "cleared", "raised"):
        await clock.advance(1)
        alarms.tell("journal-full", state, "no room")
    bodies = [record.body for record in heard.records if isinstance(record, Message)]
    first, again, cleared, later = (body["id"] for body in bodies)
    assert first == again == cleared != later
    assert {frozenset(body) for body in bodies} == {
        frozenset({"id", "name", "state", "severity", "ts", "resource", "value", "why"})
    }
