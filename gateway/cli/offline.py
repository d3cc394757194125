"""Reading and planning without connecting to anything: for `check`, `plan` and whoever only wants to look."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.config import GatewaySettings, load_settings
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import load_devices
from gateway.model.plan import PlannedDevice
from gateway.model.reading import Source
from gateway.model.yaml import read
from gateway.runtime.clock import SystemClock
from gateway.runtime.files import Folders
from gateway.runtime.planning import Planner, shared_connections
from gateway.runtime.registry import FACTS, FileRegistry, Keeping
from mappers import Switchboard
from simulators.library import find_profile


class Nowhere:
    """Stands where the running gateway has its store, its small facts and its lanes. Keeps nothing on disk."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def number(self, source: Source) -> Source:
        return source

    def get(self, table: str, key: str) -> Any | None:
        return self.all(table).get(key)

    def all(self, table: str) -> dict[str, Any]:
        return dict(self._facts) if table == FACTS else {}

    async def put(self, table: str, entries: Mapping[str, Any], expires_at: int | None = None) -> None:
        """Nothing is kept."""

    async def remove(self, table: str, keys: Iterable[str]) -> None:
        """Nothing is kept."""

    async def apply(self, planned: Mapping[str, PlannedDevice]) -> None:
        """Nothing is opened."""


def plan_settings(settings: GatewaySettings, strict: bool = False) -> tuple[list[PlannedDevice], list[Problem]]:
    """Everything gateway.yaml names, planned, and warnings. Raises ConfigError with every problem."""
    return asyncio.run(_plan_settings(settings, strict))


async def _plan_settings(settings: GatewaySettings, strict: bool) -> tuple[list[PlannedDevice], list[Problem]]:
    nowhere: Any = Nowhere(learned(settings.data))
    registry = FileRegistry(
        Keeping(
            folders=Folders(settings.profiles, settings.devices, strict),
            protocols=Switchboard(settings.aliases),
            lanes=nowhere,
            store=nowhere,
            state=nowhere,
            clock=SystemClock(),
            compat=settings.compat,
        )
    )
    await registry.reload()
    return list(registry.planned.values()), list(registry.problems)


def plan_devices(path: Path) -> tuple[list[PlannedDevice], list[Problem]]:
    """The devices of one device list. Their profiles are the shipped ones and those in `profiles` beside the file or
    beside its folder. Raises ConfigError."""
    nearby = [folder / "profiles" for folder in (path.parent, path.parent.parent)] + [path.parent]
    contents = Folders([f for f in nearby[:2] if f.is_dir()], path).read()
    loaded = load_devices(path.read_bytes(), str(path))
    planner = Planner(Switchboard(), Nowhere({}))  # type: ignore[arg-type]  only numbers are asked for
    planned, problems = [], list(loaded.problems)
    for device in loaded.value:
        place = contents.profiles.get(device.profile_name)
        if place is None:
            raise ConfigError(
                [
                    Problem(
                        device.name, f"profile {device.profile_name!r} is neither shipped nor in {nearby[0]}", str(path)
                    )
                ]
            )
        ready, found = planner.plan(device, place.value, {})
        planned.append(ready)
        problems += found
    return planned, problems + shared_connections({p.device.name: p for p in planned})


def plan_profile(path: Path, protocols: Mapping[str, Any], interval: str) -> tuple[list[PlannedDevice], list[Problem]]:
    """A profile alone, as one device that reads all of it every `interval` over the given protocol properties. Raises
    ConfigError."""
    from gateway.model.device import AutoEvent, Device
    from simulators.devicelist import sources

    profile = find_profile(str(path))
    device = Device(
        name=profile.name,
        profile_name=profile.name,
        protocols={key: dict(value) for key, value in protocols.items()},
        auto_events=[AutoEvent(source_name=name, interval=interval) for name in sources(profile)],
    )
    planned, problems = Planner(Switchboard(), Nowhere({})).plan(device, profile, {})  # type: ignore[arg-type]
    return [planned], problems


def kind_of(path: Path) -> str:
    """`settings`, `devices` or `profile`, by what the file says. Raises ConfigError."""
    try:
        value = read(path.read_bytes(), str(path)).value
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if isinstance(value, list) or (isinstance(value, Mapping) and "deviceList" in value):
        return "devices"
    if isinstance(value, Mapping) and value.keys() & {"deviceResources", "deviceCommands"}:
        return "profile"
    return "settings"


def settings_of(path: Path) -> GatewaySettings:
    """The `gateway` part of a gateway.yaml, or of a folder that has one, or of a folder of profiles and devices."""
    if path.is_file():
        return load_settings(path).gateway
    if (path / "gateway.yaml").is_file():
        return load_settings(path / "gateway.yaml").gateway
    if not path.is_dir():
        raise ConfigError(f"{path} is neither a file nor a folder")
    devices = path / "devices"
    return GatewaySettings(
        profiles=[path / "profiles"], devices=devices if devices.is_dir() else path, data=path / "data"
    )


def learned(data: Path) -> Mapping[str, Any]:
    """Facts that a gateway wrote down about its devices; empty where there is none."""
    from datastore.state import read_table

    return read_table(data / "state.db", FACTS)
