"""Real network trouble between the gateway and libmodbus devices: packets that vanish, resets, refusals, half-open
connections. Each device is in a network namespace of its own, behind a cable that tests cut."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.house import Gateway, house
from tests.support.libmodbus import build, serving
from tests.support.net import PORT, Net, network

PROFILE = """
name: words
deviceResources:
  - name: Seven
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 7 }
    properties: { valueType: Uint16, readWrite: R }
"""
DEVICE = """
  - name: plc-{number}
    profileName: words
    protocols: {{ modbus-tcp: {{ Address: 192.0.2.{number}, Port: 502, UnitID: 1, Timeout: 500ms }} }}
    autoEvents: [{{ sourceName: Seven, interval: 100ms }}]
"""
BACK_S = 45.0
"""The back-off of a connection is at most 30 s."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("libmodbus"))


@pytest.fixture
def net() -> Iterator[Net]:
    with network(2) as made:
        yield made


class Plant:
    """Two devices, of which the first is in trouble."""

    def __init__(self, net: Net, program: Path, gateway: Gateway) -> None:
        self.net, self._program, self.gateway = net, program, gateway
        self._servers = AsyncExitStack()

    async def serve(self, number: int) -> None:
        command = (*self.net.inside(number), self._program, str(PORT), f"192.0.2.{number}")
        server = await self._servers.enter_async_context(serving(*command))
        if number == 1:
            self._first = server

    async def kill_the_first(self) -> None:
        """As a power cut: it sends nothing to whom it was connected to, since the cable is cut."""
        self._first.kill()
        await self._first.wait()

    async def reads_of_the_other(self) -> int:
        return int((await self.gateway.flow("plc-2"))["reads"])

    async def bad(self, *words: str) -> None:
        """The first is offline for this reason and its value is bad; the other goes on."""
        gateway = self.gateway
        for word in words:
            await gateway.until_reason("plc-1", word)
        twin = await gateway.until_state("plc-1", "offline", BACK_S)
        if "Seven" in twin["values"]:
            assert twin["values"]["Seven"]["quality"][0] == "bad"
        before = await self.reads_of_the_other()

        async def ten_more() -> bool:
            return await self.reads_of_the_other() >= before + 10

        await gateway.until(ten_more, 5)
        assert await gateway.state("plc-2") == "online"

    async def well(self) -> None:
        """Values flow again, by themselves."""
        await self.gateway.until_state("plc-1", "online", BACK_S)
        await self.gateway.until_value("plc-1", "Seven", 7)

    async def close(self) -> None:
        await self._servers.aclose()


@asynccontextmanager
async def plant(net: Net, program: Path, folder: Path, first: bool = True) -> AsyncIterator[Plant]:
    async with house(folder, profiles=[PROFILE], start=False) as gateway:
        listed = "deviceList:" + "".join(DEVICE.format(number=number) for number in (1, 2))
        (gateway.folder / "devices" / "plant.yaml").write_text(listed)
        made = Plant(net, program, gateway)
        try:
            await made.serve(2)
            if first:
                await made.serve(1)
            await gateway.start()
            await gateway.until_state("plc-2", "online")
            yield made
        finally:
            await made.close()


async def test_refused_at_first_start_then_it_appears(net: Net, program: Path, tmp_path: Path) -> None:
    """T13: connects without a restart."""
    async with plant(net, program, tmp_path, first=False) as made:
        await made.bad("Connection refused")
        await made.serve(1)
        await made.well()


@pytest.mark.slow
async def test_a_connection_request_that_nobody_answers(net: Net, program: Path, tmp_path: Path) -> None:
    """T11: SYN blackhole, from the start."""
    net.cut(1)
    async with plant(net, program, tmp_path) as made:
        await made.bad("no answer to the connection request within 5 s")
        net.mend(1)
        await made.well()


async def test_packets_that_vanish_for_a_while(net: Net, program: Path, tmp_path: Path) -> None:
    """T11: the connection stays and nothing comes."""
    async with plant(net, program, tmp_path) as made:
        await made.well()
        net.cut(1)
        await made.bad()
        net.mend(1)
        await made.well()


async def test_a_connection_that_is_reset_again_and_again(net: Net, program: Path, tmp_path: Path) -> None:
    """T11. The device serves one connection at a time and was told nothing: it has to be started anew."""
    async with plant(net, program, tmp_path) as made:
        await made.well()
        net.reset(1)
        await made.bad("192.0.2.1:502")
        await made.kill_the_first()
        await made.serve(1)
        net.mend(1)
        await made.well()


async def test_a_half_open_connection(net: Net, program: Path, tmp_path: Path) -> None:
    """T11: the cable is cut, the device starts anew meanwhile and knows nothing of the connection."""
    async with plant(net, program, tmp_path) as made:
        await made.well()
        net.cut(1)
        await made.kill_the_first()
        await made.bad()
        await made.serve(1)
        net.mend(1)
        await made.well()
