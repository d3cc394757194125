"""Who is here: birth, will, clean stop, states and twins, over a real broker in MQTT 5 and 3.1.1."""

import asyncio
from pathlib import Path

import pytest

from gateway.model.device import DeviceState, Flow
from gateway.model.errors import NotConnected
from gateway.northbound import client
from tests.support.broker import Broker, BrokerOptions, mosquitto
from tests.support.mqtt import cloud_client
from tests.support.mqtt_cloud import House, P, fed
from tests.support.relay import relay
from tests.unit.northbound.fakes import event, source


async def test_births_come_before_telemetry_and_a_clean_stop_says_so(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud:
        async with house.connected(broker.url) as ours:
            assert ours.connected
            assert ours.version == "5"
            await ours.send([event(source("m1", "all", "A"), 1.5)])
            await cloud.one(f"{P}/d/m1/tele/all")
        await cloud.until(lambda: len(cloud.on(f"{P}/state")) == 2)
        topics = [m.topic.removeprefix(P) for m in cloud.seen if not m.topic.endswith("rebirth")]
        assert topics == ["/state", "/d/m1/state", "/d/m1/twin/document", "/d/m1/tele/all", "/state"]
        birth, farewell = cloud.on(f"{P}/state")
        assert birth.body["online"] is True
        assert birth.body["devices"] == ["m1"]
        assert farewell.body == {"online": False, "session": "01S"}
        assert birth.properties.ContentType == "application/json"
        async with cloud_client(broker) as later:
            assert (await later.one(f"{P}/state")).body == farewell.body
            assert later.seen[0].retain
        assert len(cloud.on(f"{P}/state")) == 2  # no will after a clean stop


async def test_the_will_follows_a_silent_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WILL_DELAY_S", 1)
    house = House("m1")
    async with mosquitto(tmp_path) as broker, relay(broker) as wire, cloud_client(broker) as cloud:
        ours = house.cloud(wire.url)
        await ours.connect()
        await wire.stop()
        wire.cut()
        await cloud.until(lambda: len(cloud.on(f"{P}/state")) == 2)
        will = cloud.on(f"{P}/state")[1]
        assert will.body == {"online": False, "session": "01S"}
        assert will.properties.ContentType == "application/json"
        await ours.close()


async def test_a_short_break_causes_no_will(tmp_path: Path) -> None:
    house = House("m1")
    async with (
        mosquitto(tmp_path) as broker,
        relay(broker) as wire,
        cloud_client(broker) as cloud,
        fed(house.cloud(wire.url), tmp_path, house.clock),
    ):
        await cloud.one(f"{P}/d/m1/twin/document")
        wire.cut()
        await cloud.until(lambda: len(cloud.on(f"{P}/state")) == 2)
        assert all(m.body["online"] for m in cloud.on(f"{P}/state"))
        assert wire.connections == 2  # nothing was sent, and still somebody connected again


async def test_the_will_in_3_1_1_comes_at_once(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, relay(broker, only_3=True) as wire, cloud_client(broker) as cloud:
        ours = house.cloud(wire.url)
        await ours.connect()
        assert ours.version == "3.1.1"
        await wire.stop()
        wire.cut()
        await cloud.until(lambda: len(cloud.on(f"{P}/state")) == 2)
        assert cloud.on(f"{P}/state")[1].body == {"online": False, "session": "01S"}
        await ours.close()


async def test_a_broker_that_does_not_even_refuse_mqtt_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNACK_S", 0.5)
    async with mosquitto(tmp_path) as broker, relay(broker, only_3=True) as wire:
        wire.polite = False
        async with House("m1").connected(wire.url) as ours:
            assert ours.version == "3.1.1"
            await ours.send([event(source("m1", "all", "A"), 1.5)])


async def test_what_both_versions_failed_at_is_no_reason_to_stay_with_the_old_one(tmp_path: Path) -> None:
    """A broker that is starting, or a proxy before it, hangs up without a word."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    broker = Broker(tmp_path, BrokerOptions())
    ours = House("m1").cloud(broker.url)
    async with await asyncio.start_server(hang_up, broker.host, broker.port):
        with pytest.raises(NotConnected, match="closed the connection"):
            await ours.connect()
    await broker.start()
    await ours.connect()
    assert ours.version == "5"
    await ours.close()
    await broker.stop()


async def test_a_device_removed_while_we_are_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    house = House("m1", "m2")
    async with mosquitto(tmp_path) as broker:
        async with house.connected(broker.url):
            pass
        house.twins.remove("m2")
        async with house.connected(broker.url), cloud_client(broker, f"{P}/d/#") as later:
            await later.one(f"{P}/d/m1/twin/document")
            assert not later.on(f"{P}/d/m2/")


async def test_states_and_patches_follow_what_happens(tmp_path: Path) -> None:
    house = House("m1", "m2")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        house.twins.set("m2", Setpoint=21.5)
        house.twins.states["m1"] = DeviceState(Flow.OFFLINE, "does not answer; next try in 5 s", 99)
        ours.state_changed("m1")
        await cloud.until(lambda: len(cloud.on(f"{P}/d/m1/state")) == 2)
        patch = await cloud.one(f"{P}/d/m2/twin/reported")
        assert cloud.on(f"{P}/d/m1/state")[1].body["reason"] == "does not answer; next try in 5 s"
        assert (patch.body["seq"], patch.body["properties"]) == (1, {"Setpoint": 21.5})
        await cloud.publish(f"{P}/d/m2/twin/get", b"", ResponseTopic="replies/1", CorrelationData=b"\x01")
        answer = await cloud.one("replies/1")
        assert answer.body["version"] == patch.body["version"]
        assert answer.properties.CorrelationData == b"\x01"


async def test_names_never_change_the_levels_of_a_topic(tmp_path: Path) -> None:
    names = ["a/b", "+", "#", "$SYS", "50%", "温度", "Größe 1"]
    house = House(*names)
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        await ours.send([event(source(name, name, name), 1.5, offset=n) for n, name in enumerate(names, 1)])
        await cloud.until(lambda: sum("/tele/" in m.topic for m in cloud.seen) == len(names))
        topics = {m.topic for m in cloud.seen if "/tele/" in m.topic}
        assert f"{P}/d/a%2Fb/tele/a%2Fb" in topics
        assert f"{P}/d/温度/tele/温度" in topics
        assert len(topics) == len(names)
        assert all(topic.count("/") == f"{P}/d/x/tele/y".count("/") for topic in topics)
        await cloud.publish(f"{P}/d/a%2Fb/cmd/%23", {"id": "1", "args": {}})
        await cloud.publish(f"{P}/d/%24SYS/read", {"id": "2", "source": "x"})
        await cloud.one(f"{P}/d/%24SYS/read/result")
        [command] = house.commands.accepted
        assert (command.device, command.name) == ("a/b", "#")
