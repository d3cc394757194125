"""What was missed while a connection was gone, from devices that remember."""

import asyncio
import random
from typing import Any

import pytest

from gateway.model.errors import DeviceError, NoAnswer
from gateway.model.health import LaneReport
from gateway.model.reading import Event, refused
from gateway.runtime.twin.store import TwinStore
from tests.support.clock import MovingClock, settle
from tests.support.state import MemoryState
from tests.support.telling import TellingLine
from tests.unit.runtime.scene import Scene, command_of, device_of, profile_of

S = 10**9
EACH_SECOND = {"A": "1s"}


@pytest.fixture(autouse=True)
def _same_jitter() -> None:
    random.seed(1)


class Server:
    """A server whose resources have their number of seconds since the start as values, and who remembers them."""

    def __init__(self, clock: MovingClock, **line: Any) -> None:
        self.clock, self.scene, self.line = clock, Scene(clock), TellingLine(**line)
        self.scene.world.lines["L"] = self.line
        self.start = clock.now()
        self.behind = 0
        """Nanoseconds of its clock."""

    @property
    def second(self) -> int:
        return (self.clock.now() - self.start) // S

    async def live(self, seconds: int, *names: str, unit: int = 1, told: bool = True) -> None:
        """So long, a value of each each second. Not `told`: the server does not know it itself, but its memory does."""
        for _ in range(seconds):
            await self.clock.advance(1)
            for name in names:
                self.line.past.setdefault(name, []).append((self.clock.now() - self.behind, self.second))
            if told:
                self.line.tell(unit, time=self.clock.now() - self.behind, **dict.fromkeys(names, self.second))

    async def outage(self, seconds: int, *names: str) -> None:
        """Nobody hears; then the connection is back and the next value is told."""
        self.line.up = False
        self.line.cut("the server hung up")
        await settle()
        await self.live(seconds, *names)
        self.line.up = True
        while self.line.session is None or not self.line.session.subscribed:
            await self.live(1, *names)

    async def deaf(self, seconds: int, *names: str) -> None:
        """The connection stays, nothing is told for so long, and the mapper finds out."""
        session = self.line.session
        assert session is not None
        told, session._told = session._told, None
        await self.live(seconds, *names)
        session._told = told
        session.missed([self.scene.source("D", "A")])

    def events(self, historical: bool, source: str = "A") -> list[Event]:
        return [one for one in self.scene.events(source=source) if one.historical is historical]

    def seconds(self, historical: bool, source: str = "A") -> list[int]:
        """Values that came."""
        events = self.events(historical, source)
        return [value for one in events for value in one.values if value is not None]

    @property
    def report(self) -> LaneReport:
        (found,) = self.scene.lanes.lanes()
        return found


async def test_the_gap_of_an_outage_is_filled_with_nothing_twice(clock: MovingClock) -> None:
    """T14: from the last value that was told to the first after it, both left out, a page at a time."""
    it = Server(clock)
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(10, "A")
        assert it.line.pages == []
        await it.outage(60, "A")
        await it.live(5, "A")
        live, past = it.seconds(False), it.seconds(True)
        assert past == list(range(11, past[-1] + 1))
        assert 70 <= past[-1] <= 105
        assert sorted(live[1:] + past) == list(range(1, it.second + 1))
        assert all(one.origin == it.start + one.values[0] * S for one in it.events(True))
        assert len(it.line.pages) == pytest.approx(len(past) / it.line.page, abs=2)
        assert it.report.filled == len(past)


async def test_a_source_of_two_polls_has_its_gap_filled_once(clock: MovingClock) -> None:
    it = Server(clock)
    events = [{"sourceName": "A", "interval": every} for every in ("10s", "1s")]
    await it.scene.apply(device_of("D", autoEvents=events))
    async with it.scene.running():
        await it.live(15, "A")
        await it.outage(60, "A")
        past = it.seconds(True)
        assert past == list(range(16, past[-1] + 1))
        assert sorted({*it.seconds(False), *past}) == list(range(it.second + 1))


async def test_a_first_connection_asks_for_nothing(clock: MovingClock) -> None:
    it = Server(clock)
    it.line.past["A"] = [(it.start - S, 1)]
    it.line.up = False
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await clock.advance(60)
        it.line.up = True
        await it.live(60, "A")
        assert it.seconds(False)
        assert it.line.pages == []


async def test_what_did_not_change_is_not_asked_for(clock: MovingClock) -> None:
    it = Server(clock)
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        it.line.tell(1, A=5, time=it.start)
        await it.outage(60)
        it.line.tell(1, A=5, time=it.start)
        await clock.advance(5)
        assert it.line.pages == []


async def test_it_leaves_as_people_see_it_and_changes_neither_twin_nor_rules(clock: MovingClock) -> None:
    it = Server(clock)
    twins = TwinStore(lambda: it.scene.planned, MemoryState(), clock, it.scene.lanes.lanes)
    it.scene.bus.tap(twins.update)
    rule = {"sourceName": "A", "interval": "1s", "onChange": True, "onChangeThreshold": 2.0}
    await it.scene.apply(device_of("D", autoEvents=[rule]), profile=profile_of(valueType="Int16", scale=0.1))
    async with it.scene.running():
        await it.live(3, "A")
        await it.outage(30, "A")
        await settle()
        last, row = it.seconds(False)[-1], twins.value("D", "A")
        assert row is not None
        assert (row.value, row.freshness) == (it.second / 10, "fresh")
        assert row.origin == it.start + it.second * S
        assert it.seconds(True)[:3] == [0.4, 0.5, 0.6]
        it.line.tell(1, A=round(last * 10) + 19)
        assert it.seconds(False)[-1] == last
        it.line.tell(1, A=round(last * 10) + 21)
        assert it.seconds(False)[-1] > last


async def test_pages_wait_for_commands_and_polls(clock: MovingClock) -> None:
    it = Server(clock, answer_s=0.1, page=1, read_instead={"B"})
    await it.scene.apply(device_of("D", events={"A": "1h", "B": "1s"}))
    async with it.scene.running():
        await it.live(2, "A")
        await it.outage(30, "A")
        it.line.log.clear()
        writes = [asyncio.create_task(it.scene.lanes.write(it.scene.source("D", "B"), {"B": n})) for n in range(6)]
        await clock.advance(3)
        await asyncio.gather(*writes)
        kinds = [entry.split()[0] for entry in it.line.log]
        assert kinds[:8].count("past") <= 1
        assert kinds.count("read") >= 2
        assert kinds.count("past") >= 10
        await clock.advance(10)
        assert it.seconds(True)[0] == 3
        assert len(set(it.seconds(True))) == len(it.seconds(True))


async def test_sources_take_turns_and_the_newest_gap_of_each_goes_first(clock: MovingClock) -> None:
    it = Server(clock, answer_s=0.1, page=5)
    await it.scene.apply(device_of("D", events={"A": "1h", "B": "1h"}))
    async with it.scene.running():
        await it.live(2, "A", "B")
        await it.outage(40, "A", "B")
        await clock.advance(0.25)
        asked = [source for source, _ in it.line.pages]
        assert asked[:3] in (["A", "B", "A"], ["B", "A", "B"])
        await it.outage(40, "A", "B")
        it.line.pages.clear()
        await clock.advance(60)
        begins = [gaps["A"][0] for source, gaps in it.line.pages if source == "A"]
        assert begins[0] > begins[-1]
        for source in "AB":
            seconds = it.seconds(True, source)
            assert len(set(seconds)) == len(seconds)
            assert sorted(set(seconds + it.seconds(False, source)))[1:] == list(range(1, it.second - 60 + 1))


async def test_a_page_cut_short_by_another_outage_is_asked_for_again(clock: MovingClock) -> None:
    it = Server(clock, page=4)
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(2, "A")
        it.line.answer_s = 5.0
        await it.outage(20, "A")
        await it.live(1, "A")
        await it.outage(20, "A")
        it.line.answer_s = 0.01
        await it.live(20, "A")
        past = it.seconds(True)
        assert len(set(past)) == len(past)
        assert sorted(set(past + it.seconds(False))) == list(range(it.second + 1))


async def test_parts_of_a_source_have_gaps_of_their_own(clock: MovingClock) -> None:
    it = Server(clock)
    profile = profile_of()
    profile.device_commands.append(command_of("Both", "A", "B"))
    it.line.unit(1).refuses.add("B")
    await it.scene.apply(device_of("D", events={"Both": "1s"}), profile=profile)
    async with it.scene.running():
        it.line.unit(1).refuses.clear()
        await it.live(2, "A", "B")
        await it.live(3, "A")
        it.line.up = False
        it.line.cut("the server hung up")
        await it.live(10, "A", "B")
        it.line.unit(1).refuses.add("B")
        it.line.up = True
        while it.line.session is None:
            await it.live(1, "A", "B")
        await settle()
        assert {name for _, gaps in it.line.pages for name in gaps} == {"A"}
        it.line.unit(1).refuses.clear()
        await it.live(2, "A", "B")
        asked: dict[str, tuple[int, int]] = {}
        for _, gaps in it.line.pages:
            for name, gap in gaps.items():
                asked.setdefault(name, gap)
        assert asked["A"][0] == it.start + 5 * S
        assert asked["B"][0] == it.start + 2 * S
        both = [one for one in it.events(True, "Both") if len(one.values) == 2]
        assert both == []


async def test_who_has_no_history_is_noted_and_asked_once_a_connection(clock: MovingClock) -> None:
    it = Server(clock)
    it.line.past_error = DeviceError("BadHistoryOperationUnsupported", "it keeps no history")
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(2, "A")
        await it.outage(10, "A")
        await it.live(10, "A")
        assert len(it.line.pages) == 1
        assert it.report.notes == ("what was missed of D A cannot be fetched: it keeps no history",)
        assert it.report.errors == {"not_connected": it.report.errors["not_connected"]}
        it.line.past_error = None
        await it.outage(10, "A")
        await it.live(2, "A")
        assert len(it.line.pages) > 1
        assert it.report.notes == ()


async def test_who_does_not_answer_is_left_for_the_next_connection(clock: MovingClock) -> None:
    it = Server(clock)
    it.line.past_error = NoAnswer("no answer within 5 s")
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(2, "A")
        await it.outage(10, "A")
        await it.live(10, "A")
        await it.deaf(10, "A")
        await it.live(10, "A")
        assert len(it.line.pages) == 3
        assert it.report.state == "connected"
        it.line.past_error = None
        await it.outage(10, "A")
        await it.live(5, "A")
        assert sorted(set(it.seconds(True) + it.seconds(False))) == list(range(it.second + 1))


async def test_a_history_that_never_ends_ends(clock: MovingClock) -> None:
    """T22."""
    it = Server(clock, page=0)
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(2, "A")
        it.line.endless = True
        await it.outage(10, "A")
        await it.live(20, "A")
        count = len(it.line.pages)
        assert 10 <= count <= 20
        await it.live(20, "A")
        assert len(it.line.pages) == count


async def test_sources_that_are_read_are_filled_as_well(clock: MovingClock) -> None:
    it = Server(clock, read_instead={"A"})
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(5, "A")
        await it.outage(20, "A")
        await it.live(3, "A")
        assert len(it.seconds(True)) >= 19
        assert it.report.filled == len(it.seconds(True))


async def test_a_device_that_is_no_more_is_not_asked_for(clock: MovingClock) -> None:
    it = Server(clock, answer_s=0.1, page=1)
    await it.scene.apply(device_of("D", events={"A": "1h"}), device_of("E", unit=2, events={"A": "1h"}))
    async with it.scene.running():
        await it.live(2, "A")
        await it.outage(30, "A")
        count = len(it.line.pages)
        await it.scene.apply(device_of("F", unit=2))
        await clock.advance(5)
        assert len(it.line.pages) <= count + 1


async def test_what_was_missed_while_the_connection_stayed(clock: MovingClock) -> None:
    """T14: a subscription that had died is made anew."""
    it = Server(clock)
    await it.scene.apply(device_of("D", events=EACH_SECOND), device_of("E", unit=2, events=EACH_SECOND))
    async with it.scene.running():
        await it.live(5, "A")
        await it.deaf(10, "A")
        await it.live(2, "A")
        assert it.seconds(True) == list(range(6, 16))
        assert len(it.line.connects) == 1


async def test_a_connection_that_comes_and_goes_keeps_some_gaps_only(clock: MovingClock) -> None:
    it = Server(clock)
    it.line.past_error = NoAnswer("busy")
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        for _ in range(60):
            await it.live(2, "A")
            await it.outage(2, "A")
        (device,) = it.scene.lanes._devices.values()
        past = device.lane._can._past
        assert past is not None
        (missing,) = past._missing.values()
        assert len(missing.gaps) == 50


async def test_a_bad_value_is_no_end_of_a_gap(clock: MovingClock) -> None:
    it = Server(clock)
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(2, "A")
        it.line.unit(1).refuses.add("A")
        it.line.up = False
        it.line.cut("the server hung up")
        await it.live(5, "A")
        it.line.up = True
        await clock.advance(31)
        assert it.scene.events()[-1].quality == {0: refused("2")}
        assert it.line.pages == []
        it.line.unit(1).refuses.clear()
        await it.live(2, "A")
        assert len(it.line.pages) >= 1


@pytest.mark.parametrize("skew_s", [0.0, 86_400.0, -86_400.0])
async def test_a_server_may_tell_first_what_it_had_before(clock: MovingClock, skew_s: float) -> None:
    """What it says first is newer than what we know and yet old, whatever its clock says (T20); what comes next tells
    up to where something is missing."""
    it = Server(clock)
    it.line.skew_s = skew_s
    it.behind = round(skew_s) * S
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(3, "A")
        it.line.up = False
        it.line.cut("the server hung up")
        await it.live(5, "A")
        await it.live(20, "A", told=False)
        it.line.up = True
        while it.line.session is None or not it.line.session.subscribed:
            await it.live(1, "A", told=False)
        await it.live(5, "A")
        seconds = it.seconds(True) + it.seconds(False)
        assert sorted(seconds) == list(range(it.second + 1))
        assert len({str(gaps) for _, gaps in it.line.pages}) == len(it.line.pages)
        count = len(it.line.pages)
        await it.live(5, "A")
        assert len(it.line.pages) == count


async def test_what_stays_bad_over_another_outage_is_missed_since_the_first(clock: MovingClock) -> None:
    it = Server(clock)
    await it.scene.apply(device_of("D", events=EACH_SECOND))
    async with it.scene.running():
        await it.live(2, "A")
        it.line.unit(1).refuses.add("A")
        await it.outage(5, "A")
        await it.outage(5, "A")
        assert it.line.pages == []
        it.line.unit(1).refuses.clear()
        await it.live(3, "A")
        assert it.seconds(True)[0] == 3
