"""The disk is full, read-only, and well again: values and commands do not care, health says it."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.model.export.fields import identity, rfc3339
from gateway.model.reading import Event
from simulators.world import World, serve
from tests.support.broker import mosquitto
from tests.support.clock import MovingClock
from tests.support.fakehttp import fake_http
from tests.support.history import rows
from tests.support.house import Gateway, house, southgate
from tests.support.journals import journal
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


async def test_history_and_exporters_on_a_full_disk_heal_with_it(tmp_path: Path, disk: SmallDisk) -> None:
    """All on one small disk: journal, history, an exporter's files. Values and commands go on, another exporter gets
    what is read, everybody says what is wrong; when there is room again, nothing is missing."""
    (tmp_path / "world.yaml").write_text(WORLD)
    exporters: dict[str, dict[str, Any]] = {
        "files": {"kind": "files", "folder": str(disk.folder / "out"), "format": "jsonl", "linger": "0s"},
        "far": {"kind": "http", "linger": "0s"},
    }
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, fake_http() as fake:
        exporters["far"]["url"] = fake.url
        parts: dict[str, Any] = {
            "gateway": {"data": str(disk.data)},
            "history": {"flush": "1s"},
            "exporters": exporters,
        }
        async with house(tmp_path, world, **parts) as gateway:
            gateway.quiet = False
            await gateway.until(lambda: _kept(gateway, 10))
            disk.fill()
            names = {"journal-failing", "history-failing"}
            await gateway.until(lambda: _raised(gateway, names))
            problems = (await gateway.ask("GET", HEALTH)).json()["problems"]
            assert "the journal is failing: database or disk is full" in problems
            assert any(text.startswith("the history is failing: ") for text in problems)
            await gateway.until(lambda: _out_of_room(gateway))
            reads, posted = (await gateway.flow("io"))["reads"], len(fake.posts)
            assert (await gateway.command("io", "Relay1", {"Relay1": True}))["outcome"] == "confirmed"
            assert world.get("io", "Relay1") is True
            await gateway.until(lambda: _read_more(gateway, reads + 10))
            await fake.until(lambda: len(fake.posts) > posted + 5)
            disk.free()
            await gateway.until(lambda: _healthy(gateway), 60)
            await gateway.until(lambda: _raised(gateway, set()))
            rows_now = (await gateway.own("history"))["tiers"]["raw"]["rows"]
            await gateway.until(lambda: _kept(gateway, rows_now + 20))
            await gateway.until(lambda: _caught_up(gateway), 30)
            assert await gateway.stop() == 0
            assert "Traceback" not in "\n".join(gateway.log)
    given = await _in_journal(disk.data / "journal")
    posted_ids = {one["id"] for asked in fake.posts for one in asked.json}
    lines = [line for path in (disk.folder / "out").iterdir() for line in path.read_text().splitlines()]
    in_files = {(one["device"], one["resource"], one["time"]) for one in map(json.loads, lines)}
    told = Counter((row[3], row[1]) for row in rows(disk.data / "history"))
    newest = max(offset for offset, _ in told)
    for one in given[:-20]:
        assert identity(one) in posted_ids
        for name in one.names():
            assert (one.source.device, name, rfc3339(one.origin)) in in_files
        if one.offset <= newest:
            assert told[one.offset, one.origin] == len(one.values)


async def _in_journal(folder: Path) -> list[Event]:
    async with journal(folder, MovingClock(), max_age="36500d") as store:
        found = await store.read(0, 100_000)
    assert [record.offset for record in found] == list(range(1, len(found) + 1)), "something is missing"
    return [record for record in found if isinstance(record, Event)]


async def _raised(gateway: Gateway, names: set[str]) -> bool:
    """Whether these alarms of the store stand, and no other."""
    alarms = (await gateway.own("alarms"))["alarms"]
    return {one["name"] for one in alarms if one["name"].endswith("-failing")} == names


async def _kept(gateway: Gateway, least: int) -> bool:
    told = await gateway.own("history")
    return bool(told["tiers"].get("raw", {}).get("rows", 0) >= least)


async def _caught_up(gateway: Gateway) -> bool:
    """Whether every exporter has all but what was read just now."""
    found = (await gateway.own("consumers"))["consumers"]
    return all(one["behind"] < 10 for one in found if one["name"].startswith("export-"))


async def _out_of_room(gateway: Gateway) -> bool:
    found = (await gateway.own("consumers"))["consumers"]
    return any(one["name"] == "export-files" and "No space left on device" in one["reason"] for one in found)
