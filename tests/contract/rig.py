"""What the mapper suite needs to know about a protocol: a device that answers, and what it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.model.device import Device
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Source


@dataclass(frozen=True, slots=True)
class Rig:
    """One device of one protocol, running."""

    device: Device
    profile: DeviceProfile
    readable: Mapping[str, Any]
    """Resource → value it holds; in another order than on the wire."""
    writable: Mapping[str, Any]
    """Resource → a value to write that it does not hold yet."""
    refused: str
    """A resource the device answers "no" to."""
    cut: Callable[[], Awaitable[object]]
    """The wire is cut for good."""

    def source(self, *names: str) -> Source:
        """A throw-away source of these resources, in this order."""
        by_name = {resource.name: resource for resource in self.profile.device_resources}
        resources = tuple(by_name[name] for name in names)
        return Source("service", self.profile.name, self.device.name, "+".join(names), resources)
