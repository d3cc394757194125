"""The broker goes and comes back, with and without a power cut of the gateway: nothing stops, nothing is lost."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from simulators.world import Running, World, serve
from tests.support.broker import Broker, mosquitto
from tests.support.house import Gateway, house
from tests.support.mqtt import CloudClient, cloud_client

WORLD = """
devices:
  - { profile: moxa-iologik-e1214, name: io, autoEvents: { Inputs: 100ms } }
  - { profile: eastron-sdm230, name: meter, interval: 200ms }
"""
DEVICES = ("io", "meter")
COMMIT_S = 0.5
PERIOD_S = 0.1
BACK_S = 3.0


@contextlib.asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[tuple[Running, Broker, CloudClient, Gateway]]:
    file = folder / "world.yaml"
    file.write_text(WORLD)
    async with (
        serve(World.from_file(file)) as world,
        mosquitto(folder) as broker,
        cloud_client(broker) as cloud,
        house(folder, world, broker) as gateway,
    ):
        for device in DEVICES:
            await cloud.until(lambda device=device: _events(cloud, gateway, device))
        yield world, broker, cloud, gateway


async def test_without_the_broker_everything_goes_on_and_the_backlog_follows(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, broker, cloud, gateway):
        await broker.stop()
        await _polled(world, 20)
        result = await gateway.command("io", "Relay2", {"Relay2": True})
        assert (result["outcome"], world.get("io", "Relay2")) == ("confirmed", True)
        await broker.start()
        back, stamp = time.monotonic(), time.time_ns()
        await cloud.until(lambda: _live_since(cloud, gateway, "io", stamp))
        assert time.monotonic() - back < BACK_S
        await gateway.until(lambda: _caught_up(gateway))
        for device in DEVICES:
            kept = {event["origin"] for event in await _kept(gateway, device)}
            await cloud.until(lambda device=device, kept=kept: kept <= _origins(cloud, gateway, device))
            assert any(historical for historical, _ in _events(cloud, gateway, device))
            _in_order(cloud, gateway, device)
        told = await cloud.until(lambda: cloud.on(gateway.topic("io", "cmd/Relay2/result")))
        assert told[0].body["id"] == result["id"]


async def test_killed_while_the_broker_is_away(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, broker, cloud, gateway):
        await broker.stop()
        away = time.time_ns()
        await _polled(world, 20)
        await gateway.kill()
        killed = time.time_ns()
        await gateway.start()
        again = time.time_ns()
        await broker.start()
        await cloud.until(lambda: _live_since(cloud, gateway, "io", again))
        await gateway.until(lambda: _caught_up(gateway))
        kept = {event["origin"] for event in await _kept(gateway, "io")}
        await cloud.until(lambda: kept <= _origins(cloud, gateway, "io"))
        meanwhile = sorted(t for t in _origins(cloud, gateway, "io") if away <= t <= killed)
        assert killed - meanwhile[-1] <= (COMMIT_S + 2 * PERIOD_S) * 1e9
        assert max(b - a for a, b in itertools.pairwise(meanwhile)) < 2 * PERIOD_S * 1e9
        _in_order(cloud, gateway, "io")


def _events(cloud: CloudClient, gateway: Gateway, device: str) -> list[tuple[bool, dict[str, Any]]]:
    """Historical or not, and the event; as they came."""
    messages = cloud.on(gateway.topic(device, "tele/"))
    return [(m.body["historical"], event) for m in messages for event in m.body["events"]]


def _origins(cloud: CloudClient, gateway: Gateway, device: str) -> set[int]:
    return {event["ts"] for _, event in _events(cloud, gateway, device)}


def _live_since(cloud: CloudClient, gateway: Gateway, device: str, stamp: int) -> bool:
    return any(not historical and event["ts"] > stamp for historical, event in _events(cloud, gateway, device))


def _in_order(cloud: CloudClient, gateway: Gateway, device: str) -> None:
    """Within live and within historical; what QoS 1 brings twice counts once."""
    for wanted in (False, True):
        seen = list(_firsts(e["seq"] for historical, e in _events(cloud, gateway, device) if historical is wanted))
        assert seen == sorted(seen)


def _firsts(numbers: Iterator[int]) -> Iterator[int]:
    known: set[int] = set()
    for number in numbers:
        if number not in known:
            known.add(number)
            yield number


async def _polled(world: Running, times: int) -> None:
    """Returns when every device was asked so many times more."""
    wanted = {device: world.requests(device) + times for device in DEVICES}
    async with asyncio.timeout(30):
        while any(world.requests(device) < count for device, count in wanted.items()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _caught_up(gateway: Gateway) -> bool:
    """Nothing waits but what was read just now."""
    return all(consumer["behind"] <= 2 for consumer in (await gateway.own("consumers"))["consumers"])


async def _kept(gateway: Gateway, device: str) -> Any:
    return (await gateway.get(f"/core-data/api/v3/event/device/name/{device}?limit=1024"))["events"]
