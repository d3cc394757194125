"""The whole program with exporters: good ones, and ones that are wrong in every way, which disturb nobody."""

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml

from simulators.world import World, serve
from tests.support.broker import mosquitto
from tests.support.fakehttp import Asked, FakeHttp, Says, fake_http
from tests.support.house import Gateway, house
from tests.support.mqtt import cloud_client
from tests.support.ports import free_port

WORLD = """
devices:
  - { profile: moxa-iologik-e1214, name: io, autoEvents: { Inputs: 100ms } }
  - { profile: eastron-sdm230, name: meter, interval: 200ms }
"""


async def consumers(gateway: Gateway) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await gateway.own("consumers"))["consumers"]}


def troubled(folder: Path, fake: FakeHttp, never: asyncio.Event) -> dict[str, dict[str, Any]]:
    """Exporters that cannot work, each in its own way, and two that can."""
    answers = {"/never": Says(after=never), "/token": Says(401), "/busy": Says(429, headers={"Retry-After": "60"})}
    fake.says = lambda asked: answers.get(asked.target, Says())
    return {
        "closed": {"kind": "influx", "url": f"http://127.0.0.1:{free_port()}", "bucket": "b"},
        "token": {"kind": "http", "url": f"{fake.url}/token"},
        "missing": {"kind": "http", "url": fake.url, "token_file": "nowhere"},
        "folder": {"kind": "files", "folder": str(folder / "plain" / "below")},
        "never": {"kind": "http", "url": f"{fake.url}/never", "timeout": "10m"},
        "busy": {"kind": "http", "url": f"{fake.url}/busy"},
        "good": {"kind": "http", "url": f"{fake.url}/good", "only": {"devices": ["io"]}, "linger": "0s"},
        "table": {"kind": "files", "folder": "out", "format": "jsonl"},
    }


TOLD = {
    "closed": "nothing listens there",
    "token": "is the token right",
    "missing": "token file",
    "folder": "cannot be written",
    "busy": "asks us to wait 60 s",
}
"""What the trouble of each is, in words."""


async def test_exporters_that_cannot_work_disturb_nothing(tmp_path: Path) -> None:
    """A closed port, a wrong token, a token file that is missing, a folder that cannot be made, a server that never
    answers: each shows its own state; polling, commands, the cloud and a good exporter go on."""
    (tmp_path / "world.yaml").write_text(WORLD)
    (tmp_path / "plain").write_text("no folder")
    async with (
        serve(World.from_file(tmp_path / "world.yaml")) as world,
        mosquitto(tmp_path) as broker,
        mosquitto(tmp_path) as second,
        cloud_client(broker) as cloud,
        cloud_client(second) as elsewhere,
        fake_http() as fake,
    ):
        never = asyncio.Event()
        exporters = troubled(tmp_path, fake, never) | {
            "second": {"kind": "mqtt", "url": second.url, "topic": "x/{device}/{source}", "template": "{values}"}
        }
        async with house(tmp_path, world, broker, exporters=exporters) as gateway:
            good: list[Asked] = []

            def took(device: str) -> bool:
                good[:] = [one for one in fake.posts if one.target == "/good"]
                return sum(len(one.json) for one in good) >= 20

            await gateway.until_state("io", "online")
            await fake.until(lambda: took("io"))
            assert {event["device"] for one in good for event in one.json} == {"io"}
            await cloud.until(lambda: cloud.on(gateway.topic("meter", "tele/")))
            await elsewhere.until(lambda: elsewhere.on("x/io/Inputs"))
            result = await gateway.command("io", "Relay2", {"Relay2": True})
            assert result["outcome"] == "confirmed"

            async def all_told() -> dict[str, dict[str, Any]] | None:
                found = await consumers(gateway)
                told = all(word in found[f"export-{name}"]["reason"] for name, word in TOLD.items())
                return found if told else None

            found = await gateway.until(all_told)
            assert found["export-good"]["connected"]
            assert found["export-table"]["connected"]
            assert (await gateway.flow("io"))["overruns"] == 0 or (await gateway.flow("io"))["achieved_s"] < 0.2
            assert (
                'southgate_consumer_connected{consumer="export-closed"} 0.0'
                in (await gateway.ask("GET", "/metrics")).text
            )
            lines = (gateway.folder / "out" / "table.jsonl.part").read_text().splitlines()
            assert {json.loads(line)["device"] for line in lines[:-1]} == {"io", "meter"}
            never.set()
            assert await gateway.stop() == 0


async def test_exporters_come_go_and_change_with_a_reload(tmp_path: Path) -> None:
    """SIGHUP: the cursor of one that stays is kept, one that goes holds nothing back, a mistake changes nothing."""
    (tmp_path / "world.yaml").write_text(WORLD)
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, fake_http() as fake:
        away = {"kind": "http", "url": f"http://127.0.0.1:{free_port()}", "linger": "0s"}
        goes = {"kind": "http", "url": f"{fake.url}/goes", "linger": "0s"}
        async with house(tmp_path, world, exporters={"db": away, "goes": goes}) as gateway:
            settings = yaml.safe_load(gateway.config.read_text())

            def on(target: str) -> list[dict[str, Any]]:
                return [event for one in fake.posts if one.target == target for event in one.json]

            async def reloaded(exporters: dict[str, Any], words: str) -> None:
                count = len(gateway.log)
                gateway.config.write_text(yaml.safe_dump(settings | {"exporters": exporters}))
                gateway.reload()

                async def said() -> bool:
                    return any(words in line for line in gateway.log[count:])

                await gateway.until(said)

            async def behind() -> bool:
                return bool((await consumers(gateway))["export-db"]["behind"] > 20)

            await gateway.until(behind)
            await fake.until(lambda: len(on("/goes")) > 20)
            first = (await gateway.get("/core-data/api/v3/event/all?limit=1000"))["events"][-1]["id"]
            gateway.quiet = False
            await reloaded({"db": away | {"url": "nowhere"}, "goes": goes}, "what ran goes on")
            found = await consumers(gateway)
            assert found.keys() >= {"export-db", "export-goes"}
            assert found["export-goes"]["connected"]
            moved = away | {"url": f"{fake.url}/db", "headers": {"X-Key": "s3cret"}}
            new = {"kind": "files", "folder": "new", "format": "jsonl"}
            await reloaded({"db": moved, "new": new}, "changes applied")
            await fake.until(lambda: first in {event["id"] for event in on("/db")})
            assert {"db", "new"} == {name.removeprefix("export-") for name in await consumers(gateway)}
            shown = (await gateway.get("/core-metadata/api/v3/config"))["config"]["exporters"]
            assert shown["db"]["url"] == moved["url"]
            assert "s3cret" not in str(shown)
            assert not any("s3cret" in line for line in gateway.log)
            count, posts = len(on("/goes")), len(fake.posts)
            await fake.until(lambda: len(fake.posts) > posts + 20)
            assert len(on("/goes")) == count, "nothing more goes there"

            async def written() -> bool:
                path = gateway.folder / "new" / "new.jsonl.part"
                return path.exists() and len(path.read_text().splitlines()) > 20

            await gateway.until(written)
            said = await gateway.cli("apply")
            assert "nothing changed" in said.out
            gateway.config.write_text(yaml.safe_dump(settings | {"exporters": {}}))
            said = await gateway.cli("apply")
            assert "changed  exporter db" in said.out
            assert await consumers(gateway) == {}
            assert await gateway.stop() == 0


async def test_a_dead_letter_is_listed_sent_again_and_a_stretch_exported(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, fake_http() as fake:
        refuse = True
        fake.says = lambda asked: Says(422, b"no meters") if refuse and b'"meter"' in asked.body else Says()
        exporters = {"db": {"kind": "http", "url": fake.url, "tries": 2, "linger": "0s", "only": {"sources": ["*"]}}}
        async with house(tmp_path, world, exporters=exporters) as gateway:
            gateway.quiet = False

            async def some() -> bool:
                return bool((await gateway.own("deadletters"))["total"] > 3)

            await gateway.until(some)
            said = await gateway.cli("deadletter", "list", "db")
            assert (said.code, "422: no meters" in said.out) == (0, True)
            refuse = False
            await gateway.kill()
            await gateway.start()
            kept = (await gateway.own("deadletters"))["total"]
            assert kept > 3

            async def retried() -> bool:
                return (await gateway.cli("deadletter", "retry", "db")).code == 0

            await gateway.until(retried)
            assert (await gateway.own("deadletters"))["total"] == 0
            ids = {event["id"] for one in fake.posts for event in one.json}
            before = len(fake.posts)
            said = await gateway.cli("export", "db", "--from", "1h", "--json")
            assert (said.code, said.body["state"], said.body["sent"] > 3) == (0, "done", True)
            again = {event["id"] for one in fake.posts[before:] for event in one.json}
            assert len(again & ids) > 3, "what is sent again has the ids it had"


async def test_killed_while_it_exports_nothing_is_lost_and_what_comes_twice_has_its_id(tmp_path: Path) -> None:
    """T1 of exports: kill -9 three times while two exporters are at work, one of them slow and cut now and then."""
    (tmp_path / "world.yaml").write_text(WORLD)
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, fake_http() as fake:
        turns = iter(range(10**9))
        fake.says = lambda asked: Says(cut=True) if asked.target == "/cut" and next(turns) % 4 == 3 else Says()
        exporters = {
            "quick": {"kind": "http", "url": f"{fake.url}/quick", "linger": "0s"},
            "cut": {"kind": "http", "url": f"{fake.url}/cut", "linger": "300ms", "batch": 7},
        }
        async with house(tmp_path, world, exporters=exporters) as gateway:
            for _ in range(3):
                count = len(fake.posts)
                await fake.until(lambda count=count: len(fake.posts) > count + 15)
                await gateway.kill()
                await gateway.start()

            async def caught_up() -> bool:
                found = await consumers(gateway)
                return all(found[f"export-{name}"]["behind"] < 5 for name in exporters)

            await gateway.until(caught_up, 30)
            kept = (await gateway.get("/core-data/api/v3/event/all?limit=1000"))["events"]
            stop = kept[5]["origin"]
            wanted = {event["id"] for event in kept if event["origin"] < stop}
            for name in exporters:
                await fake.until(lambda name=name: wanted <= _came(fake, name).keys())


def _came(fake: FakeHttp, name: str) -> dict[str, Any]:
    """What an exporter has brought, by id; what came twice was the same."""
    came: dict[str, Any] = {}
    for one in fake.posts:
        for event in one.json if one.target == f"/{name}" else ():
            same = {key: event[key] for key in ("device", "source", "origin", "values")}
            assert came.setdefault(event["id"], same) == same
    return came
