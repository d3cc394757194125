"""Modbus TCP and RTU: what needs no connection. pymodbus is loaded with the first connection."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.model.contracts import Clock, DeviceProtocol, Mapper, Tape
from gateway.model.device import Device
from gateway.model.errors import Problem
from gateway.model.place import Place
from gateway.model.plan import Connection, Facts, PlannedDevice
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.reading import Source
from gateway.model.recording import Frame, Tap
from mappers.modbus import plan as planning
from mappers.modbus.address import OF_MODBUS
from mappers.modbus.advice import advice as advised
from mappers.modbus.line.connection import BROADCAST, KEYS, Unit, examine, reach
from mappers.modbus.plan import ModbusPlan
from mappers.modbus.point import Point, locate
from mappers.modbus.refusal import WHEN_READ
from mappers.modbus.writes import BIT_FOR_ALL, needs_reading


class Modbus:
    """Fulfils `gateway.model.contracts.DeviceProtocol`."""

    service = "device-modbus"
    keys: Sequence[str] = KEYS
    codes: Mapping[str, str] = WHEN_READ

    def __init__(self) -> None:
        self._framings: dict[str, str] = {}
        """By connection, what `Framing: auto` has found since the start."""
        self._taps: dict[str, Tap] = {}

    def recognises(self, profile: DeviceProfile) -> bool:
        """Whether any resource has an attribute that only Modbus has."""
        return any(not OF_MODBUS.isdisjoint(resource.attributes) for resource in profile.device_resources)

    def check(self, profile: DeviceProfile, device: Device | None = None) -> list[Problem]:
        """Everything wrong with the attributes of a profile and the protocol properties of a device, and what of the
        profile the device cannot carry: an error only when it is asked for."""
        reached, found = (None, []) if device is None else examine(device)
        for index, resource in enumerate(profile.device_resources):
            point, problems = locate(resource, profile.compat)
            if problems:
                where = f"deviceResources[{index}]"
                found += [Problem(f"{where}.{p.where}", p.what, severity=p.severity) for p in problems]
            if reached and point:
                found += _carried(point, reached[1], resource.properties.read_write.writable, index)
        return found

    def connection(self, device: Device, compat: Compat = Compat.NONE) -> Connection:  # noqa: ARG002
        """Raises ConfigError."""
        return reach(device)[0]

    def mute(self, device: Device) -> str:
        """Of a broadcast address. Raises ConfigError."""
        return BROADCAST if reach(device)[1].broadcast else ""

    def plan(self, device: Device, sources: Sequence[Source], facts: Facts) -> ModbusPlan:
        """Raises ConfigError."""
        return planning.plan(device, sources, facts)

    def advice(self, planned: PlannedDevice) -> list[str]:
        """Barriers for the profile, limits for the device file."""
        return advised(planned)

    def open(self, connection: Connection, clock: Clock) -> Mapper[ModbusPlan]:
        """Connects nothing."""
        from mappers.modbus.line.wire import Wire
        from mappers.modbus.mapper import ModbusMapper

        return ModbusMapper(connection, clock, Wire(connection, clock, self._framings, self._taps))

    def tap(self, connection: Connection, tap: Tap | None) -> None:
        """One at a time for a connection."""
        if tap is None:
            self._taps.pop(connection.key, None)
        else:
            self._taps[connection.key] = tap

    def replay(self, connection: Connection, clock: Clock, frames: Sequence[Frame]) -> Tape[ModbusPlan]:
        """Raises ConfigError: a frame of ours that is none."""
        from mappers.modbus.tape import ModbusTape

        return ModbusTape(connection, clock, frames)


def _carried(point: Point, unit: Unit, writable: bool, index: int) -> Iterator[Problem]:
    """What a device cannot carry of what its profile has."""
    if what := planning.beyond(point, unit):
        yield Problem(f"deviceResources[{index}].attributes", what, severity="warning")
    if unit.broadcast and writable and needs_reading(point):
        yield Problem(f"deviceResources[{index}].attributes.writeFunction", BIT_FOR_ALL, severity="warning")


def protocol(_: Place) -> DeviceProtocol[ModbusPlan]:
    """Modbus keeps nothing."""
    return Modbus()
