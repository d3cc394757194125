"""Every shipped OPC UA profile on a simulated server: what it holds is read, what is written arrives."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.model.contracts import DeviceProtocol, Mapper
from gateway.model.device import Device
from gateway.model.load import load_devices, load_profile
from gateway.model.place import Place
from gateway.model.profile import DeviceResource, ValueType
from gateway.model.reading import Source
from gateway.model.template import by_default
from gateway.runtime.clock import SystemClock
from mappers import Switchboard
from mappers.opcua.point import Kind, locate
from simulators.library import shipped
from simulators.opcua.unit import Unit
from simulators.world import World, serve

EVERY = pytest.mark.parametrize("name", [entry.name.removesuffix(".yaml") for entry in shipped("opcua")])
EXTREMES: dict[str, tuple[Any, Any, Any]] = {
    "Bool": (False, True, False),
    "String": ("", "x" * 1000, "Größe"),
    "Float32": (-(2.0**127), 2.0**127, -0.015625),
    "Float64": (-1e300, 1e300, 0.1),
    "Binary": (b"", b"\0\xff" * 20, b"a"),
    **{f"Int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 42) for bits in (8, 16, 32, 64)},
    **{f"Uint{bits}": (0, 2**bits - 1, 42) for bits in (8, 16, 32, 64)},
}
"""Lowest, highest and an odd value, by value type."""


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
            if resource.properties.read_write.readable and resource.properties.value_type in EXTREMES
        ]
        assert readable
        for choice in range(3):
            wanted = {one.name: EXTREMES[one.properties.value_type][choice] for one in readable}
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


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other) and type(one) is type(other)


def writable_values(resource: DeviceResource) -> Sequence[Any]:
    properties = resource.properties
    if properties.minimum is None or properties.maximum is None:
        return EXTREMES[properties.value_type]
    kind: type = int if ValueType(properties.value_type).is_integer else float
    middle = (properties.minimum + properties.maximum) / 2
    return [kind(value) for value in (properties.minimum, properties.maximum, middle)]


def test_parameters_of_a_shipped_profile_have_defaults() -> None:
    """So that each is simulated and planned without writing anything."""
    for entry in shipped("opcua"):
        loaded = load_profile(entry.read_text(encoding="utf-8"), entry.name, strict=True)
        assert by_default(loaded.value) is not None, entry.name
