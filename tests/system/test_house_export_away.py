"""Every kind of exporter whose server is away at the start, comes, stands still, refuses, goes and comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulators.world import World, serve
from tests.support.broker import Broker, mosquitto
from tests.support.databases import Postgres, postgres_made
from tests.support.fakehttp import FakeHttp, Says, fake_http
from tests.support.house import Gateway, house
from tests.support.ports import free_port
from tests.system.test_house_export import WORLD, consumers

pytest.importorskip("psycopg")
pytest.importorskip("influxdb_client")
KINDS = ("influx", "http", "webhook", "mqtt", "postgres")


@dataclass
class Servers:
    """Those that come and go, and one that is always there."""

    fake: FakeHttp
    broker: Broker
    database: Postgres
    good: FakeHttp

    async def start(self) -> None:
        await self.fake.start()
        await self.broker.start()
        await self.database.start()

    async def stop(self) -> None:
        await self.fake.stop()
        await self.broker.stop()
        await self.database.stop()

    def settings(self, folder: Path) -> dict[str, dict[str, Any]]:
        (folder / "password").write_text("s3cret")
        url, more = f"http://127.0.0.1:{self.fake.port}", {"linger": "0s", "timeout": "1s"}
        return {
            "influx": {"kind": "influx", "url": url, "bucket": "b", **more},
            "http": {"kind": "http", "url": f"{url}/http", **more},
            "webhook": {"kind": "webhook", "url": f"{url}/hook", "only": {"readings": True}, **more},
            "mqtt": {"kind": "mqtt", "url": self.broker.url, **more},
            "postgres": {
                "kind": "postgres", "url": self.database.url, "password_file": str(folder / "password"), **more,
            },
            "good": {"kind": "http", "url": f"{self.good.url}/good", "linger": "0s"},
        }  # fmt: skip


@contextlib.asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[Servers]:
    """Not started, but for the good one."""
    async with mosquitto(folder) as broker, postgres_made(folder) as database, fake_http() as good:
        await broker.stop()
        fake = FakeHttp()
        fake.port = free_port()
        try:
            yield Servers(fake, broker, database, good)
        finally:
            await fake.stop()


async def undisturbed(gateway: Gateway, good: FakeHttp, on: bool) -> None:
    """Polling, commands, and who has a server."""
    count = len(good.posts)
    async with asyncio.timeout(5):
        result = await gateway.command("io", "Relay2", {"Relay2": on})
        assert result["outcome"] == "confirmed"
        await good.until(lambda: len(good.posts) > count + 10)
    flow = await gateway.flow("io")
    assert flow["achieved_s"] < 0.2
    assert await gateway.state("io") == "online"


async def all_are(gateway: Gateway, connected: bool) -> dict[str, Any]:
    async def so() -> dict[str, Any] | None:
        found = {kind: (await consumers(gateway))[f"export-{kind}"] for kind in KINDS}
        so = all(one["connected"] is connected and bool(one["reason"]) is not connected for one in found.values())
        return found if so and (not connected or all(one["behind"] < 10 for one in found.values())) else None

    found: dict[str, Any] = await gateway.until(so, 40)
    return found


async def test_servers_come_and_go_and_nobody_else_notices(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, servers(tmp_path) as away:
        fake, database = away.fake, away.database
        async with house(tmp_path, world, exporters=away.settings(tmp_path)) as gateway:
            await all_are(gateway, False)
            await undisturbed(gateway, away.good, True)
            await away.start()
            await all_are(gateway, True)

            never = asyncio.Event()
            fake.says = lambda _: Says(after=never)
            database.freeze()

            async def late() -> bool:
                found = await consumers(gateway)
                return all("does not answer" in found[f"export-{kind}"]["reason"] for kind in KINDS if kind != "mqtt")

            await gateway.until(late)
            await undisturbed(gateway, away.good, False)
            database.freeze(False)
            fake.says = lambda _: Says(503)
            never.set()

            async def busy() -> bool:
                found = await consumers(gateway)
                return all("is busy" in found[f"export-{kind}"]["reason"] for kind in ("influx", "http", "webhook"))

            await gateway.until(busy)
            await undisturbed(gateway, away.good, True)
            fake.says = lambda _: Says()
            await all_are(gateway, True)

            await away.stop()
            await all_are(gateway, False)
            await undisturbed(gateway, away.good, False)
            await away.start()
            await all_are(gateway, True)
            kept = (await gateway.get("/core-data/api/v3/event/all?limit=1000"))["events"][20:]
            wanted = {event["id"] for event in kept}
            by_hook = {one.json["id"] for one in fake.posts if one.target == "/hook"}
            by_http = {event["id"] for one in fake.posts if one.target == "/http" for event in one.json}
            lines = b"".join(one.body for one in fake.posts if one.target.startswith("/api/v2/write"))
            assert wanted <= by_hook
            assert wanted <= by_http
            assert all(f" {event['origin']}\n".encode() in lines for event in kept)
            rows = {one[0] for one in await database.query("SELECT id::text FROM readings")}
            assert {reading["id"] for event in kept for reading in event["readings"]} <= rows
            assert await gateway.stop() == 0
