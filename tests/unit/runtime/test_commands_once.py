"""What happens once: ids that come again, from whoever and whenever, and what kill -9 leaves behind."""

import asyncio
import logging

import pytest

from gateway.model.command import Outcome
from gateway.model.errors import NotConnected
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.road import Road

SECOND = 10**9


async def test_repeated_id_returns_the_first_result_and_does_nothing(clock: MovingClock) -> None:
    it = await Road(clock).start()
    first = await it.road.run(it.command())
    again = await it.road.run(it.command(args={"Setpoint": 99}))
    assert (again.outcome, again.attempt, again.finished) == (first.outcome, 2, first.finished)
    assert (await it.road.run(it.command())).attempt == 3
    assert len(it.lanes.writes) == 1
    other = await it.road.run(it.command(id="c2"))
    assert other.attempt == 1


async def test_repeated_while_it_runs_waits_for_the_first(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 1
    tasks = [asyncio.create_task(it.road.run(it.command())) for _ in range(3)]
    await clock.advance(5)
    assert sorted([(await task).attempt for task in tasks]) == [1, 2, 3]
    assert len(it.lanes.writes) == 1


async def test_every_repeat_from_the_cloud_gets_a_result_of_its_own(clock: MovingClock) -> None:
    """Also while the first one's is already on its way and only not yet on disk."""
    it = await Road(clock).start()
    it.lanes.answer_s = 1
    tasks = [asyncio.create_task(it.road.accept(it.command())) for _ in range(3)]
    await clock.advance(5)
    await asyncio.gather(*tasks)
    assert [message.body["attempt"] for message in it.messages("result")] == [1, 2, 3]
    assert len(it.lanes.writes) == 1


async def test_repeated_after_kill(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.run(it.command())
    again = await Road(clock, it.state, it.lanes).start()
    result = await again.road.run(again.command())
    assert (result.outcome, result.attempt) == (Outcome.CONFIRMED, 2)
    assert len(it.lanes.writes) == 1


async def test_remembered_until_expiry_and_a_day(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.run(it.command(expires_at=clock.now() + 60 * SECOND))
    kept = it.state.expiries["commands", "d1\nc1"]
    assert kept is not None
    assert kept >= clock.now() + (24 * 3600 + 60) * SECOND


async def test_on_disk_before_the_wire(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    task = asyncio.create_task(it.road.run(it.command()))
    await settle()
    assert it.lanes.log == ["write"]
    stored = it.state.tables["commands"]["d1\nc1"]
    assert stored["started"] > 0
    assert stored["result"] is None
    it.lanes.gate.set()
    await task
    assert it.state.tables["commands"]["d1\nc1"]["result"]["code"] == 200


@pytest.mark.parametrize("arrived", [True, False])
async def test_killed_between_write_and_result(clock: MovingClock, arrived: bool) -> None:
    """T33: what was started is read back after the restart and never written again."""
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    task = asyncio.create_task(it.road.run(it.command()))
    await settle()
    for running in list(it.road._running.values()):
        running.task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    it.lanes.gate = None
    it.lanes.values["d1"] = {"Setpoint": 21.5 if arrived else 3.0}
    again = await Road(clock, it.state, it.lanes).start()
    result = await again.road.run(again.command())
    assert result.outcome is (Outcome.CONFIRMED if arrived else Outcome.UNCONFIRMED)
    assert result.attempt == 2
    assert it.lanes.writes == []
    (message,) = again.messages("result")
    assert message.body["status"] == result.outcome


async def test_resolving_waits_for_the_device(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    task = asyncio.create_task(it.road.run(it.command()))
    await settle()
    for running in list(it.road._running.values()):
        running.task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    it.lanes.fail_read = NotConnected("not yet")
    again = await Road(clock, it.state, it.lanes).start()
    await clock.advance(7)
    assert again.messages("result") == []
    it.lanes.fail_read = None
    it.lanes.values["d1"] = {"Setpoint": 21.5}
    await clock.advance(2)
    assert again.messages("result")[0].body["status"] == "confirmed"


async def killed_on_the_wire(clock: MovingClock) -> Road:
    """After the restart; the device is silent."""
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    await it.road.accept(it.command())
    await settle()
    for running in list(it.road._running.values()):
        running.task.cancel()
    it.lanes.fail_read = NotConnected("silent")
    return await Road(clock, it.state, it.lanes).start()


async def test_what_is_being_resolved_keeps_nobody_waiting_who_sends_it_again(clock: MovingClock) -> None:
    again = await killed_on_the_wire(clock)
    await asyncio.wait_for(again.road.accept(again.command(reply_to="replies/again")), 5)
    again.lanes.fail_read = None
    again.lanes.values["d1"] = {"Setpoint": 21.5}
    await clock.advance(2)
    assert [(m.body["status"], m.reply_to) for m in again.messages("result")] == [
        ("confirmed", ""),
        ("confirmed", "replies/again"),
    ]


async def test_a_stop_does_not_wait_for_what_is_being_resolved(clock: MovingClock) -> None:
    again = await killed_on_the_wire(clock)
    await settle()
    closing = asyncio.create_task(again.road.close())
    await settle()
    assert closing.done()
    assert again.messages("result") == []
    third = await Road(clock, again.state, again.lanes).start()
    again.lanes.fail_read = None
    await clock.advance(2)
    assert [m.body["status"] for m in third.messages("result")] == ["unconfirmed"]
    await third.road.close()


async def test_an_id_that_nobody_can_repeat_is_forgotten_once_told(clock: MovingClock) -> None:
    it = await Road(clock).start()
    results = [await it.road.run(it.command(id="")) for _ in range(100)]
    assert len({result.id for result in results}) == 100
    assert {result.outcome for result in results} == {Outcome.CONFIRMED}
    (left,) = it.state.tables["commands"].values()
    again = await Road(clock, it.state, it.lanes).start()
    (told,) = again.messages("result")
    assert told.body["id"] == left["command"]["id"], "told again after kill -9, which does no harm"
    await again.road.close()
    assert it.state.tables["commands"] == {}


async def test_accept_returns_once_on_disk_and_tells_later(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 1
    await it.road.accept(it.command(expires_at=clock.now() + 60 * SECOND))
    assert "d1\nc1" in it.state.tables["commands"]
    assert it.messages("result") == []
    await clock.advance(2)
    assert it.messages("result")[0].body["status"] == "confirmed"
    await it.road.accept(it.command(reply_to="replies/again"))
    await settle()
    assert [(m.body["attempt"], m.reply_to) for m in it.messages("result")] == [(1, ""), (2, "replies/again")]


@pytest.mark.parametrize(("expires_s", "outcome"), [(60, "confirmed"), (1, "expired"), (None, "expired")])
async def test_accepted_and_killed_before_it_began(clock: MovingClock, expires_s: int | None, outcome: str) -> None:
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    expires = clock.now() + expires_s * SECOND if expires_s else None
    await it.road.accept(it.command(id="blocker"))
    await it.road.accept(it.command(expires_at=expires))
    await settle()
    for running in list(it.road._running.values()):
        running.task.cancel()
    await settle()
    it.lanes.gate = None
    clock.step_wall(2)
    again = await Road(clock, it.state, it.lanes).start()
    await clock.advance(0)
    told = {m.body["id"]: m.body["status"] for m in again.messages("result")}
    assert told["c1"] == outcome
    await again.road.close()


async def test_result_that_may_not_have_been_told_is_told_after_a_restart(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.run(it.command())
    again = await Road(clock, it.state, it.lanes).start()
    assert [m.body["id"] for m in again.messages("result")] == ["c1"]
    await again.road.close()
    third = await Road(clock, it.state, it.lanes).start()
    assert third.messages("result") == []


async def test_after_a_kill_only_the_last_result_is_told_again_and_none_is_said_to_have_happened_again(
    clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "southgate.audit")
    it = await Road(clock).start()
    for number in range(10):
        await it.road.run(it.command(id=f"c{number}", expires_at=clock.now() + number * SECOND + SECOND))
    assert len(caplog.records) == 10
    again = await Road(clock, it.state, it.lanes).start()
    assert [message.body["id"] for message in again.messages("result")] == ["c9"]
    assert len(caplog.records) == 10
    await again.road.close()


async def test_ids_that_came_while_the_disk_refused_are_on_disk_when_it_is_well(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.state.fails = it.store.fails = True
    for number in range(20):
        await it.road.run(it.command(id=f"c{number}"))
    again = await it.road.run(it.command(id="c3"))
    assert again.attempt == 2, "known while the disk refuses"
    it.state.fails = it.store.fails = False
    await it.road.run(it.command(id="well"))
    assert it.road._ledger._memory == {}
    restarted = await Road(clock, it.state, it.lanes).start()
    writes = len(it.lanes.writes)
    for number in range(20):
        assert (await restarted.road.run(it.command(id=f"c{number}"))).attempt > 1
    assert len(it.lanes.writes) == writes
    await restarted.road.close()
