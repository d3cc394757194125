"""Commands to a device that never answers (all units of a line at once): sent, never confirmed, never asked after."""

import asyncio
from dataclasses import replace

from gateway.model.command import Outcome
from gateway.model.device import Flow
from gateway.model.errors import NotConnected
from tests.support.clock import MovingClock, settle
from tests.support.state import MemoryState
from tests.unit.runtime.house import planned
from tests.unit.runtime.road import BOARD, FakeLanes, Road
from tests.unit.runtime.test_desired import desired, finish, statuses

WHY = "it is the broadcast address"


async def mute(clock: MovingClock, state: MemoryState | None = None, lanes: FakeLanes | None = None) -> Road:
    it = Road(clock, state, lanes)
    it.registry.exchange(replace(planned(BOARD), mute=WHY))
    return await it.start()


async def test_it_is_sent_and_nothing_is_read_back(clock: MovingClock) -> None:
    it = await mute(clock)
    result = await it.road.run(it.command())
    assert (result.outcome, result.code) == (Outcome.UNCONFIRMED, 202)
    assert result.error == f"sent, and nobody confirms it: {WHY}"
    assert (it.lanes.writes, it.lanes.reads, result.readback) == ([{"Setpoint": 21.5}], [], {})
    assert it.messages("alarm") == [], "that nobody confirms it is no trouble"
    assert [(m.body["status"], m.body["code"]) for m in it.messages("result")] == [("unconfirmed", 202)]


async def test_what_did_not_leave_is_not_called_sent(clock: MovingClock) -> None:
    it = await mute(clock)
    it.lanes.fail_write = NotConnected("the cable is out")
    result = await it.road.run(it.command())
    assert (result.outcome, result.code) == (Outcome.FAILED, 504)
    it.lanes.fail_in_line = NotConnected("the cable is out")
    result = await it.road.run(it.command(id="c2"))
    assert (result.outcome, result.code) == (Outcome.REJECTED, 503)


async def test_after_a_power_cut_nobody_is_asked_and_the_next_write_clears_the_alarm(clock: MovingClock) -> None:
    it = await mute(clock)
    it.lanes.gate = asyncio.Event()
    await it.road.accept(it.command())
    await settle()
    for running in list(it.road._running.values()):
        running.task.cancel()
    it.lanes.gate = None
    again = await mute(clock, it.state, it.lanes)
    await settle()
    (result,) = again.messages("result")
    assert (result.body["status"], result.body["code"]) == ("unconfirmed", 409)
    assert "the gateway stopped while writing" in result.body["error"]
    assert it.lanes.reads == it.lanes.writes == []
    await again.road.run(again.command(id="c2"))
    assert [m.body["state"] for m in again.messages("alarm")] == ["raised", "cleared"]


async def test_a_desired_value_is_sent_once_and_not_again_and_again(clock: MovingClock) -> None:
    it = await mute(clock)
    await it.road.desire(desired())
    running = asyncio.create_task(it.road.desired.run())
    await clock.advance(3 * 3600)
    assert statuses(it) == {"Setpoint": ("applied", 202)}
    assert it.acks()[-1]["results"]["Setpoint"]["value"] is None
    assert it.lanes.writes == [{"Setpoint": 21.5}]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await finish(it)


async def test_its_state_says_that_it_never_answers(clock: MovingClock) -> None:
    it = await mute(clock)
    it.twins.tick()
    state = it.twins.state("d1")
    assert (state.state, state.reason) == (Flow.UNKNOWN, f"it never answers: {WHY}")
