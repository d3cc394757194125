"""One value of a twin is what the whole row of it says."""

from gateway.model.reading import TIMEOUT
from gateway.runtime.twin.store import TwinStore
from tests.support.clock import MovingClock
from tests.support.state import MemoryState
from tests.unit.runtime.house import command, event, planned, profile, resource, source

OWNER = profile(
    resource("Setpoint", read_write="RW"),
    resource("Power"),
    resource("Never"),
    commands=[command("Both", "Power", "Setpoint", read_write="R")],
)


async def test_one_value_is_its_row(clock: MovingClock) -> None:
    device = planned(OWNER, polls={"Both": 1.0, "Setpoint": 5.0})
    twins = TwinStore(lambda: {"d1": device}, MemoryState(), clock)
    await twins.start()
    twins.update([event(device.sources["Both"], 5.0, 6.0)])
    await clock.advance(1)
    twins.update([event(device.sources["Setpoint"], 7.0), event(source(OWNER, "d1", "Power"), 8.0)])
    await clock.advance(1)
    twins.update([event(device.sources["Both"], None, 9.0, bad={0: TIMEOUT})])
    rows = {row.resource: row for row in twins.last("d1")}
    assert rows.keys() == {"Setpoint", "Power"}
    for name, row in rows.items():
        assert repr(twins.value("d1", name)) == repr(row)
    assert twins.value("d1", "Never") is None
    assert twins.value("d1", "nothing") is None
    assert twins.value("nobody", "Power") is None
