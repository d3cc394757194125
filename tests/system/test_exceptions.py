"""What becomes of each exception code of a Modbus device: the table of docs/reference/values.md, row by row."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.world import Running, World, serve
from tests.support.house import ROOT, Gateway, house
from tests.support.ports import free_port

PROFILE = """
name: tank
deviceResources:
  - name: Level
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 1 }
    properties: { valueType: Uint16, readWrite: R }
  - name: Setpoint
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 2 }
    properties: { valueType: Uint16, readWrite: RW }
deviceCommands:
  - { name: All, readWrite: R, resourceOperations: [{ deviceResource: Level }, { deviceResource: Setpoint }] }
"""
WORLD = """
devices:
  - {{ profile: tank.yaml, name: tcp, tcp: {port}, unit: 1, interval: 100ms }}
  - {{ profile: tank.yaml, name: tcp-neighbour, tcp: {port}, unit: 2, interval: 100ms }}
  - {{ profile: tank.yaml, name: calm, tcp: {port}, unit: 3, interval: 1h }}
  - {{ profile: tank.yaml, name: rtu, rtu: bus, unit: 1, interval: 100ms }}
  - {{ profile: tank.yaml, name: rtu-neighbour, rtu: bus, unit: 2, interval: 100ms }}
lines:
  bus: {{ baud: 115200 }}
"""
ROW = re.compile(
    r"^\| (?P<codes>\d+|others) \| [^|]+ \| `(?P<read>[a-z]+)[^|]* \| `(?P<outcome>[a-z]+)` (?P<code>\d+)"
    r"[^|]* \| (?P<again>rhythm|quarantine)",
    re.MULTILINE,
)


def rows() -> list[Any]:
    page = (ROOT / "docs/reference/values.md").read_text()
    found = []
    for row in ROW.finditer(page):
        codes = (7, 9, 12, 200) if row["codes"] == "others" else (int(row["codes"]),)
        found += [pytest.param(code, row, id=str(code)) for code in codes]
    return found


@asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[tuple[Running, Gateway]]:
    (folder / "tank.yaml").write_text(PROFILE)
    file = folder / "world.yaml"
    file.write_text(WORLD.format(port=free_port()))
    async with serve(World.from_file(file)) as world, house(folder, world, profiles=[PROFILE]) as gateway:
        for name in ("tcp", "rtu", "tcp-neighbour", "rtu-neighbour"):
            await gateway.until_state(name, "online")
        gateway.quiet = False
        yield world, gateway
        assert all("MEMORY PARITY ERROR" in line for line in gateway.noise), gateway.noise


async def quarantined(gateway: Gateway) -> set[str]:
    return {device for lane in (await gateway.own("lanes"))["lanes"] for device in lane["quarantined"]}


def test_the_table_has_a_row_for_every_code() -> None:
    assert [param.id for param in rows()] == ["1", "2", "3", "4", "5", "6", "8", "10", "11", "7", "9", "12", "200"]


@pytest.mark.parametrize("line", ["tcp", "rtu"])
async def test_every_row_of_the_table(tmp_path: Path, line: str) -> None:
    """T17: quality, reason and back-off, for reads and writes; and back by itself."""
    async with plant(tmp_path) as (world, gateway):
        for param in rows():
            code, row = param.values
            await _one_code(world, gateway, line, code, row)


async def _one_code(world: Running, gateway: Gateway, device: str, code: int, row: re.Match[str]) -> None:
    silent = row["again"] == "quarantine"
    expected = ["bad", "timeout"] if silent else ["bad", "refused", str(code)]
    before = (await gateway.flow(f"{device}-neighbour"))["reads"]
    world.fault(device, exception=code)

    async def told() -> bool:
        values = (await gateway.twin(device))["values"]
        return all(values[name]["quality"] == expected for name in ("Level", "Setpoint"))

    await gateway.until(told)
    assert row["read"] == expected[1]
    result = await gateway.command(device, "Setpoint", {"Setpoint": code}, id=f"{device}-{code}")
    if silent:
        await _is_left_alone(world, gateway, device)
        # in quarantine it is refused at once; what is written in the moment before fails with the row's code
        assert (result["outcome"], result["code"]) in ((row["outcome"], int(row["code"])), ("rejected", 503))
    else:
        assert (result["outcome"], result["code"]) == (row["outcome"], int(row["code"])), result
        await _keeps_its_rhythm(gateway, device)
    assert (await quarantined(gateway)) == ({device} if silent else set())
    assert (await gateway.flow(f"{device}-neighbour"))["reads"] > before
    assert await gateway.state(f"{device}-neighbour") == "online"
    world.fault(device, exception=0)
    await gateway.until_state(device, "online", 40)
    assert await quarantined(gateway) == set()


async def _keeps_its_rhythm(gateway: Gateway, device: str) -> None:
    reads = (await gateway.flow(device))["reads"]

    async def asked() -> bool:
        return bool((await gateway.flow(device))["reads"] >= reads + 3)

    await gateway.until(asked, 3)


async def _is_left_alone(world: Running, gateway: Gateway, device: str) -> None:
    """While its neighbour is read ten times, it is asked at most three."""
    start, requests = (await gateway.flow(f"{device}-neighbour"))["reads"], world.requests(device)

    async def ten() -> bool:
        return bool((await gateway.flow(f"{device}-neighbour"))["reads"] >= start + 10)

    await gateway.until(ten)
    assert world.requests(device) - requests <= 3


async def test_a_write_to_a_unit_nobody_knows_to_be_silent_fails_and_quarantines_it(tmp_path: Path) -> None:
    """T17: codes 10 and 11 on a write; `calm` is not polled meanwhile."""
    async with plant(tmp_path) as (world, gateway):
        for code in (10, 11):
            await gateway.until_state("calm", "online", 40)
            world.fault("calm", exception=code)
            result = await gateway.command("calm", "Setpoint", {"Setpoint": 5})
            assert (result["outcome"], result["code"]) == ("failed", 504)
            assert f"({code})" in result["error"]
            assert await quarantined(gateway) == {"calm"}
            world.fault("calm", exception=0)

            async def answers() -> bool:
                return await quarantined(gateway) == set()

            await gateway.until(answers, 40)
