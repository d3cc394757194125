"""A world of simulated devices: described by files or profiles, then served.

async with serve(World.from_profiles(["eastron-sdm630"])) as running:
    running.devices["eastron-sdm630"].address      # 127.0.0.1:41234
    running.set("eastron-sdm630", "Power", 1234.5)
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.model.contracts import Clock
from gateway.model.device import Device
from gateway.model.document import key_path
from gateway.model.errors import ConfigError
from gateway.model.load import load_model
from gateway.model.profile import DeviceProfile
from gateway.model.said import said
from gateway.model.template import effective
from gateway.runtime.clock import SystemClock
from simulators.behaviour import Behaviour
from simulators.devicelist import device_list, own_properties
from simulators.library import find_profile
from simulators.served import Room, Served, Simulated, protocol_of, room
from simulators.worldfile import DeviceEntry, WorldFile, load_world

LINE = "line"


@dataclass(frozen=True, slots=True)
class World:
    """What is to be served."""

    devices: tuple[Simulated, ...]
    file: WorldFile

    @classmethod
    def from_file(cls, path: Path | Traversable) -> "World":
        """A world file (see `worldfile`). Raises ConfigError with file, line and what is wrong."""
        if isinstance(path, Path):
            return cls._of(load_world(path), path.parent)
        return cls._of(load_model(WorldFile, path.read_bytes(), path.name).value)

    @classmethod
    def from_profiles(
        cls,
        profiles: Sequence[str | Path | DeviceProfile],
        *,
        count: int = 1,
        port: int = 0,
        unit: int = 1,
        rtu: bool = False,
        parameters: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> "World":
        """`count` devices of every profile. TCP: each on a port of its own, from `port` on (0: free ones), all with
        `unit`; with `rtu` all on one line, with units from `unit` on. `parameters` are for the profiles that have
        them (a list: one for each of `count`). `settings` are those of the world file: seed, refresh, unknown, host.
        Raises ConfigError."""
        named = list(map(_named, profiles))
        known = dict(named)
        strange = {key for key in parameters or {} if not any(key in p.parameters for p in known.values())}
        entries = []
        for index, (name, profile) in enumerate(named):
            place = (
                {"rtu": LINE, "unit": unit + index * count}
                if rtu
                else {"unit": unit, "tcp": port and port + index * count}
            )
            own = {k: value for k, value in (parameters or {}).items() if k in strange or k in profile.parameters}
            entries.append(_entry({"profile": name, "name": name, "count": count, "parameters": own, **place}))
        return cls._of(WorldFile(devices=entries, **settings), known=known)

    @classmethod
    def _of(
        cls, file: WorldFile, near: Path | None = None, known: Mapping[str, DeviceProfile] | None = None
    ) -> "World":
        devices: dict[str, Simulated] = {}
        for entry in file.devices:
            profile = (known or {}).get(entry.profile) or find_profile(entry.profile, near)
            for number in range(entry.count):
                one = _one_of(entry, number)
                if one.name in devices:
                    raise ConfigError(f"two devices are named {one.name}; give one of them another name")
                devices[one.name] = Simulated(one.name, _profile_of(profile, one), one)
        return cls(tuple(devices.values()), file)


def _named(profile: str | Path | DeviceProfile) -> tuple[str, DeviceProfile]:
    """Name for its devices, and the profile. Raises ConfigError."""
    if isinstance(profile, DeviceProfile):
        return profile.name, profile
    return Path(profile).stem, find_profile(str(profile))


def _profile_of(profile: DeviceProfile, entry: DeviceEntry) -> DeviceProfile:
    try:
        return effective(profile, Device(name=entry.name, properties=own_properties(entry)))
    except ConfigError as error:
        said = (f"{p.where.removeprefix('properties.')}: {p.what}" for p in error.problems)
        raise ConfigError(f"simulated device {entry.name}: {'; '.join(said)}") from None


def _own_value(entry: DeviceEntry, name: str, number: int) -> Any:
    value = entry.parameters[name]
    if not isinstance(value, list):
        return value
    if len(value) != entry.count:
        raise ConfigError(f"device {entry.name}: parameters.{name}: {len(value)} values for {entry.count} devices")
    return value[number]


def _one_of(entry: DeviceEntry, number: int) -> DeviceEntry:
    name = entry.name or Path(entry.profile).stem
    parameters = {key: _own_value(entry, key, number) for key in entry.parameters}
    place = {"unit": entry.unit + number} if entry.rtu else {"tcp": entry.tcp and entry.tcp + number}
    changed = {
        "name": name if entry.count == 1 else f"{name}-{number + 1}",
        "count": 1,
        "parameters": parameters,
        **place,
    }
    return _entry({**entry.model_dump(exclude_unset=True), **changed})


def _entry(fields: Mapping[str, Any]) -> DeviceEntry:
    """Raises ConfigError: the devices that are counted up leave the ports or the unit ids there are."""
    try:
        return DeviceEntry.model_validate(fields)
    except ValidationError as error:
        where, what = said(error.errors(include_url=False)[0])
        raise ConfigError(f"device {fields['name']}: {key_path(where)}: {what}") from None


class Running:
    """A world that is being served."""

    def __init__(self, devices: Mapping[str, Served]) -> None:
        self.devices = devices

    def set(self, device: str, resource: str, value: Any, raw: bool = False) -> None:
        """From now on the device holds this value, as people see it or, with `raw`, as it is on the wire. Raises
        ConfigError, ValueError if it does not fit."""
        self._served(device).unit.set(resource, value, raw)

    def get(self, device: str, resource: str, raw: bool = False) -> Any:
        """What the device holds now; what somebody wrote over the wire, too."""
        return self._served(device).unit.get(resource, raw)

    def behave(self, device: str, resource: str, behaviour: Behaviour) -> None:
        """Gives a resource another behaviour."""
        self._served(device).unit.behave(resource, behaviour)

    def fault(self, device: str, **changes: Any) -> None:
        """Changes the faults of one device: `fault("meter", silence=True)`; without changes it is well again."""
        self._served(device).fault(**changes)

    def fault_port(self, device: str, **changes: Any) -> None:
        """The same for the port, line or server that a device is on, with everything there."""
        self._served(device).fault_port(**changes)

    def requests(self, device: str) -> int:
        """How many requests the device has had."""
        return self._served(device).unit.requests

    async def unplug(self, device: str) -> None:
        """Closes the port, line or server that a device is on: connections are cut, new ones
        refused. `plug` brings it back."""
        await self._served(device).endpoint.close()

    async def plug(self, device: str) -> None:
        """Opens it again, on the same port (a line without `link` gets a new path), with its values."""
        await self._served(device).endpoint.open()

    def device_list(self, folder: Path | None = None) -> str:
        """EdgeX YAML of all devices, with the addresses they are served at: ready for the gateway. `folder`: where the
        files are that it names, see `Served.secrets`."""
        return device_list(self.devices.values(), folder)

    def _served(self, device: str) -> Served:
        if device not in self.devices:
            raise ConfigError(f"there is no simulated device {device!r}; there are {', '.join(self.devices)}")
        return self.devices[device]


@asynccontextmanager
async def serve(world: World, clock: Clock | None = None) -> AsyncIterator[Running]:
    """Opens every port, line and server and serves until the block ends; then everything is closed. Raises
    ConfigError."""
    clock = clock or SystemClock()
    rooms: dict[str, Room] = {}
    devices: dict[str, Served] = {}
    for device in world.devices:
        protocol = protocol_of(device.profile)
        if protocol not in rooms:
            rooms[protocol] = room(protocol, world.file, clock)
        devices[device.name] = rooms[protocol].place(device)
    async with AsyncExitStack() as stack:
        for endpoint in (endpoint for one in rooms.values() for endpoint in one.endpoints):
            await endpoint.open()
            stack.push_async_callback(endpoint.close)
        yield Running(devices)
