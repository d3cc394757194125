"""Publish requests: some are always with the server, so that it can tell at any time (Part 4, 5.14.1 and 5.14.5).

asyncua has a loop of its own with one request in flight: a notification waits for the way there and back of the one
before, its task outlives a lost connection by a second, and it stops for good when the server forgets the subscription.
Here the requests live inside a call that somebody waits for, and end with it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from asyncua import ua
from asyncua.ua.uaerrors import UaStructParsingError

from gateway.model.errors import DeviceError, NotConnected
from mappers.opcua.session import Session
from mappers.opcua.status import GONE, name_of

IN_FLIGHT = 4
"""Publish requests with the server, at most; one more than there are subscriptions are enough."""
EARLY = 16
"""Notifications kept of subscriptions not known yet: the first may overtake the answer that says how it is called."""
UNREADABLE = (
    "%s sent a notification that is not OPC UA (%s): it is left out, and counted as unreadable from now on. Update or "
    "start the server anew; values that cannot be read at all are better left out of the profile"
)

log = logging.getLogger(__name__)
Take = Callable[[ua.PublishResult], Awaitable[None]]


class Publishing:
    """Of one session."""

    def __init__(self, session: Session, counts: "Counter[str]") -> None:
        """`counts`: see `Subscribes.counts`."""
        self._session, self._counts = session, counts
        self._told_unreadable = False
        self._takers: dict[int, Take] = {}
        self._early: list[ua.PublishResult] = []
        self._acks: list[ua.SubscriptionAcknowledgement] = []
        self._most = IN_FLIGHT
        self._changed = asyncio.Event()
        self._renewed = asyncio.Event()
        self.silenced = ""
        """Why nothing is asked of the server at present; empty: all is well. `resume` ends it."""

    async def add(self, subscription: int, take: Take) -> None:
        """From now on `take` is given what the server tells of a subscription."""
        self._takers[subscription] = take
        early, self._early = self._early, []
        for result in early:
            await self._pass_on(result)
        self.resume()

    def remove(self, subscription: int) -> None:
        self._takers.pop(subscription, None)

    async def end_strangers(self) -> None:
        """Subscriptions that the server tells of and nobody has: it made them, and the answer came too late. To be
        called while none is being made. Raises NotConnected, NoAnswer."""
        early, self._early = self._early, []
        strangers = list({result.SubscriptionId for result in early})
        if strangers:
            with suppress(DeviceError):  # it may have ended them
                await self._session.ask(lambda to: to.delete_subscriptions(strangers))

    def resume(self) -> None:
        """Asks again, after whatever made it stop."""
        self.silenced = ""
        self._changed.set()

    def renew(self) -> None:
        """The requests that lie with the server are given up, and others sent: it seems to have lost them. What it
        answers to them all the same shows as a gap in the numbers."""
        self._renewed.set()

    async def run(self) -> str:
        """Keeps asking until the session is gone; returns why, in words."""
        why = None
        while why is None:
            self._renewed.clear()
            why = await self._first(self._session.lost(), self._again(), *map(self._keep_asking, range(IN_FLIGHT)))
        return why

    async def _again(self) -> None:
        await self._renewed.wait()

    async def _first(self, *work: Coroutine[Any, Any, str | None]) -> str | None:
        """What is done first; the others end."""
        tasks = [asyncio.ensure_future(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _has_turn(self, number: int) -> bool:
        return bool(self._takers) and not self.silenced and number < min(self._most, len(self._takers) + 1)

    async def _keep_asking(self, number: int) -> str:
        while True:
            while not self._has_turn(number):
                self._changed.clear()
                await self._changed.wait()
            try:
                await self._pass_on(await self._ask())
            except (ConnectionError, NotConnected):
                return await self._session.lost()
            except ua.UaStatusCodeError as error:
                if (name := name_of(error.code)) in GONE:
                    return f"the server ended the session ({name})"
                self._refused(name)
            except UaStructParsingError as error:
                self._unreadable(error)
            except ua.UaError as error:
                self.silenced = str(error) or type(error).__name__

    async def _ask(self) -> ua.PublishResult:
        acks, self._acks = self._acks, []
        response: ua.PublishResponse = await self._session.services.publish(acks)
        response.ResponseHeader.ServiceResult.check()
        found: ua.PublishResult = response.Parameters
        return found

    def _unreadable(self, error: UaStructParsingError) -> None:
        """What it held shows as a gap in the numbers."""
        self._counts["unreadable"] += 1
        if not self._told_unreadable:
            self._told_unreadable = True
            cause = error.__cause__ or error
            log.warning(UNREADABLE, self._session.endpoint.url, f"{type(cause).__name__}: {str(cause)[:100]}")

    def _refused(self, name: str) -> None:
        if name == "BadTooManyPublishRequests" and self._most > 1:
            self._most -= 1
        elif name != "BadTimeout":  # a request waited so long that it ran out; the next goes at once
            self.silenced = name

    async def _pass_on(self, result: ua.PublishResult) -> None:
        message = result.NotificationMessage
        take = self._takers.get(result.SubscriptionId)
        if take is None:
            self._early = [*self._early, result][-EARLY:]
            return
        if message.NotificationData:
            self._acks.append(ua.SubscriptionAcknowledgement(result.SubscriptionId, message.SequenceNumber))
        await take(result)
