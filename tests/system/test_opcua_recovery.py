"""T14 with the whole program: an OPC UA server starts anew with its namespaces moved, falls silent, keeps values to
itself, forgets subscriptions, deletes nodes; nobody lends a hand."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from simulators.world import Running, World, serve
from tests.support.house import Gateway, house

SLOW_S = 90.0
"""A watchdog looks every 5 s, and twice; a busy machine may take its time."""
PROFILE = """
name: press
manufacturer: Acme
model: P1
deviceResources:
  - { name: Count, attributes: { nodeId: "nsu=urn:acme:press;s=Count" },
      properties: { valueType: Float64, readWrite: R } }
  - { name: Speed, attributes: { nodeId: "nsu=urn:acme:drive;s=Speed" },
      properties: { valueType: Float64, readWrite: RW } }
deviceCommands:
  - { name: Everything, readWrite: R, resourceOperations: [{ deviceResource: Count }, { deviceResource: Speed }] }
"""
WORLD = """
refresh: 200ms
devices:
  - { profile: press.yaml, name: press, count: COUNT, autoEvents: { Everything: 200ms },
      behaviours: { Count: { ramp: { low: 0, high: 100000, period: 100000s } }, Speed: 1.5 } }
"""
STEP_NS = 200_000_000


@asynccontextmanager
async def plant(folder: Path, count: int = 1) -> AsyncIterator[tuple[Running, Gateway]]:
    """Presses, each a server, whose counters are others every 200 ms, and a gateway that follows them."""
    (folder / "press.yaml").write_text(PROFILE, "utf-8")
    (folder / "world.yaml").write_text(WORLD.replace("COUNT", str(count)), "utf-8")
    async with (
        serve(World.from_file(folder / "world.yaml")) as world,
        house(folder, world, profiles=[PROFILE]) as gateway,
    ):
        for name in world.devices:
            await gateway.until_state(name, "online", SLOW_S)
        yield world, gateway


async def line(gateway: Gateway, press: str = "press") -> Any:
    lines = (await gateway.own("lines"))["lines"]
    (found,) = [line for line in lines if press in [device["device"] for device in line["devices"]]]
    return found


async def until_made_anew(gateway: Gateway, press: str) -> None:
    """Its subscription."""

    async def made_anew() -> bool:
        return bool((await line(gateway, press))["errors"].get("resubscribed", 0))

    await gateway.until(made_anew, SLOW_S)


async def until_speed(gateway: Gateway, world: Running, value: float, press: str = "press") -> None:
    """A new value of the server comes through."""
    world.set(press, "Speed", value)

    async def came() -> bool:
        return bool(await gateway.value(press, "Speed") == value)

    await gateway.until(came, SLOW_S)


async def origins(gateway: Gateway) -> list[int]:
    """Of all values of the counter, in order; that there was none for a while is left out."""
    found: list[int] = []
    read = 0
    while True:
        path = f"/core-data/api/v3/reading/device/name/press/resourceName/Count?offset={read}&limit=500"
        page = (await gateway.get(path))["readings"]
        read += len(page)
        found += [int(reading["origin"]) for reading in page if reading.get("value")]
        if len(page) < 500:
            return sorted(found)


async def test_a_server_that_starts_anew_with_its_namespaces_moved_leaves_no_gap(tmp_path: Path) -> None:
    """T14, ask 26: every value of the outage is there, once; namespaces are looked up by their URIs."""
    async with plant(tmp_path) as (world, gateway):
        assert (await gateway.flow("press"))["mode"] == "subscribed"
        await world.unplug("press")
        gone = time.time_ns()
        await gateway.until_state("press", "offline", SLOW_S)
        world.devices["press"].endpoint.shuffle()
        back = time.time_ns()
        await world.plug("press")

        async def is_back() -> bool:
            world.get("press", "Count")  # the simulated press works out its values when somebody wants them
            return bool((await line(gateway))["filled"])

        await gateway.until(is_back, SLOW_S)

        async def whole() -> bool:
            stamps = await origins(gateway)
            assert len(set(stamps)) == len(stamps)
            away = [stamp for stamp in stamps if gone < stamp < back]  # a busy server may tell two steps as one
            steps = [after - before for before, after in pairwise(away)]
            return len(away) >= (back - gone) // STEP_NS - 1 and set(steps) <= {STEP_NS}

        await gateway.until(whole, SLOW_S)
        await until_speed(gateway, world, 2.5)


async def test_dead_subscriptions_and_deleted_nodes_mend_themselves(tmp_path: Path) -> None:
    """T14: four presses, each with a trouble of its own; their sockets live all the while."""
    async with plant(tmp_path, count=4) as (world, gateway):
        connects = {press: (await line(gateway, press))["connects"] for press in world.devices}
        forgets, mute, frozen, loses = world.devices
        async with asyncio.TaskGroup() as at_once:
            at_once.create_task(_its_subscriptions_are_forgotten(world, gateway, forgets))
            at_once.create_task(_it_goes_on_without_values(world, gateway, mute, "mute"))
            at_once.create_task(_it_goes_on_without_values(world, gateway, frozen, "frozen"))
            at_once.create_task(_a_node_goes_and_comes(world, gateway, loses))
        now = {press: (await line(gateway, press))["connects"] for press in world.devices}
        assert now == connects, "it was never necessary to connect anew"


async def _its_subscriptions_are_forgotten(world: Running, gateway: Gateway, press: str) -> None:
    await world.devices[press].endpoint.drop_subscriptions()
    await until_made_anew(gateway, press)
    await until_speed(gateway, world, 2.5, press)


async def _it_goes_on_without_values(world: Running, gateway: Gateway, press: str, fault: str) -> None:
    world.fault(press, **{fault: True})
    world.set(press, "Speed", 10.0)
    await until_made_anew(gateway, press)
    world.fault(press)
    await until_speed(gateway, world, 20.0, press)


async def _a_node_goes_and_comes(world: Running, gateway: Gateway, press: str) -> None:
    world.fault(press, deleted=("Speed",))

    async def is_bad() -> bool:
        return "bad" in str((await gateway.twin(press))["values"]["Speed"])

    await gateway.until(is_bad, SLOW_S)
    world.fault(press)
    await until_speed(gateway, world, 33.0, press)
