"""Messages to another broker, in a shape that gateway.yaml gives: nothing but an `Exporter`, it takes no orders."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.errors import NotConnected, NotTaken, PartialSend
from gateway.model.export.fields import message_fields, reading_fields, record_fields
from gateway.model.export.template import compiled, written
from gateway.model.names import encode_name
from gateway.model.reading import Batch, Event, Record
from gateway.northbound import wire
from gateway.northbound.client import MqttClient
from gateway.northbound.delivery import REFUSED, Outgoing
from gateway.northbound.mqtt import FOR_GOOD
from gateway.northbound.payload import encode
from gateway.northbound.republishing import MqttExportSettings

TICK_S = 1.0


class MqttExporter:
    """Implements `gateway.model.contracts.Exporter`. Keep-alive goes on while somebody awaits `lost`."""

    def __init__(self, name: str, settings: MqttExportSettings, gateway: str, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._gateway = gateway
        self._clock = clock
        self._client = MqttClient(settings.broker, settings.client_id or f"{gateway}-{name}", None, clock)
        self._topic = compiled(settings.topic)
        self._message_topic = compiled(settings.message_topic)
        self._fill = compiled(settings.template) if settings.template is not None else dict
        self._is_text = isinstance(settings.template, str)
        self._lost = asyncio.Event()
        self._client.on_lost = self._lost.set

    async def connect(self) -> None:
        self._lost.clear()
        await self._client.connect()

    async def send(self, batch: Batch) -> None:
        """Returns when the broker has taken all of it."""
        if not self._client.connected:
            raise NotConnected(self._client.reason)
        messages: list[Outgoing] = []
        await self._client.deliver(self._made(batch, messages))
        self._judge(messages)

    def _made(self, batch: Batch, messages: list[Outgoing]) -> Iterator[Outgoing]:
        """Those that the broker may take, one by one as they leave; all of them come into `messages`."""
        largest = self._client.ceiling.size
        for place, record in enumerate(batch):
            for message in self._messages(place, record):
                messages.append(message)
                if len(message.payload) <= largest:
                    yield message

    def _judge(self, messages: list[Outgoing]) -> None:
        """A refusal that may be lifted (no right to write, quota) is a reason to try again later."""
        here = wire.where(self._client.settings)
        refused = [one for one in messages if one.code < 0 or one.code >= REFUSED]
        for one in refused:
            if one.code >= REFUSED and one.code not in FOR_GOOD:
                raise NotTaken(f"{here} refuses {one.topic} (0x{one.code:02X}); may we write it?")
        if refused:
            places = sorted({place for one in refused for place in one.offsets})
            raise PartialSend(places, f"{here} does not take messages so large or like this")

    def _messages(self, place: int, record: Record) -> Iterator[Outgoing]:
        if not isinstance(record, Event):
            yield self._message(place, message_fields(record, self._gateway), self._message_topic)
        elif self._settings.each == "event":
            yield self._message(place, record_fields(record, self._gateway), self._topic)
        else:
            for fields in reading_fields(record, self._gateway):
                yield self._message(place, fields, self._topic)

    def _message(self, place: int, fields: Mapping[str, Any], topic: Any) -> Outgoing:
        names = {word: encode_name(written(value)) for word, value in fields.items() if isinstance(value, str)}
        shown = self._fill(fields)
        payload = written(shown).encode("utf-8", "replace") if self._is_text else encode(shown)
        return Outgoing(written(topic({**fields, **names})) or "-", payload, self._settings.retain, (place,))

    async def lost(self) -> str:
        """Returns why, when the connection is gone."""
        while not self._lost.is_set():
            try:
                async with self._clock.timeout(TICK_S):
                    await self._lost.wait()
            except TimeoutError:
                self._client.tend()
        return self._client.reason

    async def close(self) -> None:
        """Messages under way stay with the MQTT library, in case `connect` is called again."""
        self._client.disconnect()
