"""Devices that tell by themselves: subscribed, heard, looked after, lost."""

import asyncio
import itertools
import random
from typing import Any

import pytest

from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.health import LaneReport
from gateway.model.reading import DISCONNECTED, TIMEOUT, refused
from tests.support.clock import MovingClock, settle
from tests.support.telling import TellingLine
from tests.unit.runtime.scene import Scene, command_of, device_of, profile_of, values

EACH_SECOND = {"A": "1s"}
BOTH = {"A": "1s", "B": "1s"}


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(1)


def telling(clock: MovingClock, **line: Any) -> tuple[Scene, TellingLine]:
    scene = Scene(clock)
    made = TellingLine(**line)
    scene.world.lines["L"] = made
    return scene, made


def report(scene: Scene) -> LaneReport:
    (found,) = scene.lanes.lanes()
    return found


async def test_what_is_told_is_published_and_nothing_is_read(clock: MovingClock) -> None:
    scene, line = telling(clock)
    line.unit(1).values["A"] = 7
    await scene.apply(device_of("D", events=BOTH), device_of("E", unit=2, events=EACH_SECOND))
    async with scene.running():
        assert line.subscribes == [("D.A", "D.B", "E.A")]
        assert values(scene.events("D", "A")) == [7]
        assert report(scene).state == "connected"
        await clock.advance(5)
        line.tell(1, A=8)
        await clock.advance(5)
        assert values(scene.events("D", "A")) == [7, 8]
        assert scene.events("D", "A")[-1].origin == pytest.approx(clock.now() - 5 * 10**9, abs=9)
        assert line.unit(1).reads == []
        assert line.subscribes == [("D.A", "D.B", "E.A")]


async def test_one_notification_is_one_batch(clock: MovingClock) -> None:
    scene, line = telling(clock)
    batches: list[int] = []
    scene.bus.tap(lambda batch: batches.append(len(batch)))
    await scene.apply(device_of("D", events={"A": "1s", "B": "1s"}))
    async with scene.running():
        line.tell(1, A=1, B=2)
        assert batches == [2, 2]


async def test_a_subscribed_poll_is_reported_as_such(clock: MovingClock) -> None:
    scene, line = telling(clock, read_instead={"B"})
    await scene.apply(device_of("D", events={"A": "1s", "B": "2s"}))
    async with scene.running():
        for n in range(1, 11):
            await clock.advance(3)
            line.tell(1, A=n)
        told, read = scene.lanes.flows()
        assert (told.mode, told.reads, told.failures, told.overruns) == ("subscribed", 11, 0, 0)
        assert told.achieved_s == pytest.approx(3)
        assert told.answer_ms is None
        assert told.last_good == clock.now()
        assert (read.mode, read.reads) == ("read", 16)
        assert read.answer_ms is not None


async def test_transforms_and_rules_are_applied_to_what_is_told_in_parts(clock: MovingClock) -> None:
    scene, line = telling(clock)
    profile = profile_of(valueType="Int16", scale=0.1)
    profile.device_commands.append(command_of("Both", "A", "B"))
    rule = {"sourceName": "Both", "interval": "1s", "onChange": True, "onChangeThreshold": 1.0}
    await scene.apply(device_of("D", autoEvents=[rule]), profile=profile)
    async with scene.running():
        line.tell(1, B=215)
        line.tell(1, B=219)
        line.tell(1, B=230)
        line.tell(1, A=0, B=230)
        told = [(event.which, event.values) for event in scene.events()]
        assert told == [(None, [0.0, 0.0]), ((1,), [21.5]), ((1,), [23.0])]


async def test_source_times_are_kept(clock: MovingClock) -> None:
    """T20."""
    scene, line = telling(clock)
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        line.tell(1, A=1, time=5)
        assert scene.events()[-1].times == {0: 5}
        assert scene.events()[-1].origin == pytest.approx(clock.now(), abs=9)


async def test_a_value_the_server_refuses_is_told_and_the_others_go_on(clock: MovingClock) -> None:
    scene, line = telling(clock)
    line.unit(1).refuses.add("B")
    await scene.apply(device_of("D", events=BOTH))
    async with scene.running():
        assert scene.events("D", "B")[0].quality == {0: refused("2")}
        assert scene.events("D", "A")[0].quality is None
        by_source = {flow.sources: flow for flow in scene.lanes.flows()}
        assert [flow.failures for flow in by_source.values()] == [0]


async def test_what_is_not_subscribed_is_read_at_its_interval(clock: MovingClock) -> None:
    scene, line = telling(clock, read_instead={"B"})
    await scene.apply(device_of("D", events={"A": "2s", "B": "1s"}))
    async with scene.running():
        await clock.advance(10)
        assert len(line.unit(1).reads) == 11
        assert set(line.unit(1).read_names) == {("B",)}
        assert len(scene.events("D", "B")) == 11
        assert len(scene.events("D", "A")) == 1


async def test_devices_come_and_go_and_the_others_miss_nothing(clock: MovingClock) -> None:
    scene, line = telling(clock, read_instead={"B"})
    stays = device_of("D", events={"A": "1s", "B": "2s"})
    await scene.apply(stays)
    async with scene.running():
        first = line.session
        assert first is not None
        kept = set(first.polls)
        for turn in range(20):
            await scene.apply(stays, device_of("E", unit=2, events={"A": f"{1 + turn % 2}s"}))
            await clock.advance(0.05)
            line.tell(1, A=turn + 1)
            line.tell(2, A=turn)
        assert values(scene.events("D", "A")) == list(range(21))
        assert line.subscribes[-1] == ("D.A", "D.B", "E.A")
        await scene.apply(stays)
        await clock.advance(0.05)
        line.tell(2, A=99)
        assert line.subscribes[-1] == ("D.A", "D.B")
        assert kept == set(first.polls)
        assert values(scene.events("E"))[-1] != 99
        assert len(line.connects) == 1
        reads = line.unit(1).reads
        await clock.advance(10)
        assert {round(b - a, 6) for a, b in itertools.pairwise(reads[1:])} == {2.0}


async def test_nothing_is_heard_of_a_device_that_was_just_taken_away(clock: MovingClock) -> None:
    scene, line = telling(clock)
    stays = device_of("E", unit=2, events=EACH_SECOND)
    await scene.apply(device_of("D", events=EACH_SECOND), stays)
    async with scene.running():
        line.subscribe_s = 1.0
        await scene.apply(stays)
        await clock.advance(0.5)
        line.tell(1, A=5)
        line.tell(2, A=6)
        assert values(scene.events("D")) == [0]
        assert values(scene.events("E")) == [0, 6]


async def test_a_connection_that_is_lost_is_noticed_at_once_and_comes_back(clock: MovingClock) -> None:
    scene, line = telling(clock)
    await scene.apply(device_of("D", events={"A": "1h"}))
    async with scene.running():
        await clock.advance(10)
        line.up = False
        line.cut("the server hung up")
        await settle()
        assert report(scene).state == "waiting"
        assert report(scene).reason == "the server hung up"
        assert scene.events()[-1].quality == {0: DISCONNECTED}
        assert line.open == 0
        await clock.advance(600)
        assert 600 / 30 <= len(line.connects) <= 600 / 15 + 8
        assert len(scene.events()) == 2
        line.up = True
        await clock.advance(31)
        assert report(scene).state == "connected"
        assert len(line.subscribes) == 2
        assert scene.events()[-1].quality is None


async def test_a_connection_lost_in_mid_command_fails_it_at_once(clock: MovingClock) -> None:
    scene, line = telling(clock, answer_s=5.0)
    await scene.apply(device_of("D", events={"A": "1h"}))
    async with scene.running():
        writing = asyncio.create_task(scene.lanes.write(scene.source("D", "B"), {"B": 1}))
        waiting = asyncio.create_task(scene.lanes.read(scene.source("D", "B")))
        await clock.advance(0.1)
        line.cut("the server hung up")
        await settle()
        for call in (writing, waiting):
            with pytest.raises(NotConnected):
                await call


async def test_looks_are_taken_in_turn_and_what_they_find_ends_the_session(clock: MovingClock) -> None:
    scene, line = telling(clock, look_after=10.0, answer_s=0.5)
    await scene.apply(device_of("D", events={"A": "1h"}))
    async with scene.running():
        began = clock.monotonic()
        await clock.advance(9.8)
        reading = asyncio.create_task(scene.lanes.read(scene.source("D", "B")))
        await clock.advance(0.7)
        await reading
        assert [look - began for look in line.looks] == [pytest.approx(10.3)]
        await clock.advance(10)
        assert len(line.looks) == 2
        line.look_error = NotConnected("nothing is told any more")
        await clock.advance(9.9)
        assert report(scene).reason == "nothing is told any more"
        assert len(line.looks) == 3
        line.look_error = None
        await clock.advance(2)
        assert report(scene).state == "connected"


async def test_a_get_nobody_answers_leaves_a_living_subscription_alone(clock: MovingClock) -> None:
    scene, line = telling(clock, read_instead={"B"})
    await scene.apply(device_of("D", events={"A": "1s", "B": "10s"}))
    async with scene.running():
        line.unit(1).silent = True
        with pytest.raises(NoAnswer):
            await asyncio.gather(scene.lanes.read(scene.source("D", "A")), clock.advance(2))
        await clock.advance(30)
        assert (report(scene).state, len(line.connects), report(scene).quarantined) == ("connected", 1, {})
        assert report(scene).errors["no_answer"] >= 3
        assert [event.quality for event in scene.events("D", "B")[1:]] == [{0: TIMEOUT}]
        line.tell(1, A=5)
        assert values(scene.events("D", "A")) == [0, 5]
        line.unit(1).silent = False
        await clock.advance(10)
        assert scene.events("D", "B")[-1].quality is None
        line.unit(1).silent, line.alive = True, False
        while report(scene).state == "connected":
            await clock.advance(0.1)
        assert report(scene).reason == "nothing is told, and nothing answers: no answer within 1.0 s"


async def test_without_anything_subscribed_silence_is_as_ever(clock: MovingClock) -> None:
    scene, line = telling(clock, read_instead={"A"})
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        await clock.advance(2)
        line.unit(1).silent = True
        await clock.advance(3)
        assert report(scene).state != "connected"
        assert "no device on it answers" in report(scene).reason
        line.unit(1).silent = False
        await clock.advance(31)
        assert report(scene).state == "connected"
        assert scene.events()[-1].quality is None


async def test_our_own_mistake_in_what_is_told_ends_the_session_only(
    clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    scene, line = telling(clock)
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        assert line.session is not None
        told, source = line.session._told, scene.source("D", "A")
        assert told is not None
        told([None])  # type: ignore[list-item]
        await settle()
        assert report(scene).errors == {"bug": 1}
        assert "failed by our own fault" in caplog.text
        await clock.advance(2)
        assert report(scene).state == "connected"
        assert scene.events()[-1].source is source
        assert scene.events()[-1].quality is None


async def test_a_server_with_nothing_to_tell_is_looked_after_all_the_same(clock: MovingClock) -> None:
    scene, line = telling(clock)
    await scene.apply(device_of("D"))
    async with scene.running():
        await clock.advance(25)
        assert len(line.looks) == 2
        assert report(scene).state == "connected"
        assert (await scene.lanes.read(scene.source("D", "A"))).values == [0]


async def test_a_thousand_changes_leave_nothing_behind(clock: MovingClock) -> None:
    scene, line = telling(clock)
    stays = device_of("D", events=EACH_SECOND)
    await scene.apply(stays)
    async with scene.running():
        before = len(asyncio.all_tasks())
        for turn in range(1000):
            await scene.apply(stays, device_of(f"E{turn}", unit=2, events=EACH_SECOND))
            if turn % 10 == 0:
                await settle(5)
        await scene.apply(stays)
        await clock.advance(2)
        assert len(asyncio.all_tasks()) == before
        assert line.session is not None
        assert len(line.session.polls) == 1
        feed = next(iter(scene.lanes._devices.values())).lane._can._feed
        assert feed is not None
        assert (len(feed._polls), len(feed._hearers)) == (1, 1)
        assert len(line.connects) == 1
        assert len(scene.lanes._wheel._heap) < 20
    assert line.open == 0


async def test_a_lane_that_is_closed_leaves_no_task(clock: MovingClock) -> None:
    scene, line = telling(clock)
    before = len(asyncio.all_tasks())
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        line.subscribe_s = 5.0
        await scene.apply(device_of("D", events=EACH_SECOND), device_of("E", unit=2, events=EACH_SECOND))
        await clock.advance(1)
        await scene.apply()
        await clock.advance(1)
    await settle()
    assert len(asyncio.all_tasks()) == before
    assert line.open == 0


async def test_a_clock_far_off_is_measured_and_noted(clock: MovingClock) -> None:
    """T20."""
    scene, line = telling(clock)
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        assert report(scene).skew_s is None
        line.skew_s = 59.0
        assert (report(scene).skew_s, report(scene).notes) == (59.0, ())
        for skew_s, said in (
            (-3 * 86_400.0, "is 3 days ahead of ours"),
            (90.0, "is 90 s behind ours"),
            (600.0, "is 10 min behind ours"),
            (9000.0, "is 2.5 h behind ours"),
        ):
            line.skew_s = skew_s
            (note,) = report(scene).notes
            assert said in note
            assert "TimeStamps: gateway" in note
        line.up = False
        line.cut("the server hung up")
        await settle()
        assert (report(scene).skew_s, report(scene).notes) == (None, ())


async def test_what_happened_to_subscriptions_is_counted(clock: MovingClock) -> None:
    """T14: told where errors are, also when the connection is gone meanwhile."""
    scene, line = telling(clock)
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        line.counts.update(overflow=2)
        assert report(scene).errors == {"overflow": 2}
        line.counts.update(overflow=1, resubscribed=1)
        line.up = False
        line.cut("the server hung up")
        await settle()
        assert report(scene).errors == {"overflow": 3, "resubscribed": 1, "not_connected": 1}


async def test_a_look_nobody_answers_ends_what_is_not_alive(clock: MovingClock) -> None:
    scene, line = telling(clock)
    await scene.apply(device_of("D", events={"A": "1h"}))
    async with scene.running():
        line.look_error = NoAnswer("no answer within 5 s")
        await clock.advance(25)
        assert (len(line.looks), report(scene).state, report(scene).errors) == (2, "connected", {"no_answer": 2})
        line.alive = False
        await clock.advance(5.05)
        assert report(scene).reason == "nothing is told, and nothing answers: no answer within 5 s"


async def test_a_subscription_nobody_answers_is_no_connection(clock: MovingClock) -> None:
    scene, line = telling(clock)
    line.subscribe_error = NoAnswer("no answer within 5 s")
    await scene.apply(device_of("D", events=EACH_SECOND))
    async with scene.running():
        assert report(scene).reason == "it does not answer to a subscription: no answer within 5 s"
        await clock.advance(60)
        assert 3 <= len(line.connects) <= 10
        line.subscribe_error = None
        await clock.advance(31)
        assert report(scene).state == "connected"
