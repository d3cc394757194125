"""Reading and writing: a server (asyncua's) that starts anew, moves its namespaces, and says of values how they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import Server, ua

from gateway.model.errors import CommandRejected, ConfigError, DeviceError, NotConnected
from gateway.model.place import Place
from gateway.model.profile import DeviceResource
from gateway.model.reading import Event, Quality
from gateway.runtime.clock import SystemClock
from mappers import Switchboard
from mappers.opcua import plan as planning
from mappers.opcua.endpoint import reach
from mappers.opcua.mapper import OpcuaMapper
from tests.contract.opcua_peer import URI, add, device, resource
from tests.support.opcua import plain_server
from tests.support.ports import free_port
from tests.unit.mappers.opcua.build import source

V = ua.VariantType


@asynccontextmanager
async def serving(port: int, *namespaces: str) -> AsyncIterator[tuple[Server, int]]:
    """With these namespaces in this order; `speed` (Double) is in `URI`, where there is one."""
    made = plain_server()
    await made.init()
    made.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    made.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    indexes = {uri: await made.register_namespace(uri) for uri in namespaces}
    index = indexes.get(URI, 0)
    if index:
        await add(made, index, "speed", 12.5, V.Double, writable=True)
    async with made:
        yield made, index


async def read(mapper: OpcuaMapper, *resources: DeviceResource, **properties: Any) -> Event:
    (event,) = await mapper.read(planning.plan(device(1, **properties), [source(*resources)]))
    return event


BY_INDEX = resource("speed", "Float64", "RW", nodeId="ns=2;s=speed")
BY_URI = resource("uri", "Float64", "RW", nodeId=f"nsu={URI};s=speed")
BY_PATH = resource("path", "Float64", "RW", browsePath="/2:speed")


async def test_a_server_that_starts_anew_with_other_indexes_gives_the_same_values() -> None:
    """T14: server restart, namespace shuffle."""
    port, everything = free_port(), (BY_INDEX, BY_URI, BY_PATH)
    mapper = OpcuaMapper(reach(device(port))[0], SystemClock(), Place())
    async with serving(port, URI, "urn:other") as (_, index):
        assert index == 2
        await mapper.connect()
        assert (await read(mapper, *everything)).values == [12.5] * 3
    with pytest.raises(NotConnected):
        await read(mapper, *everything)
    await mapper.close()
    async with serving(port, "urn:new", "urn:other", URI) as (made, index):
        assert index == 4
        await mapper.connect()
        event = await read(mapper, *everything)
        assert (event.values, event.quality) == ([12.5] * 3, None)
        plan = planning.plan(device(port), [source(BY_INDEX)])
        assert await mapper.write(plan, {"speed": 3.5}) is None
        assert await made.get_node(ua.NodeId("speed", index)).read_value() == 3.5
        assert mapper.counts["namespaces"] == 1
        await mapper.close()
    async with serving(port, "urn:new") as _:
        await mapper.connect()
        gone = Quality("bad", "config", f"the server has no namespace {URI}, but urn:new")
        assert (await read(mapper, *everything)).quality == {0: gone, 1: gone, 2: gone}
        with pytest.raises(DeviceError, match="the server has no namespace"):
            await mapper.write(planning.plan(device(port), [source(BY_URI)]), {"uri": 1.0})
        await mapper.close()


async def test_what_a_server_says_of_a_value() -> None:
    port = free_port()
    async with serving(port, URI) as (made, index):
        mapper = OpcuaMapper(reach(device(port))[0], SystemClock(), Place())
        await mapper.connect()
        node = made.get_node(ua.NodeId("speed", index))
        stamp = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
        said = ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)
        await node.write_value(ua.DataValue(ua.Variant(7.0, V.Double), said, stamp))
        event = await read(mapper, BY_URI)
        assert event.values == [7.0]
        assert event.quality == {0: Quality("uncertain", "device", "UncertainLastUsableValue")}
        assert event.times == {0: 1767323045678901000}
        assert (await read(mapper, BY_URI, TimeStamps="gateway")).times is None
        failed = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
        await node.write_value(ua.DataValue(ua.Variant(7.0, V.Double), failed))
        event = await read(mapper, BY_URI, resource("w", "Int32", "W", nodeId="ns=2;s=speed"))
        assert event.values == [None, None]
        assert event.quality == {
            0: Quality("bad", "device", "BadSensorFailure"), 1: Quality("bad", "config", "write-only"),
        }  # fmt: skip
        await _refused(mapper)
        await mapper.close()


async def test_events_are_told_and_not_read() -> None:
    """Asked for now, they are refused: that is no value of the device. Beside values they are left out."""
    port = free_port()
    alarms = resource("alarms", "Object", "R", nodeId="i=2253", eventType="i=2041")
    async with serving(port, URI):
        mapper = OpcuaMapper(reach(device(port))[0], SystemClock(), Place())
        await mapper.connect()
        try:
            with pytest.raises(DeviceError, match=r"^s: events are told, not read; the last one is among"):
                await read(mapper, alarms)
            event = await read(mapper, alarms, BY_PATH)
        finally:
            await mapper.close()
    assert (event.values, event.which, event.quality) == ([12.5], (1,), None)


async def _refused(mapper: OpcuaMapper) -> None:
    """Wrong types and nodes that cannot be written, in words (bad input)."""
    for one, value, code, says in (
        (resource("text", "String", "RW", nodeId=BY_URI.attributes["nodeId"]), "fast", 422, "text: "),
        (resource("server", "Int32", "RW", nodeId="i=2259"), 1, "Bad", "server: Bad"),
        (resource("folder", "Int32", "RW", nodeId="i=85"), 1, "Bad", "folder: BadAttributeIdInvalid: "),
        (resource("none", "Int32", "RW", browsePath="/none"), 1, "BadNoMatch", "none: BadNoMatch: the browse path"),
    ):  # fmt: skip
        with pytest.raises((CommandRejected, DeviceError)) as refused:
            await mapper.write(planning.plan(device(1), [source(one)]), {one.name: value})
        assert str(refused.value.code).startswith(str(code))  # type: ignore[union-attr]
        assert str(refused.value).startswith(says)


def test_recording_is_refused_in_words() -> None:
    protocol = Switchboard().by_service("device-opcua")
    connection = protocol.connection(device(4840))
    for refused in (
        lambda: protocol.tap(connection, lambda *_: None),
        lambda: protocol.replay(connection, SystemClock(), []),
    ):
        with pytest.raises(ConfigError, match="is not recorded in this version"):
            refused()
    assert protocol.advice(None) == []  # type: ignore[arg-type]
    assert protocol.mute(device(4840)) == ""
