"""What the cloud wants, over a real broker: commands, desired documents, reads; live, queued and retained."""

from pathlib import Path

import pytest

from gateway.model.reading import Message
from tests.support.broker import mosquitto
from tests.support.mqtt import CloudClient, cloud_client
from tests.support.mqtt_cloud import House, P
from tests.support.relay import relay
from tests.unit.northbound.fakes import event, source

CMD = f"{P}/d/m1/cmd/Relay"
DESIRED = f"{P}/d/m1/twin/desired"


def result(house: House, number: int, body: dict[str, object]) -> Message:
    """What the command road would put into the journal for an accepted command."""
    command = house.commands.accepted[number]
    return Message("result", "m1", command.name, 5, body, command.reply_to, command.correlation, offset=number + 1)


async def handled(cloud: CloudClient, topic: str = f"{P}/d/m1") -> None:
    """Whatever was published before has been handled, since the gateway handles one message after another."""
    count = len(cloud.on(f"{topic}/twin/get/result"))
    await cloud.publish(f"{topic}/twin/get", b"")
    await cloud.until(lambda: len(cloud.on(f"{topic}/twin/get/result")) > count)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_command_and_its_result(tmp_path: Path, version: str) -> None:
    house = House("m1")
    async with (
        mosquitto(tmp_path) as broker,
        cloud_client(broker) as cloud,
        house.connected(broker.url, version=version) as ours,
    ):
        await cloud.publish(
            CMD, {"id": "c1", "args": {"Relay": True}}, ResponseTopic="replies/x", CorrelationData=b"\x00\xfe"
        )
        await handled(cloud)
        body = {"id": "c1", "status": "confirmed", "code": 200, "readback": {"Count": 2**60}}
        await ours.send([result(house, 0, body)])
        said = await cloud.one("replies/x" if version == "5" else f"{CMD}/result")
        assert said.body["id"] == "c1"
        assert said.body["readback"] == {"Count": str(2**60)}
        assert said.body["i64"] == ["Count"]
        if version == "5":
            assert said.properties.CorrelationData == b"\x00\xfe"
            assert not cloud.on(f"{CMD}/result")


async def test_a_response_topic_elsewhere_gets_nothing(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        await cloud.publish(CMD, {"id": "c1", "args": {}}, ResponseTopic="elsewhere/x")
        await handled(cloud)
        await ours.send([result(house, 0, {"id": "c1"})])
        await cloud.one(f"{CMD}/result")
        assert not cloud.on("elsewhere/")
        assert ours.counters()["response_topic_refused"] == 1


async def test_a_retained_command_is_never_obeyed(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud:
        await cloud.publish(CMD, {"id": "old", "args": {}}, retain=True)
        async with house.connected(broker.url) as ours:
            assert house.commands.accepted == []
            assert ours.counters()["retained_cmd"] == 1
            await cloud.publish(CMD, {"id": "new", "args": {}}, retain=True)
            await handled(cloud)
            assert [c.id for c in house.commands.accepted] == ["new"]  # sent now: the flag only asks to keep it


@pytest.mark.parametrize("only_3", [False, True])
async def test_the_queue_of_a_resumed_session(tmp_path: Path, only_3: bool) -> None:
    """30 are more than a broker sends before the first acknowledgement: the rest comes after our subscriptions."""
    house = House("m1")
    async with mosquitto(tmp_path) as broker, relay(broker, only_3) as wire, cloud_client(broker) as cloud:
        ours = house.cloud(wire.url)
        await ours.connect()
        await wire.stop()
        wire.cut()
        for n in range(30):
            await cloud.publish(CMD, {"id": f"undated-{n}", "args": {}})
        far = house.clock.now() + 3600 * 10**9
        await cloud.publish(CMD, {"id": "dated", "args": {}, "expires_at": far})
        await cloud.publish(CMD, {"id": "expiring", "args": {}}, MessageExpiryInterval=100)
        await cloud.publish(CMD, {"id": "gone", "args": {}}, MessageExpiryInterval=1)
        await wire.start()
        await ours.connect()
        await cloud.publish(CMD, {"id": "live", "args": {}})
        await handled(cloud)
        found = {c.id: c for c in house.commands.accepted}
        assert [i for i in found if i.startswith("undated")] == [f"undated-{n}" for n in range(30)]
        for n in range(30):
            late = found[f"undated-{n}"]
            assert late.expires_at is not None
            assert late.expires_at <= late.received
        assert found["dated"].expires_at == far
        if not only_3:
            expiring = found["expiring"]
            assert expiring.expires_at is not None
            assert 0 < expiring.expires_at - expiring.received <= 100 * 10**9
        assert found["live"].expires_at is None
        await ours.close()


async def test_a_command_that_was_not_recorded_comes_again(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, relay(broker) as wire, cloud_client(broker) as cloud:
        ours = house.cloud(wire.url)
        await ours.connect()
        accept, seen = house.commands.accept, []

        async def cut_off(command: object) -> None:
            seen.append(command)
            await wire.stop()
            wire.cut()
            await cloud.until_true(lambda: not ours.connected)

        house.commands.accept = cut_off  # type: ignore[assignment,method-assign]
        await cloud.publish(CMD, {"id": "c1", "args": {}, "expires_at": house.clock.now() + 10**12})
        await cloud.until_true(lambda: bool(seen))
        house.commands.accept = accept  # type: ignore[method-assign]
        await wire.start()
        await ours.connect()
        await handled(cloud)
        assert [c.id for c in house.commands.accepted] == ["c1"]
        await ours.close()


async def test_the_retained_wish_is_applied_after_an_outage_and_only_the_newest(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, relay(broker) as wire, cloud_client(broker) as cloud:
        ours = house.cloud(wire.url)
        await ours.connect()
        await cloud.publish(DESIRED, {"epoch": "a", "version": 1, "properties": {"Setpoint": 1}}, retain=True)
        await handled(cloud)
        await wire.stop()
        wire.cut()
        for version in (2, 3):
            wish = {"epoch": "a", "version": version, "properties": {"Setpoint": version}}
            await cloud.publish(DESIRED, wish, retain=True)
        await wire.start()
        await ours.connect()
        assert [d.version for d in house.commands.desires] == [1, 3]
        await ours.close()


async def test_a_gateway_that_was_never_here_finds_the_wish(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud:
        wish = {"epoch": "a", "version": 7, "ts": 1, "properties": {"a%2Fb": 1}}
        await cloud.publish(DESIRED, wish, retain=True)
        async with house.connected(broker.url):
            [desired] = house.commands.desires
            assert (desired.version, desired.properties) == (7, {"a/b": 1})


async def test_the_acknowledgement_goes_out_before_the_patch(tmp_path: Path) -> None:
    house = House("m1", "m2")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        await cloud.publish(DESIRED, {"epoch": "a", "version": 1, "properties": {"Setpoint": 20}}, retain=True)
        await handled(cloud)
        house.twins.set("m1", Setpoint=20)
        for value in (1, 2):  # whatever leaves for m2 leaves with a tick, and with a tick m1's patch could have left
            house.twins.set("m2", Setpoint=value)
            await cloud.until(lambda: len(cloud.on(f"{P}/d/m2/twin/reported")) >= value)  # noqa: B023
        assert not cloud.on(f"{P}/d/m1/twin/reported")
        body = {"version": 1, "session": "01S", "results": {"Set point": {"status": "applied", "code": 200}}}
        await ours.send([Message("ack", "m1", "desired", 5, body, offset=1)])
        await cloud.one(f"{P}/d/m1/twin/reported")
        of_m1 = (f"{DESIRED}/ack", f"{P}/d/m1/twin/reported")
        assert [m.topic for m in cloud.seen if m.topic in of_m1] == list(of_m1)
        assert list(cloud.on(f"{DESIRED}/ack")[0].body["results"]) == ["Set%20point"]


async def test_a_restored_cloud_is_believed_once_its_document_was_fetched_again(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        await cloud.publish(DESIRED, {"epoch": "a", "version": 9, "properties": {}}, retain=True)
        await cloud.publish(DESIRED, {"epoch": "b", "version": 2, "properties": {}}, retain=True)
        await handled(cloud)
        assert [d.version for d in house.commands.desires] == [9]
        await cloud.until_true(lambda: len(house.commands.desires) == 2)
        assert [(d.epoch, d.version) for d in house.commands.desires] == [("a", 9), ("b", 2)]
        assert ours.counters()["desired_other_epoch"] == 1


async def test_read_now(tmp_path: Path) -> None:
    house = House("m1")
    house.commands.events["m1", "all"] = event(source("m1", "all", "A"), 1.5, origin=9)
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url):
        await cloud.publish(f"{P}/d/m1/read", {"id": "r", "source": "all"})
        said = await cloud.one(f"{P}/d/m1/read/result")
        assert (said.body["id"], said.body["code"], said.body["result"]) == ("r", 200, {"ts": 9, "v": {"A": 1.5}})


async def test_rebirth_says_everything_again(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        ours._presence._reborn_at -= 10
        for _ in range(5):
            await cloud.publish(f"{P}/rebirth", b"")
        await cloud.until(lambda: len(cloud.on(f"{P}/d/m1/twin/document")) == 2)
        await handled(cloud)
        assert len(cloud.on(f"{P}/state")) == 2


async def test_what_is_larger_than_we_take_does_not_reach_us(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud, house.connected(broker.url) as ours:
        await cloud.publish(CMD, b"x" * 5_000_000)
        await cloud.publish(CMD, b'{"id":"big","args":{"x":"' + b"y" * 100_000 + b'"}}')
        said = await cloud.one(f"{CMD}/result")
        assert (said.body["id"], said.body["code"]) == ("big", 413)
        assert ours.counters()["cmd_refused_413"] == 1


async def test_a_flood_of_garbage_and_retained_messages_is_survived(tmp_path: Path) -> None:
    house = House("m1")
    async with mosquitto(tmp_path) as broker, cloud_client(broker) as cloud:
        for n in range(300):
            wish = {"epoch": "a", "version": n, "properties": {"x": "y" * 1000}}
            await cloud.publish(f"{P}/d/unknown-{n}/twin/desired", wish, retain=True)
        async with house.connected(broker.url) as ours:
            infos = [cloud.paho.publish(CMD, b"\xff{[" * 10, 1) for _ in range(2000)]
            assert infos
            await handled(cloud)
            assert ours.counters()["cmd_refused_400"] == 2000
            assert ours.counters()["desired_waiting"] == 300
            assert house.commands.accepted == []
            assert house.commands.desires == []
