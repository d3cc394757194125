"""What a simulated server does wrong on purpose, as asyncua's own client suffers it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from gateway.model.errors import ConfigError
from simulators.opcua.door import Door
from simulators.world import World, serve
from tests.unit.simulators.opcua.profiles import NAME, Heard, at, node, served, simulated
from tests.unit.simulators.profiles import profile

INT = "valueType: Int32, readWrite: RW"


async def test_a_bad_status_is_read_and_told_and_goes_again() -> None:
    async with served(node("X", "X", INT)) as (running, client):
        heard = Heard()
        subscription = await client.create_subscription(10, heard)
        await subscription.subscribe_data_change(at(client, "X"))
        assert await heard.values.get() == 0
        running.fault(NAME, bad={"X": "BadSensorFailure"})
        found = await at(client, "X").read_data_value(raise_on_bad_status=False)
        assert (found.StatusCode.name, found.Value.Value) == ("BadSensorFailure", None)
        assert await heard.values.get() is None
        running.set(NAME, "X", 5)
        running.fault(NAME, bad={"X": "UncertainLastUsableValue"})
        found = await at(client, "X").read_data_value(raise_on_bad_status=False)
        assert (found.StatusCode.name, found.Value.Value) == ("UncertainLastUsableValue", 5)
        running.fault(NAME)
        assert (await at(client, "X").read_data_value()).StatusCode.is_good()
        await subscription.delete()


async def test_a_bad_status_is_told_from_the_first_value_on_also_by_a_server_that_was_restarted() -> None:
    async with simulated(profile(node("X", "X", INT))) as running:
        running.devices[NAME].afflict("bad=X:BadSensorFailure")
        for _ in range(2):
            await running.unplug(NAME)
            await running.plug(NAME)
            async with Client(running.devices[NAME].address, timeout=10) as client:
                heard = Heard()
                subscription = await client.create_subscription(10, heard)
                await subscription.subscribe_data_change(at(client, "X"))
                assert await heard.values.get() is None
                await subscription.delete()


async def test_a_deleted_node_is_unknown_is_told_once_and_comes_back() -> None:
    path = "browsePath: /2:Press/2:Speed"
    async with served(node("X", path, INT), node("Y", "Y", INT)) as (running, client):
        speed = await client.nodes.objects.get_child(["2:Press", "2:Speed"])
        heard = Heard()
        subscription = await client.create_subscription(10, heard)
        handle = await subscription.subscribe_data_change(speed)
        assert await heard.values.get() == 0
        running.fault(NAME, deleted=("X",))
        assert await heard.values.get() is None
        with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
            await speed.read_value()
        with pytest.raises(ua.uaerrors.BadNodeIdUnknown):
            await speed.write_value(ua.Variant(1, ua.VariantType.Int32))
        with pytest.raises(ua.uaerrors.BadNoMatch):
            await client.nodes.objects.get_child(["2:Press", "2:Speed"])
        await subscription.unsubscribe(handle)
        running.fault(NAME)
        running.set(NAME, "X", 6)
        for _ in range(100):
            await asyncio.sleep(0)  # the server's own turn
        assert await (await client.nodes.objects.get_child(["2:Press", "2:Speed"])).read_value() == 6
        await subscription.delete()


async def test_slow_and_silent_servers_let_clients_wait() -> None:
    async with served(node("X", "X", INT)) as (running, client):
        running.fault(NAME, delay=0.2)
        begun = asyncio.get_running_loop().time()
        assert await at(client, "X").read_value() == 0
        assert asyncio.get_running_loop().time() - begun >= 0.19
        running.fault_port(NAME, silence=True, delay=0.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await at(client, "X").read_value()
        running.fault_port(NAME)
        assert await at(client, "X").read_value() == 0


async def test_namespaces_move_with_a_shuffle_and_values_stay() -> None:
    resources = [node(name, f"nodeId: nsu=urn:{name};s=X", INT) for name in ("A", "B", "C")]
    async with simulated(profile(*resources)) as running:
        running.set(NAME, "B", 7)
        address = running.devices[NAME].address
        indexes = []
        for _ in range(3):
            async with Client(address) as client:
                index = await client.get_namespace_index("urn:B")
                assert await client.get_node(ua.NodeId("X", index)).read_value() == 7
                indexes.append(index)
            running.devices[NAME].endpoint.shuffle()
            await running.unplug(NAME)
            await running.plug(NAME)
        assert len(set(indexes)) == 3


async def test_restarts_by_themselves_cut_connections() -> None:
    async with simulated(profile(node("X", "X", INT))) as running:
        lost = asyncio.Event()

        async def on_loss(_: Any) -> None:
            lost.set()

        client = Client(running.devices[NAME].address, timeout=5)
        client.connection_lost_callback = on_loss
        async with client:
            running.fault(NAME, restart=0.3, shuffle=0.0)
            await lost.wait()
            running.fault(NAME)


async def test_it_ends_also_in_the_middle_of_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()
    close = Door.close

    async def closing(door: Door) -> None:
        begun.set()
        await close(door)

    monkeypatch.setattr(Door, "close", closing)
    async with asyncio.timeout(20):
        async with simulated(profile(node("X", "X", INT))) as running:
            running.fault(NAME, restart=0.1)
            await begun.wait()
        async with simulated(profile(node("X", "X", INT))) as running, Client(running.devices[NAME].address) as client:
            assert await at(client, "X").read_value() == 0


@pytest.mark.parametrize(("fault", "keepalives"), [("frozen", True), ("mute", False)])
async def test_a_subscription_that_is_dead_though_the_session_lives(fault: str, keepalives: bool) -> None:
    """What a watchdog on values has to notice."""
    async with served(node("X", "X", INT)) as (running, client):
        results: list[ua.PublishResult] = []
        params = ua.CreateSubscriptionParameters()
        params.RequestedPublishingInterval = 20
        params.RequestedMaxKeepAliveCount = 2
        params.RequestedLifetimeCount = 10000
        running.fault(NAME, **{fault: True})
        session = client.uaclient.session
        result = await session.create_subscription(params, results.append)
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor.NodeId = ua.NodeId("X", 2)
        item.ItemToMonitor.AttributeId = ua.AttributeIds.Value
        item.MonitoringMode = ua.MonitoringMode.Reporting
        wanted = ua.CreateMonitoredItemsParameters()
        wanted.SubscriptionId, wanted.ItemsToCreate = result.SubscriptionId, [item]
        await session.create_monitored_items(wanted)
        running.set(NAME, "X", 5)
        for _ in range(20):
            assert await at(client, "X").read_value() == 5
            await asyncio.sleep(0.02)
        assert bool(results) == keepalives
        assert not any(one.NotificationMessage.NotificationData for one in results)
        running.fault(NAME)
        await session.delete_subscriptions([result.SubscriptionId])


async def test_dropped_subscriptions_are_not_known_any_more() -> None:
    async with served(node("X", "X", INT)) as (running, client):
        subscription = await client.create_subscription(10_000, Heard())
        await running.devices[NAME].endpoint.drop_subscriptions()
        with pytest.raises(ua.uaerrors.BadSubscriptionIdInvalid):
            await subscription.subscribe_data_change(at(client, "X"))
        assert await at(client, "X").read_value() == 0


async def test_a_call_with_too_many_nodes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: P\ndeviceResources:\n" + "".join(node(n, n, INT) for n in "ABC"))
    world = tmp_path / "world.yaml"
    world.write_text("opcua: {maxNodes: 2}\ndevices: [{profile: p.yaml, name: p, faults: [bad=A]}]\n")
    async with serve(World.from_file(world)) as running, Client(running.devices["p"].address) as client:
        nodes = [at(client, name) for name in "ABC"]
        assert await client.read_values(nodes[1:]) == [0, 0]
        limit = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead
        assert await client.get_node(limit).read_value() == 2
        with pytest.raises(ua.uaerrors.BadTooManyOperations):
            await client.read_values(nodes)
        found = await nodes[0].read_data_value(raise_on_bad_status=False)
        assert found.StatusCode.name == "BadDeviceFailure"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sleepy", "there are silence, frozen, mute, delay=20ms"),
        ("delay=5", "the fault 'delay=5' is not understood"),
        ("restart=0s", "more than nothing"),
        ("bad=Y", "no resource 'Y'"),
        ("bad=X:BadSensorFailur", "did you mean BadSensorFailure"),
        ("delete=Y", "no resource 'Y'"),
    ],
)
async def test_a_wrong_fault_is_told(text: str, what: str) -> None:
    async with simulated(profile(node("X", "X", INT))) as running:
        with pytest.raises(ConfigError, match=what):
            running.devices[NAME].afflict(text)
        running.devices[NAME].afflict("bad=X")
        running.devices[NAME].afflict("delay=20ms")
        assert running.devices[NAME].unit.faults.bad == {"X": "BadDeviceFailure"}
        assert running.devices[NAME].endpoint.faults.delay == 0.02
        with pytest.raises(ConfigError, match="no fault 'exception'"):
            running.fault(NAME, exception=4)
