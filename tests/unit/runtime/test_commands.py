"""The one road down: what is refused and how, what is recorded, and in what order."""

import asyncio
import logging

import pytest

from gateway.model.command import Outcome
from gateway.model.device import AdminState, OperatingState
from gateway.model.errors import CommandRejected, DeviceError, NoAnswer, NotConnected, StoreFailed
from gateway.model.reading import Event
from gateway.runtime.commands.road import IN_LINE
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.house import planned
from tests.unit.runtime.road import BOARD, Road

SECOND = 10**9


async def test_confirmed_after_read_back(clock: MovingClock) -> None:
    it = await Road(clock).start()
    result = await it.road.run(it.command())
    assert (result.outcome, result.code, result.attempt) == (Outcome.CONFIRMED, 200, 1)
    assert result.readback == {"Setpoint": 21.5}
    assert isinstance(result.event, Event)
    assert result.event in it.store.records
    assert it.lanes.writes == [{"Setpoint": 21.5}]
    assert it.store.commits == len(it.store.records), "in the journal, on disk"


async def test_result_message_has_the_contracts_shape_and_the_audit(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.values["d1"] = {"Setpoint": 20.0}
    it.poll()
    await it.road.run(it.command(reply_to="replies/x", correlation=b"\x01"))
    (message,) = it.messages("result")
    body = dict(message.body)
    assert body.pop("started") <= body.pop("finished")
    assert body == {
        "id": "c1",
        "status": "confirmed",
        "code": 200,
        "result": {"Setpoint": 21.5},
        "attempt": 1,
        "readback": {"Setpoint": 21.5},
        "actor": "test",
        "wanted": {"Setpoint": 21.5},
        "old": {"Setpoint": 20.0},
    }
    assert (message.device, message.name) == ("d1", "Setpoint")
    assert (message.reply_to, message.correlation) == ("replies/x", b"\x01")


async def test_every_act_is_in_the_log(clock: MovingClock, caplog: pytest.LogCaptureFixture) -> None:
    it = await Road(clock).start()
    with caplog.at_level(logging.INFO, "southgate.audit"):
        await it.road.run(it.command())
        await it.road.run(it.command(id="c2", args={"Setpoint": 500}))
    assert ["confirmed 200" in m or "rejected" in m for m in caplog.messages] == [True, True]


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("Nothing", {}, 404),
        ("Temperature", {"Temperature": 1}, 405),
        ("Look", {}, 405),
        ("Setpoint", {}, 400),
        ("Setpoint", {"setpoint": 3}, 400),
        ("Setpoint", {"Setpoint": 101}, 422),
        ("Setpoint", {"Setpoint": "warm"}, 422),
        ("Setpoint", {"Setpoint": float("nan")}, 422),
        ("Relay", {"Relay": "maybe"}, 422),
        ("Pulse", {"Pulse": 65536}, 422),
        ("WithDefault", {"Setpont": 3}, 400),
    ],
)
async def test_refused_before_the_wire(clock: MovingClock, name: str, args: dict[str, object], code: int) -> None:
    it = await Road(clock).start()
    result = await it.road.run(it.command(name, args))
    assert (result.outcome, result.code) == (Outcome.REJECTED, code)
    assert result.error
    assert it.lanes.log == []
    assert it.messages("result")[0].body["error"] == result.error


async def test_refused_for_the_devices_state(clock: MovingClock) -> None:
    for change, text in (
        ({"admin_state": AdminState.LOCKED}, "device d1 locked"),
        ({"operating_state": OperatingState.DOWN}, "device d1 OperatingState is DOWN"),
    ):
        it = await Road(clock, **change).start()
        result = await it.road.run(it.command())
        assert (result.code, result.error) == (423, text)
    it = await Road(clock).start()
    result = await it.road.run(it.command(device="nobody"))
    assert (result.code, result.error) == (404, "device nobody not found")
    it.lanes.state = "waiting"
    result = await it.road.run(it.command(id="c2"))
    assert (result.outcome, result.code) == (Outcome.REJECTED, 503)
    assert "refused" in result.error
    assert it.lanes.log == []


async def test_defaults_and_mappings(clock: MovingClock) -> None:
    it = await Road(clock).start()
    assert (await it.road.run(it.command("WithDefault", {"Limit": 7}))).outcome is Outcome.CONFIRMED
    assert (await it.road.run(it.command("WithDefault", {}, id="c2"))).outcome is Outcome.CONFIRMED
    assert it.lanes.writes == [{"Setpoint": "20", "Limit": 7}, {"Setpoint": "20", "Limit": "5"}]
    both = it.command("Both", {"Setpoint": 1, "Relay": "ON"}, id="c3")
    assert (await it.road.run(both)).outcome is Outcome.CONFIRMED
    assert it.lanes.writes[-1] == {"Setpoint": 1, "Relay": "true"}


async def test_expiry_version_and_clock(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.poll()
    late = await it.road.run(it.command(expires_at=clock.now()))
    assert (late.outcome, late.code) == (Outcome.EXPIRED, 410)
    clock.trust = False
    doubt = await it.road.run(it.command(id="c2", expires_at=clock.now() + SECOND))
    assert (doubt.outcome, doubt.code) == (Outcome.REJECTED, 412)
    assert (await it.road.run(it.command(id="c3"))).outcome is Outcome.CONFIRMED, "without an expiry no clock is needed"
    clock.trust = True
    version = it.twins.version("d1")
    conflict = await it.road.run(it.command(id="c4", if_version=version - 1))
    assert (conflict.outcome, conflict.code) == (Outcome.REJECTED, 409)
    assert (await it.road.run(it.command(id="c5", if_version=version))).outcome is Outcome.CONFIRMED
    assert len(it.lanes.writes) == 2


async def test_a_command_that_waited_too_long_is_not_executed(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 3
    first = asyncio.create_task(it.road.run(it.command(id="a")))
    second = asyncio.create_task(it.road.run(it.command(id="b", expires_at=clock.now() + 2 * SECOND)))
    await clock.advance(10)
    assert (await first).outcome is Outcome.CONFIRMED
    assert (await second).outcome is Outcome.EXPIRED
    assert len(it.lanes.writes) == 1


@pytest.mark.parametrize(("trusted", "outcome", "code"), [(True, "expired", 410), (False, "rejected", 412)])
async def test_time_counts_when_the_turn_on_the_wire_comes(
    clock: MovingClock, trusted: bool, outcome: str, code: int
) -> None:
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    running = asyncio.create_task(it.road.run(it.command(expires_at=clock.now() + 2 * SECOND)))
    await clock.advance(3)
    clock.trust = trusted
    it.lanes.gate.set()
    result = await running
    assert (result.outcome, result.code) == (outcome, code)
    assert it.lanes.writes == []


@pytest.mark.parametrize(
    ("error", "code"),
    [(DeviceError("3", "illegal value"), 502), (NoAnswer("silence"), 504), (NotConnected("cut"), 504)],
)
async def test_failed(clock: MovingClock, error: Exception, code: int) -> None:
    it = await Road(clock).start()
    it.lanes.fail_write = error
    result = await it.road.run(it.command())
    assert (result.outcome, result.code) == (Outcome.FAILED, code)
    assert str(error) in result.error


async def test_our_own_mistake_is_an_outcome_too(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.fail_write = ValueError("bug")
    result = await it.road.run(it.command())
    assert (result.outcome, result.code) == (Outcome.FAILED, 500)


async def test_unconfirmed(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.deaf = True
    result = await it.road.run(it.command())
    assert (result.outcome, result.code) == (Outcome.UNCONFIRMED, 409)
    assert result.error == "Setpoint: wanted 21.5, read back 0"
    it.lanes.fail_read = NotConnected("cut")
    result = await it.road.run(it.command(id="c2"))
    assert (result.outcome, result.readback) == (Outcome.UNCONFIRMED, {})


async def test_an_unconfirmed_write_is_an_alarm_until_one_is_confirmed(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.run(it.command(id="c0"))
    assert it.messages("alarm") == []
    it.lanes.deaf = True
    it.lanes.values["d1"]["Setpoint"] = 0
    await it.road.run(it.command(id="c1"))
    it.lanes.deaf = False
    await it.road.run(it.command(id="c2"))
    await it.road.run(it.command(id="c3"))
    raised, cleared = it.messages("alarm")
    assert (raised.device, raised.name) == ("d1", "write-unconfirmed")
    assert (raised.body["state"], raised.body["resource"]) == ("raised", "Setpoint")
    assert raised.body["why"] == "Setpoint: wanted 21.5, read back 0"
    assert (cleared.body["state"], cleared.body["id"]) == ("cleared", raised.body["id"])
    assert it.store.commits == len(it.store.records)


async def test_tolerance_wire_steps_and_write_only(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.deaf = True
    it.lanes.values["d1"] = {"Setpoint": 21.9, "Limit": 21.5}
    assert (await it.road.run(it.command())).outcome is Outcome.CONFIRMED, "within 0.5"
    assert (await it.road.run(it.command(id="c2", args={"Setpoint": 21.3}))).outcome is Outcome.UNCONFIRMED
    steps = it.command("Limit", {"Limit": 21.5}, id="c3")
    assert (await it.road.run(steps)).outcome is Outcome.CONFIRMED
    for wanted, held, outcome in ((5.55, 5.6, "confirmed"), (5.55, 5.5, "unconfirmed"), (5.55, 5.7, "unconfirmed")):
        it.lanes.values["d1"]["Limit"] = held
        between = it.command("Limit", {"Limit": wanted}, id=f"between {held}")
        assert (await it.road.run(between)).outcome == outcome, "the nearest step that the device can hold confirms"
    reads = len(it.lanes.reads)
    assert (await it.road.run(it.command("Shot", {"Pulse": 1}, id="c4"))).outcome is Outcome.CONFIRMED
    assert len(it.lanes.reads) == reads, "nothing of it can be read"


async def test_in_order_and_bounded_per_device(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 0.1
    commands = [it.command(id=f"c{i}", args={"Setpoint": i}) for i in range(IN_LINE + 2)]
    tasks = [asyncio.create_task(it.road.run(command)) for command in commands]
    await clock.advance(10)
    results = [await task for task in tasks]
    assert [w["Setpoint"] for w in it.lanes.writes] == list(range(IN_LINE))
    assert [r.code for r in results[-2:]] == [429, 429]
    it.lanes.answer_s = 0
    assert (await it.road.run(commands[-1])).code == 200, "may come again when there is room"


async def test_a_caller_that_goes_away_does_not_stop_the_act(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 1
    task = asyncio.create_task(it.road.run(it.command()))
    await settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await clock.advance(2)
    assert it.messages("result")[0].body["status"] == "confirmed"


async def test_close_lets_the_act_end(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 1
    await it.road.accept(it.command())
    closing = asyncio.create_task(it.road.close())
    await clock.advance(2)
    await closing
    assert it.messages("result")[0].body["status"] == "confirmed"


async def test_what_comes_while_closing_is_turned_away(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.close()
    result = await it.road.run(it.command())
    assert (result.outcome, result.code) == (Outcome.REJECTED, 503)
    await it.road.accept(it.command(id="c2"))
    await settle()
    assert it.messages("result")[-1].body["code"] == 503
    assert it.lanes.writes == []


async def test_close_does_not_wait_for_ever(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    await it.road.accept(it.command())
    closing = asyncio.create_task(it.road.close())
    await clock.advance(11)
    await closing
    assert it.state.tables["commands"]["d1\nc1"]["result"] is None


async def test_full_disk_does_not_stop_commands(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.state.fails = it.store.fails = True
    assert (await it.road.run(it.command())).outcome is Outcome.CONFIRMED
    assert (await it.road.run(it.command())).attempt == 2
    assert len(it.lanes.writes) == 1


async def test_full_disk_refuses_what_must_be_on_disk_before_it_is_acknowledged(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.state.fails = True
    with pytest.raises(StoreFailed):
        await it.road.accept(it.command())
    assert it.lanes.writes == []
    it.state.fails = False
    await it.road.accept(it.command())
    await settle()
    assert len(it.lanes.writes) == 1


async def test_reading(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.values["d1"] = {"Setpoint": 4.0, "Temperature": 30.0}
    assert (await it.road.read("d1", "Look")).values == [30.0, 4.0]
    assert (await it.road.read("d1", "Setpoint")).source is it.registry.planned["d1"].sources["Setpoint"]
    assert (await it.road.read("d1", "(Set|Temp).*")).names() == ("Setpoint", "Temperature")


@pytest.mark.parametrize(
    ("device", "name", "regex", "code"),
    [
        ("nobody", "Look", True, 404),
        ("d1", "Nothing", True, 404),
        ("d1", "Nothing", False, 404),
        ("d1", "Set.*", False, 404),
        ("d1", "Pulse", True, 405),
        ("d1", "Pulse", False, 405),
        ("d1", "Shot", True, 405),
    ],
)
async def test_reading_refused(clock: MovingClock, device: str, name: str, regex: bool, code: int) -> None:
    it = await Road(clock).start()
    with pytest.raises(CommandRejected) as caught:
        await it.road.read(device, name, regex)
    assert caught.value.code == code
    it.registry.exchange(planned(BOARD, admin_state=AdminState.LOCKED))
    with pytest.raises(CommandRejected) as caught:
        await it.road.read("d1", "Look")
    assert caught.value.code == 423
