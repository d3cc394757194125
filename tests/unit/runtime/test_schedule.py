import asyncio
import itertools
from typing import Any

import pytest

from gateway.model.device import Device
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Source
from gateway.runtime.lanes.schedule import Beat, Phases, Wheel, polls_of
from gateway.runtime.sources import select, sources_of
from tests.support.clock import MovingClock, settle

PROFILE = DeviceProfile.model_validate(
    {
        "name": "P",
        "deviceResources": [
            {"name": name, "properties": {"valueType": "Uint16", "readWrite": rw}}
            for name, rw in (("A", "R"), ("B", "R"), ("Bx", "R"), ("W", "W"))
        ],
        "deviceCommands": [{"name": "All", "readWrite": "R", "resourceOperations": [{"deviceResource": "A"}]}],
    }
)


def polls(*events: dict[str, Any]) -> list[tuple[float, list[str]]]:
    device = Device.model_validate({"name": "D", "profileName": "P", "autoEvents": list(events)})
    sources = {**sources_of(device, PROFILE, "s"), "B.*": select(PROFILE, device, "B.*")}
    found = polls_of(device, sources, device.auto_events or (), tuple)  # type: ignore[arg-type]
    for poll in found:
        assert poll.plan is not None
        assert [e.source_name for e in poll.auto_events] == [s.name for s in poll.sources]
    return [(poll.interval, [source.name for source in poll.sources]) for poll in found]


def test_sources_with_equal_intervals_are_one_poll_however_written() -> None:
    assert polls(
        {"sourceName": "A", "interval": "1s"},
        {"sourceName": "All", "interval": "500ms"},
        {"sourceName": "B.*", "interval": "1000ms"},
    ) == [(1.0, ["A", "B.*"]), (0.5, ["All"])]


class Planned(tuple[Source, ...]):
    """A plan of sources; B tells by itself."""

    __slots__ = ()

    @property
    def told(self) -> list[Source]:
        return [source for source in self if source.name == "B"]


def test_what_is_told_and_what_is_read_at_one_interval_are_two_polls() -> None:
    events = [{"sourceName": name, "interval": "1s"} for name in ("A", "B", "Bx")]
    device = Device.model_validate({"name": "D", "profileName": "P", "autoEvents": events})
    found = polls_of(device, sources_of(device, PROFILE, "s"), device.auto_events or (), Planned)  # type: ignore[arg-type]
    assert [[source.name for source in poll.sources] for poll in found] == [["B"], ["A", "Bx"]]
    for poll in found:
        assert poll.plan == poll.sources
        assert [e.source_name for e in poll.auto_events] == [s.name for s in poll.sources]


def test_the_autoevent_that_reports_more_counts() -> None:
    device = Device.model_validate(
        {
            "name": "D",
            "autoEvents": [
                {"sourceName": "A", "interval": "1s", "onChange": True, "onChangeThreshold": 3},
                {"sourceName": "A", "interval": "1s", "onChange": True, "onChangeThreshold": 1},
                {"sourceName": "B", "interval": "1s", "onChange": True},
                {"sourceName": "B", "interval": "1s"},
            ],
        }
    )
    (poll,) = polls_of(device, sources_of(device, PROFILE, "s"), device.auto_events or (), tuple)  # type: ignore[arg-type]
    assert [(e.on_change, e.on_change_threshold) for e in poll.auto_events] == [(True, 1), (False, 0)]


def test_every_autoevent_that_names_nothing_readable_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        polls(
            {"sourceName": "W", "interval": "1s"},
            {"sourceName": "X.*", "interval": "1s"},
            {"sourceName": "(", "interval": "1s"},
            {"sourceName": "A", "interval": "1s"},
        )
    assert [p.where for p in caught.value.problems] == [f"autoEvents[{i}].sourceName" for i in range(3)]


async def test_timers_go_in_order_cancelled_ones_never(clock: MovingClock) -> None:
    wheel, called = Wheel(clock), list[str]()
    task = asyncio.create_task(wheel.run())
    await settle()
    wheel.at(clock.monotonic() + 5, lambda: called.append("late"))
    early = clock.monotonic() + 1
    wheel.at(early, lambda: called.append("one"))
    wheel.at(early, lambda: called.append("two"))
    wheel.at(clock.monotonic() + 2, lambda: called.append("never")).cancel()

    def at_once() -> None:
        wheel.at(0, lambda: called.append("past"))

    wheel.at(clock.monotonic() + 3, at_once)
    await clock.advance(1)
    assert called == ["one", "two"]
    await clock.advance(10)
    assert called == ["one", "two", "past", "late"]
    task.cancel()
    await asyncio.wait([task])


async def test_beats_of_many_devices_share_ten_slots_a_second(clock: MovingClock) -> None:
    wheel, phases = Wheel(clock), Phases()
    times: list[list[float]] = [[] for _ in range(100)]
    beats = [
        Beat(wheel, clock, phases.take(1.0, 150), lambda _, mine=mine: mine.append(clock.monotonic()))  # type: ignore[misc]
        for mine in times
    ]
    task = asyncio.create_task(wheel.run())
    await clock.advance(5)
    assert all(mine[0] == 1000.0 for mine in times)
    assert all(0.5 <= mine[1] - mine[0] < 1.5 for mine in times)
    phase = [round(mine[-1] % 1, 3) for mine in times]
    assert sorted(set(phase)) == [round(n / 10, 1) for n in range(10)]
    assert all(phase.count(p) == 10 for p in phase)
    for beat in beats:
        beat.stop()
        phases.give_back(beat.slot)
    count = sum(map(len, times))
    await clock.advance(5)
    assert sum(map(len, times)) == count
    assert phases._of == {}
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(("interval", "beats"), [(0.05, 200), (0.25, 40), (1.0, 10), (3.0, 3), (3600.0, 0)])
async def test_a_fixed_rate_has_no_floor_and_does_not_drift(clock: MovingClock, interval: float, beats: int) -> None:
    wheel, times = Wheel(clock), list[float]()
    task = asyncio.create_task(wheel.run())
    beat = Beat(wheel, clock, Phases().take(interval, 1), lambda _: times.append(clock.monotonic()))
    await clock.advance(10)
    assert len(times) - 1 == pytest.approx(beats, abs=1)
    for at in times[1:]:
        assert at / interval == pytest.approx(round(at / interval), abs=1e-6)
    beat.stop()
    task.cancel()
    await asyncio.wait([task])


async def test_beats_missed_by_a_stall_are_counted_not_made_up_for(clock: MovingClock) -> None:
    wheel, missed = Wheel(clock), list[int]()
    task = asyncio.create_task(wheel.run())
    beat = Beat(wheel, clock, Phases().take(1.0, 1), missed.append)
    await clock.advance(2)
    missed.clear()
    clock._move_to(clock.monotonic() + 7.5)  # the machine slept: no sleeper was woken
    await clock.advance(3)
    assert missed == [6, 0, 0, 0] or missed == [7, 0, 0]
    beat.stop()
    task.cancel()
    await asyncio.wait([task])


def test_hundreds_of_fast_polls_are_spread_within_their_interval_but_a_few_start_together() -> None:
    phases = Phases()
    few = {phases.take(0.05, 150).phase for _ in range(10)}
    assert few == {0.0}
    many = [phases.take(0.05, 150).phase for _ in range(165)]
    assert len(set(many)) == 8
    assert max(many) < 0.05
    assert max(many.count(phase) for phase in set(many)) <= 23


def test_a_crowd_of_big_polls_opens_slots_between_those_of_the_grid() -> None:
    phases = Phases()
    first = [phases.take(1.0, 1050) for _ in range(20)]
    assert {slot.phase for slot in first} == {number * 0.1 for number in range(10)}
    others = [phases.take(1.0, 1050) for _ in range(300)]
    assert len({slot.phase for slot in first + others}) == 160
    apart = sorted({round(slot.phase, 5) for slot in first + others})
    assert {round(b - a, 5) for a, b in itertools.pairwise(apart)} == {0.00625}
    for slot in first + others:
        phases.give_back(slot)
    assert phases._of == {}


@pytest.mark.parametrize("interval", [0.15, 0.19, 0.25, 1.0, 7.3])
def test_a_crowd_is_spread_over_all_of_the_interval(interval: float) -> None:
    phases = Phases()
    found = sorted({phases.take(interval, 1050).phase for _ in range(400)})
    gaps = [b - a for a, b in itertools.pairwise([*found, interval])]
    assert max(gaps) <= 2.001 * min(gaps)


def test_a_slow_poll_takes_the_least_used_slot_of_the_grid() -> None:
    phases = Phases()
    assert sorted(phases.take(1.0, 51).phase for _ in range(10)) == pytest.approx([i / 10 for i in range(10)])


def test_polls_of_one_connection_are_together_and_slow_ones_in_different_seconds() -> None:
    phases = Phases()
    phases.take(1.0, 60)
    lane = phases.take(1.0, 60).phase
    assert {phases.take(1.0, 60, lane).phase for _ in range(20)} == {lane}
    assert phases.take(0.5, 60, lane).phase % 0.5 == pytest.approx(lane % 0.5)
    slow = [phases.take(10.0, 60, lane).phase for _ in range(10)]
    assert sorted(slow) == pytest.approx([lane + second for second in range(10)])
    other = phases.take(1.0, 60).phase
    assert other != lane, "another connection has a phase of its own"
