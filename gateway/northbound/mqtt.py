"""The cloud over MQTT: an `Exporter` that also takes orders. Contract: `docs/reference/topics.md`.

Order after a connect: subscribe, read what is retained, births, documents; only then `connect` returns and telemetry
may flow. Inside this gateway names are as people write them; topics and keys of twin documents are encoded here and
only here.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gateway.model.contracts import Clock, Commands, State, Twins
from gateway.model.errors import NotConnected, PartialSend, StoreFailed
from gateway.model.reading import Batch, Message
from gateway.northbound import wire
from gateway.northbound.answers import Answers
from gateway.northbound.client import MqttClient
from gateway.northbound.delivery import REFUSED, Outgoing
from gateway.northbound.desired import DesiredInbox
from gateway.northbound.inbox import Inbox
from gateway.northbound.link import Link
from gateway.northbound.payload import encode, exact_values
from gateway.northbound.presence import Presence
from gateway.northbound.settings import MqttSettings
from gateway.northbound.telemetry import EventId, Telemetry
from gateway.northbound.topics import Topics, encode_key, may_answer

TICK_S = 1.0
FAREWELL_S = 2.0
MANY_KEPT = 50_000
ANNOUNCED = "cloud-announced"
"""Device → true, where something retained lies at the broker."""
FOR_GOOD = frozenset({0x90, 0x95, 0x99})
"""Refusals that the same message will always get: topic name invalid, packet too large, payload format invalid."""

log = logging.getLogger(__name__)


def _plain_id(device: str, source: str, origin: int) -> str:
    return f"{device}/{source}/{origin}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks."""

    gateway: str
    software: str
    """Version."""
    session: str
    """ULID made at start."""
    event_id: EventId = _plain_id


class MqttCloud:
    """Implements `gateway.model.contracts.Exporter`. Between `connect` and `close` it owns three tasks: one that
    handles what arrives, one that answers, and one that ticks every second."""

    name = "mqtt"

    def __init__(
        self, settings: MqttSettings, identity: Identity, twins: Twins, commands: Commands, state: State, clock: Clock
    ) -> None:
        topics = Topics(settings.root, identity.gateway)
        will = Presence.will(topics.state, identity.session)
        client = MqttClient(settings, settings.client_id or identity.gateway, will, clock)
        self._link = Link(client, topics, identity.session, clock)
        self._client = client
        self._answers = Answers(self._link)
        self._presence = Presence(self._link, twins, identity.software)
        self._desired = DesiredInbox(self._link, self._answers, self._presence, commands, state)
        self._inbox = Inbox(self._link, self._answers, self._presence, self._desired, commands)
        self._telemetry = Telemetry(topics, identity.session, identity.event_id)
        self._state = state
        self._written: set[str] = set()
        self._kept: dict[int, Outgoing] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = False
        self._lost = asyncio.Event()
        client.on_lost = self._on_lost

    # --------------------------------------------------------------------------------------------------- for people

    @property
    def connected(self) -> bool:
        return self._ready and self._client.connected

    @property
    def reason(self) -> str:
        """Why not connected, in plain words; empty when connected."""
        return "" if self.connected else self._client.reason

    @property
    def version(self) -> str:
        """MQTT version in use: `5` or `3.1.1`."""
        return self._client.version

    def counters(self) -> Mapping[str, int]:
        """What was handled, ignored and refused, by cause."""
        return dict(self._link.counts)

    def state_changed(self, device: str, *_: Any) -> None:
        """For `TwinStore.listeners`: says a device's new state within a second, rather than when its turn comes."""
        self._presence.state_changed(device)

    # ------------------------------------------------------------------------------------------------ the connection

    async def connect(self) -> None:
        """Raises NotConnected with a plain reason."""
        if self.connected:
            return
        self._begin()
        self._lost.clear()
        try:
            self._desired.collect()
            await self._client.connect()
            await self._subscribe()
            self._presence.follow_devices()
            await self._inbox.settle()
            await self._announce()
        except BaseException as error:
            known = isinstance(error, NotConnected)
            self._client.drop(str(error) if known else "the connection could not be set up")
            raise
        self._ready = True

    async def lost(self) -> str:
        """Returns why, when the connection is gone."""
        await self._lost.wait()
        return self._client.reason

    async def close(self) -> None:
        """Says good-bye. Messages under way stay with the MQTT library, in case `connect` is called again."""
        if self.connected:
            try:
                async with self._link.clock.timeout(FAREWELL_S):
                    await self._client.deliver([self._presence.farewell()])
            except (NotConnected, TimeoutError):
                pass
        self._client.disconnect()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._inbox.close()

    def _begin(self) -> None:
        if self._tasks:
            return
        self._desired.load()
        self._written = set(self._state.all(ANNOUNCED))
        self._presence.announced |= self._written
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._inbox.run(), name="mqtt inbox"),
            loop.create_task(self._answers.run(), name="mqtt answers"),
            loop.create_task(self._tick(), name="mqtt tick"),
        ]

    async def _announce(self) -> None:
        births = self._presence.births()
        gateway = next(births)
        await self._client.deliver(chain([gateway], births))
        self._check([gateway])
        await self._write_down()

    async def _write_down(self) -> None:
        """Of which devices something retained lies at the broker: whoever removes one while we are stopped leaves us to
        clear it at the next start."""
        now = set(self._presence.announced)
        if now == self._written:
            return
        with contextlib.suppress(StoreFailed):
            await self._state.remove(ANNOUNCED, self._written - now)
            await self._state.put(ANNOUNCED, dict.fromkeys(now - self._written, True))
            self._written = now

    async def _subscribe(self) -> None:
        filters = self._link.topics.filters()
        refused = [f for f, code in zip(filters, await self._client.subscribe(filters), strict=True) if code.is_failure]
        if len(refused) == len(filters):
            raise NotConnected(
                f"{wire.where(self._client.settings)} refuses every subscription; may we read {filters[0]}?"
            )
        for topic in refused:
            self._link.counts["subscription_refused"] += 1
            log.warning("The broker does not let us subscribe to %s; what the cloud sends there is not seen", topic)

    def _on_lost(self) -> None:
        self._ready = False
        self._lost.set()
        self._inbox.lost()

    async def _tick(self) -> None:
        while True:
            await self._link.clock.sleep(TICK_S)
            try:
                self._client.tend()
                if self._ready:
                    await self._pulse()
            except NotConnected:
                continue
            except Exception:
                self._link.counts["bugs"] += 1
                log.exception("The cloud's tick failed")

    async def _pulse(self) -> None:
        rebirth = self._inbox.rebirth.is_set() and self._presence.may_rebirth()
        if rebirth:
            self._inbox.rebirth.clear()
        await self._client.deliver(self._presence.tick(rebirth))
        await self._write_down()
        await self._desired.again()
        if self._desired.may_fetch():
            await self._subscribe()

    # ------------------------------------------------------------------------------------------------------ messages

    async def send(self, batch: Batch) -> None:
        """Returns when the broker has taken all of it. Raises NotConnected, PartialSend. A record whose message is
        still with the MQTT library from a connection before is not published again, only waited for."""
        if not self.connected:
            raise NotConnected(self._client.reason)
        messages = self._messages(batch)
        largest = self._client.ceiling.size
        try:
            await self._client.deliver(m for m in messages if len(m.payload) <= largest)
            self._check(messages)
        except BaseException:
            self._keep(m for m in messages if m.delivery is not None and m.code < REFUSED)
            raise
        if self._kept:
            for record in batch:
                self._kept.pop(record.offset, None)
        for record in batch:
            if isinstance(record, Message) and record.kind == "ack":
                self._presence.acknowledged(record.device, record.body)
        self._set_aside(batch, messages)

    def _keep(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            self._kept.update((offset, message) for offset in message.offsets if offset)
        while len(self._kept) > MANY_KEPT:
            del self._kept[next(iter(self._kept))]

    def _messages(self, batch: Batch) -> list[Outgoing]:
        limit = self._client.ceiling.size
        if not self._kept:
            return self._telemetry.messages(batch, self._say, limit)
        kept = {id(m): m for record in batch if (m := self._kept.get(record.offset)) is not None}
        fresh = [record for record in batch if record.offset not in self._kept]
        return [*kept.values(), *self._telemetry.messages(fresh, self._say, limit)]

    def _check(self, messages: Iterable[Outgoing]) -> None:
        """A refusal that may be lifted (no right to write, quota) is a reason to try again later."""
        for message in messages:
            if message.code >= REFUSED and message.code not in FOR_GOOD:
                self._link.counts["publish_refused"] += 1
                here = wire.where(self._client.settings)
                reason = f"{here} refuses {message.topic} (0x{message.code:02X}); may we write it?"
                self._client.drop(reason)
                raise NotConnected(reason)

    def _set_aside(self, batch: Batch, messages: Iterable[Outgoing]) -> None:
        """What was refused for good, or is larger than the broker takes and was not even sent."""
        offsets = {o for m in messages if m.code < 0 or m.code >= REFUSED for o in m.offsets}
        if offsets:
            indices = [index for index, record in enumerate(batch) if record.offset in offsets]
            self._link.counts["records_refused"] += len(indices)
            raise PartialSend(
                indices, f"{wire.where(self._client.settings)} does not take messages so large or like this"
            )

    def _say(self, message: Message) -> Outgoing:
        """A result, an acknowledgement or an alarm as it leaves."""
        topics = self._link.topics
        body = {"session": self._link.session, **_exact(message.body)}
        if message.historical:
            body["historical"] = True
        if message.kind == "alarm":
            return Outgoing(topics.alarm(message.device, message.name), encode(body))
        if message.kind == "ack":
            results = {encode_key(name): result for name, result in body.get("results", {}).items() if name != "*"}
            if "*" in body.get("results", {}):
                results["*"] = body["results"]["*"]
            body["results"] = results
            retain = self._presence.is_newest(message.device, message.offset)
            return Outgoing(topics.device(message.device, "twin/desired/ack"), encode(body), retain)
        topic = topics.result(message.device, message.name)
        if may_answer(message.reply_to, self._client.settings.response_prefixes, topics.prefix):
            topic = message.reply_to
        five = self._client.version == "5"
        properties = wire.content_type(message.correlation) if message.correlation and five else None
        return Outgoing(topic, encode(body), properties=properties)


def _exact(body: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a body that a reader of JSON would round leave as text, listed in `i64` of the object they are in."""
    found: dict[str, Any] = {}
    for key, part in body.items():
        found[key] = part
        if isinstance(part, Mapping) and key in ("readback", "result", "wanted", "old"):
            values, texts = exact_values(dict(part))
            found[key] = values
            if texts:
                found["i64"] = sorted({*found.get("i64", ()), *texts})
        elif isinstance(part, Mapping) and key == "results":
            found[key] = {name: _listed(result) for name, result in part.items()}
    return found if "value" not in body else _listed(found)


def _listed(result: Any) -> Any:
    if not isinstance(result, Mapping):
        return result
    values, texts = exact_values({"value": result.get("value")})
    return {**result, **values, "i64": texts} if texts else dict(result)
