"""Every shipped OPC UA profile on a simulated server: what it holds is read, what is written arrives."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from gateway.model.abilities import Subscribes
from gateway.model.contracts import DeviceProtocol, Mapper
from gateway.model.device import AutoEvent, Device
from gateway.model.load import load_devices, load_profile
from gateway.model.place import Place
from gateway.model.plan import Poll
from gateway.model.profile import DeviceResource, ValueType
from gateway.model.reading import Event, Source
from gateway.model.template import by_default
from gateway.runtime.clock import SystemClock
from mappers import Switchboard
from mappers.opcua.point import Kind, locate
from simulators.library import shipped
from simulators.opcua.points import HINT
from simulators.opcua.types import empty
from simulators.opcua.unit import Unit
from simulators.world import World, serve

EVERY = pytest.mark.parametrize("name", [entry.name.removesuffix(".yaml") for entry in shipped("opcua")])
EXTREMES: dict[str, tuple[Any, Any, Any]] = {
    "Bool": (False, True, False),
    "String": ("", "x" * 1000, "Größe"),
    "Float32": (-(2.0**127), 2.0**127, -0.015625),
    "Float64": (-1e300, 1e300, 0.1),
    "Binary": (b"", b"\0\xff" * 20, b"a"),
    "DateTime": tuple(
        f"{time}000Z"
        for time in ("1970-01-01T00:00:00.000000", "2261-12-31T23:59:59.999999", "2026-11-21T20:00:00.123456")
    ),
    "Guid": tuple(str(UUID(int=number)) for number in (0, 2**128 - 1, 42)),
    "LocalizedText": ("", "x" * 1000, "Größe"),
    **{f"Int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 42) for bits in (8, 16, 32, 64)},
    **{f"Uint{bits}": (0, 2**bits - 1, 42) for bits in (8, 16, 32, 64)},
}
"""Lowest, highest and an odd value, by value type or by the type on the server where the profile names it."""


def kind_of(resource: DeviceResource) -> str:
    return str(resource.properties.optional.get(HINT) or resource.properties.value_type)


class Rig(NamedTuple):
    """A simulated server and a mapper connected to it."""

    unit: Unit
    device: Device
    resources: Sequence[DeviceResource]
    protocol: DeviceProtocol[Any]
    mapper: Mapper[Any]

    async def read(self, resources: Sequence[DeviceResource]) -> dict[str, Any]:
        """Values by name; all of them good."""
        source = Source(self.device.service_name, self.device.profile_name, self.device.name, "all", tuple(resources))
        (event,) = await self.mapper.read(self.protocol.plan(self.device, [source], {}))
        assert not event.quality
        return dict(zip(event.names(), event.values, strict=True))

    async def write(self, resource: DeviceResource, value: Any) -> None:
        source = Source(self.device.service_name, self.device.profile_name, self.device.name, "one", (resource,))
        await self.mapper.write(self.protocol.plan(self.device, [source], {}), {resource.name: value})

    @asynccontextmanager
    async def hearing(self, resources: Sequence[DeviceResource]) -> "AsyncIterator[Heard]":
        """What the server tells of these by itself."""
        source = Source(self.device.service_name, self.device.profile_name, self.device.name, "all", tuple(resources))
        plan = self.protocol.plan(self.device, [source], {})
        poll = Poll(self.device.name, 0.1, (source,), (AutoEvent(source_name="all", interval="100ms"),), plan)
        heard = Heard()
        assert isinstance(self.mapper, Subscribes)
        assert not await self.mapper.subscribe([poll], heard.told)
        connected = asyncio.create_task(self.mapper.lost())
        try:
            yield heard
        finally:
            connected.cancel()
            await asyncio.gather(connected, return_exceptions=True)


class Heard:
    """The last value of each resource."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._more = asyncio.Event()

    def told(self, events: list[Event]) -> None:
        for event in events:
            self.values.update(zip(event.names(), event.values, strict=True))
        self._more.set()

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The values as soon as they are so."""
        while not holds(self.values):
            self._more.clear()
            await self._more.wait()
        return dict(self.values)


@asynccontextmanager
async def rig(name: str, folder: Path) -> AsyncIterator[Rig]:
    async with serve(World.from_profiles([name])) as running:
        (device,) = load_devices(running.device_list(), "devices.yaml", strict=True).value
        protocol = Switchboard(place=Place(data=folder)).of(device)
        mapper = protocol.open(protocol.connection(device), SystemClock())
        await mapper.connect()
        try:
            unit = running.devices[name].unit
            assert isinstance(unit, Unit)
            yield Rig(unit, device, running.devices[name].profile.device_resources, protocol, mapper)
        finally:
            await mapper.close()


def nodes(resources: Sequence[DeviceResource]) -> list[DeviceResource]:
    """Those that are a variable on the server, or a field of one."""
    points = [(resource, locate(resource)[0]) for resource in resources]
    return [resource for resource, point in points if point is not None and point.kind is Kind.VALUE]


@EVERY
async def test_what_it_holds_at_first_is_read(name: str, tmp_path: Path) -> None:
    async with rig(name, tmp_path) as on:
        readable = [resource for resource in nodes(on.resources) if resource.properties.read_write.readable]
        for resource in readable:
            on.unit.set(resource.name, on.unit.get(resource.name, raw=True), raw=True)
        for resource, value in (await on.read(readable)).items():
            assert same(on.unit.get(resource, raw=True), value), resource


@EVERY
async def test_every_extreme_that_is_set_is_read(name: str, tmp_path: Path) -> None:
    async with rig(name, tmp_path) as on:
        readable = [
            resource
            for resource in nodes(on.resources)
            if resource.properties.read_write.readable and kind_of(resource) in EXTREMES
        ]
        assert readable
        for choice in range(3):
            wanted = {one.name: EXTREMES[kind_of(one)][choice] for one in readable}
            for resource, value in wanted.items():
                on.unit.set(resource, value, raw=True)
            for resource, value in (await on.read(readable)).items():
                assert same(wanted[resource], value), resource


@EVERY
async def test_what_is_written_arrives_and_reads_back(name: str, tmp_path: Path) -> None:
    async with rig(name, tmp_path) as on:
        for resource in nodes(on.resources):
            if not resource.properties.read_write.writable:
                continue
            for value in writable_values(resource):
                await on.write(resource, value)
                assert same(on.unit.get(resource.name, raw=True), value), resource.name
                if resource.properties.read_write.readable:
                    assert same(value, (await on.read([resource]))[resource.name]), resource.name


@EVERY
async def test_what_changes_is_told_without_asking(name: str, tmp_path: Path) -> None:
    async with rig(name, tmp_path) as on:
        readable = [
            one for one in nodes(on.resources) if one.properties.read_write.readable and kind_of(one) in EXTREMES
        ]
        async with on.hearing(readable) as heard:
            for choice in (1, 0):  # further apart than any deadband
                wanted = {one.name: EXTREMES[kind_of(one)][choice] for one in readable}
                for resource, value in wanted.items():
                    on.unit.set(resource, value, raw=True)
                await heard.until(lambda now, w=wanted: all(n in now and same(v, now[n]) for n, v in w.items()))


@EVERY
async def test_methods_are_called_with_their_arguments(name: str, tmp_path: Path) -> None:
    async with rig(name, tmp_path) as on:
        for resource, call in [(one, on.unit.points.calls.get(one.name)) for one in on.resources]:
            if call is not None:
                wanted = {argument: empty(shape) for argument, shape in call.inputs.items()}
                await on.write(resource, wanted if resource.properties.value_type == "Object" else True)
                assert on.unit.get(resource.name) == wanted, resource.name


@EVERY
async def test_alarms_are_told_and_acknowledged(name: str, tmp_path: Path) -> None:
    async with rig(name, tmp_path) as on:
        sayings = [one for one in on.resources if one.attributes.get("condition") == "acknowledge"]
        for resource in [one for one in on.resources if one.name in on.unit.points.alarms]:
            async with on.hearing([resource]) as heard:
                on.unit.set(resource.name, True)
                told = await heard.until(lambda now, n=resource.name: (now.get(n) or {}).get("ActiveState") is True)
                alarm = told[resource.name]
                assert (alarm["AckedState"], alarm["Retain"]) == (False, True)
                for saying in sayings:
                    said = {"ConditionId": alarm["ConditionId"], "EventId": alarm["EventId"], "Comment": "seen"}
                    await on.write(saying, said)
                    await heard.until(lambda now, n=resource.name: now[n]["AckedState"] is True)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other) and type(one) is type(other)


def writable_values(resource: DeviceResource) -> Sequence[Any]:
    properties = resource.properties
    if properties.minimum is None or properties.maximum is None:
        return EXTREMES[kind_of(resource)]
    kind: type = int if ValueType(properties.value_type).is_integer else float
    middle = (properties.minimum + properties.maximum) / 2
    return [kind(value) for value in (properties.minimum, properties.maximum, middle)]


def test_parameters_of_a_shipped_profile_have_defaults() -> None:
    """So that each is simulated and planned without writing anything."""
    for entry in shipped("opcua"):
        loaded = load_profile(entry.read_text(encoding="utf-8"), entry.name, strict=True)
        assert by_default(loaded.value) is not None, entry.name
