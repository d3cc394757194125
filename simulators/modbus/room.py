"""The Modbus devices of a world: which unit is on which port or line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from mappers.shared.given import whole
from simulators.modbus.endpoint import Endpoint
from simulators.modbus.faults import NONE, Faults, change, fault
from simulators.modbus.unit import Unit
from simulators.modbus.wire import Line, TcpPort
from simulators.served import Simulated
from simulators.worldfile import DeviceEntry, LineEntry, WorldFile


@dataclass(frozen=True, slots=True)
class ModbusDevice:
    """Fulfils `simulators.served.Served`."""

    name: str
    profile: DeviceProfile
    entry: DeviceEntry
    unit: Unit
    endpoint: Endpoint
    line: LineEntry | None
    """Its serial settings; None over TCP."""

    @property
    def address(self) -> str:
        """`127.0.0.1:5020` or the path of a pty."""
        return self.endpoint.address

    @property
    def service(self) -> str:
        return "device-modbus"

    @property
    def number(self) -> int | None:
        return self.entry.unit

    @property
    def secrets(self) -> Mapping[str, str]:
        return {}

    def protocols(self, folder: Path | None = None) -> dict[str, dict[str, Any]]:
        del folder
        common = {"UnitID": self.entry.unit, "Timeout": 1}
        if isinstance(self.endpoint, TcpPort):
            framing = {"Framing": "rtu"} if self.endpoint.rtu else {}
            return {"modbus-tcp": {"Address": self.endpoint.host, "Port": self.endpoint.port, **common, **framing}}
        assert self.line
        serial = {"BaudRate": self.line.baud, "DataBits": 8, "StopBits": 1, "Parity": self.line.parity}
        return {"modbus-rtu": {"Address": self.endpoint.address, **common, **serial}}

    def afflict(self, text: str) -> None:
        self.unit.faults = fault(text, self.unit.faults)

    def fault(self, **changes: Any) -> None:
        self.unit.faults = _well(change(self.unit.faults, **changes)) if changes else NONE

    def fault_port(self, **changes: Any) -> None:
        self.endpoint.faults = _well(change(self.endpoint.faults, **changes)) if changes else NONE


def _well(faults: Faults) -> Faults:
    return NONE if faults == NONE else faults


class Room:
    """Fulfils `simulators.served.Room`."""

    def __init__(self, file: WorldFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._endpoints: dict[str, Endpoint] = {}

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return list(self._endpoints.values())

    def place(self, device: Simulated) -> ModbusDevice:
        entry = device.entry
        unit = self._unit(device)
        line = (self._file.lines.get(entry.rtu) or LineEntry()) if entry.rtu else None
        key = f"rtu {entry.rtu}" if entry.rtu else f"tcp {entry.tcp or device.name}"
        if key not in self._endpoints:
            self._endpoints[key] = self._endpoint(entry, line)
        self._endpoints[key].add(entry.unit, unit)
        return ModbusDevice(device.name, device.profile, entry, unit, self._endpoints[key], line)

    def _unit(self, device: Simulated) -> Unit:
        entry = device.entry
        behaviours = device.behaviours
        seed = self._file.seed + len(self._endpoints) + entry.unit
        period = parse_duration(self._file.refresh)
        try:
            unit = Unit(device.profile, self._clock, behaviours, seed=seed, strict=entry.strict, period=period)
        except ConfigError as error:
            raise ConfigError(f"device {device.name}: {error}") from None
        for text in entry.faults:
            unit.faults = fault(text, unit.faults)
        unit.max_registers = _limit(device, "MaxRegisters", unit.max_registers)
        unit.max_bits = _limit(device, "MaxBits", unit.max_bits)
        return unit

    def _endpoint(self, entry: DeviceEntry, line: LineEntry | None) -> Endpoint:
        if line:
            return Line(self._clock, line.link)
        return TcpPort(self._clock, entry.tcp or 0, self._file.host, self._file.unknown, rtu=entry.framing == "rtu")


def _limit(device: Simulated, key: str, default: int) -> int:
    try:
        return whole(device.entry.properties.get(key, default))
    except ValueError as error:
        raise ConfigError(f"device {device.name}: properties.{key}: {error}") from None
