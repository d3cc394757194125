"""A device list that points at simulated devices, so that the gateway can be run against them at once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gateway.model.device import AutoEvent, Device
from gateway.model.dump import dump_devices
from gateway.model.profile import DeviceProfile
from gateway.model.template import OVERRIDES, PARAMETERS
from simulators.served import Served
from simulators.worldfile import DeviceEntry


def device_list(devices: Iterable[Served], folder: Path | None = None) -> str:
    """EdgeX YAML (`deviceList:`) with an autoEvent for every readable command and every resource that no command reads,
    unless the world or the profile says which. `folder`: where secrets are that it names."""
    return dump_devices([_device(served, folder) for served in devices])


def _device(served: Served, folder: Path | None) -> Device:
    entry, profile = served.entry, served.profile
    intervals = entry.autoEvents
    if not intervals and ("interval" in entry.model_fields_set or not profile.auto_events):
        intervals = dict.fromkeys(sources(profile), entry.interval)
    events = [AutoEvent(source_name=name, interval=interval) for name, interval in intervals.items()]
    return Device(
        name=served.name,
        service_name=served.service,
        profile_name=served.profile.name,
        protocols={key: {**properties, **entry.properties} for key, properties in served.protocols(folder).items()},
        properties=own_properties(entry),
        auto_events=events or None,
    )


def own_properties(entry: DeviceEntry) -> dict[str, Any]:
    """What the device has of its own, under `properties`."""
    found = {PARAMETERS: entry.parameters, OVERRIDES: entry.overrides}
    return {key: value for key, value in found.items() if value}


def sources(profile: DeviceProfile) -> list[str]:
    """Readable commands, and the readable resources that are in none of them."""
    commands = [command for command in profile.device_commands if command.read_write.readable]
    covered = {operation.device_resource for command in commands for operation in command.resource_operations}
    rest = [r.name for r in profile.device_resources if r.properties.read_write.readable and r.name not in covered]
    return [command.name for command in commands] + rest
