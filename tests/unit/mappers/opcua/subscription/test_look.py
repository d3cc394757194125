"""Whether what was told is still true: by looking, not by hoping (T14)."""

import asyncio
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError

from gateway.model.errors import NoAnswer, NotConnected
from tests.support.clock import MovingClock
from tests.unit.mappers.opcua.subscription.rig import (
    Peer,
    Rig,
    device,
    poll,
    resource,
    serving,
    source,
    subscribing,
)


async def _heard_again(rig: Rig, peer: Peer, name: str) -> None:
    """A notification comes after the clock has moved."""
    before = len(rig.ear.values(name))
    await peer.put(name, before + 1000)
    await rig.ear.until(lambda ear: len(ear.values(name)) > before)


async def test_a_subscription_that_fell_silent_though_the_socket_lives_is_made_anew(clock: MovingClock) -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("both", resource("a"), resource("b"))))
        await rig.ear.until(lambda ear: ear.values("b") == [0])
        (silent,) = peer.subscriptions.values()
        silent._task.cancel()
        await peer.put("a", 1)
        await clock.advance(5)
        assert rig.made.alive
        await clock.advance(2)
        assert not rig.made.alive
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("a") == [0, 1])
        assert rig.made.alive
        assert rig.counts == {"resubscribed": 1}
        assert len(peer.items) == 2


async def test_a_server_that_lost_our_publish_requests_gets_others(clock: MovingClock) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (connection,) = peer.server.bserver.clients
        async with asyncio.timeout(5):
            while len(connection.processor._publish_requests) < 2:  # noqa: ASYNC110  the server sets no event
                await asyncio.sleep(0)
        connection.processor._publish_requests.clear()
        await peer.put("a", 1)
        for _ in range(2):
            await clock.advance(30)
            await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("a")[-1] == 1)
        assert rig.counts == {"resubscribed": 2}
        assert rig.made.alive


async def test_a_subscription_the_server_forgot_is_made_anew(clock: MovingClock) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        service = peer.server.iserver.subscription_service
        await service.delete_subscriptions(list(peer.subscriptions))
        await peer.put("a", 5)
        await clock.advance(30)
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("a") == [0, 5])
        assert rig.counts == {"resubscribed": 1}


async def test_a_subscription_the_server_ends_with_a_word_is_made_anew() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (ended,) = peer.subscriptions.values()
        await ended.enqueue_statuschange(ua.StatusCode(ua.StatusCodes.BadTimeout))
        await peer.put("a", 1)
        await rig.ear.until(lambda ear: ear.values("a") == [0, 1])
        assert not rig.made.alive
        await rig.made.look()
        assert rig.made.alive
        assert list(peer.subscriptions.values()) != [ended]
        await rig.ear.until(lambda ear: ear.values("a") == [0, 1, 1])


async def test_a_value_that_the_server_keeps_to_itself_is_found_by_reading_it(clock: MovingClock) -> None:
    """The watchdog looks at values: keep-alives and other values go on coming."""
    async with serving("a", "b") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("both", resource("a"), resource("b"))))
        await rig.ear.until(lambda ear: ear.values("b") == [0])
        (one,) = peer.subscriptions.values()
        dead = next(item for item in peer.items if item.read_value_id.NodeId == peer.node_id("a"))
        peer.server.iserver.aspace.delete_datachange_callback(dead.callback_handle)
        await peer.put("a", 42)
        await rig.made.look()
        assert not rig.counts, "once is no proof: it may be on its way"
        for _ in range(2):
            await clock.advance(4)
            await _heard_again(rig, peer, "b")
            await rig.made.look()
        assert rig.counts == {"resubscribed": 1}
        await rig.ear.until(lambda ear: ear.values("a") == [0, 42])
        assert list(peer.subscriptions.values()) != [one]


@pytest.mark.parametrize("code", ["BadNotReadable", "BadUserAccessDenied"])
async def test_a_node_that_may_be_watched_but_not_read_is_no_disagreement(
    clock: MovingClock, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("both", resource("a"), resource("b"))))
        await rig.ear.until(lambda ear: ear.values("b") == [0])

        async def refused(nodes: list[ua.NodeId], **_: Any) -> list[ua.DataValue]:
            return [ua.DataValue(StatusCode=ua.StatusCode(getattr(ua.StatusCodes, code)))] * len(nodes)

        monkeypatch.setattr(rig.session, "read", refused)
        (one,) = peer.subscriptions.values()
        for _ in range(4):
            await clock.advance(4)
            await _heard_again(rig, peer, "b")
            await rig.made.look()
        assert not rig.counts
        assert list(peer.subscriptions.values()) == [one]


async def test_a_node_that_is_deleted_is_bad_and_good_when_it_is_back() -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("both", resource("a"), resource("b"))))
        await rig.ear.until(lambda ear: ear.values("b") == [0])
        await peer.say("a", ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)))
        await peer.remove("a")
        await rig.ear.until(lambda ear: ear.codes("a") == ["", "BadNodeIdUnknown"])
        for _ in range(2):
            await rig.made.look()
        assert rig.ear.codes("a") == ["", "BadNodeIdUnknown"]
        await peer.add("a", 8, ua.VariantType.Int32)
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("a") == [0, None, 8])
        await peer.put("b", 3)
        await rig.ear.until(lambda ear: ear.values("b") == [0, 3])
        assert not rig.counts


async def test_a_node_that_is_deleted_without_a_word_is_found_by_reading_it(clock: MovingClock) -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("both", resource("a"), resource("b"))))
        await rig.ear.until(lambda ear: ear.values("b") == [0])
        await peer.remove("a")
        for _ in range(3):
            await rig.made.look()
            await clock.advance(4)
            await _heard_again(rig, peer, "b")
        assert rig.ear.codes("a") == ["", "BadNodeIdUnknown"]
        await peer.add("a", 8, ua.VariantType.Int32)
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("a") == [0, None, 8])


async def test_a_server_that_gives_no_subscription_any_more_is_tried_again(
    clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (silent,) = peer.subscriptions.values()
        silent._task.cancel()

        async def refuse(*_: Any, **__: Any) -> None:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)

        await clock.advance(30)
        with monkeypatch.context() as patch:
            patch.setattr(peer.server.iserver.subscription_service, "create_subscription", refuse)
            await rig.made.look()
        assert not rig.made.alive
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("a") == [0, 0])
        assert rig.made.alive


async def test_items_that_no_answer_told_of_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a")), source("b", resource("b"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        await peer.add("b", 7, ua.VariantType.Int32)
        in_batches = rig.session.in_batches

        async def silent(what: str, *rest: Any) -> Any:
            if what == "monitor":
                raise NoAnswer("silent")
            return await in_batches(what, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(rig.session, "in_batches", silent)
            with pytest.raises(NoAnswer):
                await rig.made.look()
        assert not rig.made.alive
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("b") == [None, 7])


async def test_a_subscription_whose_answer_came_too_late_is_ended_and_its_nodes_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port, MaxItems=1, Timeout="1s")) as rig:
        await rig.subscribe(poll(of, 0.05, source("both", resource("a"), resource("b"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (first,) = peer.subscriptions
        service, late = peer.server.iserver.subscription_service, asyncio.Event()
        create = service.create_subscription

        async def slow(*rest: Any, **more: Any) -> Any:
            made = await create(*rest, **more)
            await late.wait()
            return made

        await peer.add("b", 7, ua.VariantType.Int32)
        with monkeypatch.context() as patch:
            patch.setattr(service, "create_subscription", slow)
            with pytest.raises(NoAnswer):
                await rig.made.look()
        late.set()
        (orphan,) = set(peer.subscriptions) - {first}
        async with asyncio.timeout(5):
            while orphan in peer.subscriptions:
                await rig.made.look()
        await rig.ear.until(lambda ear: 7 in ear.values("b"))
        assert len(peer.subscriptions) == 2
        assert rig.ear.codes("b")[-1] == ""


async def test_another_interval_for_a_subscription_the_server_forgot_is_no_error() -> None:
    async with serving("a", "b") as peer, subscribing(of := device(peer.port)) as rig:
        slow, fast = poll(of, 0.5, source("a", resource("a"))), poll(of, 0.05, source("b", resource("b")))
        await rig.subscribe(slow)
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        await peer.server.iserver.subscription_service.delete_subscriptions(list(peer.subscriptions))
        assert await rig.subscribe(slow, fast) == []
        await rig.made.look()
        await rig.ear.until(lambda ear: ear.values("b") == [0])
        (one,) = peer.subscriptions.values()
        assert one.data.RevisedPublishingInterval == 50


async def test_a_lost_notification_is_asked_for_again_and_comes_in_its_place() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        await _lose_one(peer, "a", 1)
        await peer.put("a", 2)
        await rig.ear.until(lambda ear: ear.values("a") == [0, 1, 2])
        assert not rig.counts


async def test_what_the_server_does_not_have_any_more_is_counted_as_missed() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (one,) = peer.subscriptions.values()
        await _lose_one(peer, "a", 1)
        one._not_acknowledged_results.clear()
        await peer.put("a", 2)
        await rig.ear.until(lambda ear: ear.values("a") == [0, 2])
        assert rig.counts == {"missed": 1}
        assert rig.made._hearing.lost_events, "alarms are to be told again"


def _late(subscription: int, number: int) -> ua.PublishResult:
    found = ua.PublishResult(SubscriptionId=subscription)
    found.NotificationMessage.SequenceNumber = number
    found.NotificationMessage.NotificationData = [ua.DataChangeNotification()]
    return found


async def test_what_comes_late_of_a_subscription_that_was_left_is_no_sign_of_the_next() -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (group,), (old,) = rig.made._groups, peer.subscriptions
        rig.running.cancel()
        group.dead = "BadTimeout"
        await rig.made.look()
        assert old not in peer.subscriptions
        assert not rig.made.alive
        await group._take(_late(old, 57))
        assert not rig.made.alive
        assert rig.counts == {"resubscribed": 1}


async def test_what_is_asked_for_again_while_the_subscription_is_left_is_not_missed_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (group,), (old,) = rig.made._groups, peer.subscriptions
        rig.running.cancel()
        asked, left, ask = asyncio.Event(), asyncio.Event(), rig.session.ask

        async def slow(*rest: Any) -> Any:
            if not asked.is_set():
                asked.set()
                await left.wait()
            return await ask(*rest)

        monkeypatch.setattr(rig.session, "ask", slow)
        taking = asyncio.create_task(group._take(_late(old, 5)))
        await asked.wait()
        group.dead = "BadTimeout"
        await rig.made.look()
        left.set()
        await taking
        assert rig.counts == {"resubscribed": 1}
        assert group._next == 1


async def _lose_one(peer: Peer, name: str, value: int) -> None:
    """The next notification is answered to nobody."""
    (one,) = peer.subscriptions.values()
    pass_on, lost = one.pub_result_callback, asyncio.Event()

    async def lose(*_: Any) -> None:
        one.pub_result_callback = pass_on
        lost.set()

    one.pub_result_callback = lose
    await peer.put(name, value)
    await asyncio.wait_for(lost.wait(), 5)


async def test_something_is_asked_at_each_look_also_while_nothing_was_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server ends a session over which nothing goes, and the first notification may be an hour away."""
    async with serving("a") as peer, subscribing(of := device(peer.port)) as rig:
        rig.running.cancel()
        await rig.subscribe(poll(of, 3600, source("a", resource("a"))))
        read, asked = rig.session.read, list[ua.NodeId]()

        async def counting(nodes: list[ua.NodeId], *rest: Any, **more: Any) -> list[ua.DataValue]:
            asked.extend(nodes)
            return await read(nodes, *rest, **more)

        monkeypatch.setattr(rig.session, "read", counting)
        await rig.made.look()
        assert len(asked) == 1


async def test_a_session_that_the_server_ended_is_lost(clock: MovingClock) -> None:
    """T14: session time-out, as the next request is told."""
    async with serving("a") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (session,) = peer.server.iserver._external_sessions.values()
        await session.close_session(True)
        with pytest.raises(NotConnected, match="BadSession"):
            await rig.made.look()
        async with asyncio.timeout(5):
            assert "BadSession" in await rig.running


async def test_what_is_told_goes_on_over_the_renewal_of_the_secure_channel(clock: MovingClock) -> None:
    """T14: keys are made anew at three quarters of their life, with publish requests on their way."""
    async with serving("a") as peer, subscribing(of := device(peer.port), clock) as rig:
        await rig.subscribe(poll(of, 0.05, source("a", resource("a"))))
        await rig.ear.until(lambda ear: ear.values("a") == [0])
        (connection,) = peer.server.bserver.clients
        for value in (1, 2):
            before = connection.processor._connection.security_token.TokenId
            await clock.advance(0.76 * 3600)
            await rig.session.renew()
            await rig.session.read([peer.node_id("a")])
            await peer.put("a", value)
            await rig.ear.until(lambda ear, value=value: ear.values("a")[-1] == value)  # type: ignore[misc]
            assert connection.processor._connection.security_token.TokenId > before
        assert not rig.counts
