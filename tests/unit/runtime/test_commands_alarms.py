"""The alarm `write-unconfirmed`: per resource, over restarts and kill -9."""

from gateway.runtime.alarms import TABLE
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.road import Road

BOTH = {"Setpoint": 21.5, "Relay": True}


def told(it: Road) -> list[tuple[str, str]]:
    return [(message.body["resource"], message.body["state"]) for message in it.messages("alarm")]


async def unconfirmed(clock: MovingClock) -> Road:
    it = await Road(clock).start()
    it.lanes.deaf = True
    await it.road.run(it.command("Both", BOTH))
    it.lanes.deaf = False
    return it


async def test_each_resource_is_cleared_by_whichever_write_confirms_it(clock: MovingClock) -> None:
    it = await unconfirmed(clock)
    assert told(it) == [("Setpoint", "raised"), ("Relay", "raised")]
    await it.road.run(it.command(id="c2"))
    await it.road.run(it.command("Relay", {"Relay": True}, id="c3"))
    assert told(it)[2:] == [("Setpoint", "cleared"), ("Relay", "cleared")]


async def test_it_is_cleared_after_a_restart(clock: MovingClock) -> None:
    it = await unconfirmed(clock)
    await it.road.close()
    again = await Road(clock, it.state, it.lanes).start()
    await again.road.run(again.command(id="c2"))
    assert told(again) == [("Setpoint", "cleared")]
    raised, cleared = it.messages("alarm")[0], again.messages("alarm")[0]
    assert raised.body["id"] == cleared.body["id"]


async def test_killed_between_result_and_alarm(clock: MovingClock) -> None:
    it = await unconfirmed(clock)
    await settle()
    it.state.tables.pop(TABLE)
    again = await Road(clock, it.state, it.lanes).start()
    assert told(again) == [("Setpoint", "raised"), ("Relay", "raised")]


async def test_of_a_device_that_is_no_more_it_is_cleared_at_the_start(clock: MovingClock) -> None:
    it = await unconfirmed(clock)
    await it.road.close()
    again = Road(clock, it.state, it.lanes)
    again.registry.planned, again.registry.current = {}, again.registry.current.without_device("d1")
    await again.start()
    await settle()
    assert sorted(told(again)) == [("Relay", "cleared"), ("Setpoint", "cleared")]
    assert it.state.tables[TABLE] == {}
