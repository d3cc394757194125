"""Simulated devices and clients that share no code with us: mbpoll, and a small program on libmodbus."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from gateway.model.profile import DeviceProfile
from simulators.world import Running, World, serve
from tests.support.peers import need
from tests.unit.simulators.profiles import COIL, HOLDING, INPUT, profile, resource

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
SOURCE = Path(__file__).parent / "libmodbus_client.c"


def device() -> DeviceProfile:
    floats = [
        resource(order, f"{INPUT}{100 + 2 * i}, byteOrder: {order}", "valueType: Float32, readWrite: R")
        for i, order in enumerate(ORDERS)
    ]
    return profile(
        *floats,
        resource("Whole", INPUT + "108", "valueType: Int32, readWrite: R"),
        *(resource(f"Coil{i}", f"{COIL}{i}", "valueType: Bool, readWrite: RW") for i in range(5)),
        resource("Target", HOLDING + "200", "valueType: Float32, readWrite: RW"),
        resource("Flags", HOLDING + "202", "valueType: Uint16, readWrite: RW"),
    )


async def output(*command: str) -> str:
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{command} said {done.stdout} {done.stderr}"
    return done.stdout


def prepared(running: Running) -> str:
    for order, value in zip(ORDERS, (1.5, -2.25, 1e6, 230.125), strict=True):
        running.set("Test", order, value)
    running.set("Test", "Whole", -123456)
    running.set("Test", "Coil0", True)
    running.set("Test", "Flags", 0x3456)
    return running.devices["Test"].address


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> str:
    program = tmp_path_factory.mktemp("peer") / "client"
    flags = subprocess.run(
        [need("pkg-config"), "--cflags", "--libs", "libmodbus"], check=False, capture_output=True, text=True
    )
    if flags.returncode:
        need("libmodbus (libmodbus-dev)")
    command = [need("gcc"), "-o", str(program), "-include", "errno.h", str(SOURCE), *flags.stdout.split()]
    subprocess.run(command, check=True, timeout=60)
    return str(program)


@pytest.mark.parametrize("rtu", [False, True])
async def test_a_libmodbus_client_reads_what_is_set_and_its_writes_arrive(client: str, rtu: bool) -> None:
    async with serve(World.from_profiles([device()], unit=7, rtu=rtu)) as running:
        address = prepared(running)
        where = ("rtu", address) if rtu else ("tcp", address.rpartition(":")[2])
        said = (await output(client, *where, "7")).splitlines()
        assert said == ["1.500 -2.250 1000000.000 230.125 -123456", "10010", "1.500 1256", "Illegal data address"]
        assert running.get("Test", "Target") == 1.5
        assert running.get("Test", "Coil3") is True
        assert running.get("Test", "Flags") == 0x1256


@pytest.mark.parametrize("rtu", [False, True])
async def test_mbpoll_reads_and_writes(rtu: bool) -> None:
    program = need("mbpoll")
    async with serve(World.from_profiles([device()], unit=7, rtu=rtu)) as running:
        address = prepared(running)
        port = address.rpartition(":")[2]
        line = ("-m", "rtu", "-b", "19200", "-P", "none") if rtu else ("-m", "tcp", "-p", port)
        target = address if rtu else "127.0.0.1"
        ask = (program, *line, "-a", "7", "-0", "-1", "-q")
        said = await output(*ask, "-t", "3:float", "-B", "-r", "100", "-c", "1", target)
        assert "[100]: \t1.5" in said
        assert "[102]: \t-2.25" in await output(*ask, "-t", "3:float", "-r", "102", "-c", "1", target)
        assert "[108]: \t-123456" in await output(*ask, "-t", "3:int", "-B", "-r", "108", "-c", "1", target)
        await output(*ask, "-t", "0", "-r", "2", target, "1")
        assert running.get("Test", "Coil2") is True
        await output(*ask, "-t", "4:float", "-B", "-r", "200", target, "--", "-7.75")
        assert running.get("Test", "Target") == -7.75
