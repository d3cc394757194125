"""A command road between fakes: lanes in memory, a journal that is a list, a registry that is a dict."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gateway.model.command import Command
from gateway.model.configuration import Configuration, Profiles
from gateway.model.errors import StoreFailed
from gateway.model.health import LaneReport
from gateway.model.plan import PlannedDevice
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Batch, Event, Message, Source
from gateway.runtime.alarms import Alarms
from gateway.runtime.commands.road import CommandRoad
from gateway.runtime.commands.surroundings import Surroundings
from gateway.runtime.twin.store import TwinStore
from tests.support.clock import MovingClock
from tests.support.state import MemoryState
from tests.unit.runtime.house import command, planned, profile, resource

BOARD = profile(
    resource("Setpoint", read_write="RW", minimum=0, maximum=100, optional={"tolerance": 0.5}),
    resource("Relay", "Bool", "RW"),
    resource("Limit", "Int16", "RW", scale=0.1, default_value="5"),
    resource("Pulse", "Uint16", "W"),
    resource("Temperature"),
    commands=[
        command("Both", "Setpoint", "Relay", Relay={"mappings": {"true": "ON", "false": "OFF"}}),
        command("WithDefault", "Setpoint", "Limit", Setpoint={"default_value": "20"}),
        command("Look", "Temperature", "Setpoint", read_write="R"),
        command("Shot", "Pulse", read_write="W"),
    ],
)


class FakeRegistry:
    def __init__(self, *devices: PlannedDevice, owner: DeviceProfile = BOARD) -> None:
        self.planned = {device.device.name: device for device in devices}
        self.current = Configuration(Profiles({owner.name: owner}), {n: d.device for n, d in self.planned.items()})
        self.digest = ""

    def exchange(self, device: PlannedDevice) -> None:
        self.planned = {**self.planned, device.device.name: device}
        self.current = self.current.with_devices([device.device])


class FakeLanes:
    """Registers by device and resource, as people see the values."""

    def __init__(self, clock: MovingClock) -> None:
        self.clock = clock
        self.values: dict[str, dict[str, Any]] = {}
        self.writes: list[dict[str, Any]] = []
        self.reads: list[str] = []
        self.state = "connected"
        self.fail_write: Exception | None = None
        self.fail_read: Exception | None = None
        self.fail_in_line: Exception | None = None
        """Fails writes before they reach the wire."""
        self.deaf = False
        """Accepts writes and does not follow."""
        self.gate: asyncio.Event | None = None
        """Writes wait for it."""
        self.answer_s = 0.0
        self.hear: Any = None
        self.log: list[str] = []

    async def write(
        self, source: Source, values: Mapping[str, Any], check: Callable[[], None] = lambda: None
    ) -> Event | None:
        self.log.append("write")
        if self.gate is not None:
            await self.gate.wait()
        if self.fail_in_line is not None:
            raise self.fail_in_line
        check()
        if self.answer_s:
            await self.clock.sleep(self.answer_s)
        self.writes.append(dict(values))
        if self.fail_write is not None:
            raise self.fail_write
        if not self.deaf:
            self.values.setdefault(source.device, {}).update(values)
        return None

    async def read(self, source: Source) -> Event:
        self.reads.append(source.name)
        if self.fail_read is not None:
            raise self.fail_read
        known = self.values.get(source.device, {})
        event = Event(source, self.clock.now(), [known.get(name, 0) for name in source.names])
        self.hear([event])
        return event

    def lane(self, device: str) -> LaneReport | None:
        return next((report for report in self.lanes() if device in report.devices), None)

    def lanes(self) -> list[LaneReport]:
        return [LaneReport("device-fake", "wire", self.state, "refused", 0, 1.0, ("d1",), {}, 0, {}, 0, 0.0, 0)]

    def flows(self) -> list[Any]:
        return []


class FakeStore:
    def __init__(self) -> None:
        self.records: list[Any] = []
        self.commits = 0
        self.fails = False

    def number(self, source: Source) -> Source:
        return source

    async def commit(self) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise StoreFailed("no space left on device")
        self.commits = len(self.records)


class Road:
    """Everything around a command road; hand `state` and `lanes` over for a restart."""

    def __init__(
        self, clock: MovingClock, state: MemoryState | None = None, lanes: FakeLanes | None = None, **device: Any
    ) -> None:
        self.clock, self.state = clock, state or MemoryState()
        self.lanes = lanes or FakeLanes(clock)
        self.registry = FakeRegistry(planned(BOARD, polls={"Look": 1.0}, **device))
        self.store = FakeStore()
        self.twins = TwinStore(lambda: self.registry.planned, self.state, clock, self.lanes.lanes)
        self.lanes.hear = self.publish
        around = Surroundings(
            self.registry,  # type: ignore[arg-type]
            self.lanes,  # type: ignore[arg-type]
            self.twins,
            self.state,
            self.store,  # type: ignore[arg-type]
            self.publish,
            Alarms(self.publish, clock, self.state),
            clock,
            session="S1",
        )
        self.road = CommandRoad(around)
        self.twins.listeners.append(self.road.desired.device_changed)

    def publish(self, batch: Batch) -> None:
        self.store.records += batch
        self.twins.update(batch)

    async def start(self) -> "Road":
        await self.twins.start()
        await self.road.start()
        return self

    def poll(self) -> None:
        """What the poll of `Look` reads now."""
        known = self.lanes.values.get("d1", {})
        look = self.registry.planned["d1"].sources["Look"]
        self.publish([Event(look, self.clock.now(), [known.get(name, 0.0) for name in look.names])])

    def command(self, name: str = "Setpoint", args: Mapping[str, Any] | None = None, **more: Any) -> Command:
        filled = {"id": "c1", "device": "d1", "actor": "test", "received": self.clock.now(), **more}
        return Command(name=name, args={"Setpoint": 21.5} if args is None else args, **filled)

    def messages(self, kind: str) -> list[Message]:
        return [record for record in self.store.records if isinstance(record, Message) and record.kind == kind]

    def acks(self) -> list[dict[str, Any]]:
        return [message.body for message in self.messages("ack")]
