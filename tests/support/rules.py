"""Rules on a moving clock, between devices that a test feeds by hand and the real alarms."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datastore.analysis.book import RuleBook
from datastore.analysis.engine import Analysis
from datastore.analysis.loading import rule_of
from datastore.analysis.place import Surroundings
from datastore.analysis.virtual import virtual_devices
from gateway.model.configuration import Configuration
from gateway.model.device import AdminState, Device
from gateway.model.plan import Connection, PlannedDevice
from gateway.model.profile import DeviceProfile, DeviceResource, ReadWrite, ResourceProperties, ValueType
from gateway.model.reading import Batch, Event, Message, Quality
from gateway.runtime.alarms import Alarms
from gateway.runtime.bus import Bus
from gateway.runtime.sources import sources_of
from tests.support.clock import MovingClock, settle
from tests.support.state import MemoryState

DEVICES: Mapping[str, Mapping[str, ValueType]] = {
    "m1": {"u": ValueType.FLOAT64, "i": ValueType.FLOAT64, "n": ValueType.UINT16, "on": ValueType.BOOL},
    "m2": {"u": ValueType.FLOAT64, "mode": ValueType.STRING},
}


def planned_device(name: str, resources: Mapping[str, ValueType], service: str = "device-modbus") -> PlannedDevice:
    """Each resource is a source of its own."""
    made = [
        DeviceResource(name=one, properties=ResourceProperties(value_type=kind, read_write=ReadWrite.R))
        for one, kind in resources.items()
    ]
    return planned(Device(name=name), DeviceProfile(name=f"of-{name}", device_resources=made), service)


def planned(device: Device, profile: DeviceProfile, service: str) -> PlannedDevice:
    return PlannedDevice(device, profile, Connection(service, service, ()), sources_of(device, profile, service))


class Plant:
    """A bus with rules on it, and everything that went over it."""

    def __init__(self, clock: MovingClock, state: MemoryState | None = None, folder: Path = Path()) -> None:
        self.clock, self.state = clock, state or MemoryState()
        self.real = {name: planned_device(name, resources) for name, resources in DEVICES.items()}
        self.planned: Mapping[str, PlannedDevice] = self.real
        self.made = Configuration()
        self.records: list[Any] = []
        self.bus = Bus(self)
        self.alarms = Alarms(self.bus.publish, clock, self.state)
        given = Surroundings(
            self.bus.publish, clock, self.alarms, lambda: self.planned, self.make, self.state,
            folder / "gateway.yaml", folder,
        )  # fmt: skip
        self.engine = Analysis(given)
        self.book = RuleBook(given, self.engine)
        self.bus.tap(self.engine.tap)

    def append(self, batch: Batch) -> int:
        """From the bus: this is its journal."""
        self.records += batch
        return len(self.records)

    async def make(self, made: Configuration) -> None:
        """What the registry does with what rules make."""
        self.made = made
        self.replan()

    def replan(self) -> None:
        """The devices in force are others, as after every change of configuration."""
        devices = self.made.devices
        virtual = {n: planned(d, self.made.profiles[d.profile_name], "device-virtual") for n, d in devices.items()}
        self.planned = {**virtual, **self.real}

    async def rules(self, *bodies: Mapping[str, Any]) -> None:
        """These are in gateway.yaml."""
        await self.book.take([rule_of(dict(body)) for body in bodies])

    def tell(self, device: str, quality: Quality | None = None, **values: Any) -> None:
        """A reading of each, now."""
        for name, value in values.items():
            source = self.planned[device].sources[name]
            bad = {0: quality} if quality is not None else None
            self.bus.publish([Event(source, self.clock.now(), [value], quality=bad)])

    async def tell_at(self, device: str, seconds: float, **values: Any) -> None:
        """As `tell`, when so many seconds have passed."""
        await self.clock.advance(seconds)
        self.tell(device, **values)
        await settle(3)

    def lock(self, device: str) -> None:
        """Somebody takes it out of service."""
        old = self.real[device]
        locked = old.device.model_copy(update={"admin_state": AdminState.LOCKED})
        self.real[device] = planned(locked, old.profile, "device-modbus")
        self.replan()

    @property
    def said(self) -> list[tuple[str, str]]:
        """Alarms so far: name and state."""
        return [(one.name, one.body["state"]) for one in self.records if isinstance(one, Message)]

    @property
    def last_alarm(self) -> dict[str, Any]:
        return [one.body for one in self.records if isinstance(one, Message)][-1]

    def values(self, device: str, resource: str) -> list[Any]:
        """What a virtual resource was, in order."""
        return [
            one.values[0]
            for one in self.records
            if isinstance(one, Event) and one.source.device == device and one.source.name == resource
        ]

    def state_of(self, name: str) -> dict[str, Any]:
        return next(one for one in self.book.report() if one["name"] == name)


@contextlib.asynccontextmanager
async def plant(
    clock: MovingClock, *rules: Mapping[str, Any], state: MemoryState | None = None, folder: Path = Path()
) -> AsyncIterator[Plant]:
    """Rules in force and running until the end; then closed as the gateway closes them."""
    made = Plant(clock, state, folder)
    await made.rules(*rules)
    made.engine.start()
    running = asyncio.create_task(made.engine.run())
    await settle(3)
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.engine.close()
        await made.alarms.close()


def targets(bodies: Sequence[Mapping[str, Any]]) -> Configuration:
    """The virtual devices of these rules."""
    return virtual_devices([rule_of(dict(body)) for body in bodies])
