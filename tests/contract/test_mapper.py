"""The suite every mapper must pass. A new protocol adds a line to the switchboard and a `rig` here; nothing else."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from gateway.model.contracts import DeviceProtocol, Mapper
from gateway.model.errors import ConfigError, DeviceError, NotConnected
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Event, Source
from gateway.runtime.clock import SystemClock
from mappers import Switchboard
from tests.contract.rig import Rig

RIGS = {"device-modbus": "tests.contract.modbus_peer", "device-opcua": "tests.contract.opcua_peer"}
"""Device service → module with a `rig()`."""


@dataclass(frozen=True, slots=True)
class Bench:
    protocol: DeviceProtocol[Any]
    rig: Rig
    mapper: Mapper[Any]

    async def read(self, *sources: Source) -> list[Event]:
        return await self.mapper.read(self.protocol.plan(self.rig.device, sources, {}))


def test_every_protocol_has_a_rig() -> None:
    wireless = {"device-virtual"}  # what rules make is fetched from nowhere: tests/unit/mappers/virtual
    assert set(Switchboard().services()) - wireless == set(RIGS)


@pytest_asyncio.fixture(params=sorted(RIGS))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    protocol = Switchboard().by_service(request.param)
    async with importlib.import_module(RIGS[request.param]).rig() as rig:
        mapper = protocol.open(protocol.connection(rig.device), SystemClock())
        await mapper.connect()
        yield Bench(protocol, rig, mapper)
        await mapper.close()


async def test_the_rig_is_found_and_free_of_problems(bench: Bench) -> None:
    assert Switchboard().of(bench.rig.device).service == bench.protocol.service
    assert bench.protocol.check(bench.rig.profile, bench.rig.device) == []
    assert bench.protocol.recognises(bench.rig.profile)
    assert not bench.protocol.recognises(DeviceProfile.model_validate({"name": "other"}))


async def test_plan_is_pure(bench: Bench) -> None:
    sources = [bench.rig.source(*bench.rig.readable), bench.rig.source(*bench.rig.writable)]
    one, other = (bench.protocol.plan(bench.rig.device, sources, {}) for _ in range(2))
    assert one.requests == other.requests
    assert len(one.requests) >= 1
    assert one.device == bench.rig.device.name
    assert list(one.sources) == sources
    assert one.unit == other.unit


async def test_values_come_in_the_order_of_the_sources_and_their_resources(bench: Bench) -> None:
    names = list(bench.rig.readable)
    sources = [bench.rig.source(*names), bench.rig.source(*reversed(names)), bench.rig.source(names[0])]
    before = SystemClock().now()
    events = await bench.read(*sources)
    assert [event.source for event in events] == sources
    for event, source in zip(events, sources, strict=True):
        assert event.values == [bench.rig.readable[name] for name in source.names]
        assert event.quality is None
        assert event.which is None
        assert before <= event.origin <= SystemClock().now()


async def test_what_is_written_is_read_back(bench: Bench) -> None:
    source = bench.rig.source(*bench.rig.writable)
    (before,) = await bench.read(source)
    for name, value in bench.rig.writable.items():
        assert before.values[source.names.index(name)] != value
        plan = bench.protocol.plan(bench.rig.device, [bench.rig.source(name)], {})
        assert await bench.mapper.write(plan, {name: value}) is None
    (after,) = await bench.read(source)
    assert after.values == list(bench.rig.writable.values())
    assert [type(v) for v in after.values] == [type(v) for v in bench.rig.writable.values()]


async def test_several_values_are_written_together(bench: Bench) -> None:
    source = bench.rig.source(*bench.rig.writable)
    await bench.mapper.write(bench.protocol.plan(bench.rig.device, [source], {}), bench.rig.writable)
    (after,) = await bench.read(source)
    assert after.values == list(bench.rig.writable.values())


async def test_a_refusal_is_bad_and_spares_the_neighbours(bench: Bench) -> None:
    name = next(iter(bench.rig.readable))
    (event,) = await bench.read(bench.rig.source(bench.rig.refused, name))
    assert event.values == [None, bench.rig.readable[name]]
    assert event.quality is not None
    assert list(event.quality) == [0]
    assert event.quality[0][:2] == ("bad", "refused")
    assert event.quality[0].code


async def test_a_refused_write_names_the_request(bench: Bench) -> None:
    plan = bench.protocol.plan(bench.rig.device, [bench.rig.source(bench.rig.refused)], {})
    with pytest.raises(DeviceError) as error:
        await bench.mapper.write(plan, {bench.rig.refused: 1})
    assert error.value.code
    assert error.value.request


async def test_a_cut_wire_is_not_connected(bench: Bench) -> None:
    source = bench.rig.source(*bench.rig.readable)
    await bench.rig.cut()
    for _ in range(2):
        with pytest.raises(NotConnected):
            await bench.read(source)
    with pytest.raises(NotConnected):
        await bench.mapper.connect()


async def test_cancel_leaves_nothing_behind_and_the_next_read_is_right(bench: Bench) -> None:
    source = bench.rig.source(*bench.rig.readable)
    for turns in range(6):
        task = asyncio.create_task(bench.read(source))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    (event,) = await bench.read(source)
    assert event.values == list(bench.rig.readable.values())


async def test_close_twice_and_connect_again(bench: Bench) -> None:
    source = bench.rig.source(*bench.rig.readable)
    await bench.mapper.close()
    await bench.mapper.close()
    with pytest.raises(NotConnected):
        await bench.read(source)
    await bench.mapper.connect()
    await bench.mapper.connect()
    assert len(await bench.read(source)) == 1


async def test_close_before_connect(bench: Bench) -> None:
    fresh = bench.protocol.open(bench.protocol.connection(bench.rig.device), SystemClock())
    await fresh.close()


async def test_what_cannot_be_planned_is_a_config_error(bench: Bench) -> None:
    broken = bench.rig.profile.device_resources[0].model_copy(update={"attributes": {}})
    source = Source("service", "p", bench.rig.device.name, "broken", (broken,))
    with pytest.raises(ConfigError):
        bench.protocol.plan(bench.rig.device, [source], {})
