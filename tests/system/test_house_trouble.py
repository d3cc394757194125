"""Devices that are dead, silent or not there yet: the others keep their pace, and all of it is said and heals."""

import asyncio
from pathlib import Path
from typing import Any

from simulators.world import Running, World, serve
from tests.support.house import Gateway, house

WORLD = """
devices:
  - { profile: eastron-sdm230, name: meter, count: 3, autoEvents: { Power: 200ms } }
  - { profile: xy-md02, name: climate, rtu: bus, unit: 1, autoEvents: { Climate: 500ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays, rtu: bus, unit: 2, autoEvents: { Relays: 500ms } }
lines:
  bus: { baud: 19200 }
"""
HEALTHY = ("meter-1", "meter-3")


async def test_dead_and_silent_devices_disturb_nobody_and_come_back(tmp_path: Path) -> None:
    async with serve(_world(tmp_path)) as world, house(tmp_path, world) as gateway:
        await asyncio.gather(*(gateway.until_state(device, "online") for device in world.devices))
        assert (await gateway.ask("GET", "/gateway/api/v1/health")).status_code == 200
        await world.unplug("meter-2")
        world.fault("relays", silence=True)
        await gateway.until_reason("relays", "did not answer")
        dead = await gateway.until_state("meter-2", "offline")
        assert str(world.devices["meter-2"].endpoint.port) in dead["reason"]  # type: ignore[attr-defined]
        assert await gateway.state("relays") == "offline"
        answer = await gateway.ask("GET", "/gateway/api/v1/health")
        assert answer.status_code == 503
        assert sorted(text.split(":")[0] for text in answer.json()["problems"]) == [
            "meter-2 is offline",
            "relays is offline",
        ]
        await _keep_pace(gateway, world)
        await world.plug("meter-2")
        world.fault("relays")
        await asyncio.gather(*(gateway.until_state(device, "online") for device in world.devices))
        assert (await gateway.ask("GET", "/gateway/api/v1/health")).status_code == 200


async def test_a_device_that_is_not_there_at_the_start_appears_later(tmp_path: Path) -> None:
    async with serve(_world(tmp_path)) as world:
        await world.unplug("meter-2")
        world.set("meter-2", "Power", 42.0)
        async with house(tmp_path, world) as gateway:
            await gateway.until_state("meter-2", "offline")
            await asyncio.gather(*(gateway.until_state(device, "online") for device in HEALTHY))
            refused = await gateway.ask("GET", "/core-command/api/v3/device/name/meter-2/Power")
            assert refused.status_code in (500, 503)
            await world.plug("meter-2")
            await gateway.until_state("meter-2", "online")
            await gateway.until_value("meter-2", "Power", 42.0)


async def _keep_pace(gateway: Gateway, world: Running) -> None:
    """Ten polls more, of which the healthy devices make nearly all in time. A busy machine may be late for one or two;
    a device that waits for the silent ones would be late for most."""
    before = {device: await gateway.flow(device) for device in HEALTHY}

    async def later() -> Any:
        flows = {device: await gateway.flow(device) for device in HEALTHY}
        done = all(flows[device]["reads"] >= before[device]["reads"] + 10 for device in HEALTHY)
        return flows if done else None

    flows = await gateway.until(later, seconds=5)
    for device in HEALTHY:
        assert flows[device]["failures"] == before[device]["failures"] == 0
        assert flows[device]["overruns"] - before[device]["overruns"] < 5
    on_the_line = world.requests("climate")

    async def still_asked() -> bool:
        return world.requests("climate") >= on_the_line + 4

    await gateway.until(still_asked, seconds=8)
    assert await gateway.state("climate") == "online"


def _world(folder: Path) -> World:
    file = folder / "world.yaml"
    file.write_text(WORLD)
    return World.from_file(file)
