"""The OPC UA devices of a world: which is on which server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from simulators.opcua.server import OpcuaServer
from simulators.opcua.unit import Unit
from simulators.served import Simulated
from simulators.worldfile import DeviceEntry, WorldFile


@dataclass(frozen=True, slots=True)
class OpcuaDevice:
    """Fulfils `simulators.served.Served`."""

    name: str
    profile: DeviceProfile
    entry: DeviceEntry
    unit: Unit
    endpoint: OpcuaServer

    @property
    def address(self) -> str:
        """`opc.tcp://127.0.0.1:4840`."""
        return self.endpoint.address

    @property
    def service(self) -> str:
        return "device-opcua"

    @property
    def number(self) -> int | None:
        return None

    @property
    def protocols(self) -> dict[str, dict[str, Any]]:
        return {"opcua": {"Endpoint": self.address, "SecurityPolicy": "None", "AllowNone": True}}

    def afflict(self, text: str) -> None:
        raise ConfigError(f"the fault {text!r} is not understood")

    def fault(self, **changes: Any) -> None:
        if changes:
            raise ConfigError(f"there is no fault {next(iter(changes))!r}")

    def fault_port(self, **changes: Any) -> None:
        self.fault(**changes)


class Room:
    """Fulfils `simulators.served.Room`."""

    def __init__(self, file: WorldFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._endpoints: dict[str, OpcuaServer] = {}

    @property
    def endpoints(self) -> Sequence[OpcuaServer]:
        return list(self._endpoints.values())

    def place(self, device: Simulated) -> OpcuaDevice:
        entry = device.entry
        period = parse_duration(self._file.refresh)
        behaviours = device.behaviours
        seed = self._file.seed + len(self._endpoints)
        try:
            unit = Unit(device.profile, self._clock, behaviours, seed=seed, period=period)
        except ConfigError as error:
            raise ConfigError(f"device {device.name}: {error}") from None
        key = f"tcp {entry.tcp or device.name}"
        if key not in self._endpoints:
            self._endpoints[key] = OpcuaServer(self._clock, entry.tcp or 0, self._file.host, period)
        self._endpoints[key].add(device.name, unit)
        return OpcuaDevice(device.name, device.profile, entry, unit, self._endpoints[key])
