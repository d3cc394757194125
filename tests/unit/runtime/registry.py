"""A registry with folders of its own, lanes that only take note, and two devices on one line."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.model.device import Device
from gateway.model.errors import Problem
from gateway.model.plan import PlannedDevice
from gateway.model.profile import DeviceProfile
from gateway.runtime.configuration.files import Folders
from gateway.runtime.configuration.registry import FileRegistry, Keeping
from tests.support.clock import MovingClock
from tests.support.mapper import OneProtocol, ScriptedProtocol, World
from tests.support.state import MemoryState
from tests.unit.runtime.road import FakeStore

PROFILE = """\
name: meter
deviceResources:
  - name: Voltage
    attributes: { a: 1 }
    properties: { valueType: Float32, readWrite: R }
  - name: Current
    properties: { valueType: Int16, readWrite: R, scale: 0.1 }
deviceCommands:
  - name: All
    readWrite: R
    resourceOperations: [{ deviceResource: Voltage }, { deviceResource: Current }]
"""
DEVICES = """\
deviceList:
  - name: one
    serviceName: device-scripted
    profileName: meter
    protocols: { scripted: { Line: L1, Unit: 1 } }
    autoEvents: [{ interval: 1s, sourceName: All }]
  - name: two   # by the door
    serviceName: device-scripted
    profileName: meter
    protocols: { scripted: { Line: L1, Unit: 2 } }
    autoEvents: [{ interval: 1s, sourceName: "(Volt|Curr).*" }]
"""


class Spoken(OneProtocol):
    """Of a profile no device uses: the scripted protocol knows resources with the attribute `a`."""

    def check(self, profile: DeviceProfile) -> list[Problem]:
        if all("a" in resource.attributes for resource in profile.device_resources):
            return self.by_service("device-scripted").check(profile)
        return [Problem("deviceResources", "is for a protocol that is not spoken here", severity="note")]


class FakeLanes:
    def __init__(self) -> None:
        self.applied: list[Mapping[str, PlannedDevice]] = []
        self.fails: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.called = asyncio.Event()

    async def apply(self, planned: Mapping[str, PlannedDevice]) -> None:
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error
        self.called.set()
        await self.open.wait()
        self.applied.append(planned)


class House:
    def __init__(
        self, folder: Path, clock: MovingClock, state: MemoryState | None = None, library: bool = False
    ) -> None:
        self.profiles, self.devices = folder / "profiles", folder / "devices"
        self.profiles.mkdir(exist_ok=True)
        self.devices.mkdir(exist_ok=True)
        self.lanes, self.state, self.clock = FakeLanes(), state or MemoryState(), clock
        self.protocol = ScriptedProtocol(World(clock))
        self.registry = FileRegistry(
            Keeping(
                Folders([self.profiles], self.devices, library=library),
                Spoken(self.protocol),
                self.lanes,  # type: ignore[arg-type]
                FakeStore(),  # type: ignore[arg-type]
                self.state,
                clock,
            )
        )

    def files(self) -> dict[str, str]:
        root = self.devices.parent
        return {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}


def furnished(folder: Path, clock: MovingClock) -> House:
    """With the profile and the two devices."""
    it = House(folder, clock)
    (it.profiles / "meter.yaml").write_text(PROFILE)
    (it.devices / "plant.yaml").write_text(DEVICES)
    return it


def another(name: str = "three", **more: Any) -> Device:
    protocols = {"scripted": {"Line": "L2", "Unit": 3}}
    filled = {"service_name": "device-scripted", "profile_name": "meter", "protocols": protocols, **more}
    return Device(name=name, **filled)
