"""Every shipped profile: it loads without a warning, says where it comes from, plans, is served by its simulator, and
is read and written by its mapper as what was set."""

import itertools
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.model.contracts import DeviceProtocol, Mapper
from gateway.model.device import Device
from gateway.model.load import load_devices, load_profile
from gateway.model.profile import DeviceProfile, DeviceResource
from gateway.model.reading import Event, Source
from gateway.model.template import by_default, effective
from gateway.runtime.clock import SystemClock
from mappers import Switchboard
from simulators.devicelist import sources
from simulators.library import shipped
from simulators.modbus.encode import limits
from simulators.modbus.points import Point
from simulators.world import Running, World, serve

FILES = {entry.name.removesuffix(".yaml"): entry for entry in shipped()}
OPCUA = [entry.name.removesuffix(".yaml") for entry in shipped("opcua")]
MODBUS = [entry.name.removesuffix(".yaml") for entry in shipped("modbus")]
EVERY = pytest.mark.parametrize("name", FILES)
EVERY_MODBUS = pytest.mark.parametrize("name", MODBUS)
WIRES = pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu"])


def text_of(name: str) -> str:
    return FILES[name].read_text(encoding="utf-8")


def profile_of(name: str) -> DeviceProfile:
    """As it is for a device that gives no parameters."""
    profile = by_default(load_profile(text_of(name), f"{name}.yaml", strict=True).value)
    assert profile is not None, "a shipped profile is tried without writing anything: every parameter has a default"
    return profile


def source_of(device: Device, profile: DeviceProfile, resources: Sequence[DeviceResource], name: str = "all") -> Source:
    return Source(device.service_name, profile.name, device.name, name, tuple(resources))


@asynccontextmanager
async def opened(name: str, rtu: bool) -> AsyncIterator[tuple[Running, Device, DeviceProtocol[Any], Mapper[Any]]]:
    """The simulated device, its entry of the device list, its protocol and a connected mapper."""
    async with serve(World.from_profiles([name], unit=3, rtu=rtu)) as running:
        (device,) = load_devices(running.device_list(), "devices.yaml", strict=True).value
        protocol = Switchboard().of(device)
        mapper = protocol.open(protocol.connection(device), SystemClock())
        await mapper.connect()
        try:
            yield running, device, protocol, mapper
        finally:
            await mapper.close()


def test_there_are_enough_and_of_every_kind() -> None:
    labels = [label for name in MODBUS for label in profile_of(name).labels]
    assert len(MODBUS) >= 8
    assert labels.count("energy-meter") >= 2
    assert {"inverter", "vfd", "temperature", "relay", "io"} <= set(labels)
    assert {"heat-pump", "ventilation", "generator", "plc"} <= set(labels)
    labels = [label for name in OPCUA for label in profile_of(name).labels]
    assert len(OPCUA) >= 6
    assert {"companion-specification", "plc", "energy-meter", "simulator", "gateway"} <= set(labels)
    assert len(FILES) == len(shipped()), "file names are unique across protocols: they name a profile"
    assert len({profile_of(name).name for name in FILES}) == len(FILES)


@EVERY
def test_it_names_its_schema_and_the_vendors_document(name: str) -> None:
    first, *rest = text_of(name).splitlines()
    assert first == "# yaml-language-server: $schema=../../docs/reference/schemas/device-profile.json"
    assert "Source" in "".join(itertools.takewhile(lambda line: line.startswith("#"), rest))


@EVERY
def test_it_loads_without_a_warning_and_its_protocol_finds_nothing_wrong(name: str) -> None:
    loaded = load_profile(text_of(name), f"{name}.yaml", strict=True)
    assert loaded.problems == ()
    problems = Switchboard().check(profile_of(name))
    assert [str(p) for p in problems if p.severity != "note"] == []


@EVERY
def test_what_can_be_written_has_limits_and_commands_cover_all_that_is_read_often(name: str) -> None:
    profile = profile_of(name)
    for resource in profile.device_resources:
        properties = resource.properties
        if properties.read_write.writable and properties.value_type not in ("Bool", "String", "Object"):
            assert properties.minimum is not None, resource.name
            assert properties.maximum is not None, resource.name
    grouped = {operation.device_resource for c in profile.device_commands for operation in c.resource_operations}
    twin = {r.name for r in profile.device_resources if r.properties.optional.get("twin")}
    assert twin <= grouped, "what the cloud wants to see is read by a command"


@EVERY_MODBUS
@WIRES
async def test_every_default_value_is_read_as_it_is_served(name: str, rtu: bool) -> None:
    async with opened(name, rtu) as (running, device, protocol, mapper):
        profile = running.devices[name].profile
        for resource in profile.device_resources:
            running.set(name, resource.name, running.get(name, resource.name, raw=True), raw=True)
        wanted = [source_of(device, profile, resources_of(profile, source), source) for source in sources(profile)]
        for event in await mapper.read(protocol.plan(device, wanted, {})):
            compare(event, running, name)


@EVERY_MODBUS
@WIRES
async def test_every_extreme_that_is_set_is_read(name: str, rtu: bool) -> None:
    async with opened(name, rtu) as (running, device, protocol, mapper):
        profile = running.devices[name].profile
        readable = [r for r in profile.device_resources if r.properties.read_write.readable]
        plan = protocol.plan(device, [source_of(device, profile, readable)], {})
        for choice in range(3):
            for resource in readable:
                point = running.devices[name].unit.points[resource.name]
                running.set(name, resource.name, extremes(point)[choice], raw=True)
            (event,) = await mapper.read(plan)
            compare(event, running, name)


@EVERY_MODBUS
async def test_what_is_written_arrives_and_reads_back(name: str) -> None:
    async with opened(name, False) as (running, device, protocol, mapper):
        profile = running.devices[name].profile
        for resource in profile.device_resources:
            if not resource.properties.read_write.writable:
                continue
            source = source_of(device, profile, [resource], resource.name)
            for value in writable_values(running.devices[name].unit.points[resource.name]):
                await mapper.write(protocol.plan(device, [source], {}), {resource.name: value})
                assert same(running.get(name, resource.name, raw=True), value), resource.name
                if resource.properties.read_write.readable:
                    (event,) = await mapper.read(protocol.plan(device, [source], {}))
                    compare(event, running, name)


def resources_of(profile: DeviceProfile, source: str) -> list[DeviceResource]:
    by_name: Mapping[str, DeviceResource] = {r.name: r for r in profile.device_resources}
    for command in profile.device_commands:
        if command.name == source:
            return [by_name[operation.device_resource] for operation in command.resource_operations]
    return [by_name[source]]


def compare(event: Event, running: Running, name: str) -> None:
    assert not event.quality
    assert len(event.values) == len(event.source.resources)
    for resource, value in zip(event.names(), event.values, strict=True):
        served = running.get(name, resource, raw=True)
        assert same(served, value), f"{resource}: served {served!r}, read {value!r}"


def same(served: Any, value: Any) -> bool:
    if isinstance(value, float):
        return math.isclose(float(served), value, rel_tol=1e-7)
    return bool(served == value) and isinstance(served, str) == isinstance(value, str)


def extremes(point: Point) -> tuple[Any, Any, Any]:
    """Lowest, highest and an odd value of what the wire can carry."""
    if point.kind == "Bool":
        return False, True, True
    if point.kind == "String":
        return "", "x" * (2 * point.count), "Größe" if point.count > 3 else "ß"
    low, high = limits(point.kind, point.count)
    return low, high, 12345 if not point.kind.startswith("Float") else -0.015625


def writable_values(point: Point) -> list[Any]:
    if point.kind == "Bool":
        return [True, False, True]
    p = point.resource.properties
    assert p.minimum is not None
    assert p.maximum is not None
    middle = (p.minimum + p.maximum) / 2 + (p.maximum - p.minimum) / 7
    return [point.to_wire(value) for value in (p.minimum, p.maximum, middle)]


def test_a_station_with_a_smaller_fuse() -> None:
    """A parameter of a shipped profile: the limit is refused before the wire."""
    station = Device(name="d", properties={"parameters": {"max_current": 16}})
    profile = effective(load_profile(text_of("alfen-eve-ng9xx"), "alfen.yaml", strict=True).value, station)
    limit = next(r for r in profile.device_resources if r.name == "CurrentLimit")
    assert limit.properties.maximum == 16
    assert (
        next(r for r in profile_of("alfen-eve-ng9xx").device_resources if r.name == "CurrentLimit").properties.maximum
        == 32
    )
