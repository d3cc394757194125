"""One subscription of a server: its items, its numbers, and whether it is still heard (Part 4, 5.13 and 5.14)."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from asyncua import ua
from asyncua.client.ua_session import UaSession

from gateway.model.contracts import Clock
from gateway.model.errors import DeviceError, NoAnswer
from mappers.opcua.session import Session
from mappers.opcua.status import name_of
from mappers.opcua.subscription.hearing import Hearing
from mappers.opcua.subscription.item import Item
from mappers.opcua.subscription.publishing import Publishing

KEEP_ALIVE_S = 2.0
"""A server that has nothing to tell says so this often, or each publishing interval if that is longer."""
SILENT_AFTER = 3
"""Keep-alives that may fail to come."""
LIFE_S = 60.0
"""For how long a server keeps a subscription that nobody asks about; at least three keep-alives."""
ASK_AGAIN = 20
"""Lost notifications that are asked for once more, of one gap."""
LAST_NUMBER = 2**32 - 1
"""The next sequence number is 1 (Part 4, 7.8)."""
FULL = "BadTooManyMonitoredItems"
LOST = "lost"
"""Why a group is dead whose items no answer told of."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all groups of a session stand on."""

    session: Session
    publishing: Publishing
    clock: Clock
    counts: Counter[str]
    """See `Subscribes.counts`."""
    hearing: Hearing


class Group:
    """What its notifications bring goes to `Hearing`, in order."""

    def __init__(self, ground: Ground, interval: float) -> None:
        """`interval`: wanted of publishing, in seconds."""
        self._on = ground
        self._order = asyncio.Lock()
        self._next = 1
        self._heard = ground.clock.monotonic()
        self._spoke = True
        """It told something since it was opened."""
        self.items: dict[int, Item] = {}
        """By handle."""
        self.id = 0
        self.full = False
        """The server takes no more items here."""
        self.wanted = interval
        self.interval = interval
        """Of publishing, in seconds, as the server revised it."""
        self._keep_alive = max(interval, KEEP_ALIVE_S)
        self.dead = ""
        """Why the server does not serve it any more; empty: it does, as far as is known."""

    # ------------------------------------------------------------------------------------------------------- its life

    async def open(self) -> None:
        """Raises DeviceError: the server gives no subscription."""
        made = await self._on.session.ask(lambda to: to.create_subscription(_parameters(self.wanted), _nobody))
        self.id, self.dead, self.full, self._next = made.SubscriptionId, "", False, 1
        self._revised(made)
        self._heard = self._on.clock.monotonic()
        self._spoke = False
        await self._on.publishing.add(self.id, self._take)

    async def close(self) -> None:
        await self._leave()
        self.items.clear()

    async def reopen(self) -> list[Item]:
        """Another one with the same items. Returns those that were refused."""
        if not self._spoke:
            self._on.publishing.renew()
        await self._leave()
        self.dead = LOST
        for item in self.items.values():
            item.id = 0
        await self.open()
        return await self.add(list(self.items.values()))

    async def hurry(self, interval: float) -> None:
        """Another publishing interval from now on, in seconds."""
        self.wanted = interval
        wanted = _parameters(interval)
        changed = ua.ModifySubscriptionParameters(
            self.id,
            wanted.RequestedPublishingInterval,
            wanted.RequestedLifetimeCount,
            wanted.RequestedMaxKeepAliveCount,
        )
        try:
            self._revised(await self._on.session.ask(lambda to: to.update_subscription(changed)))
        except DeviceError as error:  # it is opened anew with what is wanted now
            self.dead = error.code

    async def _leave(self) -> None:
        old, self.id = self.id, 0
        if old:
            self._on.publishing.remove(old)
            with suppress(DeviceError):  # the server may have forgotten it before
                await self._on.session.ask(lambda to: to.delete_subscriptions([old]))

    def _revised(self, by: ua.CreateSubscriptionResult | ua.ModifySubscriptionResult) -> None:
        self.interval = by.RevisedPublishingInterval / 1000 or self.wanted
        self._keep_alive = max(self.interval, self.interval * by.RevisedMaxKeepAliveCount)

    @property
    def alive(self) -> bool:
        """Heard so recently that what it did not tell has not changed; not before it has spoken once."""
        return self._spoke and not self.silent

    @property
    def silent(self) -> bool:
        """It should have been heard by now."""
        silence = self._on.clock.monotonic() - self._heard
        return bool(self.dead) or silence > SILENT_AFTER * max(self._keep_alive, KEEP_ALIVE_S)

    # ------------------------------------------------------------------------------------------------------ its items

    async def add(self, items: Iterable[Item]) -> list[Item]:
        """Watches them; returns those that were refused, with the reason in `Item.refusal`. When the server does not
        know this subscription any more, or does not answer (NoAnswer), they are kept for `reopen`."""
        new = list(items)
        self.items.update((item.handle, item) for item in new)
        try:
            refused = await self._create(new)
        except NoAnswer:
            self.dead = LOST
            raise
        except DeviceError as error:
            if error.code != FULL:
                self.dead = error.code
                return []
            refused = [item for item in new if not item.id]
            for item in refused:
                item.refusal = FULL
        for item in refused:
            del self.items[item.handle]
        return refused

    async def remove(self, items: Iterable[Item]) -> None:
        """Ends watching them."""
        known = [item.id for item in items if self.items.pop(item.handle, None) is not None and item.id]
        self.full = self.full and not known

        async def work(to: UaSession, ids: list[int]) -> list[ua.StatusCode]:
            return await to.delete_monitored_items(ua.DeleteMonitoredItemsParameters(self.id, ids))

        if self.id and not self.dead:
            try:
                await self._on.session.in_batches("monitor", known, work)
            except DeviceError as error:
                self.dead = error.code

    async def _create(self, items: list[Item]) -> list[Item]:
        async def work(to: UaSession, part: list[Item]) -> list[ua.MonitoredItemCreateResult]:
            return await to.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self.id,
                    TimestampsToReturn=ua.TimestampsToReturn.Source,
                    ItemsToCreate=[item.wish.request(item.handle, self.interval) for item in part],
                )
            )

        results = await self._on.session.in_batches("monitor", items, work)
        return [item for item, result in zip(items, results, strict=True) if not _took(item, result)]

    # ---------------------------------------------------------------------------------------------- what it tells us

    async def _take(self, result: ua.PublishResult) -> None:
        """One notification at a time: what was lost comes before what came after it. What comes late of a
        subscription that was left says nothing of the one that took its place."""
        async with self._order:
            if result.SubscriptionId != self.id:
                return
            self._heard, self._spoke = self._on.clock.monotonic(), True
            message = result.NotificationMessage
            number = message.SequenceNumber
            if number > self._next:
                await self._catch_up(number)
            if result.SubscriptionId != self.id:  # left meanwhile
                return
            if not message.NotificationData:
                self._next = max(number, self._next)
                return
            self._next = 1 if number >= LAST_NUMBER else number + 1
            self._pass_on(message)

    async def _catch_up(self, number: int) -> None:
        """What came between the last notification and this one is asked for again; else it is missed."""
        missing, asked = range(self._next, number), self.id
        messages = [await self._republish(asked, lost) for lost in missing[-ASK_AGAIN:]]
        if asked != self.id:  # whoever left it has said that values may be missing
            return
        missed = len(missing) - sum(bool(message.NotificationData) for message in messages)
        if missed:
            self._on.counts["missed"] += missed
            self._on.hearing.lost_events = True
            self._on.hearing.lose(self.items)
        for message in messages:
            self._pass_on(message)

    async def _republish(self, subscription: int, number: int) -> ua.NotificationMessage:
        try:
            return await self._on.session.ask(lambda to: to.republish(subscription, number))
        except (DeviceError, NoAnswer):
            return ua.NotificationMessage()

    def _pass_on(self, message: ua.NotificationMessage) -> None:
        for part in message.NotificationData:
            if isinstance(part, ua.StatusChangeNotification) and part.Status.is_bad():
                self.dead = name_of(part.Status.value)
        self._on.hearing.hear(message)


def _took(item: Item, result: ua.MonitoredItemCreateResult) -> bool:
    item.sampling = result.RevisedSamplingInterval / 1000
    item.id = 0 if result.StatusCode.is_bad() else result.MonitoredItemId
    item.refusal = name_of(result.StatusCode.value) if result.StatusCode.is_bad() else ""
    return not item.refusal


def _parameters(interval: float) -> ua.CreateSubscriptionParameters:
    alive = max(1, math.ceil(KEEP_ALIVE_S / interval - 1e-9))
    return ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=interval * 1000,
        RequestedLifetimeCount=max(3 * alive, math.ceil(LIFE_S / interval)),
        RequestedMaxKeepAliveCount=alive,
        MaxNotificationsPerPublish=0,
        PublishingEnabled=True,
        Priority=0,
    )


def _nobody(_: ua.PublishResult) -> None:
    """`Publishing` passes results on, not the library."""
