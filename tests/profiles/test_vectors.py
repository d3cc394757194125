"""The shipped profiles against numbers of others: a bare server answers with a vector's registers, and what people see
is what the document says."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from gateway.model.contracts import DeviceProtocol, Mapper
from gateway.model.device import Device
from gateway.model.load import load_devices
from gateway.model.reading import Source
from gateway.runtime.clock import SystemClock
from gateway.runtime.transform.compiled import compile_transform, to_wire
from mappers import Switchboard
from tests.profiles import vectors, vectors_energy
from tests.profiles.test_profiles import profile_of
from tests.profiles.vectors import Vector, Written

Answer = Callable[[bytes], bytes]
"""Request PDU → response PDU."""
READ = [*vectors.READ, *vectors_energy.READ]
WRITTEN = [*vectors.WRITTEN, *vectors_energy.WRITTEN]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[int]:
    """Modbus TCP and nothing more; its port."""

    talks: list[asyncio.Task[None] | None] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(7)
                pdu = answer(await reader.readexactly(int.from_bytes(head[4:6], "big") - 1))
                writer.write(head[:4] + (len(pdu) + 1).to_bytes(2, "big") + head[6:] + pdu)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.gather(*(task for task in talks if task))


@asynccontextmanager
async def connected(profile: str, answer: Answer) -> AsyncIterator[tuple[Device, DeviceProtocol[Any], Mapper[Any]]]:
    async with server(answer) as port:
        text = (
            f"deviceList:\n  - name: d\n    profileName: {profile_of(profile).name}\n    protocols:\n"
            f"      modbus-tcp: {{Address: 127.0.0.1, Port: {port}, UnitID: 1}}\n"
        )
        (device,) = load_devices(text, "devices.yaml", strict=True).value
        protocol = Switchboard().of(device)
        mapper = protocol.open(protocol.connection(device), SystemClock())
        await mapper.connect()
        try:
            yield device, protocol, mapper
        finally:
            await mapper.close()


def named(name: str, resources: list[str], device: Device) -> Source:
    profile = profile_of(name)
    found = {r.name: r for r in profile.device_resources}
    return Source(device.service_name, profile.name, device.name, "all", tuple(found[r] for r in resources))


@pytest.mark.parametrize("vector", READ, ids=lambda v: f"{v.profile}-{v.first}")
async def test_registers_of_the_document_are_its_values(vector: Vector) -> None:
    data = bytes.fromhex(vector.registers)
    last = vector.first + len(data) // 2

    def answer(pdu: bytes) -> bytes:
        first, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if pdu[0] != vector.function or first < vector.first or first + count > last:
            return bytes([pdu[0] | 0x80, 2])
        at = 2 * (first - vector.first)
        return bytes([pdu[0], 2 * count]) + data[at : at + 2 * count]

    async with connected(vector.profile, answer) as (device, protocol, mapper):
        source = named(vector.profile, list(vector.values), device)
        (event,) = await mapper.read(protocol.plan(device, [source], {}))
        transform = compile_transform(source)
        if transform is not None:
            transform.apply(event)
        assert not event.quality, vector.origin
        for name, value, wanted in zip(event.names(), event.values, vector.values.values(), strict=True):
            assert isinstance(value, bool) == isinstance(wanted, bool), name
            assert math.isclose(value, wanted, rel_tol=1e-6, abs_tol=1e-9), (
                f"{name}: {value}, {vector.origin}: {wanted}"
            )


@pytest.mark.parametrize("written", WRITTEN, ids=lambda w: f"{w.profile}-{w.resource}")
async def test_a_value_is_written_as_the_document_says(written: Written) -> None:
    asked: list[bytes] = []

    def answer(pdu: bytes) -> bytes:
        asked.append(pdu)
        return pdu[:5]

    async with connected(written.profile, answer) as (device, protocol, mapper):
        source = named(written.profile, [written.resource], device)
        wire = to_wire(source.resources[0], written.value)
        await mapper.write(protocol.plan(device, [source], {}), {written.resource: wire})
    assert [pdu.hex() for pdu in asked] == [bytes.fromhex(written.pdu).hex()], written.origin
