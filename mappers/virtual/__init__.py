"""Devices that are nowhere: what rules make of others. There is no wire; whoever reads one is told its last value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.model.contracts import Clock, DeviceProtocol, Mapper, Tape
from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.place import Place
from gateway.model.plan import Connection, Facts, PlannedDevice, Request
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.reading import Event, Source
from gateway.model.recording import Frame, Tap
from mappers.virtual.mapper import Last, VirtualMapper

SERVICE = "device-virtual"
KEY = "virtual"
MADE_BY = "madeBy"
UNRECORDED = "nothing goes over a wire for what rules make: there is nothing to record"


@dataclass(frozen=True, slots=True, eq=False)
class VirtualPlan:
    """Fulfils `gateway.model.plan.Plan`: there is nothing to send."""

    device: str
    sources: tuple[Source, ...]
    requests: tuple[Request, ...] = ()
    unit: str = KEY


class Virtual:
    """Fulfils `gateway.model.contracts.DeviceProtocol` and `gateway.model.abilities.Made`."""

    service = SERVICE
    keys: Sequence[str] = (KEY,)
    codes: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._last: Last = {}

    def remember(self, event: Event) -> None:
        """See `Made`."""
        for name, value in zip(event.names(), event.values, strict=True):
            quality = None if event.quality is None else event.quality.get(0)
            self._last[event.source.device, name] = value, quality, event.origin

    def recognises(self, profile: DeviceProfile) -> bool:  # noqa: ARG002
        """Only rules make such profiles."""
        return False

    def check(self, profile: DeviceProfile, device: Device | None = None) -> list[Problem]:  # noqa: ARG002
        """A device that no rule makes would never have a value."""
        if device is None or device.protocols.get(KEY, {}).get(MADE_BY):
            return []
        what = "devices of device-virtual are made by rules: write `into: device/resource` in a rule, and no device"
        return [Problem("protocols", what)]

    def connection(self, device: Device, compat: Compat = Compat.NONE) -> Connection:  # noqa: ARG002
        """All of them share one that goes nowhere."""
        return Connection(SERVICE, "rules", ())

    def mute(self, device: Device) -> str:  # noqa: ARG002
        """Rules answer."""
        return ""

    def plan(self, device: Device, sources: Sequence[Source], facts: Facts) -> VirtualPlan:  # noqa: ARG002
        """Nothing is sent."""
        return VirtualPlan(device.name, tuple(sources))

    def advice(self, planned: PlannedDevice) -> list[str]:  # noqa: ARG002
        """Nothing is learned."""
        return []

    def open(self, connection: Connection, clock: Clock) -> Mapper[VirtualPlan]:  # noqa: ARG002
        """Of the last values."""
        return VirtualMapper(self._last, clock)

    def tap(self, connection: Connection, tap: Tap | None) -> None:  # noqa: ARG002
        """Raises ConfigError."""
        raise ConfigError(UNRECORDED)

    def replay(self, connection: Connection, clock: Clock, frames: Sequence[Frame]) -> Tape[VirtualPlan]:  # noqa: ARG002
        """Raises ConfigError."""
        raise ConfigError(UNRECORDED)


def protocol(place: Place) -> DeviceProtocol[VirtualPlan]:  # noqa: ARG001
    """What `mappers` loads."""
    return Virtual()
