"""From profiles over the wire to the cloud and back: the whole program between simulated devices and a real broker."""

import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulators.world import Running, World, serve
from tests.support.broker import mosquitto
from tests.support.house import ROOT, Gateway, house
from tests.support.mqtt import CloudClient, cloud_client

SCHEMA = json.loads((ROOT / "docs/reference/schemas/telemetry.json").read_text())
WORLD = """
devices:
  - { profile: eastron-sdm630, name: meter, interval: 200ms }
  - { profile: moxa-iologik-e1214, name: io-board, autoEvents: { Inputs: 200ms, Relays: 200ms } }
  - { profile: xy-md02, name: climate, rtu: bus, unit: 1, autoEvents: { Climate: 500ms, Corrections: 500ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays, rtu: bus, unit: 2, autoEvents: { Relays: 500ms } }
lines:
  bus: { baud: 9600 }
"""
DEVICES = ("meter", "io-board", "climate", "relays")


@contextlib.asynccontextmanager
async def plant(folder: Path, start: bool = True) -> AsyncIterator[tuple[Running, CloudClient, Gateway]]:
    """Devices, a cloud behind a broker, and a gateway between them."""
    file = folder / "world.yaml"
    file.write_text(WORLD)
    async with (
        serve(World.from_file(file)) as world,
        mosquitto(folder) as broker,
        cloud_client(broker) as cloud,
        house(folder, world, broker, start=start) as gateway,
    ):
        yield world, cloud, gateway


async def test_values_states_and_twins_of_every_device_arrive_as_the_simulator_holds_them(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, cloud, gateway):
        birth = (await cloud.one(f"{gateway.root}/state")).body
        assert birth["online"] is True
        assert sorted(birth["devices"]) == sorted(DEVICES)
        for device in DEVICES:
            await cloud.until(lambda device=device: _state(cloud, gateway, device) == "online")
        world.set("meter", "Power", 1234.5)
        world.set("io-board", "DI3", True)
        world.set("climate", "Temperature", -12.3)
        world.set("relays", "Relay8", True)
        await cloud.until(lambda: _value(cloud, gateway, "meter", "Power") == 1234.5)
        await cloud.until(lambda: _value(cloud, gateway, "io-board", "DI3") is True)
        await cloud.until(lambda: _value(cloud, gateway, "climate", "Temperature") == -12.3)
        await cloud.until(lambda: _value(cloud, gateway, "relays", "Relay8") is True)
        _check_telemetry(cloud, birth["session"])
        document = (await cloud.one(gateway.topic("io-board", "twin/document"))).body
        assert document["session"] == birth["session"]
        reported: dict[str, Any] = await cloud.until(lambda: _reported(cloud, gateway, "io-board").get("DI3"))
        assert reported is True
        assert await gateway.value("meter", "Power") == 1234.5
        assert (await gateway.own("health"))["healthy"] is True
        assert await gateway.stop() == 0
        farewell = await cloud.until(lambda: [m for m in cloud.on(f"{gateway.root}/state") if not m.body["online"]])
        assert farewell[-1].body["session"] == birth["session"]


async def test_a_desired_value_is_written_acknowledged_and_only_then_reported(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, cloud, gateway):
        await cloud.until(lambda: cloud.on(gateway.topic("climate", "twin/document")))
        await gateway.until_state("climate", "online")
        desired = {"epoch": "e1", "version": 1, "properties": {"TemperatureCorrection": 1.5}}
        await cloud.publish(gateway.topic("climate", "twin/desired"), desired, retain=True)
        ack = gateway.topic("climate", "twin/desired/ack")
        await cloud.until(lambda: _status(cloud, ack, "TemperatureCorrection") == "applied")
        assert world.get("climate", "TemperatureCorrection") == pytest.approx(1.5)
        await cloud.until(lambda: _reported(cloud, gateway, "climate").get("TemperatureCorrection") == 1.5)
        order = [
            m.topic
            for m in cloud.seen
            if m.topic == ack or _reports(m, gateway, "climate", "TemperatureCorrection", 1.5)
        ]
        assert order[0] == ack


async def test_a_command_is_done_once_whoever_repeats_it_and_whatever_happens_between(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, cloud, gateway):
        await gateway.until_state("relays", "online")
        topic = gateway.topic("relays", "cmd/Relay3")
        await cloud.publish(topic, {"id": "c-1", "args": {"Relay3": True}})
        first = (await cloud.one(f"{topic}/result")).body
        assert (first["id"], first["status"], first["code"], first["readback"]) == (
            "c-1",
            "confirmed",
            200,
            {"Relay3": True},
        )
        assert world.get("relays", "Relay3") is True
        world.set("relays", "Relay3", False)
        await cloud.publish(topic, {"id": "c-1", "args": {"Relay3": True}})
        again = await cloud.until(lambda: cloud.on(f"{topic}/result")[1:])
        assert again[0].body["started"] == first["started"]
        await gateway.kill()
        await gateway.start()
        await gateway.until_state("relays", "online")
        await cloud.publish(topic, {"id": "c-1", "args": {"Relay3": True}})
        last = (await cloud.until(lambda: cloud.on(f"{topic}/result")[2:]))[0].body
        assert last["started"] == first["started"]
        assert world.get("relays", "Relay3") is False


async def test_late_and_queued_commands_are_refused_and_answers_go_where_they_are_wanted(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, cloud, gateway):
        await gateway.until_state("io-board", "online")
        topic = gateway.topic("io-board", "cmd/Relay0")
        await cloud.publish(topic, {"id": "old", "args": {"Relay0": True}, "expires_at": time.time_ns() - 10**9})
        late = (await cloud.one(f"{topic}/result")).body
        assert (late["id"], late["status"], late["code"]) == ("old", "expired", 410)
        await gateway.kill()
        await cloud.publish(topic, {"id": "queued", "args": {"Relay0": True}})
        await gateway.start()
        queued = await cloud.until(lambda: [m.body for m in cloud.on(f"{topic}/result") if m.body["id"] == "queued"])
        assert (queued[0]["status"], queued[0]["code"]) == ("expired", 410)
        await gateway.until_state("io-board", "online")
        answer = {"ResponseTopic": "replies/me", "CorrelationData": b"\x00\xff"}
        await cloud.publish(gateway.topic("io-board", "read"), {"id": "r-1", "source": "Relays"}, **answer)
        read = await cloud.one("replies/me")
        assert read.body["id"] == "r-1"
        assert read.body["result"]["v"]["Relay0"] is False
        assert read.properties.CorrelationData == b"\x00\xff"
        assert world.get("io-board", "Relay0") is False


async def test_a_retained_command_is_not_executed(tmp_path: Path) -> None:
    async with plant(tmp_path, start=False) as (world, cloud, gateway):
        topic = gateway.topic("io-board", "cmd/Relay0")
        await cloud.publish(topic, {"id": "kept", "args": {"Relay0": True}}, retain=True)
        await gateway.start()
        await cloud.one(gateway.topic("io-board", "state"))
        await cloud.publish(gateway.topic("io-board", "cmd/Relay1"), {"id": "c-2", "args": {"Relay1": True}})
        await cloud.one(gateway.topic("io-board", "cmd/Relay1/result"))
        assert world.get("io-board", "Relay0") is False
        assert not cloud.on(f"{topic}/result")


async def test_read_now_gives_what_the_device_holds_now(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, cloud, gateway):
        await gateway.until_state("climate", "online")
        world.set("climate", "DeviceAddress", 17)
        await cloud.publish(gateway.topic("climate", "read"), {"id": "r-2", "source": "DeviceAddress"})
        result = (await cloud.one(gateway.topic("climate", "read/result"))).body
        assert (result["status"], result["result"]["v"]) == ("confirmed", {"DeviceAddress": 17})


def _state(cloud: CloudClient, gateway: Gateway, device: str) -> str:
    messages = cloud.on(gateway.topic(device, "state"))
    return str(messages[-1].body["state"]) if messages else ""


def _value(cloud: CloudClient, gateway: Gateway, device: str, resource: str) -> Any:
    """The last one in telemetry."""
    found = None
    for message in cloud.on(gateway.topic(device, "tele/")):
        for event in message.body["events"]:
            found = event["v"].get(resource, found)
    return found


def _reported(cloud: CloudClient, gateway: Gateway, device: str) -> dict[str, Any]:
    """The twin as the cloud puts it together from document and patches."""
    twin: dict[str, Any] = {}
    for message in cloud.seen:
        if message.topic == gateway.topic(device, "twin/document"):
            twin = dict(message.body["properties"])
        if message.topic == gateway.topic(device, "twin/reported"):
            twin |= message.body["properties"]
    return twin


def _reports(message: Any, gateway: Gateway, device: str, resource: str, value: Any) -> bool:
    topics = (gateway.topic(device, "twin/reported"), gateway.topic(device, "twin/document"))
    return message.topic in topics and message.body["properties"].get(resource) == value


def _status(cloud: CloudClient, topic: str, resource: str) -> str:
    messages = cloud.on(topic)
    return str(messages[-1].body["results"].get(resource, {}).get("status")) if messages else ""


def _check_telemetry(cloud: CloudClient, session: str) -> None:
    """Every message has the documented shape, one session, and offsets that only grow per device."""
    last: dict[str, int] = {}
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for message in cloud.seen:
        if "/tele/" in message.topic:
            validator.validate(message.body)
            assert message.body["session"] == session
            device = message.topic.split("/")[4]
            for event in message.body["events"]:
                assert event["seq"] > last.get(device, -1)
                last[device] = event["seq"]
    assert set(last) == set(DEVICES)
