"""Silent units are asked again when it costs nobody anything, and are found again all the same."""

import asyncio
import itertools
import random

import pytest

from gateway.runtime.lanes.probing import LEAST_S, QUIET_S
from tests.support.clock import MovingClock
from tests.support.mapper import Line
from tests.unit.runtime.scene import Scene, device_of

COUNT = 10


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(1)


def line_of(scene: Scene, answer_s: float) -> Line:
    line = scene.world.line("L")
    line.answer_s, line.timeout_s = answer_s, 0.5
    return line


async def whole(scene: Scene) -> None:
    """Unit 0 and ten others, polled each second."""
    await scene.apply(*[device_of(f"D{n}", unit=n, events={"A": "1s"}) for n in range(COUNT + 1)])


def late(line: Line, since: float) -> list[float]:
    """By how much more than a second somebody was asked later than before."""
    found = []
    for number in range(1, COUNT + 1):
        reads = [at for at in line.unit(number).reads if at >= since]
        found += [b - a - 1 for a, b in itertools.pairwise(reads) if b - a > 1.001]
    return found


async def test_probes_fit_between_the_polls_of_a_busy_line(clock: MovingClock) -> None:
    """T10: 60 % busy, a dead unit with a time-out of 500 ms."""
    scene = Scene(clock)
    line = line_of(scene, 0.06)
    line.unit(0).silent = True
    await whole(scene)
    async with scene.running():
        await clock.advance(10)
        began = clock.monotonic()
        probes = len(line.unit(0).reads)
        await clock.advance(280)
        assert late(line, began) == []
        assert len(line.unit(0).reads) - probes >= 280 / 30
        (lane,) = scene.lanes.lanes()
        silence = lane.quarantined["D0"]
        assert 0 < silence.cost < 0.02
        assert silence.reason == "no answer within 0.5 s"


async def test_a_unit_that_became_slow_is_found_by_a_probe_that_waits_as_long_as_the_file_says(
    clock: MovingClock,
) -> None:
    scene = Scene(clock)
    line = line_of(scene, 0.06)
    line.unit(0).silent = True
    await whole(scene)
    async with scene.running():
        await clock.advance(10)
        began = clock.monotonic()
        await clock.advance(500)
        disturbed = late(line, began)
        assert len(disturbed) == COUNT, "a cycle in some hundreds"
        assert max(disturbed) < 0.3
        line.unit(0).silent, line.unit(0).answer_s = False, 0.4
        await clock.advance(400)
        assert scene.events("D0")[-1].quality is None


async def test_on_a_line_without_any_gap_probes_take_a_small_share(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = line_of(scene, 0.12)
    line.unit(0).silent = True
    await whole(scene)
    async with scene.running():
        await clock.advance(10)
        before = len(line.unit(0).reads)
        await clock.advance(300)
        probes = len(line.unit(0).reads) - before
        assert 3 <= probes <= 300 * 0.005 / 0.36 + 4
        line.unit(0).silent = False
        await clock.advance(110)
        assert scene.events("D0")[-1].quality is None


async def test_what_a_gateway_says_of_a_silent_unit_is_waited_for(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.unit(0).told_s = 0.4
    await whole(scene)
    async with scene.running():
        await clock.advance(60)
        (lane,) = scene.lanes.lanes()
        assert lane.quarantined["D0"].reason == "the gateway says that it is silent"
        before, began = len(line.unit(0).reads), clock.monotonic()
        await clock.advance(200)
        assert len(line.unit(0).reads) - before >= 200 / 30
        assert late(line, began) == [], "its verdict comes in a gap as well"


async def test_where_a_probe_cut_short_only_makes_others_wait_it_is_not_cut_short(clock: MovingClock) -> None:
    """A gateway that is silent about its silent unit, but goes on waiting for it."""
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.unit(0).silent = line.held = True
    await whole(scene)
    async with scene.running():
        await clock.advance(10)
        began = clock.monotonic()
        await clock.advance(400)
        assert [flow.failures for flow in scene.lanes.flows() if flow.device != "D0"] == [0] * COUNT
        long = [seconds for seconds in late(line, began) if seconds > LEAST_S + QUIET_S]
        assert len(long) <= COUNT, "the one cycle that it is learned from"


async def test_a_unit_is_probed_on_when_the_device_whose_question_is_under_way_leaves(clock: MovingClock) -> None:
    """Two devices on one unit: the file of one is deleted in the second that waits for its answer."""
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.unit(7).silent = True
    devices = [device_of("D", unit=7, events={"A": "1s"}), device_of("E", unit=7, events={"A": "1s"})]
    other = device_of("F", unit=8, events={"A": "1s"})
    await scene.apply(*devices, other)
    async with scene.running():
        asked = len(line.unit(7).reads)
        while len(line.unit(7).reads) == asked or not line.busy:
            await clock.advance(0.01)
        await scene.apply(devices[1], other)
        await clock.advance(1)
        line.unit(7).silent = False
        await clock.advance(60)
        assert scene.events("E")[-1].quality is None


@pytest.mark.parametrize("polled", [True, False])
async def test_commands_that_wait_for_a_unit_that_falls_silent_fail_with_the_first(
    clock: MovingClock, polled: bool
) -> None:
    """T10: each would hold the line as long as the time-out."""
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    others = [device_of(f"D{n}", unit=n, events={"A": "1s"}) for n in range(1, 5)]
    await scene.apply(device_of("D0", unit=0, events={"A": "1s"} if polled else None), *others)
    async with scene.running():
        await clock.advance(5)
        line.unit(0).silent = True
        before = len(line.log)
        writing = [asyncio.create_task(scene.lanes.write(scene.source("D0", "B"), {"B": n})) for n in range(20)]
        await clock.advance(0.6)
        assert [str(task.exception()) for task in writing] == ["no answer within 0.5 s"] * 20
        assert sum(entry.startswith("write 0") for entry in line.log[before:]) == 1


async def test_a_probe_that_fits_nowhere_does_not_keep_others_from_going(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = line_of(scene, 0.02)
    line.timeout_s = 3.0
    line.unit(0).answer_s = 0.6
    await whole(scene)
    async with scene.running():
        await clock.advance(30)
        line.unit(0).silent = line.unit(1).silent = True
        await clock.advance(60)
        before = len(line.unit(1).reads)
        await clock.advance(300)
        assert len(line.unit(1).reads) - before >= 300 / 32


async def test_a_slow_neighbour_is_not_one_that_was_made_to_wait(clock: MovingClock) -> None:
    """What is usual for the one who answers counts, not for the one who was asked before."""
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.unit(1).answer_s = 0.3
    await whole(scene)
    async with scene.running():
        await clock.advance(10)
        line.unit(0).silent = True
        await clock.advance(200)
        (lane,) = scene.lanes.lanes()
        assert lane.quarantined["D0"].cost < 0.015, "probes stay short"


async def test_many_that_never_answered_do_not_hold_up_who_does(clock: MovingClock) -> None:
    """T10: at the start, when nobody is known to be silent."""
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    for number in range(20):
        line.unit(number).silent = True
    await scene.apply(*[device_of(f"D{n}", unit=n, events={"A": "1s"}) for n in (20, 21, *range(20), 22)])
    async with scene.running():
        await clock.advance(40)
        reads = [line.unit(number).reads for number in (20, 21)]
        assert max(b - a for one in reads for a, b in itertools.pairwise(one)) < 2.2
        assert len(line.unit(22).reads) > 20, "it had its turn"


async def test_a_unit_that_answers_again_is_judged_anew(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.unit(0).told_s = 0.4
    await whole(scene)
    async with scene.running():
        await clock.advance(60)
        line.unit(0).told_s = None
        await clock.advance(60)
        line.unit(0).silent = True
        await clock.advance(200)
        (lane,) = scene.lanes.lanes()
        assert lane.quarantined["D0"].cost < 0.015


async def test_a_late_answer_to_a_probe_cut_short_finds_no_later_question_to_take_it(clock: MovingClock) -> None:
    """T11: on RTU a unit's answers carry no number; until its time-out is over it is not asked anything else."""
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.timeout_s = 4.0
    line.unit(0).silent = True
    await scene.apply(*[device_of(f"D{n}", unit=n, events={"A": "1s"}) for n in range(3)])
    async with scene.running():
        await clock.advance(60)
        reads = line.unit(0).reads
        assert len(reads) >= 3
        assert min(b - a for a, b in itertools.pairwise(reads)) >= 4.0


async def test_who_moves_to_another_unit_is_not_blamed_for_the_one_it_had(clock: MovingClock) -> None:
    """The unit id is put right while the wrong one is waited for."""
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.unit(7).silent = True
    other = device_of("F", unit=8, events={"A": "10s"})
    await scene.apply(device_of("D", unit=7, events={"A": "10s"}), other)
    async with scene.running():
        assert line.busy
        await scene.apply(device_of("D", unit=9, events={"A": "10s"}), other)
        await clock.advance(0.6)
        assert [event.quality for event in scene.events("D")] == [None]


async def test_polls_of_one_line_keep_to_the_phase_of_its_first(clock: MovingClock) -> None:
    """A fast poll cannot keep to it exactly; those that come after it can."""
    scene = Scene(clock)
    first = [device_of(f"F{n}", f"L{n}", events={"A": "1s"}) for n in range(4)]
    more = [device_of(name, "L3", events={"A": "1s", "B": "250ms"}) for name in ("D", "E")]
    await scene.apply(*first, *more)
    async with scene.running():
        await clock.advance(3)
        seconds = [at % 1 for at, names in zip(*_asked(scene), strict=True) if names == ("A",) and at > 1002]
        assert max(seconds) - min(seconds) < 0.001


def _asked(scene: Scene) -> tuple[list[float], list[tuple[str, ...]]]:
    unit = scene.world.line("L3").unit(1)
    return unit.reads, unit.read_names


async def test_the_time_that_opening_a_connection_takes_says_nothing_of_a_silent_unit(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = line_of(scene, 0.01)
    line.timeout_s, line.connect_s, line.rest_after = 1.0, 0.2, 0.0
    line.unit(0).silent = True
    await scene.apply(*[device_of(f"D{n}", unit=n, events={"A": "1s"}) for n in range(5)])
    async with scene.running():
        await clock.advance(20)
        before = len(line.unit(0).reads)
        await clock.advance(280)
        assert len(line.unit(0).reads) - before >= 280 / 32
