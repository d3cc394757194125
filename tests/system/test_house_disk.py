"""The disk is full, read-only, and well again: values and commands do not care, health says it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.world import World, serve
from tests.support.broker import mosquitto
from tests.support.house import Gateway, house, southgate
from tests.support.mqtt import cloud_client
from tests.system.test_journal_disk import SmallDisk, run

WORLD = """
devices:
  - { profile: moxa-iologik-e1214, name: io, autoEvents: { Inputs: 100ms } }
"""
HEALTH = "/gateway/api/v1/health"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_stops_neither_values_nor_commands_and_heals(tmp_path: Path, disk: SmallDisk) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    async with (
        serve(World.from_file(tmp_path / "world.yaml")) as world,
        mosquitto(tmp_path) as broker,
        cloud_client(broker) as cloud,
        house(tmp_path, world, broker, gateway={"data": str(disk.data)}) as gateway,
    ):
        gateway.quiet = False
        await cloud.until(lambda: cloud.on(gateway.topic("io", "tele/")))
        disk.fill()
        problem = await gateway.until(lambda: _problem(gateway))
        assert problem == "the journal is failing: database or disk is full"
        reads, heard = (await gateway.flow("io"))["reads"], len(cloud.on(gateway.topic("io", "tele/")))
        result = await gateway.command("io", "Relay1", {"Relay1": True})
        assert (result["outcome"], world.get("io", "Relay1")) == ("confirmed", True)
        again = await gateway.command("io", "Relay1", {"Relay1": False}, id=result["id"])
        assert (again["started"], world.get("io", "Relay1")) == (result["started"], True)
        await cloud.publish(gateway.topic("io", "cmd/Relay2"), {"id": "d-1", "args": {"Relay2": True}})
        told = (await cloud.one(gateway.topic("io", "cmd/Relay2/result"))).body
        assert told["status"] in ("confirmed", "rejected")
        assert world.get("io", "Relay2") is (told["status"] == "confirmed")
        await gateway.until(lambda: _read_more(gateway, reads + 10))
        await cloud.until(lambda: len(cloud.on(gateway.topic("io", "tele/"))) > heard)
        disk.free()
        await gateway.until(lambda: _healthy(gateway))
        assert await gateway.stop() == 0
        assert "Traceback" not in "\n".join(gateway.log)


async def test_started_on_a_full_disk_it_polls_all_the_same(tmp_path: Path, disk: SmallDisk) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    async with (
        serve(World.from_file(tmp_path / "world.yaml")) as world,
        house(tmp_path, world, gateway={"data": str(disk.data)}) as gateway,
    ):
        gateway.quiet = False
        await gateway.until_state("io", "online")
        disk.fill()
        await gateway.until(lambda: _problem(gateway))
        await gateway.kill()
        await gateway.start()
        await gateway.until_state("io", "online")
        disk.free()
        await gateway.until(lambda: _healthy(gateway))
        assert await gateway.stop() == 0
        disk.read_only(True)
        refused = await southgate("run", "--config", gateway.config)
        assert refused.code == 2
        assert f"gateway.data: {disk.data}" in refused.err
        assert "Read-only file system" in refused.err


async def _problem(gateway: Gateway) -> str:
    answer = await gateway.ask("GET", HEALTH)
    return str(answer.json()["problems"][0]) if answer.status_code == 503 else ""


async def _healthy(gateway: Gateway) -> bool:
    return (await gateway.ask("GET", HEALTH)).status_code == 200


async def _read_more(gateway: Gateway, count: int) -> bool:
    return bool((await gateway.flow("io"))["reads"] >= count)
