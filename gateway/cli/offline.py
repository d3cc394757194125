"""Reading and planning without connecting to anything: for `check`, `plan` and whoever only wants to look."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from gateway.config import GatewaySettings, Settings, load_settings, missing_folders
from gateway.model.device import AutoEvent, Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import load_profile, read_devices
from gateway.model.plan import PlannedDevice
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Source
from gateway.model.template import PARAMETERS, PLACE, Template
from gateway.model.yaml import read
from gateway.runtime.clock import SystemClock
from gateway.runtime.configuration.budget import crowded
from gateway.runtime.configuration.files import Contents, Folders, Place
from gateway.runtime.configuration.registry import FACTS, FileRegistry, Keeping
from mappers import Switchboard
from simulators.devicelist import sources
from simulators.library import find_profile

Planned = tuple[list[PlannedDevice], list[Problem]]
"""Devices ready to run, and warnings and notes."""


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


def plan_settings(settings: GatewaySettings, strict: bool = False) -> Planned:
    """Everything gateway.yaml names, planned, and warnings. Raises ConfigError with every problem."""
    planned, problems = asyncio.run(_planned(Folders(settings.profiles, settings.devices, strict), settings))
    return planned, missing_folders(settings) + problems


def plan_devices(path: Path, strict: bool = False) -> Planned:
    """The devices of one device list. Their profiles are the shipped ones and those in `profiles` beside the file or
    beside its folder. Raises ConfigError."""
    return asyncio.run(_planned(_listed(path, strict), GatewaySettings()))


async def registry_of(path: Path) -> tuple[FileRegistry, GatewaySettings]:
    """What a gateway would have in force: of a device list, a gateway.yaml or its folder. Raises ConfigError."""
    if kind_of(path) == "devices":
        settings = GatewaySettings()
        return await registry_over(cast("Folders", _listed(path)), settings, {}), settings
    settings = settings_of(path).gateway
    return await registry_over(Folders(settings.profiles, settings.devices), settings, learned(settings.data)), settings


def _listed(path: Path, strict: bool = False) -> "_Read":
    nearby = [folder / "profiles" for folder in (path.parent, path.parent.parent)]
    contents = Folders([folder for folder in nearby if folder.is_dir()], path, strict).read()
    loaded = read_devices(path.read_bytes(), str(path), strict)
    contents.problems += loaded.problems
    contents.devices = {d.name: Place(d, str(path), path, index) for index, d in loaded.value.items()}
    used = {device.profile_name for device in loaded.value.values()}
    contents.profiles = {name: place for name, place in contents.profiles.items() if name in used}
    return _Read(contents)


@dataclass(frozen=True, slots=True)
class Alone:
    """The one device of a profile that is looked at alone."""

    protocols: Mapping[str, Mapping[str, Any]]
    """Of each device service, where it might be; the first for a profile that no protocol knows as its own."""
    interval: str
    """How often it reads all of the profile."""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def plan_profile(path: Path, alone: Alone, strict: bool = False) -> Planned:
    """A profile alone, as one device. Raises ConfigError."""
    profile, problems, file = _profile(path, strict)
    service = Switchboard().seems(profile) or next(iter(alone.protocols))
    device = Device(
        name=profile.name,
        profile_name=profile.name,
        protocols={key: dict(value) for key, value in alone.protocols[service].items()},
        auto_events=[AutoEvent(source_name=name, interval=alone.interval) for name in sources(profile)],
        properties={PARAMETERS: dict(alone.parameters)} if alone.parameters else {},
    )
    _given(profile, device)
    contents = Contents(
        profiles={profile.name: Place(profile, str(path), file)},
        devices={device.name: Place(device, "", None)},
        problems=list(problems),
    )
    return asyncio.run(_planned(_Read(contents), GatewaySettings()))


def _given(profile: DeviceProfile, device: Device) -> None:
    """Raises ConfigError in the words of the command line."""
    try:
        Template(profile).own(device)
    except ConfigError as error:
        said = [replace(p, where=p.where.replace(f"{PLACE}.", "--parameter ")) for p in error.problems]
        raise ConfigError(said) from None


def _profile(path: Path, strict: bool) -> tuple[DeviceProfile, Sequence[Problem], Path | None]:
    if not path.is_file():
        return find_profile(str(path)), (), None
    loaded = load_profile(path.read_bytes(), str(path), strict)
    return loaded.value, loaded.problems, path


class _Read:
    """Stands where the registry has its folders, when they were read already."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def read(self) -> Contents:
        return self._contents


async def _planned(folders: "Folders | _Read", settings: GatewaySettings) -> Planned:
    """All of it goes the way a running gateway's configuration goes: the same checks, the same messages."""
    # the problems are the command's to tell; without a handler Python would print them, too
    logging.getLogger("gateway.runtime.configuration.registry").addHandler(logging.NullHandler())
    facts = learned(settings.data) if isinstance(folders, Folders) else {}
    registry = await registry_over(cast("Folders", folders), settings, facts)
    planned = list(registry.planned.values())
    tight = crowded(planned)  # the commands say it themselves, and how sure it is
    return planned, [problem for problem in registry.problems if problem not in tight]


async def registry_over(folders: Folders, settings: GatewaySettings, facts: Mapping[str, Any]) -> FileRegistry:
    """The one road of configuration, without a gateway that runs; it has read the folders. Raises ConfigError."""
    nowhere: Any = Nowhere(facts)
    registry = FileRegistry(
        Keeping(
            folders=folders,
            protocols=Switchboard(settings.aliases, place=settings.place),
            lanes=nowhere,
            store=nowhere,
            state=nowhere,
            clock=SystemClock(),
            compat=settings.compat,
        )
    )
    await registry.reload()
    return registry


def kind_of(path: Path) -> str:
    """`settings`, `devices` or `profile`, by what the file says; a folder has settings, and what is no file is the name
    of a shipped profile. Raises ConfigError."""
    if not path.is_file():
        return "settings" if path.is_dir() else "profile"
    try:
        value = read(path.read_bytes(), str(path)).value
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if isinstance(value, list) or (isinstance(value, Mapping) and "deviceList" in value):
        return "devices"
    if isinstance(value, Mapping) and value.keys() & {"deviceResources", "deviceCommands"}:
        return "profile"
    return "settings"


def settings_of(path: Path) -> Settings:
    """A gateway.yaml, or that of a folder; of a folder without one, what makes a gateway of its files."""
    if path.is_file():
        return load_settings(path)
    if (path / "gateway.yaml").is_file():
        return load_settings(path / "gateway.yaml")
    if not path.is_dir():
        raise ConfigError(f"{path} is neither a file nor a folder")
    profiles, devices = path / "profiles", path / "devices"
    return Settings(
        gateway=GatewaySettings(
            profiles=[profiles] if profiles.is_dir() else [],
            devices=devices if devices.is_dir() else path,
            data=path / "data",
        )
    )


def learned(data: Path) -> Mapping[str, Any]:
    """Facts that a gateway wrote down about its devices; empty where there is none."""
    from datastore.state import read_table

    return read_table(data / "state.db", FACTS)
