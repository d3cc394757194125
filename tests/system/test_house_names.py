"""Names with what topics, paths and files use for themselves, and bodies nobody should send: the whole program."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from simulators.world import Running, World, serve
from tests.support.broker import mosquitto
from tests.support.house import Gateway, furnish, house, southgate
from tests.support.mqtt import CloudClient, cloud_client

DEVICE, RESOURCE, PROFILE = "Kessel/1+ #$% 水泵", "Soll/Ist+#$%", "Profil / Ω 100%"
VALUES = {
    "name": PROFILE,
    "deviceResources": [
        {
            "name": name,
            "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": address},
            "properties": {"valueType": "Uint16", "readWrite": "RW", "maximum": 1000},
        }
        for address, name in enumerate((RESOURCE, "Plain"))
    ],
}
ENCODED_DEVICE = "Kessel%2F1%2B %23%24%25 水泵"
ENCODED_RESOURCE = "Soll%2FIst%2B%23%24%25"


async def test_any_name_works_in_files_rest_topics_and_on_the_command_line(tmp_path: Path) -> None:
    async with _served(tmp_path) as (world, cloud, gateway):
        world.set(DEVICE, RESOURCE, 321)
        await gateway.until_value(DEVICE, RESOURCE, 321)
        assert not [line for line in gateway.log if "shipped" in line], "its own folder is not the library"
        await cloud.until(lambda: _telemetry(cloud, gateway) == 321)
        topic = gateway.topic(ENCODED_DEVICE, f"cmd/{ENCODED_RESOURCE}")
        await cloud.publish(topic, {"id": "n-1", "args": {RESOURCE: 5}})
        result = (await cloud.one(f"{topic}/result")).body
        assert (result["status"], result["readback"]) == ("confirmed", {RESOURCE: 5})
        assert world.get(DEVICE, RESOURCE) == 5
        path = f"/core-command/api/v3/device/name/{quote(DEVICE, safe='')}/{quote(RESOURCE, safe='')}"
        put = await gateway.ask("PUT", path, json={RESOURCE: "6"})
        assert put.status_code == 200, put.text
        assert (await gateway.get(path))["event"]["readings"][0]["value"] == "6"
        written = await gateway.cli("write", DEVICE, f"{RESOURCE}=7")
        assert written.code == 0, written.err
        assert world.get(DEVICE, RESOURCE) == 7
        found = (
            f"/core-data/api/v3/reading/device/name/{quote(DEVICE, safe='')}/resourceName/{quote(RESOURCE, safe='')}"
        )
        assert (await gateway.get(found))["totalCount"] > 0
        before = _yaml_below(tmp_path)
        second = {**_entry(gateway), "name": "../zwei/\\..%2f", "adminState": "LOCKED", "operatingState": "UP"}
        added = await gateway.ask("POST", "/core-metadata/api/v3/device", json=[{"apiVersion": "v3", "device": second}])
        assert added.json()[0]["statusCode"] == 201, added.text
        assert await gateway.stop() == 0
        await gateway.start()
        assert (await gateway.own("config"))["devices"] == sorted([DEVICE, "../zwei/\\..%2f"])
        (made,) = _yaml_below(tmp_path) - before
        assert made.is_relative_to(gateway.folder / "devices")
        await gateway.until_value(DEVICE, RESOURCE, 7)


PAYLOADS: list[bytes] = [
    b"", b"{", b"null", b"[]", b'"x"', b"1e999", b"\xff\xfe", b"\x00" * 100, b'{"id":1}', b'{"id":"","args":{}}',
    b'{"id":"a","args":[]}', b'{"id":"b","args":{"Plain":NaN}}', b'{"id":"c","args":{"Plain":1e400}}',
    b'{"id":"d","args":{"Plain":"' + b"9" * 100_000 + b'"}}', b"[" * 50_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    b'{"id":"e","id":"f","args":{"Plain":1}}', b'{"id":"g","args":{"Plain":"\\ud800"}}', b"x" * 1_000_000,
    b'{"id":"' + b"h" * 500 + b'","args":{"Plain":1}}', b'{"id":"i","args":{"Plain":70000}}',
    b'{"id":"j","args":{"Plain":-1}}', b'{"id":"k","args":{"Plain":{"a":{"b":{}}}}}', b'{"id":"l","args":{"None":1}}',
    b'{"id":"m","args":{"Plain":1},"expires_at":"soon"}', b'{"id":"n","args":{"Plain":true}}',
]  # fmt: skip


async def test_no_payload_writes_or_breaks_anything(tmp_path: Path) -> None:
    async with _served(tmp_path) as (world, cloud, gateway):
        await gateway.until_state(DEVICE, "online")
        world.set(DEVICE, "Plain", 42)
        await gateway.until_value(DEVICE, "Plain", 42)
        for payload in PAYLOADS:
            for rest in ("cmd/Plain", "cmd/None", "cmd/%zz", "read", "twin/desired", "twin/get"):
                await cloud.publish(gateway.topic(ENCODED_DEVICE, rest), payload)
        await cloud.publish(f"{gateway.root}/rebirth", b"x" * 100_000)
        topic = gateway.topic(ENCODED_DEVICE, "cmd/Plain")
        await cloud.publish(topic, {"id": "last", "args": {"Plain": 43}})
        await cloud.until(lambda: [m for m in cloud.on(f"{topic}/result") if m.body["id"] == "last"])
        answers = {m.body["id"]: m.body for m in cloud.on(f"{topic}/result")}
        assert {one["status"] for name, one in answers.items() if name != "last"} == {"rejected"}
        assert {"d", "i", "j", "k", "l"} <= set(answers)
        assert answers["last"]["status"] == "confirmed"
        assert {"Plain": 42} in [m.body["old"] for m in cloud.on(f"{topic}/result") if m.body.get("old")]
        assert world.get(DEVICE, "Plain") == 43
        await gateway.until_state(DEVICE, "online")


async def test_no_body_breaks_the_api_or_leaves_a_file(tmp_path: Path) -> None:
    async with house(tmp_path) as gateway:
        before = _yaml_below(tmp_path.parent)
        meta = "/core-metadata/api/v3"
        bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )
        for content in (bomb.encode(), b"\xff\xfe\x00", b"- " * 100_000, b"name: x\nname: y\n", b"name: \x01\n"):
            answer = await gateway.ask("POST", f"{meta}/deviceprofile/uploadfile", files={"file": ("p.yaml", content)})
            assert answer.status_code == 400, (content[:20], answer.text[:300])
        good = yaml.safe_dump({**VALUES, "name": "../../escaped"}).encode()
        sent = await gateway.ask("POST", f"{meta}/deviceprofile/uploadfile", files={"file": ("../../../e.yaml", good)})
        assert sent.status_code == 201, sent.text
        (made,) = _yaml_below(tmp_path.parent) - before
        assert made.is_relative_to(gateway.folder / "profiles")
        huge = await gateway.ask("POST", f"{meta}/device", content=b"[" + b" " * 60_000_000 + b"]")
        assert huge.status_code == 413
        deep = await gateway.ask("POST", f"{meta}/device", content=b"[" * 200_000)
        assert deep.status_code == 400
        for path in ("/../../etc/passwd", "/gateway/api/v1/twin/%2e%2e%2f", "/gateway/api/v1/twin/%00", "/%ff"):
            assert (await gateway.ask("GET", path)).status_code in (400, 404)
        assert (await gateway.own("live"))["alive"] is True


async def test_one_gateway_per_folder_and_port(tmp_path: Path) -> None:
    async with house(tmp_path) as gateway:
        second = await southgate("run", "--config", gateway.config)
        assert second.code == 2
        assert "another gateway is running on" in second.err
        listen = gateway.url.removeprefix("http://")
        other = furnish(tmp_path / "other", api={"listen": listen})
        taken = await southgate("run", "--config", other)
        assert taken.code == 2
        assert listen in taken.err
        assert "Traceback" not in second.err + taken.err
        assert (await gateway.own("live"))["alive"] is True


@pytest.mark.parametrize("damage", [b"\x00\x01\xff", b"gateway: [", b"- a\n- b\n", b"gateway: {name: 'a/b\x01'}"])
async def test_settings_that_cannot_be_read_are_named(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_bytes(damage)
    said = await southgate("run", "--config", file)
    assert said.code == 2
    assert str(file) in said.err
    assert "Traceback" not in said.err


@contextlib.asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[tuple[Running, CloudClient, Gateway]]:
    (folder / "profile.yaml").write_text(yaml.safe_dump(VALUES, allow_unicode=True))
    device = {"profile": "profile.yaml", "name": DEVICE, "interval": "200ms"}
    (folder / "world.yaml").write_text(yaml.safe_dump({"devices": [device]}, allow_unicode=True))
    text = (folder / "profile.yaml").read_text()
    async with (
        serve(World.from_file(folder / "world.yaml")) as world,
        mosquitto(folder) as broker,
        cloud_client(broker) as cloud,
        house(folder, world, broker, [text]) as gateway,
    ):
        await cloud.one(gateway.topic(ENCODED_DEVICE, "state"))
        yield world, cloud, gateway


def _yaml_below(folder: Path) -> set[Path]:
    return {file.resolve() for file in folder.rglob("*.yaml")}


def _entry(gateway: Gateway) -> Any:
    return yaml.safe_load((gateway.folder / "devices" / "simulated.yaml").read_text())["deviceList"][0]


def _telemetry(cloud: CloudClient, gateway: Gateway) -> Any:
    messages = cloud.on(gateway.topic(ENCODED_DEVICE, f"tele/{ENCODED_RESOURCE}"))
    return messages[-1].body["events"][-1]["v"][RESOURCE] if messages else None
