import asyncio
import itertools
import random

import pytest

from gateway.model.errors import DeviceError, NoAnswer, NotConnected
from gateway.model.health import LaneReport
from gateway.model.reading import DISCONNECTED, TIMEOUT, Quality
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.scene import Scene, device_of, profile_of, values

EACH_SECOND = {"A": "1s"}


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(1)


def report(scene: Scene) -> LaneReport:
    (found,) = scene.lanes.lanes()
    return found


async def test_first_poll_at_once_then_every_interval(clock: MovingClock) -> None:
    scene = Scene(clock)
    scene.world.line("L").unit(1).values["A"] = 7
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        assert values(scene.events()) == [7]
        await clock.advance(10)
        reads = scene.world.line("L").unit(1).reads
        assert len(reads) == 11
        assert {round(b - a, 6) for a, b in itertools.pairwise(reads)} == {1.0}
        (flow,) = scene.lanes.flows()
        assert (flow.requested_s, flow.reads, flow.failures, flow.overruns) == (1.0, 11, 0, 0)
        assert flow.achieved_s == pytest.approx(1.0)
        assert flow.last_good == scene.events()[-1].origin
        assert report(scene).state == "connected"


async def test_a_slow_device_skips_and_counts_and_never_queues(clock: MovingClock) -> None:
    scene = Scene(clock)
    scene.world.line("L").answer_s = 2.5
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        await clock.advance(60)
        (flow,) = scene.lanes.flows()
        assert flow.reads in (19, 20)
        assert flow.overruns + flow.reads == pytest.approx(60, abs=2)
        assert flow.achieved_s == pytest.approx(3.0)
        assert flow.answer_ms == pytest.approx(2500)
        assert report(scene).busy == pytest.approx(2.5 / 3, abs=0.05)


async def test_commands_go_first_but_after_four_in_a_row_one_poll_goes(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    await scene.apply(
        device_of("D", unit=1, events={"A": "1s"}), device_of("E", unit=2, events={"A": "1s"}), device_of("C", unit=3)
    )
    async with scene.running():
        await clock.advance(2)
        line.answer_s = 0.01
        source = scene.source("C", "B")
        writing = asyncio.create_task(scene.lanes.write(source, {"B": 0}))
        await settle()
        line.log.clear()
        rest = [asyncio.create_task(scene.lanes.write(source, {"B": n})) for n in range(1, 10)]
        for device in scene.lanes._devices.values():
            for polling in device.lane._units.of(device.planned.device.name).polls:
                polling.due()
        await clock.advance(0.5)
        await asyncio.gather(writing, *rest)
    kinds = [entry.split()[0] for entry in line.log[:11]]
    assert kinds == ["write"] * 3 + ["read"] + ["write"] * 4 + ["read"] + ["write"] * 2
    assert [w["B"] for w in line.unit(3).writes] == list(range(10))


async def test_a_lost_connection_is_told_once_and_comes_back_by_itself(
    clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway.runtime")
    scene = Scene(clock)
    line = scene.world.line("L")
    await scene.apply(device_of("D", events={"A": "1s", "B": "1s"}))
    async with scene.running():
        await clock.advance(3)
        line.up = False
        scene.journal.clear()
        await clock.advance(600)
        told = scene.events()
        assert [event.source.name for event in told] == ["A", "B"]
        assert [event.quality for event in told] == [{0: DISCONNECTED}] * 2
        assert report(scene).state == "waiting"
        assert report(scene).reason == "connection refused"
        assert 600 / 30 <= len(line.connects) <= 600 / 15 + 8
        with pytest.raises(NotConnected, match=r"L is not connected since .*refused; next try in \d"):
            await scene.lanes.read(scene.source("D", "A"))
        line.up = True
        await clock.advance(31)
        assert report(scene).state == "connected"
        assert scene.events()[-1].quality is None
    lines = [record.message for record in caplog.records]
    assert [text.split(".")[0] for text in lines] == [
        "L is lost: the connection was closed by the other side",
        lines[1],
    ]
    assert lines[1].startswith("L is back after 10 min")
    assert line.open == 0


async def test_a_device_that_appears_later_is_connected_without_restart(clock: MovingClock) -> None:
    """T13."""
    scene = Scene(clock)
    scene.world.line("L").up = False
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        await clock.advance(300)
        assert [e.quality for e in scene.events()] == [{0: DISCONNECTED}]
        scene.world.line("L").up = True
        await clock.advance(30)
        assert scene.events()[-1].quality is None


async def test_a_dead_unit_costs_one_short_probe_per_back_off_and_its_neighbours_nothing(clock: MovingClock) -> None:
    """T10."""
    scene = Scene(clock)
    line = scene.world.line("L")
    line.answer_s, line.timeout_s = 0.02, 0.5
    devices = [device_of(f"D{n}", unit=n, events={"A": "1s", "B": "1s"}) for n in range(1, 11)]
    line.unit(7).silent = True
    await scene.apply(*devices)
    async with scene.running():
        await clock.advance(100)
        dead = line.unit(7)
        before = len(dead.reads)
        scene.journal.clear()
        starts = {n: len(line.unit(n).reads) for n in range(1, 11)}
        await clock.advance(600)
        probes = len(dead.reads) - before
        assert 600 / 30 <= probes <= 600 / 15 + 1
        assert dead.read_names[-1] == ("A",)
        for n in set(range(1, 11)) - {7}:
            reads = line.unit(n).reads[starts[n] - 1 :]
            assert len(reads) == pytest.approx(601, abs=1)
            assert max(b - a for a, b in itertools.pairwise(reads)) <= 1.05
        for flow in scene.lanes.flows():
            if flow.device != "D7":
                assert flow.achieved_s == pytest.approx(1.0, rel=0.05)
        assert not scene.events("D7")
        quarantined = report(scene).quarantined
        assert list(quarantined) == ["D7"]
        assert 0 <= quarantined["D7"].next_probe_s <= 30
        assert 0.1 / 60 <= quarantined["D7"].cost <= 0.02
        with pytest.raises(NoAnswer, match=r"D7 on L has not answered since .*next try in"):
            await scene.lanes.read(scene.source("D7", "A"))


async def test_a_silent_unit_is_told_once_and_resumes_at_once_when_it_answers(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    await scene.apply(
        device_of("D", unit=1, events={"A": "10s", "B": "60s"}), device_of("E", unit=2, events=EACH_SECOND)
    )
    async with scene.running():
        await clock.advance(20)
        line.unit(1).silent = True
        scene.journal.clear()
        await clock.advance(300)
        told = scene.events("D")
        assert sorted(event.source.name for event in told) == ["A", "B"]
        assert all(event.quality == {0: TIMEOUT} for event in told)
        line.unit(1).silent = False
        scene.journal.clear()
        await clock.advance(30)
        first = scene.events("D")[0]
        probe = line.unit(1).reads[-len(scene.events("D")) - 1]
        assert first.quality is None
        assert {event.source.name for event in scene.events("D")[:2]} == {"A", "B"}
        assert first.origin / 1e9 - (clock.now() / 1e9 - clock.monotonic()) == pytest.approx(probe, abs=0.1)


async def test_when_nobody_answers_the_connection_counts_as_lost(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    await scene.apply(device_of("D", unit=1, events=EACH_SECOND), device_of("E", unit=2, events=EACH_SECOND))
    async with scene.running():
        await clock.advance(5)
        line.unit(1).silent = line.unit(2).silent = True
        closes = line.closes
        await clock.advance(3600)
        assert line.closes > closes
        assert report(scene).state != "connected"
        assert report(scene).reason.startswith("no device on it answers")
        probes = len([t for t in line.unit(1).reads if t > clock.monotonic() - 1800])
        assert probes <= 1800 / 15
        line.unit(2).silent = False
        await clock.advance(35)
        assert report(scene).state == "connected"
        assert scene.events("E")[-1].quality is None
        assert list(report(scene).quarantined) == ["D"]
        line.unit(1).silent = False
        await clock.advance(31)
        assert scene.events("D")[-1].quality is None


async def test_one_lost_frame_costs_one_value(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    line.timeout_s = 0.1
    await scene.apply(device_of("D", unit=1, events=EACH_SECOND), device_of("E", unit=2, events=EACH_SECOND))
    async with scene.running():
        await clock.advance(5.55)
        line.unit(1).silent = True
        await clock.advance(0.85)
        line.unit(1).silent = False
        await clock.advance(5)
        bad = [event for event in scene.events("D") if event.quality]
        assert len(bad) == 1
        assert len(scene.events("D")) >= 11


async def test_a_refusal_goes_to_the_caller_and_polls_go_on(clock: MovingClock) -> None:
    scene = Scene(clock)
    scene.world.line("L").unit(1).refuses = {"B"}
    await scene.apply(device_of("D", events={"A": "1s", "B": "1s"}))
    async with scene.running():
        with pytest.raises(DeviceError, match="illegal data address") as caught:
            await scene.lanes.write(scene.source("D", "B"), {"B": 1})
        assert caught.value.code == "2"
        event = await scene.lanes.read(scene.source("D", "B"))
        assert event.quality == {0: Quality("bad", "refused", "2")}
        await clock.advance(5)
        assert scene.events("D", "A")[-1].quality is None
        (flow,) = scene.lanes.flows()
        assert flow.reads > 3
        assert report(scene).errors == {"device_error": 1 + flow.reads}, "the write, and each poll that lacks B"
        assert report(scene).state == "connected"


async def test_our_own_bug_restarts_that_lane_alone(clock: MovingClock, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D", "L", events=EACH_SECOND), device_of("E", "M", events=EACH_SECOND))
    async with scene.running():
        await clock.advance(3)
        scene.world.line("L").unit(1).bug = ZeroDivisionError("oops")
        await clock.advance(60)
        assert "ZeroDivisionError: oops" in caplog.text
        other = {r.connection: r for r in scene.lanes.lanes()}
        assert other["M"].errors == {}
        assert other["L"].errors["bug"] >= 3
        assert "an error of the gateway itself (ZeroDivisionError)" in other["L"].reason
        assert len(scene.world.line("M").unit(1).reads) == 63
        scene.world.line("L").unit(1).bug = None
        await clock.advance(31)
        assert scene.events("D")[-1].quality is None


async def test_a_bug_in_a_command_reaches_the_caller(clock: MovingClock) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D"))
    async with scene.running():
        scene.world.line("L").unit(1).bug = ZeroDivisionError("oops")
        with pytest.raises(ZeroDivisionError):
            await scene.lanes.write(scene.source("D", "A"), {"A": 1})
        scene.world.line("L").unit(1).bug = None
        with pytest.raises(NotConnected, match="an error of the gateway itself"):
            await scene.lanes.write(scene.source("D", "A"), {"A": 1})
        await clock.advance(1)
        await scene.lanes.write(scene.source("D", "A"), {"A": 1})


async def test_a_caller_that_gives_up_takes_its_command_out_of_the_line(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    line.answer_s = 1
    await scene.apply(device_of("D"))
    async with scene.running():
        first = asyncio.create_task(scene.lanes.write(scene.source("D", "A"), {"A": 1}))
        second = asyncio.create_task(scene.lanes.write(scene.source("D", "A"), {"A": 2}))
        await clock.advance(0.5)
        second.cancel()
        await clock.advance(3)
        await first
        assert line.unit(1).writes == [{"A": 1}]


async def test_commands_waiting_when_the_wire_breaks_are_told(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    line.answer_s = 1
    await scene.apply(device_of("D"))
    async with scene.running():
        calls = [asyncio.create_task(scene.lanes.write(scene.source("D", "A"), {"A": n})) for n in range(3)]
        await clock.advance(0.5)
        assert report(scene).commands_waiting == 2
        line.up = False
        await clock.advance(1)
        for call in calls:
            with pytest.raises(NotConnected):
                await call


async def test_commands_that_come_while_it_connects_wait_for_it(clock: MovingClock) -> None:
    scene = Scene(clock)
    scene.world.line("L").connect_s = 2
    await scene.apply(device_of("D"))
    async with scene.running():
        call = asyncio.create_task(scene.lanes.write(scene.source("D", "A"), {"A": 5}))
        await clock.advance(1)
        assert not call.done()
        await clock.advance(1.5)
        await call
        assert scene.world.line("L").unit(1).writes == [{"A": 5}]


@pytest.mark.parametrize("after", [0.0, 0.05, 0.3, 0.75, 1.0, 1.2, 2.05, 2.6, 7.3])
@pytest.mark.parametrize("trouble", ["none", "down", "silent", "connecting"])
async def test_cancel_at_any_point_leaves_nothing(clock: MovingClock, after: float, trouble: str) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    line.answer_s, line.timeout_s = 0.2, 0.5
    line.up = trouble != "down"
    line.unit(1).silent = trouble == "silent"
    line.connect_s = 1 if trouble == "connecting" else 0
    await scene.apply(device_of("D", unit=1, events=EACH_SECOND), device_of("E", unit=2, events=EACH_SECOND))
    async with scene.running():
        call = asyncio.create_task(scene.lanes.write(scene.source("E", "A"), {"A": 1}))
        await clock.advance(after)
    await asyncio.wait([call])
    assert call.exception() is None or isinstance(call.exception(), NotConnected)
    assert (line.open, line.busy) == (0, 0)


async def test_the_wall_clock_moves_nothing(clock: MovingClock) -> None:
    scene = Scene(clock)
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        await clock.advance(5)
        for step in (3600.0, -3600.0, -1_763_635_200.0, 1_763_635_200.0):
            clock.step_wall(step)
            before = len(scene.world.line("L").unit(1).reads)
            await clock.advance(10)
            assert len(scene.world.line("L").unit(1).reads) - before == 10
            (flow,) = scene.lanes.flows()
            assert flow.achieved_s == pytest.approx(1.0)
            assert flow.overruns == 0
            assert abs(scene.events()[-1].origin - clock.now()) < 2e9


async def test_a_profile_is_read_as_planned(clock: MovingClock) -> None:
    """autoEvents of one resource each are one request when they share an interval."""
    scene = Scene(clock)
    names = [f"R{n}" for n in range(20)]
    await scene.apply(device_of("D", events=dict.fromkeys(names, "1s")), profile=profile_of(names))
    async with scene.running():
        assert scene.world.line("L").unit(1).read_names == [tuple(names)]
        assert len(scene.events()) == 20


async def test_a_connection_that_rests_is_closed_when_it_is_time_and_opened_by_the_next_poll(
    clock: MovingClock,
) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    line.rest_after = 2.0
    await scene.apply(device_of("D", events={"A": "10s"}))
    async with scene.running():
        await clock.advance(1.5)
        assert line.open == 1
        await clock.advance(1)
        assert line.open == 0
        assert report(scene).state == "connected", "nothing is lost"
        await clock.advance(20)
        assert len(line.unit(1).reads) == len(line.connects) >= 3
        assert [event.quality for event in scene.events()] == [None] * len(line.connects)
        line.up = False
        await clock.advance(10)
        assert report(scene).state == "waiting"


async def test_a_connection_that_is_closed_after_each_cycle(clock: MovingClock) -> None:
    scene = Scene(clock)
    line = scene.world.line("L")
    line.rest_after = 0.0
    await scene.apply(device_of("D", unit=1, events=EACH_SECOND), device_of("E", unit=2, events=EACH_SECOND))
    async with scene.running():
        await clock.advance(10)
        assert line.open == 0
        assert line.closes == len(line.connects)
        assert all(len(line.unit(number).reads) in (10, 11) for number in (1, 2))
