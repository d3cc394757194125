"""A gateway's reading road over scripted wires, for tests of the runtime."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gateway.model.device import Device
from gateway.model.plan import PlannedDevice
from gateway.model.profile import Compat, DeviceCommand, DeviceProfile
from gateway.model.reading import Batch, Event, Record, Source
from gateway.runtime.bus import Bus
from gateway.runtime.lanes.running import RunningLanes
from gateway.runtime.lanes.schedule import polls_of
from gateway.runtime.sources import sources_of
from tests.support.clock import MovingClock, settle
from tests.support.mapper import SERVICE, OneProtocol, ScriptedProtocol, World


def profile_of(names: Iterable[str] = ("A", "B"), name: str = "P", **properties: Any) -> DeviceProfile:
    """Readable and writable Uint16 resources."""
    kind = {"valueType": "Uint16", "readWrite": "RW", **properties}
    return DeviceProfile.model_validate(
        {"name": name, "deviceResources": [{"name": n, "properties": kind} for n in names]}
    )


def command_of(name: str, *resources: str) -> DeviceCommand:
    """One that is read."""
    operations = [{"deviceResource": resource} for resource in resources]
    return DeviceCommand.model_validate({"name": name, "readWrite": "R", "resourceOperations": operations})


def device_of(
    name: str, line: str = "L", unit: int = 1, events: Mapping[str, str] | None = None, **more: Any
) -> Device:
    """`events`: source → interval."""
    where = {"Line": line, "Unit": unit, **more.pop("protocol", {})}
    return Device.model_validate(
        {
            "name": name,
            "profileName": "P",
            "serviceName": SERVICE,
            "protocols": {"scripted": where},
            "autoEvents": [{"sourceName": s, "interval": i} for s, i in (events or {}).items()],
            **more,
        }
    )


class Scene:
    """Lanes, a bus and a journal that is a list."""

    def __init__(self, clock: MovingClock, compat: Compat = Compat.NONE) -> None:
        self.clock = clock
        self.world = World(clock)
        self.protocol = ScriptedProtocol(self.world)
        self.journal: list[Record] = []
        self.tapped: list[Record] = []
        self.bus = Bus(self)
        self.bus.tap(self.tapped.extend)
        self.lanes = RunningLanes(OneProtocol(self.protocol), self.bus.publish, clock, compat)
        self.planned: dict[str, PlannedDevice] = {}

    def append(self, batch: Batch) -> int:
        self.journal.extend(batch)
        return len(self.journal)

    def plan(self, device: Device, profile: DeviceProfile | None = None) -> PlannedDevice:
        profile = profile or profile_of()
        sources = sources_of(device, profile, self.protocol.service)

        def plan(chosen: Sequence[Source]) -> Any:
            return self.protocol.plan(device, chosen, {})

        polls = polls_of(device, sources, device.auto_events or (), plan)
        return PlannedDevice(device, profile, self.protocol.connection(device), sources, polls)

    async def apply(self, *devices: Device, profile: DeviceProfile | None = None) -> None:
        """These devices and no others; one whose Device is the same object stays as it is."""
        self.planned = {
            d.name: known
            if (known := self.planned.get(d.name)) is not None and known.device is d
            else self.plan(d, profile)
            for d in devices
        }
        await self.lanes.apply(self.planned)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Scene"]:
        task = asyncio.create_task(self.lanes.run())
        await settle()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])

    def events(self, device: str = "", source: str = "") -> list[Event]:
        return [
            one
            for one in self.journal
            if isinstance(one, Event)
            and (not device or one.source.device == device)
            and (not source or one.source.name == source)
        ]

    def source(self, device: str, name: str) -> Source:
        return self.planned[device].sources[name]


def values(events: Iterable[Event]) -> list[Any]:
    return [event.values[0] for event in events]
