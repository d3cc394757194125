"""The broker goes away mid-stream: nothing is lost, nothing is published twice by us, order holds."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from gateway.model.errors import NotConnected, PartialSend
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Message
from tests.support.broker import BrokerOptions, mosquitto
from tests.support.mqtt import CloudClient, cloud_client
from tests.support.mqtt_cloud import House, P, fed, persist
from tests.support.relay import relay
from tests.unit.northbound.fakes import event, source

METER = source("m1", "all", *(f"R{n}" for n in range(20)))
TELE = f"{P}/d/m1/tele/all"


def batch(first: int, count: int = 10) -> list[Event]:
    """Every event is told by its values as well as by its seq."""
    return [event(METER, *[float(n)] * 20, offset=n, origin=n) for n in range(first, first + count)]


def seqs(cloud: CloudClient) -> list[int]:
    return [e["seq"] for m in cloud.on(TELE) for e in m.body["events"]]


@pytest.mark.parametrize("only_3", [False, True])
async def test_under_way_is_sent_again_by_the_library_and_not_by_us(tmp_path: Path, only_3: bool) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, relay(broker, only_3) as wire, cloud_client(broker) as cloud:
        ours = house.cloud(wire.url)
        await ours.connect()
        wire.silent = True  # the broker's acknowledgements are lost
        records = batch(1, 5)
        for record in records:  # one message each: events of different sources never share one
            record.source = source("m1", "all", *METER.names)
        task = asyncio.create_task(ours.send(records))
        await cloud.until(lambda: len(seqs(cloud)) == 5)
        wire.silent = False
        wire.cut()
        with pytest.raises(NotConnected):
            await task
        assert await persist(ours, records, house.clock) == 0
        await cloud.until(lambda: len(seqs(cloud)) == 10)
        assert Counter(seqs(cloud)) == dict.fromkeys(range(1, 6), 2)  # once each, and once more by QoS 1
        await ours.send(batch(6, 1))
        await cloud.until(lambda: seqs(cloud)[10:] == [6])
        await ours.close()


async def test_a_broker_that_restarts_mid_stream(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, relay(broker) as wire, cloud_client(broker) as cloud:
        ours = house.cloud(wire.url)

        async def stream() -> int:
            return sum([await persist(ours, batch(1 + 10 * n), house.clock) for n in range(400)])

        task = asyncio.create_task(stream())
        for sent, connections in ((500, 1), (1500, 2)):
            await cloud.until(lambda sent=sent: len(seqs(cloud)) >= sent)
            await wire.stop()
            await broker.stop()
            await broker.start()
            await cloud.until_true(lambda n=connections: cloud.subscribed > n)  # else it misses what we resend
            await wire.start()
        tries = await task
        await cloud.until(lambda: 4000 in seqs(cloud))
        found = seqs(cloud)
        assert set(found) == set(range(1, 4001))
        first_seen = list(dict.fromkeys(found))
        assert first_seen == sorted(first_seen)
        values = {e["seq"]: set(e["v"].values()) for m in cloud.on(TELE) for e in m.body["events"]}
        assert all(given == {float(seq)} for seq, given in values.items())
        assert tries >= 2
        await ours.close()


async def test_a_record_too_large_for_the_broker_is_refused_alone(tmp_path: Path) -> None:
    house = House("m1")
    options = BrokerOptions(lines=["max_packet_size 20000"])
    async with (
        mosquitto(tmp_path, options) as broker,
        cloud_client(broker) as cloud,
        house.connected(broker.url) as ours,
    ):
        huge = event(source("m1", "text", "T"), "x" * 50_000, offset=2)
        with pytest.raises(PartialSend) as caught:
            await ours.send([*batch(1, 1), huge, *batch(3, 1)])
        assert caught.value.indices == [1]
        await cloud.until(lambda: seqs(cloud) == [1, 3])
        assert ours.connected
        assert ours.counters()["records_refused"] == 1


async def test_a_broker_that_hangs_up_at_a_large_message_is_reached_again(tmp_path: Path) -> None:
    """3.1.1 knows no limit of its own: mosquitto ends the connection, and would each time the library sends again."""
    house = House("m1")
    options = BrokerOptions(lines=["max_packet_size 100000"])
    async with (
        mosquitto(tmp_path, options) as broker,
        relay(broker, only_3=True) as wire,
        cloud_client(broker) as cloud,
        fed(house.cloud(wire.url), tmp_path, house.clock) as (store, forwarder),
    ):
        text = store.number(source("m1", "text", "T", value_type=ValueType.STRING))
        await cloud.one(f"{P}/state")
        store.append([event(text, "x" * 150_000, origin=1), event(text, "short", origin=2)])
        await cloud.until(lambda: [m for m in cloud.on(f"{P}/d/m1/tele/text") if b"short" in m.payload])
        await cloud.until_true(lambda: forwarder.report().set_aside == 1)
        assert store.pending(forwarder.name) == []


async def test_a_right_to_write_that_is_missing_keeps_the_record(tmp_path: Path) -> None:
    acl = f"topic readwrite {P}/state\ntopic readwrite {P}/rebirth\ntopic write {P}/d/m1/event/#\n"
    house = House("m1")
    async with mosquitto(tmp_path, BrokerOptions(acl=acl)) as broker:
        ours = house.cloud(broker.url)
        await ours.connect()
        alarm = Message("alarm", "m1", "hot", 5, {"state": "raised"}, offset=1)
        await ours.send([alarm])
        with pytest.raises(NotConnected, match="may we write it"):
            await ours.send(batch(2, 1))
        await ours.close()


async def test_live_and_backlog_share_the_wire(tmp_path: Path) -> None:
    house = House("m1", "m2")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        old = [event(METER, *[1.5] * 20, offset=n, historical=True) for n in range(1, 2001)]
        backlog = asyncio.create_task(ours.send(old))
        for n in range(3001, 3021):
            await ours.send(batch(n, 1))
        await backlog
        await cloud.until(lambda: len(seqs(cloud)) == 2020)
        live = [e["seq"] for m in cloud.on(TELE) if not m.body["historical"] for e in m.body["events"]]
        historical = [e["seq"] for m in cloud.on(TELE) if m.body["historical"] for e in m.body["events"]]
        assert live == list(range(3001, 3021))
        assert historical == list(range(1, 2001))


async def test_what_waited_never_replaces_the_newest_acknowledgement(tmp_path: Path) -> None:
    house = House("m1")
    topic = f"{P}/d/m1/twin/desired/ack"
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        await ours.send([Message("ack", "m1", "desired", 2, {"version": 2, "results": {}}, offset=9)])
        await ours.send([Message("ack", "m1", "desired", 1, {"version": 1, "results": {}}, offset=5, historical=True)])
        await cloud.until(lambda: len(cloud.on(topic)) == 2)
        assert [(m.body["version"], m.body.get("historical")) for m in cloud.on(topic)] == [(2, None), (1, True)]
        async with cloud_client(broker, topic) as later:
            assert (await later.one(topic)).body["version"] == 2
