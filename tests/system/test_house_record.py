"""A line of a running gateway is recorded, and the replay gives what the gateway gave."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.model.recording import load_recording
from simulators.modbus.faults import hole
from simulators.world import World, serve
from tests.support.house import Gateway, house, southgate, surroundings

WORLD = """
devices:
  - { profile: eastron-sdm230, name: meter, autoEvents: { Instantaneous: 200ms, EnergyTotal: 300ms } }
  - { profile: xy-md02, name: cellar, interval: 250ms }
"""
AROUND_NS = 1_000_000_000


async def _readings(text: str) -> dict[tuple[str, str], list[Any]]:
    found: dict[tuple[str, str], list[Any]] = {}
    for line in map(json.loads, text.splitlines()):
        found.setdefault((line["device"], line["resource"]), []).append((line["origin"], line["value"]))
    return found


async def _given(gateway: Gateway, resource: str, start: int, end: int) -> list[float]:
    """Values of a resource as the journal has them, by origin."""
    path = f"/core-data/api/v3/reading/resourceName/{resource}/start/{start}/end/{end}?limit=1000"
    readings = (await gateway.get(path))["readings"]
    return [float(one["value"]) for one in reversed(readings)]


async def test_the_replay_gives_what_the_gateway_gave(tmp_path: Path) -> None:
    """T45, against the whole program: values walk, so equal values are the same readings."""
    world_file = tmp_path / "world.yaml"
    world_file.write_text(WORLD)
    async with serve(World.from_file(world_file)) as world, house(tmp_path, world) as gateway:
        await gateway.until_state("meter", "online")
        ran = await gateway.cli("record", "meter", "--for", "2s")
        assert (ran.code, ran.err) == (0, "")
        file = gateway.folder / "meter.jsonl"
        replayed = await southgate("replay", file)
        assert replayed.code == 0, replayed.err
        found = await _readings(replayed.out)
        assert {device for device, _ in found} == {"meter"}, "only what is on its connection"
        ours = found["meter", "Power"]
        values = [value for _, value in ours]
        assert len(set(values)) > 3
        theirs = await _given(gateway, "Power", ours[0][0] - AROUND_NS, ours[-1][0] + AROUND_NS)
        assert any(theirs[at : at + len(values)] == values for at in range(len(theirs))), (values, theirs)


async def test_faults_and_what_was_learned_meanwhile_are_replayed(tmp_path: Path) -> None:
    world_file = tmp_path / "world.yaml"
    world_file.write_text(WORLD)
    async with serve(World.from_file(world_file)) as world, house(tmp_path, world) as gateway:
        await gateway.until_state("meter", "online")
        recording = asyncio.create_task(gateway.cli("record", "meter", "--for", "4s"))

        async def recorded() -> bool:
            file = gateway.folder / "meter.jsonl"
            return file.exists() and b"heard" in file.read_bytes()

        await gateway.until(recorded)
        world.fault("meter", holes=(hole("input:2-5"),))

        async def learned() -> Any:
            return (await gateway.own("facts/meter"))["facts"].get("apart")

        await gateway.until(learned)
        ran = await recording
        assert ran.code == 0, ran.err
        kept = load_recording((gateway.folder / "meter.jsonl").read_bytes(), "meter.jsonl")
        assert "facts" in {frame.kind for frame in kept.frames}
        replayed = await southgate("replay", gateway.folder / "meter.jsonl")
        assert replayed.code == 0, replayed.err
        assert "never recorded" not in replayed.err
        found = await _readings(replayed.out)
        assert all(value is not None for _, value in found["meter", "Power"]), "every poll had its values"


async def test_who_hangs_up_ends_it_and_a_stop_of_the_gateway_does(tmp_path: Path) -> None:
    world_file = tmp_path / "world.yaml"
    world_file.write_text(WORLD)
    async with serve(World.from_file(world_file)) as world, house(tmp_path, world) as gateway:
        await gateway.until_state("meter", "online")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "record", "meter", "--url", gateway.url, "--for", "1h",
            cwd=tmp_path, env=surroundings(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

        async def begun() -> bool:
            return (tmp_path / "meter.jsonl").exists() and b"heard" in (tmp_path / "meter.jsonl").read_bytes()

        await gateway.until(begun)
        second = await gateway.cli("record", "meter", "--for", "1s")
        assert (second.code, "is being recorded already" in second.err) == (1, True)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        assert b"ends because it was interrupted" in out
        assert (await southgate("replay", tmp_path / "meter.jsonl")).code == 0

        async def free() -> bool:
            return (await gateway.cli("record", "meter", "--for", "500ms", "--out", "again.jsonl")).code == 0

        await gateway.until(free)
        third = asyncio.create_task(gateway.cli("record", "meter", "--for", "1h", "--out", "third.jsonl"))

        async def goes_on() -> bool:
            return (gateway.folder / "third.jsonl").exists()

        await gateway.until(goes_on)
        assert await gateway.stop() == 0
        assert "ends because the gateway stops" in (await third).out


@pytest.mark.parametrize("what", ["devices.yaml", "plant"])
async def test_without_a_running_gateway(what: str, tmp_path: Path) -> None:
    world_file = tmp_path / "world.yaml"
    world_file.write_text(WORLD)
    async with serve(World.from_file(world_file)) as world, house(tmp_path, world, start=False):
        (tmp_path / "devices.yaml").write_text(world.device_list())
        ran = await southgate("record", "cellar", "--folder", what, "--for", "1s", cwd=tmp_path)
        assert (ran.code, ran.err) == (0, "")
        assert world.requests("meter") == 0, "only this connection is opened"
        replayed = await southgate("replay", tmp_path / "cellar.jsonl")
        assert replayed.code == 0, replayed.err
        found = await _readings(replayed.out)
        assert len(found["cellar", "Temperature"]) >= 2
