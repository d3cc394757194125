"""Publish requests, with a session that is played."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.uaerrors import UaStructParsingError

from mappers.opcua.subscription.publishing import Publishing

ONE = 7


class Played:
    """Answers publish requests as it is told to, in order."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
        self.acknowledged: list[tuple[int, int]] = []
        self.services = self
        self.counts: Counter[str] = Counter()
        self.endpoint = SimpleNamespace(url="opc.tcp://press:4840")
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def publish(self, acks: list[ua.SubscriptionAcknowledgement]) -> Any:
        self.acknowledged += [(one.SubscriptionId, one.SequenceNumber) for one in acks]
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(answer)
        return await answer

    async def lost(self) -> str:
        return await asyncio.shield(self._gone)

    async def request(self) -> "asyncio.Future[Any]":
        return await asyncio.wait_for(self.asked.get(), 5)

    async def say(self, number: int, subscription: int = ONE, *, data: bool = True, more: bool = False) -> None:
        """To the next request. `more`: there is more to come at once."""
        found = ua.PublishResponse()
        found.Parameters.MoreNotifications = more
        found.Parameters.SubscriptionId = subscription
        found.Parameters.NotificationMessage.SequenceNumber = number
        found.Parameters.NotificationMessage.NotificationData = [ua.DataChangeNotification()] if data else []
        (await self.request()).set_result(found)

    async def refuse(self, error: Exception) -> None:
        (await self.request()).set_exception(error)


class Taker:
    def __init__(self) -> None:
        self.numbers: asyncio.Queue[int] = asyncio.Queue()

    async def __call__(self, result: ua.PublishResult) -> None:
        self.numbers.put_nowait(result.NotificationMessage.SequenceNumber)

    async def next(self) -> int:
        return await asyncio.wait_for(self.numbers.get(), 5)


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[Played, Publishing, "asyncio.Task[str]"]]:
    played = Played()
    made = Publishing(played, played.counts)  # type: ignore[arg-type]
    running = asyncio.create_task(made.run())
    try:
        yield played, made, running
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_requests_are_sent_while_there_is_a_subscription_and_one_more_than_there_are() -> None:
    async with publishing() as (played, made, _):
        await asyncio.sleep(0)
        assert played.asked.empty()
        taker = Taker()
        await made.add(ONE, taker)
        await played.say(1)
        assert await taker.next() == 1
        await played.request()
        await played.request()
        assert played.asked.empty()
        assert played.acknowledged == [(ONE, 1)]


async def test_notifications_may_come_before_their_subscription_is_known() -> None:
    async with publishing() as (played, made, _):
        await made.add(1, Taker())
        await played.say(1, subscription=ONE)
        await played.say(2, subscription=ONE)
        await played.request()
        taker = Taker()
        await made.add(ONE, taker)
        assert [await taker.next(), await taker.next()] == [1, 2]


async def test_keep_alives_are_not_acknowledged() -> None:
    async with publishing() as (played, made, _):
        taker = Taker()
        await made.add(ONE, taker)
        await played.say(5, data=False)
        assert await taker.next() == 5
        await played.request()
        await played.request()
        assert not played.acknowledged


async def test_what_is_not_to_be_understood_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with publishing() as (played, made, _):
        taker = Taker()
        await made.add(ONE, taker)
        error = UaStructParsingError()
        error.__cause__ = ValueError("63 is not a valid NodeIdType")
        for _ in range(3):
            await played.refuse(error)
        await played.say(4)
        assert await taker.next() == 4
        assert played.counts == {"unreadable": 3}
        (said,) = caplog.messages
        assert said.startswith(
            "opc.tcp://press:4840 sent a notification that is not OPC UA (ValueError: 63 is not a valid NodeIdType)"
        )


async def test_what_ran_out_is_asked_for_again() -> None:
    async with publishing() as (played, made, _):
        taker = Taker()
        await made.add(ONE, taker)
        await played.refuse(ua.UaStatusCodeError(ua.StatusCodes.BadTimeout))
        await played.say(3)
        assert await taker.next() == 3


async def test_fewer_requests_where_the_server_takes_no_more() -> None:
    async with publishing() as (played, made, _):
        await made.add(ONE, Taker())
        kept = await played.request()
        for _ in range(3):
            await played.refuse(ua.UaStatusCodeError(ua.StatusCodes.BadTooManyPublishRequests))
        for _ in range(5):
            await asyncio.sleep(0)
        assert played.asked.empty(), "one is left, which is enough"
        assert not made.silenced
        kept.set_exception(ua.UaStatusCodeError(ua.StatusCodes.BadTimeout))
        await played.request()


async def test_a_refusal_silences_until_it_is_looked_after() -> None:
    async with publishing() as (played, made, running):
        taker = Taker()
        await made.add(ONE, taker)
        for _ in range(2):
            await played.refuse(ua.UaStatusCodeError(ua.StatusCodes.BadNoSubscription))
        for _ in range(5):
            await asyncio.sleep(0)
        assert made.silenced == "BadNoSubscription"
        assert played.asked.empty()
        made.resume()
        await played.say(1)
        assert await taker.next() == 1
        assert not running.done()


async def test_the_end_of_the_session_ends_it() -> None:
    async with publishing() as (played, made, running):
        await made.add(ONE, Taker())
        await played.refuse(ua.UaStatusCodeError(ua.StatusCodes.BadSessionIdInvalid))
        assert await asyncio.wait_for(running, 5) == "the server ended the session (BadSessionIdInvalid)"


async def test_requests_that_got_lost_are_sent_anew() -> None:
    async with publishing() as (played, made, _):
        taker = Taker()
        await made.add(ONE, taker)
        old = [await played.request(), await played.request()]
        made.renew()
        await played.say(1)
        assert await taker.next() == 1
        assert all(one.cancelled() for one in old)


async def test_a_flood_is_taken_one_request_at_a_time_and_leaves_turns_to_others() -> None:
    """T22: a server that always has more. Nothing piles up, and whoever wants the loop gets it."""
    async with publishing() as (played, made, _):
        taker, turns = Taker(), 0
        await made.add(ONE, taker)

        async def somebody() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        other = asyncio.create_task(somebody())
        for number in range(1, 5001):
            await played.say(number, more=True)
            assert await taker.next() == number
            assert played.asked.qsize() <= 2
            assert len(made._acks) <= 2
        other.cancel()
        assert turns >= 5000
        assert len(played.acknowledged) >= 4998
