"""The whole road up from a simulated OPC UA server, in one process: outages of the server and of its subscriptions."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.model.contracts import Clock
from gateway.model.device import AutoEvent, Device, Flow
from gateway.model.place import Place
from gateway.model.plan import PlannedDevice
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Batch, Event, Record
from gateway.runtime.bus import Bus
from gateway.runtime.clock import SystemClock
from gateway.runtime.lanes.running import RunningLanes
from gateway.runtime.lanes.schedule import polls_of
from gateway.runtime.sources import sources_of
from gateway.runtime.twin.store import TwinStore
from mappers import Switchboard
from mappers.opcua import mapper
from mappers.opcua.subscription import group
from simulators.behaviour import ramp
from simulators.world import Running
from tests.support.state import MemoryState
from tests.unit.simulators.opcua.profiles import NAME, node, simulated
from tests.unit.simulators.profiles import profile

STEP_S = 0.1
"""From one value of the server to the next."""


class Gateway:
    """Lanes, a bus, twins, and a journal that is a list."""

    def __init__(self, clock: Clock, place: Place) -> None:
        self.journal: list[Record] = []
        self.bus = Bus(self)
        self.protocols = Switchboard(place=place)
        self.lanes = RunningLanes(self.protocols, self.bus.publish, clock)
        self.planned: dict[str, PlannedDevice] = {}
        self.twins = TwinStore(lambda: self.planned, MemoryState(), clock, self.lanes.lanes)
        self.bus.tap(self.twins.update)

    def append(self, batch: Batch) -> int:
        self.journal.extend(batch)
        return len(self.journal)

    def plan(self, made: DeviceProfile, address: str, interval: str) -> None:
        """A device that reports every resource at `interval`."""
        where = {"opcua": {"Endpoint": address, "SecurityPolicy": "None", "AllowNone": True}}
        device = Device.model_validate({"name": "D", "profileName": made.name, "protocols": where})
        protocol = self.protocols.of(device)
        sources = sources_of(device, made, protocol.service)
        events = [AutoEvent(interval=interval, source_name=r.name) for r in made.device_resources]
        polls = polls_of(device, sources, events, lambda chosen: protocol.plan(device, chosen, {}))
        self.planned = {"D": PlannedDevice(device, made, protocol.connection(device), sources, polls)}

    def rows(self, name: str) -> list[tuple[int, float, bool]]:
        """Source time, value, and whether it came later than it happened."""
        events = [one for one in self.journal if isinstance(one, Event) and one.source.name == name]
        return [
            ((e.times or {}).get(0, e.origin), e.values[0], e.historical) for e in events if e.values[0] is not None
        ]

    @property
    def flow(self) -> Flow:
        return self.twins.state("D").state

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(45):
            while not condition():  # noqa: ASYNC110  a real server tells when it likes
                await asyncio.sleep(0.02)


@asynccontextmanager
async def connected(tmp_path: Path, interval: str) -> AsyncIterator[tuple[Gateway, Running]]:
    made = profile(*(node(name, name, "valueType: Float64, readWrite: R") for name in "XY"))
    gateway = Gateway(SystemClock(), Place("test", tmp_path / "data", tmp_path))
    async with simulated(made, refresh=f"{STEP_S}s") as running:
        for name in "XY":
            running.behave(NAME, name, ramp(0, 10_000, 1000))
        gateway.plan(made, running.devices[NAME].address, interval)
        await gateway.lanes.apply(gateway.planned)
        task = asyncio.create_task(gateway.lanes.run())
        try:
            yield gateway, running
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_an_outage_of_a_server_that_remembers_leaves_no_hole(tmp_path: Path) -> None:
    """T14: told live, then from the server's history, nothing twice; the twin never goes back."""
    async with connected(tmp_path, "100ms") as (gateway, running):
        await gateway.until(lambda: len(gateway.rows("X")) > 5)
        await running.unplug(NAME)
        await gateway.until(lambda: gateway.lanes.lanes()[0].state == "waiting")
        await asyncio.sleep(10 * STEP_S)
        await running.plug(NAME)
        await gateway.until(lambda: any(historical for _, _, historical in gateway.rows("Y")))
        count = len(gateway.rows("X"))
        await gateway.until(lambda: len(gateway.rows("X")) > count + 10)
        for name in "XY":
            rows = sorted(gateway.rows(name))
            times = [time for time, _, _ in rows]
            past = [time for time, _, historical in rows if historical]
            assert len(set(times)) == len(times)
            steps = [round((b - a) / 1e9 / STEP_S) for a, b in itertools.pairwise(times) if past[0] <= b <= past[-1]]
            assert set(steps) == {1}
            live = [value for _, value, historical in gateway.rows(name) if not historical]
            assert live == sorted(live)
            row = gateway.twins.value("D", name)
            assert row is not None
            assert row.last_good == live[-1]
        assert gateway.lanes.lanes()[0].filled == sum(h for name in "XY" for _, _, h in gateway.rows(name))


async def test_a_subscription_that_says_nothing_makes_its_device_offline_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T14: the connection stays up all the time."""
    monkeypatch.setattr(group, "KEEP_ALIVE_S", 0.5)
    monkeypatch.setattr(mapper, "LOOK_S", 1.0)
    async with connected(tmp_path, "500ms") as (gateway, running):
        await gateway.until(lambda: gateway.flow is Flow.ONLINE)
        running.devices[NAME].fault_port(mute=True)
        await gateway.until(lambda: gateway.flow is Flow.OFFLINE)
        running.devices[NAME].fault_port(mute=False)
        await gateway.until(lambda: gateway.flow is Flow.ONLINE)
        assert {flow.mode for flow in gateway.lanes.flows()} == {"subscribed"}
