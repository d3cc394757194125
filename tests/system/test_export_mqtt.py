"""Another broker: topics and payloads of one's own, names that are no topic levels, a broker that comes and goes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import NotConnected, NotTaken, PartialSend
from gateway.model.ids import event_id
from gateway.northbound.republish import MqttExporter
from gateway.northbound.republishing import MqttExportSettings
from gateway.runtime.clock import SystemClock
from tests.support.broker import Broker, BrokerOptions, mosquitto
from tests.support.mqtt import cloud_client
from tests.support.records import ORIGIN, event, message, source


def exporter_to(broker: Broker, **settings: Any) -> MqttExporter:
    return MqttExporter("second", MqttExportSettings(kind="mqtt", url=broker.url, **settings), "plant-7", SystemClock())


async def test_what_arrives(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as client:
        exporter = exporter_to(broker)
        await exporter.connect()
        await exporter.send([event(source("a/b+c"), 1), message(2)])
        (told,) = await client.until(lambda: client.on("southgate/plant-7/a%2Fb%2Bc/all"))
        assert told.body["id"] == event_id("a/b+c", "all", ORIGIN + 10**9)
        assert told.body["values"] == {"Voltage": 1, "Current": 1}
        (alarm,) = await client.until(lambda: client.on("southgate/plant-7/meter/alarm/Hot"))
        assert alarm.body["body"]["state"] == "raised"
        await exporter.close()


async def test_a_message_for_each_value(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as client:
        exporter = exporter_to(
            broker, each="reading", topic="p/{device}/{resource}", template={"v": "{value}"}, version="3.1.1"
        )
        await exporter.connect()
        await exporter.send([event(source(), 4)])
        (told,) = await client.until(lambda: client.on("p/meter/Current"))
        assert told.body == {"v": 4}
        await exporter.close()


async def test_a_broker_that_goes_and_comes_back(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        exporter = exporter_to(broker)
        await exporter.connect()
        waiting = asyncio.create_task(exporter.lost())
        await exporter.send([event(source(), 1)])
        await broker.stop()
        async with asyncio.timeout(10):
            assert "lost" in await waiting or "ended" in waiting.result()
        with pytest.raises(NotConnected):
            await exporter.send([event(source(), 2)])
        with pytest.raises(NotConnected, match="nothing listens"):
            await exporter.connect()
        await exporter.close()
        await broker.start()
        await exporter.connect()
        await exporter.send([event(source(), 2)])
        await exporter.close()


async def test_who_may_not_write_and_what_is_too_large(tmp_path: Path) -> None:
    options = BrokerOptions(acl="topic read #\ntopic write ok/#\n", lines=["max_packet_size 4000"])
    async with mosquitto(tmp_path, options) as broker:
        exporter = exporter_to(broker)
        await exporter.connect()
        with pytest.raises(NotTaken, match="may we write it"):
            await exporter.send([event(source(), 1)])
        await exporter.close()
        exporter = exporter_to(broker, topic="ok/{device}", template={"v": "{values}"})
        await exporter.connect()
        long = source(names=[f"resource {n} with a long name" for n in range(200)])
        with pytest.raises(PartialSend) as raised:
            await exporter.send([event(source(), 1), event(long, 2), event(source(), 3)])
        assert raised.value.indices == [1]
        await exporter.close()
