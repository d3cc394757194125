"""What leaves as an answer: straight to the cloud and not through the journal, since nothing was done."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from gateway.model.errors import NotConnected
from gateway.northbound import wire
from gateway.northbound.delivery import Outgoing
from gateway.northbound.link import Link
from gateway.northbound.payload import encode

MAX_WAITING = 1000
log = logging.getLogger(__name__)


class Answers:
    """A bounded queue: who floods us with requests gets no more answers than the wire carries."""

    def __init__(self, link: Link) -> None:
        self._client, self._counts = link.client, link.counts
        self._waiting: deque[Outgoing] = deque()
        self._any = asyncio.Event()

    def put(self, topic: str, body: Mapping[str, Any], correlation: bytes = b"", retain: bool = False) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._counts["answers_dropped"] += 1
            return
        properties = wire.content_type(correlation) if correlation and self._client.version == "5" else None
        self._waiting.append(Outgoing(topic, encode(body), retain, properties=properties))
        self._any.set()

    async def run(self) -> None:
        """Sends what is put. What the connection took with it is not sent again, except by the MQTT library."""
        while True:
            await self._any.wait()
            self._any.clear()
            answers = list(self._waiting)
            self._waiting.clear()
            try:
                await self._client.deliver(answers)
            except NotConnected:
                self._counts["answers_dropped"] += sum(1 for answer in answers if answer.delivery is None)
