"""Messages up and their acknowledgements: a window of messages under way, and who waits for which of them."""

import asyncio
from collections.abc import Callable, Iterable

from paho.mqtt.properties import Properties

from gateway.model.contracts import Clock
from gateway.model.errors import NotConnected

REFUSED = 0x80
"""Reason codes from here on are refusals."""
STRETCH_S = 0.005
"""Polls and answers wait about so long, at most, for somebody who makes and sends many messages."""


class Outgoing:
    """A message up. May be given to `Window.deliver` again until it is acknowledged."""

    __slots__ = ("code", "delivery", "offsets", "payload", "properties", "retain", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        offsets: tuple[int, ...] = (),
        properties: Properties | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.retain = retain
        self.offsets = offsets
        """Of the records inside."""
        self.properties = properties
        """None: the client's own (content type JSON)."""
        self.code = -1
        """Reason code of the broker's acknowledgement; -1: none yet."""
        self.delivery: Delivery | None = None
        """None until handed to the MQTT library."""


class Delivery:
    """Somebody waiting for the acknowledgements of several messages."""

    __slots__ = ("done", "left")

    def __init__(self) -> None:
        self.left = 1
        """Acknowledgements owed, and one for as long as messages are still being handed over."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Window:
    """At most `size` messages under way. `publish` hands one to the MQTT library and returns its number there."""

    def __init__(self, publish: Callable[[Outgoing], int], clock: Clock) -> None:
        self.size = 1
        self.open = False
        """False while there is no connection."""
        self.reason = "not connected yet"
        """Why it is not open."""
        self._publish = publish
        self._clock = clock
        self._under_way: dict[int, Outgoing] = {}
        self._deliveries: set[Delivery] = set()
        self._room: list[asyncio.Future[None]] = []
        self._moved = 0.0

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def silence(self) -> float:
        """Seconds since the last acknowledgement, while one is owed."""
        return self._clock.monotonic() - self._moved if self._under_way else 0.0

    @property
    def largest(self) -> Outgoing | None:
        """Of the messages under way."""
        return max(self._under_way.values(), key=lambda message: len(message.payload), default=None)

    async def deliver(self, messages: Iterable[Outgoing | None]) -> None:
        """Returns when the broker has acknowledged all of them (`Outgoing.code` says how). Raises NotConnected: then
        those with a `delivery` and no `code` are under way and are sent again by the library. `messages` may be made
        one by one as they leave; everything else that is due goes in between. None is nothing to send, only a place
        for that."""
        delivery = Delivery()
        self._deliveries.add(delivery)
        since = self._clock.monotonic()
        try:
            for message in messages:
                if message is not None:
                    await self._hand_over(message, delivery)
                if self._clock.monotonic() - since >= STRETCH_S:
                    await asyncio.sleep(0)
                    since = self._clock.monotonic()
            delivery.left -= 1
            if delivery.left and self.open:
                await delivery.done
            if delivery.left:
                raise NotConnected(self.reason)
        finally:
            self._deliveries.discard(delivery)

    async def _hand_over(self, message: Outgoing, delivery: Delivery) -> None:
        if message.delivery is None:
            while self.open and len(self._under_way) >= self.size:
                await self._wait_for_room()
            self._send(message)
        if message.code < 0:
            message.delivery = delivery
            delivery.left += 1

    def _send(self, message: Outgoing) -> None:
        if not self.open:
            raise NotConnected(self.reason)
        if not self._under_way:
            self._moved = self._clock.monotonic()
        self._under_way[self._publish(message)] = message

    async def _wait_for_room(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._room = self._room, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def opened(self, size: int) -> None:
        """The connection is up; what is under way is being sent again."""
        self.size = size
        self.open = True
        self.reason = ""
        self._moved = self._clock.monotonic()

    def closed(self, reason: str) -> None:
        """The connection is gone; everybody who waits hears it."""
        self.open = False
        self.reason = reason
        for delivery in self._deliveries:
            delivery.end()
        self._wake()

    def acknowledged(self, number: int, code: int) -> None:
        """The broker's answer to one message."""
        message = self._under_way.pop(number, None)
        if message is None:
            return
        message.code = code
        self._moved = self._clock.monotonic()
        delivery = message.delivery
        if delivery is not None:
            delivery.left -= 1
            if not delivery.left:
                delivery.end()
        # Half a window at a time: waking the senders for every single acknowledgement costs more than sending.
        if self._room and len(self._under_way) <= self.size // 2:
            self._wake()

    def forget(self) -> None:
        """What is under way counts as not sent: the library that had it is gone."""
        for message in self._under_way.values():
            message.delivery = None
        self._under_way.clear()
