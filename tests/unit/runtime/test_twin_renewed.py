"""The twin under another plan of the same device."""

from dataclasses import replace

from tests.support.clock import MovingClock
from tests.unit.runtime.house import event, planned
from tests.unit.runtime.test_twin import METER, house


async def test_new_plan_keeps_what_was_heard(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    version = it.store.version("d1")
    it.devices["d1"] = planned(METER, polls={"All": 5.0})
    assert it.row("Voltage").value == 230.0  # type: ignore[attr-defined]
    assert it.row("Voltage").period_s == 5.0  # type: ignore[attr-defined]
    assert it.store.version("d1") == version


async def test_after_a_new_plan_a_read_in_between_is_newer_than_the_poll_before_it(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 1.0, 5.0)
    it.store.last("d1")
    it.devices["d1"] = replace(it.devices["d1"])  # planned anew with the same sources
    it.store.last("d1")
    await clock.advance(1)
    it.hear(230.0, 20.0, 5.0)
    await clock.advance(0.1)
    read_back = replace(it.devices["d1"].sources["Setpoint"], number=99)
    it.store.update([event(read_back, 25.0, origin=clock.now())])
    assert it.row("Setpoint").value == 25.0  # type: ignore[attr-defined]
    assert it.store.document("d1")["properties"]["Setpoint"] == 25.0
