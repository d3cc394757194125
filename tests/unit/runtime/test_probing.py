"""Silent units are asked again when it costs nobody anything, and are found again all the same."""

import itertools
import random

import pytest

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
        await clock.advance(60)
        assert [flow.failures for flow in scene.lanes.flows() if flow.device != "D0"] == [0] * COUNT
        began = clock.monotonic()
        await clock.advance(200)
        assert late(line, began) == []
