"""T14 with the whole program: an OPC UA server starts anew with its namespaces moved, falls silent, keeps values to
itself, forgets subscriptions, deletes nodes; nobody lends a hand."""

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
  - { profile: press.yaml, name: press, autoEvents: { Everything: 200ms },
      behaviours: { Count: { ramp: { low: 0, high: 100000, period: 100000s } }, Speed: 1.5 } }
"""
STEP_NS = 200_000_000


@asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[tuple[Running, Gateway]]:
    """A press whose counter is another one every 200 ms, and a gateway that follows it."""
    (folder / "press.yaml").write_text(PROFILE, "utf-8")
    (folder / "world.yaml").write_text(WORLD, "utf-8")
    async with (
        serve(World.from_file(folder / "world.yaml")) as world,
        house(folder, world, profiles=[PROFILE]) as gateway,
    ):
        await gateway.until_state("press", "online", SLOW_S)
        yield world, gateway


async def line(gateway: Gateway) -> Any:
    (found,) = (await gateway.own("lines"))["lines"]
    return found


async def until_counted(gateway: Gateway, what: str, more_than: int = 0) -> int:
    async def counted() -> int:
        found: int = (await line(gateway))["errors"].get(what, 0)
        return found if found > more_than else 0

    return int(await gateway.until(counted, SLOW_S))


async def until_speed(gateway: Gateway, world: Running, value: float) -> None:
    """A new value of the server comes through."""
    world.set("press", "Speed", value)

    async def came() -> bool:
        return bool(await gateway.value("press", "Speed") == value)

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
        await gateway.until_state("press", "offline", SLOW_S)
        world.devices["press"].endpoint.shuffle()
        await world.plug("press")

        async def is_back() -> bool:
            world.get("press", "Count")  # the simulated press works out its values when somebody wants them
            return bool((await line(gateway))["filled"])

        await gateway.until(is_back, SLOW_S)

        async def whole() -> bool:
            stamps = await origins(gateway)
            return all(after - before == STEP_NS for before, after in pairwise(stamps))

        await gateway.until(whole, SLOW_S)
        await until_speed(gateway, world, 2.5)


async def test_dead_subscriptions_and_deleted_nodes_mend_themselves(tmp_path: Path) -> None:
    """T14: the socket lives all the while."""
    async with plant(tmp_path) as (world, gateway):
        connects = (await line(gateway))["connects"]
        await world.devices["press"].endpoint.drop_subscriptions()
        times = await until_counted(gateway, "resubscribed")
        await until_speed(gateway, world, 2.5)
        for number, fault in enumerate(("mute", "frozen")):
            world.fault("press", **{fault: True})
            world.set("press", "Speed", 10.0 + number)
            times = await until_counted(gateway, "resubscribed", times)
            world.fault("press")
            await until_speed(gateway, world, 20.0 + number)
        await _a_node_goes_and_comes(world, gateway)
        assert (await line(gateway))["connects"] == connects, "it was never necessary to connect anew"


async def _a_node_goes_and_comes(world: Running, gateway: Gateway) -> None:
    world.fault("press", deleted=("Speed",))

    async def is_bad() -> bool:
        return "bad" in str((await gateway.twin("press"))["values"]["Speed"])

    await gateway.until(is_bad, SLOW_S)
    world.fault("press")
    await until_speed(gateway, world, 33.0)
