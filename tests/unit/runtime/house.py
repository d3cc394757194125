"""Profiles, devices and plans for tests of this room, without a wire."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.model.device import AutoEvent, Device
from gateway.model.plan import Connection, PlannedDevice, Poll
from gateway.model.profile import (
    Compat,
    DeviceCommand,
    DeviceProfile,
    DeviceResource,
    ReadWrite,
    ResourceOperation,
    ResourceProperties,
    ValueType,
)
from gateway.model.reading import Event, Quality, Source
from gateway.runtime.sources import sources_of


def resource(name: str, kind: str = "Float32", read_write: str = "R", **more: Any) -> DeviceResource:
    properties = ResourceProperties(value_type=ValueType(kind), read_write=ReadWrite(read_write), **more)
    return DeviceResource(name=name, properties=properties)


def command(name: str, *resources: str, read_write: str = "RW", **more: Any) -> DeviceCommand:
    operations = [ResourceOperation(device_resource=r, **more.get(r, {})) for r in resources]
    return DeviceCommand(name=name, read_write=ReadWrite(read_write), resource_operations=operations)


def profile(*resources: DeviceResource, commands: Sequence[DeviceCommand] = (), compat: str = "none") -> DeviceProfile:
    return DeviceProfile(
        name="P", device_resources=list(resources), device_commands=list(commands), compat=Compat(compat)
    )


def source(owner: DeviceProfile, device: str, name: str, *names: str) -> Source:
    by_name = {r.name: r for r in owner.device_resources}
    return Source("device-fake", owner.name, device, name, tuple(by_name[n] for n in names or (name,)))


def planned(
    owner: DeviceProfile, name: str = "d1", polls: Mapping[str, float] | None = None, **more: Any
) -> PlannedDevice:
    """A device; `polls`: source → seconds."""
    device = Device(name=name, profile_name=owner.name, service_name="device-fake", **more)
    sources = sources_of(device, owner, "device-fake")
    made = []
    for chosen, interval in (polls or {}).items():
        event = AutoEvent(interval=f"{interval}s", source_name=chosen)
        made.append(Poll(name, interval, (sources[chosen],), (event,), plan=None))  # type: ignore[arg-type]
    return PlannedDevice(device, owner, Connection("device-fake", "wire", None), sources, tuple(made))


def event(of: Source, *values: Any, origin: int = 1, bad: Mapping[int, Quality] | None = None, **more: Any) -> Event:
    return Event(of, origin, list(values), quality=dict(bad) if bad else None, **more)
