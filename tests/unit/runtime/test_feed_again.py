"""What was told once holds until something else is told, and only while the other side is alive."""

import pytest

from gateway.model.device import Flow
from gateway.model.reading import DISCONNECTED, Event, Quality, refused
from gateway.runtime.twin.store import TwinStore
from tests.support.clock import MovingClock
from tests.support.state import MemoryState
from tests.support.telling import TellingLine
from tests.unit.runtime.scene import Scene, command_of, device_of, profile_of, values


class Told:
    """One device on a server, with its twin."""

    def __init__(self, clock: MovingClock) -> None:
        self.scene, self.line = Scene(clock), TellingLine()
        self.scene.world.lines["L"] = self.line
        self.twins = TwinStore(lambda: self.scene.planned, MemoryState(), clock, self.scene.lanes.lanes)
        self.scene.bus.tap(self.twins.update)

    @property
    def flow(self) -> Flow:
        return self.twins.state("D").state

    def row(self, name: str) -> tuple[object, str]:
        row = self.twins.value("D", name)
        assert row is not None
        return row.value, row.freshness

    def again(self) -> list[Event]:
        """Repeats so far."""
        return [one for one in self.scene.tapped if isinstance(one, Event) and one.repeat]


async def test_what_nobody_tells_anew_stays_fresh_while_the_other_side_lives(clock: MovingClock) -> None:
    it = Told(clock)
    it.line.unit(1).values["A"] = 7
    await it.scene.apply(device_of("D", events={"A": "1s"}))
    async with it.scene.running():
        await clock.advance(3600)
        assert it.row("A") == (7, "repeat")
        assert it.flow is Flow.ONLINE
        assert values(it.scene.events()) == [7]
        assert len(it.again()) == pytest.approx(3600, abs=2)
        assert it.again()[-1].origin == pytest.approx(clock.now(), abs=1e9)


async def test_a_dead_subscription_makes_values_stale_and_the_device_offline_and_back(clock: MovingClock) -> None:
    """T14: the socket stays up, nothing comes."""
    it = Told(clock)
    await it.scene.apply(device_of("D", events={"A": "1s"}))
    async with it.scene.running():
        await clock.advance(10)
        it.line.alive = False
        await clock.advance(2)
        assert it.flow is Flow.ONLINE
        await clock.advance(2.1)
        assert it.row("A") == (0, "stale")
        assert it.flow is Flow.OFFLINE
        assert "no values of A in time" in it.twins.state("D").reason
        it.line.alive = True
        await clock.advance(1.1)
        assert it.row("A") == (0, "repeat")
        assert it.flow is Flow.ONLINE


async def test_what_somebody_has_read_meanwhile_is_not_taken_back_by_what_was_told_before(clock: MovingClock) -> None:
    """A write is read back at once; the device tells it at its next interval."""
    it = Told(clock)
    it.line.unit(1).values["A"] = 7
    await it.scene.apply(device_of("D", events={"A": "1s"}))
    async with it.scene.running():
        await clock.advance(2.5)
        it.line.unit(1).values["A"] = 8
        await it.scene.lanes.read(it.scene.source("D", "A"))
        assert it.row("A")[0] == 8
        await clock.advance(1.2)
        assert it.row("A")[0] == 8, "the beat says nothing of it"
        it.line.tell(1, A=8)
        await clock.advance(5)
        assert it.row("A") == (8, "repeat")
        it.line.unit(1).values["A"] = 9
        await it.scene.lanes.read(it.scene.source("D", "A"))
        it.line.unit(1).values["A"] = 8
        await clock.advance(1)
        assert it.row("A") == (9, "fresh")
        await clock.advance(3)
        assert it.row("A") == (8, "repeat"), "it was back before the device looked: what it told holds"


async def test_a_beat_says_again_only_what_was_not_told_since_the_last_one(clock: MovingClock) -> None:
    it = Told(clock)
    profile = profile_of()
    profile.device_commands.append(command_of("Both", "A", "B"))
    await it.scene.apply(device_of("D", events={"Both": "1s", "A": "1s"}), profile=profile)
    async with it.scene.running():
        await clock.advance(2.05)
        it.scene.tapped.clear()
        it.line.tell(1, A=1, B=2)
        await clock.advance(1)
        assert it.again() == []
        it.line.tell(1, A=3)
        await clock.advance(1)
        assert [(one.source.name, one.which, one.values) for one in it.again()] == [("Both", None, [3, 2])]
        (said,) = it.again()
        it.scene.tapped.clear()
        it.line.tell(1, A=4)
        it.line.tell(1, B=5)
        await clock.advance(1)
        assert it.again() == []
        assert said.values == [3, 2]
        await clock.advance(1)
        assert [(one.source.name, one.values) for one in it.again()] == [("Both", [4, 5]), ("A", [4])]


async def test_source_times_stay_with_what_is_said_again(clock: MovingClock) -> None:
    """T20."""
    it = Told(clock)
    profile = profile_of()
    profile.device_commands.append(command_of("Both", "A", "B"))
    await it.scene.apply(device_of("D", events={"Both": "1s"}), profile=profile)
    async with it.scene.running():
        it.line.tell(1, A=1, B=1, time=100)
        it.line.tell(1, B=2, time=200)
        await clock.advance(3)
        assert it.again()[-1].times == {0: 100, 1: 200}
        row = it.twins.value("D", "B")
        assert row is not None
        assert (row.origin, row.freshness) == (200, "repeat")


async def test_a_bad_value_among_others_is_said_again_as_bad_and_takes_nobody_with_it(clock: MovingClock) -> None:
    it = Told(clock)
    profile = profile_of()
    profile.device_commands.append(command_of("Both", "A", "B"))
    await it.scene.apply(device_of("D", events={"Both": "60s"}), profile=profile)
    async with it.scene.running():
        it.line.tell(1, A=1, bad=refused("BadNodeIdUnknown"))
        await clock.advance(30)
        assert it.flow is Flow.ONLINE
        assert it.row("B") == (0, "fresh")
        assert it.row("A") == (None, "fresh")
        await clock.advance(120)
        assert it.again()[-1].quality == {0: refused("BadNodeIdUnknown")}
        it.line.tell(1, A=2)
        await clock.advance(120)
        assert it.again()[-1].quality is None
        assert it.again()[-1].values == [2, 0]


async def test_after_a_loss_nothing_old_is_said_again(clock: MovingClock) -> None:
    it = Told(clock)
    await it.scene.apply(device_of("D", events={"A": "1s"}))
    async with it.scene.running():
        await clock.advance(5)
        it.line.up = False
        it.line.cut("the server hung up")
        await clock.advance(1)
        it.scene.tapped.clear()
        await clock.advance(60)
        assert it.scene.tapped == []
        assert it.flow is Flow.OFFLINE
        it.line.up = True
        await clock.advance(31)
        assert it.flow is Flow.ONLINE


async def test_what_was_held_back_or_is_to_be_said_again_is_reported_at_a_beat(clock: MovingClock) -> None:
    it = Told(clock)
    optional = {"minInterval": "3s", "maxInterval": "10s"}
    await it.scene.apply(device_of("D", events={"A": "1s"}), profile=profile_of(optional=optional))
    async with it.scene.running():
        await clock.advance(0.5)
        it.line.tell(1, A=1)
        it.line.tell(1, A=2)
        await clock.advance(5)
        assert values(it.scene.events()) == [0, 2]
        await clock.advance(20)
        assert values(it.scene.events()) == [0, 2, 2, 2]


async def test_a_source_that_has_nothing_to_tell_is_alive_all_the_same(clock: MovingClock) -> None:
    """An alarm that never came; but not before it is subscribed."""
    it = Told(clock)
    it.line.quiet = True
    it.line.subscribe_s = 3.0
    await it.scene.apply(device_of("D", events={"A": "1s"}))
    async with it.scene.running():
        await clock.advance(2.9)
        assert (it.scene.tapped, it.flow) == ([], Flow.UNKNOWN)
        await clock.advance(60)
        assert it.flow is Flow.ONLINE
        assert it.scene.lanes.lanes()[0].state == "connected"
        row = it.twins.value("D", "A")
        assert row is not None
        assert (row.value, row.quality.level) == (None, "uncertain")
        assert it.scene.events() == []
        it.line.alive = False
        await clock.advance(5)
        assert it.flow is Flow.OFFLINE


async def test_a_source_of_which_nothing_was_ever_told_is_not_online(clock: MovingClock) -> None:
    """Its server is alive, but took the subscription and says nothing: connected, and no data."""
    it = Told(clock)
    it.line.dumb = True
    await it.scene.apply(device_of("D", events={"A": "1s"}))
    async with it.scene.running():
        assert it.flow is Flow.UNKNOWN
        await clock.advance(5)
        assert (it.flow, it.twins.state("D").reason) == (Flow.OFFLINE, "no values of A in time")
        it.line.dumb = False
        it.line.tell(1, A=5)
        await clock.advance(5)
        assert it.flow is Flow.ONLINE


async def test_that_nothing_has_happened_yet_is_neither_a_read_nor_a_failure(clock: MovingClock) -> None:
    it = Told(clock)
    it.line.quiet = True
    await it.scene.apply(device_of("D", events={"A": "1s"}))
    async with it.scene.running():
        assert it.line.session is not None
        ((source,),) = (poll.sources for poll in it.line.session.polls)
        quality = {0: Quality("uncertain", "device", "no event yet")}
        it.line.session.say(Event(source, clock.now(), [None], quality=quality, repeat=True))
        (flow,) = it.scene.lanes.flows()
        assert (flow.reads, flow.failures) == (0, 0)


async def test_every_loss_is_said_also_of_what_had_nothing_to_tell_in_between(clock: MovingClock) -> None:
    it = Told(clock)
    it.line.quiet = True
    await it.scene.apply(device_of("D", events={"A": "1h"}))
    async with it.scene.running():
        for count in (1, 2, 3):
            await clock.advance(7200)
            it.line.up = False
            it.line.cut("the server hung up")
            await clock.advance(60)
            assert [event.quality for event in it.scene.events()] == [{0: DISCONNECTED}] * count
            assert it.flow is Flow.OFFLINE
            it.line.up = True


async def test_a_device_that_comes_while_others_are_subscribed_is_not_alive_before_it_is_itself(
    clock: MovingClock,
) -> None:
    it = Told(clock)
    it.line.quiet, it.line.subscribe_s = True, 3.0
    first = device_of("D", events={"A": "1s"})
    await it.scene.apply(first)
    async with it.scene.running():
        await clock.advance(1)
        await it.scene.apply(first, device_of("E", unit=2, events={"A": "1s"}))
        await clock.advance(4)
        assert (it.flow, it.twins.state("E").state) == (Flow.ONLINE, Flow.UNKNOWN)
        await clock.advance(3)
        assert it.twins.state("E").state is Flow.ONLINE
