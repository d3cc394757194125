"""What arrives: told apart, checked, handed on, and only then acknowledged to the broker, one after another.

No payload raises. What is refused is counted by cause and answered, without an id where none was found; what nobody
could understand or is not obeyed is told to the log, too.

A command without any expiry is worth as much as it is fresh. While a resumed session's queue is being delivered nobody
can tell how old it is, so it is handed on as already expired: the ledger still finds a repeated id, everything else is
refused with 410. Where the queue ends is told by a mark that we send to ourselves after subscribing: brokers deliver in
order, so whatever comes after the mark was sent after we were back. A queue that takes long to record is waited for.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress

from paho.mqtt.client import MQTTMessage

from gateway.model.command import Command
from gateway.model.contracts import Commands
from gateway.model.errors import CommandRejected, NotConnected, StoreFailed
from gateway.northbound.answers import Answers
from gateway.northbound.complaints import Complaints
from gateway.northbound.delivery import Outgoing
from gateway.northbound.desired import DesiredInbox
from gateway.northbound.link import Link
from gateway.northbound.payload import MAX_COMMAND, CommandBody, GetBody, ReadBody, encode, parse, salvage
from gateway.northbound.presence import Presence
from gateway.northbound.reads import Reads, Request
from gateway.northbound.topics import Incoming, may_answer

HIGH, LOW = 500, 50
"""Messages waiting here above which the socket is no longer read, and below which it is again."""
MARK_S = 5.0
"""A broker that brings nothing at all for so long does not bring the mark back either (it may not be ours to subscribe
to); while we are still busy with its queue, the mark only waits in line."""
IDLE_S = 15.0
"""The same where messages keep coming, in time in which we have nothing to do. They are hardly the queue alone by then,
but nobody can tell which of them are new."""
LOOK_S = 0.5

log = logging.getLogger(__name__)


class Inbox:
    """See the module."""

    def __init__(
        self, link: Link, answers: Answers, presence: Presence, desired: DesiredInbox, commands: Commands
    ) -> None:
        self.rebirth = asyncio.Event()
        """Somebody asked for births."""
        self._link, self._client, self._topics, self._clock = link, link.client, link.topics, link.clock
        self._answers, self._presence, self._desired, self._commands = answers, presence, desired, commands
        self._counts = link.counts
        self._reads = Reads(commands, answers, link.clock)
        self._complaints = Complaints(link.clock)
        self._queue: deque[tuple[int, MQTTMessage]] = deque()
        self._any = asyncio.Event()
        self._busy = False
        self._handled = 0
        self._settled = 0
        """Generation of the connection whose queue is known to have ended."""
        self._mark = b""
        self._marked: asyncio.Future[bool] | None = None
        link.client.on_message = self.put

    # ------------------------------------------------------------------------------------------------ the connection

    def put(self, message: MQTTMessage) -> None:
        """Called by the MQTT client, in the order of arrival."""
        self._queue.append((self._client.generation, message))
        if len(self._queue) > HIGH:
            self._client.pause(True)
        self._any.set()

    async def settle(self) -> None:
        """Returns when what was queued and what is retained has been read, and the newest desired documents are handed
        on. Raises NotConnected."""
        generation = self._client.generation
        self._mark = encode({"mark": self._link.session, "connection": generation})
        self._marked = asyncio.get_running_loop().create_future()
        marking = asyncio.create_task(self._send_mark(self._marked), name="mqtt mark")
        try:
            quiet = await self._wait_for(marking)
        finally:
            self._marked = None
            marking.cancel()
            await asyncio.gather(marking, return_exceptions=True)
        if marking.cancelled():
            self._counts["mark_missing"] += 1
            log.warning("The broker does not bring %s back to us; may we subscribe to it?", self._topics.rebirth)
        else:
            marking.result()
        await self._desired.collected()
        if quiet:
            self._settled = generation

    async def _send_mark(self, back: "asyncio.Future[bool]") -> None:
        await self._client.deliver([Outgoing(self._topics.rebirth, self._mark)])
        if not await back:
            raise NotConnected(self._client.reason)

    async def _wait_for(self, marking: "asyncio.Task[None]") -> bool:
        """Whether the queue has ended: the mark is back, or nothing has come for long. False: messages still come, and
        none of them is the mark."""
        quiet = idle = 0.0
        while quiet < MARK_S and idle < IDLE_S:
            handled = self._handled
            with suppress(TimeoutError):
                async with self._clock.timeout(LOOK_S):
                    await asyncio.wait([marking])
            if marking.done():
                return True
            waiting = not self._busy and not self._queue
            idle += LOOK_S if waiting else 0.0
            quiet = quiet + LOOK_S if waiting and handled == self._handled else 0.0
        return quiet >= MARK_S

    def lost(self) -> None:
        """The connection is gone: what is not acknowledged comes again with the next."""
        self._queue.clear()
        if self._marked is not None and not self._marked.done():
            self._marked.set_result(False)

    async def run(self) -> None:
        """Handles messages until cancelled."""
        while True:
            while not self._queue:
                self._any.clear()
                self._busy = False
                await self._any.wait()
            self._busy = True
            generation, message = self._queue.popleft()
            await self._handle(message)
            self._handled += 1
            if generation == self._client.generation:
                self._client.ack(message)
                if len(self._queue) < LOW:
                    self._client.pause(False)

    async def close(self) -> None:
        """Ends the reads that run."""
        await self._reads.close()

    # ------------------------------------------------------------------------------------------------- one message

    async def _handle(self, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        try:
            incoming = self._topics.parse(message.topic)
        except ValueError:  # also a topic that is no UTF-8
            self._counts["bad_topic"] += 1
            return
        try:
            await self._dispatch(incoming, payload, message)
        except Exception:
            self._counts["bugs"] += 1
            log.exception("A message on %s could not be handled", message.topic)

    async def _dispatch(self, incoming: Incoming, payload: bytes, message: MQTTMessage) -> None:
        match incoming.kind:
            case "rebirth":
                self._rebirth(payload, message.retain)
            case "desired":
                await self._desired.take(incoming.device, payload, message.retain)
            case _ if message.retain:
                self._counts[f"retained_{incoming.kind}"] += 1
                self._complaints.of(message.topic, "it is retained, so nobody can tell how old it is")
            case "cmd":
                await self._command(incoming, payload, message)
            case "read":
                self._read(incoming.device, payload, message)
            case "get":
                self._get(incoming.device, payload, message)

    def _rebirth(self, payload: bytes, retained: bool) -> None:
        if payload == self._mark:
            self._settled = self._client.generation
            if self._marked is not None and not self._marked.done():
                self._marked.set_result(True)
        elif retained:
            self._counts["retained_rebirth"] += 1
        elif payload.startswith(b'{"mark":'):
            self._counts["old_mark"] += 1
        else:
            self.rebirth.set()

    async def _command(self, incoming: Incoming, payload: bytes, message: MQTTMessage) -> None:
        request = self._request(message, self._topics.result(incoming.device, incoming.command))
        try:
            body = parse(payload, CommandBody, MAX_COMMAND)
        except CommandRejected as error:
            self._reject(request, message, "cmd", error)
            return
        now = self._clock.now()
        command = Command(
            id=body.id,
            device=incoming.device,
            name=incoming.command,
            args=body.args,
            actor="mqtt",
            received=now,
            expires_at=self._expiry(body.expires_at, message, now),
            if_version=body.if_version,
            reply_to=request.reply_to,
            correlation=request.correlation,
        )
        try:
            await self._commands.accept(command)
            self._counts["commands"] += 1
        except StoreFailed:
            failed = CommandRejected(503, "the gateway's disk refuses, so the command cannot be recorded")
            self._refuse(request, body.id, "cmd", failed)

    def _read(self, device: str, payload: bytes, message: MQTTMessage) -> None:
        request = self._request(message, self._topics.device(device, "read/result"))
        try:
            body = parse(payload, ReadBody, MAX_COMMAND)
        except CommandRejected as error:
            self._reject(request, message, "read", error)
            return
        expires_at = self._expiry(body.expires_at, message, request.received)
        if expires_at is not None and expires_at <= request.received and self._clock.trusted():
            late = CommandRejected(410, "the request had expired when it arrived")
            self._refuse(request, body.id, "read", late)
            return
        request.id = body.id
        self._counts["reads"] += 1
        self._reads.start(device, body.source, request)

    def _get(self, device: str, payload: bytes, message: MQTTMessage) -> None:
        request = self._request(message, self._topics.device(device, "twin/get/result"))
        try:
            request.id = parse(payload, GetBody, MAX_COMMAND).id if payload else ""
        except CommandRejected as error:
            self._reject(request, message, "get", error)
            return
        self._counts["gets"] += 1
        document = self._presence.document(device)
        if document is None:
            document = {"code": 404, "error": f"there is no device {device}"}
        if request.id:
            document = {"id": request.id, **document}
        self._answers.put(request.topic, document, request.correlation)

    def _reject(self, request: Request, message: MQTTMessage, kind: str, error: CommandRejected) -> None:
        """Answers what was not understood. There may be nobody who looks for an answer without an id."""
        self._complaints.of(message.topic, error)
        self._refuse(request, salvage(bytes(message.payload), "id", str) or "", kind, error)

    def _refuse(self, request: Request, request_id: str, kind: str, error: CommandRejected) -> None:
        self._counts[f"{kind}_refused_{error.code}"] += 1
        request.id = request_id
        body = {**request.refused(error, self._clock.now()), "id": request_id}
        self._answers.put(request.topic, body, request.correlation)

    # ---------------------------------------------------------------------------------------------------- its frame

    def _request(self, message: MQTTMessage, topic: str) -> Request:
        reply_to = getattr(message.properties, "ResponseTopic", "")
        if reply_to and not may_answer(reply_to, self._client.settings.response_prefixes, self._topics.prefix):
            self._counts["response_topic_refused"] += 1
            reply_to = ""
        correlation = bytes(getattr(message.properties, "CorrelationData", b""))
        return Request(topic, self._clock.now(), reply_to, correlation)

    def _expiry(self, expires_at: int | None, message: MQTTMessage, now: int) -> int | None:
        left = getattr(message.properties, "MessageExpiryInterval", None)
        if left is not None:  # the broker has already taken off what it waited there
            expires_at = min(now + left * 10**9, expires_at if expires_at is not None else 2**63 - 1)
        if expires_at is None and self._client.session_present and self._settled != self._client.generation:
            self._counts["queued_without_expiry"] += 1
            return now
        return expires_at
