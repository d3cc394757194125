"""The OPC UA devices of a world: which is on which server."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from simulators.opcua.faults import NONE, SOUND, change, changes_of
from simulators.opcua.server import OpcuaServer
from simulators.opcua.unit import Unit
from simulators.served import Simulated
from simulators.worldfile import DeviceEntry, ServerEntry, WorldFile


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
    def secrets(self) -> Mapping[str, str]:
        settings = self.endpoint.entry
        return {} if settings.anonymous else {_file(user): password for user, password in settings.users.items()}

    def protocols(self, folder: Path | None = None) -> dict[str, dict[str, Any]]:
        """Without security where the server lets that in: it works at once. Otherwise the gateway chooses, and its
        certificate has to be trusted."""
        none = {"SecurityPolicy": "None", "AllowNone": True} if self.endpoint.open_to_all else {}
        for user in self.endpoint.entry.users if self.secrets else ():
            file = str((folder / _file(user)).absolute()) if folder else _file(user)
            return {"opcua": {"Endpoint": self.address, **none, "UserName": user, "PasswordFile": file}}
        return {"opcua": {"Endpoint": self.address, **none}}

    def afflict(self, text: str) -> None:
        self.fault(**changes_of(text, self.unit.faults))

    def fault(self, **changes: Any) -> None:
        unit, server = NONE, SOUND
        if changes:
            unit, server = change((self.unit.faults, self.endpoint.faults), **changes)
        self.unit.suffer(unit)
        self.endpoint.faults = server

    def fault_port(self, **changes: Any) -> None:
        _, self.endpoint.faults = change((NONE, self.endpoint.faults), **changes) if changes else (NONE, SOUND)


def _file(user: str) -> str:
    """Of his password, for the gateway."""
    return f"{re.sub(r'[^A-Za-z0-9]', '-', user)}.password"


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
            settings = self._settings(entry)
            unit = Unit(device.profile, self._clock, behaviours, seed=seed, period=period, history=settings.history)
            server = self._server(device.name, entry, settings)
        except ConfigError as error:
            raise ConfigError(f"device {device.name}: {error}") from None
        server.add(device.name, unit)
        found = OpcuaDevice(device.name, device.profile, entry, unit, server)
        for text in entry.faults:
            found.afflict(text)
        return found

    def _settings(self, entry: DeviceEntry) -> ServerEntry:
        if entry.server and entry.server not in self._file.servers:
            known = ", ".join(self._file.servers) or "none"
            raise ConfigError(f"there is no server {entry.server!r}; under `servers` there are {known}")
        return self._file.servers[entry.server] if entry.server else self._file.opcua

    def _server(self, name: str, entry: DeviceEntry, settings: ServerEntry) -> OpcuaServer:
        key = f"server {entry.server}" if entry.server else f"tcp {entry.tcp or name}"
        if key not in self._endpoints:
            port = settings.port or entry.tcp or 0
            self._endpoints[key] = OpcuaServer(self._clock, settings, self._file.host, port)
        return self._endpoints[key]
