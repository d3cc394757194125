"""Desired values: versions, statuses, offline devices, drift, restarts."""

import asyncio
from typing import Any

from gateway.model.command import Desired
from gateway.model.device import AdminState, Flow
from gateway.model.errors import DeviceError, NoAnswer
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.house import planned, profile, resource
from tests.unit.runtime.road import BOARD, Road

SECOND = 10**9


def desired(
    version: int = 1, epoch: str = "e1", device: str = "d1", expires_at: int | None = None, **p: Any
) -> Desired:
    return Desired(device, epoch, version, 1, p or {"Setpoint": 21.5}, expires_at)


def statuses(it: Road, index: int = -1) -> dict[str, tuple[str, int]]:
    return {name: (r["status"], r["code"]) for name, r in it.acks()[index]["results"].items()}


async def polled(it: Road, seconds: int) -> None:
    """Time passes; the device answers its polls while the lane is connected."""
    for _ in range(seconds):
        await it.clock.advance(1)
        if it.lanes.state == "connected":
            it.poll()
        it.twins.tick()
        await settle()


async def finish(it: Road) -> None:
    await settle()
    await it.road.close()


async def test_applied_and_acknowledged(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired(Setpoint=21.5, Relay=True))
    await settle()
    assert statuses(it) == {"Setpoint": ("applied", 200), "Relay": ("applied", 200)}
    ack = it.acks()[-1]
    assert (ack["version"], ack["session"]) == (1, "S1")
    assert ack["results"]["Setpoint"]["value"] == 21.5
    assert it.lanes.writes == [{"Setpoint": 21.5}, {"Relay": True}]
    assert {m.body["actor"] for m in it.messages("result")} == {"desired"}
    await finish(it)


async def test_on_disk_when_it_returns(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired())
    assert it.state.tables["desired"]["d1"]["version"] == 1
    await finish(it)


async def test_what_is_already_so_needs_no_write(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.values["d1"] = {"Setpoint": 21.2}
    it.poll()
    await it.road.desire(desired())
    await settle()
    assert statuses(it) == {"Setpoint": ("applied", 200)}
    assert it.lanes.writes == []
    await finish(it)


async def test_versions(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired(5))
    await settle()
    await it.road.desire(desired(4, Setpoint=1))
    await settle()
    assert it.road.desired.ignored["d1"] == 1
    assert len(it.acks()) == 1
    await it.road.desire(desired(5, Setpoint=1))
    await settle()
    assert it.acks()[1] == it.acks()[0], "the stored result again"
    await it.road.desire(desired(6, Setpoint=30))
    await settle()
    await it.road.desire(desired(2, epoch="e2", Setpoint=40))
    await settle()
    assert [w["Setpoint"] for w in it.lanes.writes] == [21.5, 30, 40]
    assert [ack["version"] for ack in it.acks()] == [5, 5, 6, 2]
    await finish(it)


async def test_rejected_properties_do_not_stop_the_others(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.values["d1"] = {}
    await it.road.desire(desired(Setpoint=500, Nothing=1, Temperature=1, Relay=True))
    await settle()
    assert statuses(it) == {
        "Setpoint": ("rejected", 422),
        "Nothing": ("rejected", 404),
        "Temperature": ("rejected", 405),
        "Relay": ("applied", 200),
    }
    it.lanes.fail_write = DeviceError("3", "no")
    await it.road.desire(desired(2, Relay=False))
    await settle()
    assert statuses(it) == {"Relay": ("rejected", 502)}
    await finish(it)


async def test_unknown_device_and_too_large(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired(device="nobody"))
    assert statuses(it) == {"*": ("rejected", 404)}
    await it.road.desire(desired(Setpoint="x" * 40_000))
    assert statuses(it) == {"*": ("rejected", 413)}
    deep: Any = 1
    for _ in range(12):
        deep = {"a": deep}
    await it.road.desire(desired(Setpoint=deep))
    assert statuses(it) == {"*": ("rejected", 413)}
    assert it.state.tables.get("desired") is None
    await finish(it)


async def test_pending_while_offline_applied_when_back(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await polled(it, 2)
    it.lanes.state = "waiting"
    await polled(it, 5)
    assert it.twins.state("d1").state is Flow.OFFLINE
    await it.road.desire(desired())
    await settle()
    assert statuses(it) == {"Setpoint": ("pending", 503)}
    it.lanes.state = "connected"
    await polled(it, 2)
    assert statuses(it) == {"Setpoint": ("applied", 200)}
    assert it.lanes.writes == [{"Setpoint": 21.5}]
    assert [ack["version"] for ack in it.acks()] == [1, 1]
    await finish(it)


async def test_what_expires_while_pending_is_never_applied(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.state = "waiting"
    await it.road.desire(desired(expires_at=clock.now() + 10 * SECOND))
    await settle()
    assert statuses(it) == {"Setpoint": ("pending", 503)}
    await clock.advance(20)
    it.lanes.state = "connected"
    await polled(it, 2)
    assert statuses(it) == {"Setpoint": ("rejected", 410)}
    assert it.lanes.writes == []
    await finish(it)


async def test_newer_version_supersedes_what_is_pending(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.state = "waiting"
    await it.road.desire(desired(1))
    await settle()
    it.lanes.state = "connected"
    await it.road.desire(desired(2, Setpoint=30))
    await settle()
    assert [ack["version"] for ack in it.acks()] == [1, 1, 2]
    assert statuses(it, 1) == {"Setpoint": ("superseded", 409)}
    assert [w["Setpoint"] for w in it.lanes.writes] == [30]
    await finish(it)


async def test_newer_version_while_the_older_is_being_written(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 1
    await it.road.desire(desired(1, Setpoint=10, Relay=True))
    await settle()
    await it.road.desire(desired(2, Setpoint=30))
    await clock.advance(5)
    assert it.lanes.writes == [{"Setpoint": 10}, {"Setpoint": 30}]
    assert statuses(it) == {"Setpoint": ("applied", 200)}
    assert it.acks()[-1]["version"] == 2
    await finish(it)


async def test_locked_stays_pending_and_rests_longer_each_time(clock: MovingClock) -> None:
    it = await Road(clock, admin_state=AdminState.LOCKED).start()
    looking = asyncio.create_task(it.road.desired.run())
    await it.road.desire(desired())
    await clock.advance(3600)
    assert statuses(it) == {"Setpoint": ("pending", 423)}
    assert len(it.acks()) == 1, "nothing changed, nothing is told"
    assert 3 <= len(it.messages("result")) <= 8
    it.registry.exchange(planned(BOARD, polls={"Look": 1.0}))
    await polled(it, 2)
    assert statuses(it) == {"Setpoint": ("applied", 200)}
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await finish(it)


async def test_silent_device_stays_pending(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.fail_write = NoAnswer("silence")
    await it.road.desire(desired())
    await settle()
    assert statuses(it) == {"Setpoint": ("pending", 504)}
    shown = (it.road.desired_of("d1") or {})["results"]["Setpoint"]
    assert shown["tries"] == 1
    assert "silence" in shown["reason"]
    it.lanes.fail_write = None
    await polled(it, 2)
    assert statuses(it) == {"Setpoint": ("applied", 200)}
    await finish(it)


async def test_device_that_takes_it_and_does_not_follow_has_drifted(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.deaf = True
    await it.road.desire(desired())
    await settle()
    assert statuses(it) == {"Setpoint": ("drifted", 409)}
    assert it.acks()[-1]["results"]["Setpoint"]["value"] == 0
    await finish(it)


async def test_drift_is_shown_and_gone_when_it_is_gone(clock: MovingClock) -> None:
    it = await Road(clock).start()
    looking = asyncio.create_task(it.road.desired.run())
    await it.road.desire(desired())
    await polled(it, 2)
    it.lanes.values["d1"]["Setpoint"] = 5.0
    await polled(it, 31)
    assert statuses(it) == {"Setpoint": ("drifted", 409)}
    assert len(it.lanes.writes) == 1, "somebody set it at the device: shown, not fought"
    it.lanes.values["d1"]["Setpoint"] = 21.5
    await polled(it, 31)
    assert statuses(it) == {"Setpoint": ("applied", 200)}
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await finish(it)


async def outage(it: Road, after: dict[str, Any]) -> None:
    await polled(it, 2)
    it.lanes.state = "waiting"
    await polled(it, 5)
    it.lanes.values["d1"] = after
    it.lanes.state = "connected"
    await polled(it, 2)


async def test_lost_in_the_devices_outage_is_shown(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired())
    await settle()
    await outage(it, {"Setpoint": 0.0})
    assert statuses(it) == {"Setpoint": ("drifted", 409)}
    assert len(it.lanes.writes) == 1
    await finish(it)


async def test_lost_in_the_devices_outage_is_written_again_where_asked_for(clock: MovingClock) -> None:
    owner = profile(
        resource("Setpoint", read_write="RW", optional={"reapply": True}),
        resource("Hidden", read_write="RW", optional={"reapply": True}),
        resource("Look"),
    )
    it = await Road(clock).start()
    it.registry.exchange(planned(owner, polls={"Look": 1.0}))
    await it.road.desire(desired(Setpoint=21.5, Hidden=3.0))
    await settle()
    await outage(it, {"Setpoint": 21.5, "Hidden": 0.0})
    assert statuses(it) == {"Setpoint": ("applied", 200), "Hidden": ("applied", 200)}
    assert it.lanes.writes[2:] == [{"Hidden": 3.0}], "read after the outage though never polled"
    assert it.lanes.values["d1"]["Hidden"] == 3.0
    await finish(it)


async def test_restart_keeps_versions_and_results(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired(3))
    await settle()
    await it.road.close()
    again = await Road(clock, it.state, it.lanes).start()
    await again.road.desire(desired(2, Setpoint=1))
    await again.road.desire(desired(3, Setpoint=1))
    await settle()
    assert statuses(again) == {"Setpoint": ("applied", 200)}
    assert len(it.lanes.writes) == 1
    await finish(again)


async def test_pending_over_a_restart(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.state = "waiting"
    await it.road.desire(desired())
    await finish(it)
    it.lanes.state = "connected"
    again = await Road(clock, it.state, it.lanes).start()
    await settle()
    assert statuses(again) == {"Setpoint": ("applied", 200)}
    assert again.road.desired.view("d1") is not None
    await finish(again)


async def test_killed_while_writing_is_looked_up_in_the_ledger(clock: MovingClock) -> None:
    """The command road reads back what was under way; the value is there, so it is not written again."""
    it = await Road(clock).start()
    it.lanes.gate = asyncio.Event()
    await it.road.desire(desired())
    await settle()
    for running in list(it.road._running.values()):
        running.task.cancel()
    await it.road.close()
    it.lanes.gate = None
    it.lanes.values["d1"] = {"Setpoint": 21.5}
    again = await Road(clock, it.state, it.lanes).start()
    await settle()
    assert statuses(again) == {"Setpoint": ("applied", 200)}
    assert it.lanes.writes == []
    await finish(again)


async def test_removed_device_is_forgotten(clock: MovingClock) -> None:
    it = await Road(clock).start()
    looking = asyncio.create_task(it.road.desired.run())
    await it.road.desire(desired())
    await settle()
    it.registry.planned = {}
    it.registry.current = it.registry.current.without_device("d1")
    await clock.advance(31)
    assert it.state.tables["desired"] == {}
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await finish(it)


async def test_what_was_applied_before_a_restart_is_looked_at_again(clock: MovingClock) -> None:
    """Nothing is reconciled at the start, since nothing is pending."""
    it = await Road(clock).start()
    await it.road.desire(desired())
    await finish(it)
    it.lanes.state = "waiting"
    again = await Road(clock, it.state, it.lanes).start()
    looking = asyncio.create_task(again.road.desired.run())
    await clock.advance(31)
    assert not looking.done()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await finish(again)


async def test_an_older_version_is_never_written_over_a_newer_one(clock: MovingClock) -> None:
    it = await Road(clock).start()
    it.lanes.answer_s = 1
    await it.road.desire(desired(1, Setpoint=10))
    await settle()
    it.lanes.state = "connecting"  # the newer one is not done at once
    await it.road.desire(desired(2, Setpoint=30))
    await clock.advance(1.1)
    assert it.state.tables["desired"]["d1"]["version"] == 2
    assert [ack["version"] for ack in it.acks()] == [1, 2]
    await finish(it)


async def test_nothing_is_written_any_more_after_closing(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.close()
    await it.road.desired.desire(desired())
    await settle()
    assert it.lanes.writes == []
    assert it.state.tables["desired"]["d1"]["version"] == 1


async def test_half_a_surrogate_pair_is_a_value_like_another(clock: MovingClock) -> None:
    it = await Road(clock).start()
    await it.road.desire(desired(Setpoint="\ud800"))
    await settle()
    assert statuses(it) == {"Setpoint": ("rejected", 422)}
    await finish(it)
