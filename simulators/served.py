"""What every protocol's room offers to the world: `simulators.modbus.room` and `simulators.opcua.room` have a class
`Room` each, loaded with the first device of their protocol."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.model.contracts import Clock
from gateway.model.profile import DeviceProfile
from mappers.opcua.address import OF_OPCUA
from simulators.behaviour import Behaviour, parse
from simulators.worldfile import DeviceEntry, WorldFile


@dataclass(frozen=True, slots=True)
class Simulated:
    """One device to be served: its entry in the world with the count spread out, and its profile, with its own
    values in it."""

    name: str
    profile: DeviceProfile
    entry: DeviceEntry

    @property
    def behaviours(self) -> dict[str, Behaviour]:
        """Those of the entry, by resource. Raises ConfigError."""
        return {name: parse(spec, f"device {self.name}, {name}") for name, spec in self.entry.behaviours.items()}


class Unit(Protocol):
    """What a device holds. Resources by name; ConfigError for one that is not there, ValueError for what does not
    fit."""

    requests: int
    """How many requests it has had."""

    def set(self, resource: str, value: Any, raw: bool = False) -> None:
        """From now on the device holds this value, as people see it or, with `raw`, as it is on the wire."""
        ...

    def get(self, resource: str, raw: bool = False) -> Any:
        """What the device holds now; what somebody wrote over the wire, too."""
        ...

    def behave(self, resource: str, behaviour: Behaviour) -> None:
        """Gives a resource another behaviour."""
        ...


class Endpoint(Protocol):
    """What devices share: a port, a line, a server."""

    @property
    def address(self) -> str:
        """As people write it."""
        ...

    async def open(self) -> None:
        """Raises ConfigError."""
        ...

    async def close(self) -> None:
        """Idempotent: connections are cut; `open` brings it back with what the devices held."""
        ...


class Served(Protocol):
    """One device that answers."""

    @property
    def name(self) -> str: ...
    @property
    def profile(self) -> DeviceProfile: ...
    @property
    def entry(self) -> DeviceEntry: ...
    @property
    def unit(self) -> Unit: ...
    @property
    def endpoint(self) -> Endpoint: ...
    @property
    def address(self) -> str:
        """Where it is: `127.0.0.1:5020`, the path of a pty, `opc.tcp://127.0.0.1:4840`."""
        ...

    @property
    def service(self) -> str:
        """The device service of the gateway that it is for."""
        ...

    @property
    def number(self) -> int | None:
        """Its number among the devices of its endpoint, where they have numbers."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """What is in the files that `protocols` name, by file name."""
        ...

    def protocols(self, folder: Path | None = None) -> dict[str, dict[str, Any]]:
        """For the device list: how it is reached. `folder`: where its secrets are."""
        ...

    def afflict(self, text: str) -> None:
        """One more fault, as the command line says it. Raises ConfigError listing what there is."""
        ...

    def fault(self, **changes: Any) -> None:
        """Changes its faults; without changes it is well again. Raises ConfigError."""
        ...

    def fault_port(self, **changes: Any) -> None:
        """The same for all that share its endpoint."""
        ...


class Room(Protocol):
    """The devices of one protocol in a world."""

    def __init__(self, file: WorldFile, clock: Clock) -> None: ...
    @property
    def endpoints(self) -> Sequence[Endpoint]: ...
    def place(self, device: Simulated) -> Served:
        """Adds a device. Raises ConfigError."""
        ...


def protocol_of(profile: DeviceProfile) -> str:
    """`opcua` for a profile with attributes that only OPC UA has, else `modbus`."""
    return "opcua" if any(OF_OPCUA & resource.attributes.keys() for resource in profile.device_resources) else "modbus"


def room(protocol: str, file: WorldFile, clock: Clock) -> Room:
    """An empty one."""
    found: type[Room] = importlib.import_module(f"simulators.{protocol}.room").Room
    return found(file, clock)
