"""Polls become monitored items, and what the server tells becomes Events."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError

from gateway.model.reading import Quality
from mappers.opcua.status import WHEN_READ
from tests.unit.mappers.opcua.subscription.rig import (
    URI,
    Peer,
    device,
    poll,
    resource,
    serving,
    source,
    subscribing,
)


async def test_who_is_told_once_a_minute_knows_at_once_what_is_there() -> None:
    """A server publishes for the first time when the first interval is over."""
    async with serving("a", "b") as peer, subscribing(of := device(peer.port)) as rig:
        await peer.put("a", 5)
        rig.running.cancel()  # nothing is published yet
        await rig.subscribe(poll(of, 60, source("both", resource("a"), resource("b"), resource("none"))))
        assert rig.ear.values("a") == [5]
        assert rig.ear.values("b") == [0]
        (first, *_) = [event for event in rig.ear.events if 5 in event.values]
        assert first.which == (0, 1)


async def test_a_node_that_may_be_watched_but_not_read_is_not_bad_before_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:

        async def refused(nodes: list[ua.NodeId], **_: Any) -> list[ua.DataValue]:
            return [ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadNotReadable))] * len(nodes)

        monkeypatch.setattr(rig.session, "read", refused)
        await rig.subscribe(poll(of, 3, source("a", resource("a"))))
        await rig.ear.until(lambda ear: 0 in ear.values("a"))
        assert rig.ear.codes("a") == [""]


async def test_a_source_is_told_whole_at_first_and_then_what_changed() -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port)) as rig:
        both = source("both", resource("a"), resource("b"))
        assert await rig.subscribe(poll(of, 0.05, both)) == []
        await rig.ear.until(lambda ear: ear.values("a") == [0] and ear.values("b") == [0])
        assert [event.which for event in rig.ear.events] == [None]
        await peer.put("b", 7)
        await rig.ear.until(lambda ear: ear.values("b") == [0, 7])
        last = rig.ear.events[-1]
        assert (last.which, last.values, last.source) == ((1,), [7], both)
        assert last.times is not None
        assert abs(last.origin - last.times[0]) < 10e9
        assert rig.made.alive
        assert rig.made.skew_s is not None
        assert abs(rig.made.skew_s) < 10


async def test_source_time_and_status_become_origin_and_quality() -> None:
    """T20: a stamp of years ago is kept."""
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        long_ago = datetime(1999, 12, 31, 23, 59, 59, 123456, UTC)
        bad = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
        await peer.say("a", ua.DataValue(ua.Variant(3, ua.VariantType.Int32), bad, long_ago))
        await rig.ear.until(lambda ear: len(ear.events) == 2)
        (reading,) = rig.ear.events[-1].readings()
        assert reading.value is None
        assert reading.quality == Quality("bad", "device", "BadSensorFailure")
        assert reading.origin == 946684799_123456_000


async def test_a_device_may_want_the_time_of_receipt() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port, TimeStamps="gateway")) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        assert rig.ear.events[0].times is None


async def test_one_subscription_serves_all_and_follows_the_shortest_interval() -> None:
    async with serving("a", "b", "c") as peer, subscribing(of := device(peer.port)) as rig:
        slow, fast = (poll(of, 3, source("a", resource("a"))), poll(of, 0.1, source("b", resource("b"))))
        await rig.subscribe(slow, fast)
        (one,) = peer.subscriptions.values()
        assert one.data.RevisedPublishingInterval == 100
        assert one.data.RevisedLifetimeCount >= 3 * one.data.RevisedMaxKeepAliveCount
        assert one.data.RevisedMaxKeepAliveCount == 20
        await rig.ear.until(lambda ear: ear.values("a") == [0] and ear.values("b") == [0])


async def test_what_is_asked_of_the_server_for_each_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampling, queue, deadband and trigger (ask 31)."""
    async with serving("a", "b", "c", "d") as peer, subscribing(of := device(peer.port)) as rig:
        asked = _listen(peer, monkeypatch)
        resources = (
            resource("a"),
            resource("b", samplingInterval="10ms", deadband="2%"),
            resource("c", samplingInterval="0", queueSize=3, trigger="timestamp"),
            resource("d", deadband=0.5, trigger="status"),
        )
        await rig.subscribe(poll(of, 0.1, source("all", *resources)))
        a, b, c, d = ((one.RequestedParameters, one.RequestedParameters.Filter) for one in asked)
        assert (a[0].SamplingInterval, a[0].QueueSize, a[0].DiscardOldest) == (100, 2, True)
        assert isinstance(a[1], ua.ExtensionObject)
        assert (b[0].SamplingInterval, b[0].QueueSize) == (10, 11)
        assert (b[1].DeadbandType, b[1].DeadbandValue) == (ua.DeadbandType.Percent, 2)
        assert (c[0].SamplingInterval, c[0].QueueSize, c[1].Trigger) == (
            0,
            3,
            ua.DataChangeTrigger.StatusValueTimestamp,
        )
        assert (d[1].Trigger, d[1].DeadbandType) == (ua.DataChangeTrigger.Status, ua.DeadbandType.Absolute)


async def test_polls_come_and_go_and_others_are_not_touched() -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port)) as rig:
        one, other = (poll(of, 0.05, source(name, resource(name))) for name in ("a", "b"))
        await rig.subscribe(one)
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        before = {item.monitored_item_id for item in peer.items}
        await rig.subscribe(one, other)
        await rig.ear.until(lambda ear: ear.values("b") == [0])
        assert len(peer.items) == 2
        assert before < {item.monitored_item_id for item in peer.items}
        await rig.subscribe(other)
        assert [item.read_value_id.NodeId for item in peer.items] == [peer.node_id("b")]
        await peer.put("a", 5)
        await peer.put("b", 6)
        await rig.ear.until(lambda ear: ear.values("b") == [0, 6])
        assert rig.ear.values("a") == [0]
        await rig.subscribe()
        assert not peer.subscriptions
        assert rig.made.alive


async def test_a_source_of_two_polls_is_told_once_at_the_shorter_interval() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        one = source("a", resource("a"))
        slow, fast = poll(of, 5, one), poll(of, 0.05, one)
        await rig.subscribe(slow, fast)
        assert len(peer.items) == 1
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        await rig.subscribe(slow)
        assert len(peer.items) == 1


async def test_resources_of_one_node_share_an_item_and_whoever_comes_later_hears_what_it_holds() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        one, other = (poll(of, 0.05, source(name, resource("a"))) for name in ("x", "y"))
        await rig.subscribe(one)
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        await rig.subscribe(one, other)
        assert len(peer.items) == 1
        await rig.ear.until(lambda ear: ear.values("a") == [0, 0])
        assert [event.source.name for event in rig.ear.events] == ["x", "y"]
        await peer.put("a", 4)
        await rig.ear.until(lambda ear: ear.values("a") == [0, 0, 4, 4])


async def test_several_values_of_one_item_are_several_events_in_order() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.3, source("a", resource("a", samplingInterval="10ms"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        for value in (1, 2, 3):
            await peer.put("a", value)
        await rig.ear.until(lambda ear: ear.values("a") == [0, 1, 2, 3])
        assert max(len(told) for told in rig.ear.notifications) > 1


async def test_what_is_refused_is_told_once_with_the_reason_and_tried_again() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(
            poll(of, 0.05, source("all", resource("a"), resource("late"), resource("w", read_write="W")))
        )
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        assert rig.ear.codes("late") == ["BadNodeIdUnknown"]
        assert rig.ear.codes("w") == ["write-only"]
        await rig.made.look()
        assert rig.ear.codes("late") == ["BadNodeIdUnknown"]
        await peer.add("late", 9, ua.VariantType.Int32)
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("late") == [None, 9])


async def test_no_subscription_is_made_and_dropped_for_each_try_of_a_node_that_is_alone_and_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as peer, subscribing(of := device(peer.port)) as rig:
        service = peer.server.iserver.subscription_service
        create, made = service.create_subscription, []

        async def counting(*rest: Any, **more: Any) -> Any:
            made.append(rest)
            return await create(*rest, **more)

        monkeypatch.setattr(service, "create_subscription", counting)
        await rig.subscribe(poll(of, 0.05, source("late", resource("late"))))
        for _ in range(5):
            await rig.made.look()
        assert rig.ear.codes("late") == ["BadNodeIdUnknown"]
        await peer.add("late", 9, ua.VariantType.Int32)
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("late") == [None, 9])
        assert len(made) == 1
        await rig.subscribe()
        assert not peer.subscriptions


async def test_a_filter_that_the_server_does_not_take_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share of a range that the node does not have; the others go on."""
    async with serving("a", "b") as peer, subscribing(of := device(peer.port)) as rig:
        service = peer.server.iserver.subscription_service
        create = service.create_monitored_items

        async def refusing(params: ua.CreateMonitoredItemsParameters) -> Any:
            first, *params.ItemsToCreate = params.ItemsToCreate
            assert first.RequestedParameters.Filter.DeadbandType == ua.DeadbandType.Percent
            code = ua.StatusCode(ua.StatusCodes.BadDeadbandFilterInvalid)
            return [ua.MonitoredItemCreateResult(StatusCode=code), *await create(params)]

        monkeypatch.setattr(service, "create_monitored_items", refusing)
        await rig.subscribe(poll(of, 0.05, source("both", resource("a", deadband="2%"), resource("b"))))
        await rig.ear.until(lambda ear: ear.values("b") == [0])
        assert rig.ear.codes("a") == ["BadDeadbandFilterInvalid"]
        assert "EURange" in WHEN_READ["BadDeadbandFilterInvalid"]


async def test_a_namespace_that_is_not_there_is_said_in_words() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        gone = resource("gone", nodeId="nsu=urn:gone;i=1")
        await rig.subscribe(poll(of, 0.05, source("all", resource("a"), gone)))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (code,) = rig.ear.codes("gone")
        assert "urn:gone" in code


@pytest.mark.parametrize("properties", [{"Subscribe": False}, {}])
async def test_who_wants_to_be_read_is_given_back(properties: dict[str, Any]) -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port, **properties)) as rig:
        wanted = {} if properties else {"subscribe": False, "nodeId": f"nsu={URI};s=a"}
        read = poll(of, 0.05, source("a", resource("a", **wanted)))
        assert await rig.subscribe(read) == [read]
        assert not peer.subscriptions


@pytest.mark.parametrize("code", ["BadServiceUnsupported", "BadTooManySubscriptions"])
async def test_a_server_without_subscriptions_is_read(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:

        async def refuse(*_: Any, **__: Any) -> None:
            raise ServiceError(getattr(ua.StatusCodes, code))

        monkeypatch.setattr(peer.server.iserver.subscription_service, "create_subscription", refuse)
        one = poll(of, 0.05, source("a", resource("a")))
        assert await rig.subscribe(one) == [one]
        assert rig.made.alive
        assert not rig.ear.events


async def test_a_further_subscription_where_the_server_limits_items_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """T14: item limit (ask 30: some PLCs take 1,000)."""
    names = [f"n{i}" for i in range(1100)]
    async with serving(*names) as peer, subscribing(of := device(peer.port)) as rig:
        _limit_items(peer, monkeypatch, 1000)
        await rig.subscribe(poll(of, 0.1, source("all", *(resource(name) for name in names))))
        assert sorted(len(one.monitored_item_srv._monitored_items) for one in peer.subscriptions.values()) == [
            100,
            1000,
        ]
        await rig.ear.until(lambda ear: len({r.resource.name for e in ear.events for r in e.readings()}) == 1100)
        assert all(one.quality.level == "good" for event in rig.ear.events for one in event.readings())


async def test_what_the_whole_server_has_no_room_for_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving("a", "b", "c") as peer, subscribing(of := device(peer.port)) as rig:
        _limit_items(peer, monkeypatch, 2, everywhere=True)
        one = poll(of, 0.05, source("a", resource("a")))
        two = poll(of, 0.1, source("b", resource("b"), resource("c")))
        assert await rig.subscribe(one, two) == [two]
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        assert len(peer.items) == 1
        assert rig.ear.codes("c") == []


async def test_who_shares_a_source_with_a_poll_that_is_read_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would tell it: of two polls of a source only the faster is told."""
    async with serving("a", "b", "c") as peer, subscribing(of := device(peer.port)) as rig:
        _limit_items(peer, monkeypatch, 2, everywhere=True)
        shared, alone = source("a", resource("a")), poll(of, 0.05, source("c", resource("c")))
        fast, slow = poll(of, 0.1, shared, source("b", resource("b"))), poll(of, 0.2, shared)
        assert await rig.subscribe(alone, fast, slow) == [fast, slow]
        await rig.ear.until(lambda ear: ear.values("c") == [0])
        assert len(peer.items) == 1


async def test_a_device_file_may_limit_items_of_a_subscription() -> None:
    async with serving("a", "b", "c") as peer, subscribing(of := device(peer.port, MaxItems=2)) as rig:
        await rig.subscribe(poll(of, 0.05, source("all", *(resource(name) for name in "abc"))))
        assert sorted(len(one.monitored_item_srv._monitored_items) for one in peer.subscriptions.values()) == [1, 2]


async def test_calls_are_halved_when_they_are_too_large_and_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """T14: BadTooManyOperations."""
    names = [f"n{i}" for i in range(40)]
    async with serving(*names) as peer, subscribing(of := device(peer.port)) as rig:
        service = peer.server.iserver.subscription_service
        create, sizes = service.create_monitored_items, []

        async def few(params: ua.CreateMonitoredItemsParameters) -> Any:
            sizes.append(len(params.ItemsToCreate))
            if len(params.ItemsToCreate) > 10:
                raise ServiceError(ua.StatusCodes.BadTooManyOperations)
            return await create(params)

        monkeypatch.setattr(service, "create_monitored_items", few)
        await rig.subscribe(poll(of, 0.1, source("all", *(resource(name) for name in names))))
        assert sizes == [40, 20, 10, 10, 10, 10]
        await rig.ear.until(lambda ear: ear.values("n39") == [0])


async def test_values_lost_in_the_servers_queue_are_counted() -> None:
    """T14: the overflow flag."""
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        await peer.say("a", ua.DataValue(ua.Variant(3, ua.VariantType.Int32), ua.StatusCode(0x480)))
        await rig.ear.until(lambda ear: ear.values("a") == [0, 3])
        assert rig.counts == {"overflow": 1}
        assert rig.ear.events[-1].quality is None


async def test_the_end_of_the_connection_is_noticed_while_nothing_is_asked() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        await peer.stop()
        async with asyncio.timeout(5):
            assert await rig.running


def _listen(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> list[ua.MonitoredItemCreateRequest]:
    """What items the server is asked for from now on."""
    service = peer.server.iserver.subscription_service
    create, asked = service.create_monitored_items, []

    async def listening(params: ua.CreateMonitoredItemsParameters) -> Any:
        asked.extend(params.ItemsToCreate)
        return await create(params)

    monkeypatch.setattr(service, "create_monitored_items", listening)
    return asked


def _limit_items(peer: Peer, monkeypatch: pytest.MonkeyPatch, most: int, *, everywhere: bool = False) -> None:
    """The server takes so many items in a subscription, or in all of them together."""
    service = peer.server.iserver.subscription_service
    create = service.create_monitored_items

    async def limited(params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        here = service.subscriptions[params.SubscriptionId].monitored_item_srv._monitored_items
        room = most - (len(peer.items) if everywhere else len(here))
        asked, params.ItemsToCreate = params.ItemsToCreate, params.ItemsToCreate[:room]
        found = await create(params)
        full = ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems))
        return [*found, *[full] * (len(asked) - len(found))]

    monkeypatch.setattr(service, "create_monitored_items", limited)


async def test_an_object_of_which_nothing_happens_is_quiet_and_one_that_is_not_there_is_refused() -> None:
    """T14: an alarm that never comes is no failure."""
    events = {"value_type": "Object", "eventType": "i=2041"}
    async with serving() as peer, subscribing(of := device(peer.port)) as rig:
        server = source("server", resource("Server", **events, nodeId="i=2253"))
        gone = source("gone", resource("Gone", **events))
        await rig.subscribe(poll(of, 0.05, server, gone))
        first, second, third = rig.ear.events
        assert (first.source, first.values, first.repeat) == (server, [None], True)
        assert first.quality == {0: Quality("uncertain", "device", "no event yet")}
        assert (second.source, third.source) == (gone, gone)
        assert third.quality is not None
        assert third.quality[0][:2] == ("bad", "refused")
        told = await peer.server.get_event_generator()
        await told.trigger(message="it is hot")
        await rig.ear.until(lambda ear: len(ear.values("Server")) == 2)
        value = rig.ear.values("Server")[1]
        assert (value["Message"], value["SourceName"]) == ("it is hot", "Server")
        assert rig.ear.events[-1].quality is None
        assert not rig.ear.events[-1].repeat
