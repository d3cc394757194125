"""paho-mqtt on the event loop: one connection to one broker, QoS 1, messages under way kept over reconnects.

The socket is read and written by the loop; only DNS, TCP connect and TLS handshake, which block, run in a worker thread
for the moment they take, and paho is given the finished socket. Reconnecting is asked for from outside: `connect` again
after `NotConnected`. Messages that the broker had not acknowledged stay in paho, which sends them again by itself;
giving such a message to `deliver` again only waits for its acknowledgement.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.model.contracts import Clock
from gateway.model.errors import NotConnected
from gateway.northbound import wire
from gateway.northbound.ceiling import LARGEST, Ceiling
from gateway.northbound.delivery import Outgoing, Window
from gateway.northbound.settings import MqttSettings

log = logging.getLogger(__name__)

SESSION_S = 24 * 3600
WILL_DELAY_S = 10
RECEIVE_MAXIMUM = 20
"""Incoming messages that the broker may send before the first of them is acknowledged (MQTT 5)."""
MAX_PACKET = 256 * 1024
"""Largest packet that an MQTT 5 broker may send to us; it drops larger ones."""
CONNACK_S = 5.0
STALL_S = 30.0
"""No acknowledgement for so long although messages are under way: the connection is given up."""
UNSUPPORTED = 0x84
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


class _OnLoop(Client):
    """paho over a socket that somebody else connected."""

    ready: socket.socket | None = None

    def _create_socket(self) -> socket.socket:
        sock, self.ready = self.ready, None
        if sock is None:
            raise ConnectionError("there is no connected socket")
        return sock


class MqttClient:
    """See the module. Incoming messages go to `on_message`, on the loop; they are acknowledged to the broker by `ack`,
    in the order of arrival. `on_lost` is called whenever a connection that was up is gone. Neither may raise."""

    def __init__(self, settings: MqttSettings, client_id: str, will: tuple[str, bytes] | None, clock: Clock) -> None:
        """`will`: topic and payload of what the broker says when we vanish."""
        self.settings = settings
        self.on_message: Callable[[MQTTMessage], None] = lambda _message: None
        self.on_lost: Callable[[], None] = lambda: None
        self.connected = False
        self.reason = "not connected yet"
        self.session_present = False
        """Whether the broker had kept our session, and with it a queue of messages of unknown age."""
        self.generation = 0
        """Counts connections."""
        self.ceiling = Ceiling()
        self._client_id = client_id
        self._will = will
        self._clock = clock
        self._paho: _OnLoop | None = None
        self._version = settings.version if settings.version != "auto" else "5"
        self._proven = settings.version != "auto"
        self._json: Properties | None = None
        self._paused = self._writing = False
        self._fd = -1
        self._connack: asyncio.Future[tuple[ReasonCode, Properties | None]] | None = None
        self._subacks: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._noted = ""
        self.window = Window(self._publish, clock)

    @property
    def version(self) -> str:
        """`5` or `3.1.1`."""
        return self._version

    # ------------------------------------------------------------------------------------------------- connection

    async def connect(self) -> None:
        """Returns when the broker accepted us. Raises NotConnected with a plain reason."""
        if self.connected:
            return
        try:
            if not self._proven and self._version != "5":
                self._switch()  # what both versions failed at lies elsewhere; 5 is the better one
            refused = await self._attempt()
            if refused and self.settings.version == "auto":
                self._switch()
                refused = await self._attempt()
            if refused:
                self._proven = self.settings.version != "auto"
                raise NotConnected(refused)
        except NotConnected as error:
            self.reason = str(error)
            raise
        self._proven = True
        self.reason = ""

    async def _attempt(self) -> str:
        """Empty when connected; the reason when the other MQTT version may help. Raises NotConnected."""
        loop = asyncio.get_running_loop()
        self.drop("")
        self._noted = ""
        paho = self._paho = self._paho or self._build()
        wire.credentials(paho, self.settings)
        paho.ready = await self._dial()
        paho.on_log = self._note
        self._connack = loop.create_future()
        try:
            paho.connect(self.settings.host, self.settings.port, self.settings.keepalive_s, **self._greeting())
            async with self._clock.timeout(CONNACK_S):
                code, properties = await self._connack
        except (TimeoutError, ConnectionError) as error:
            text = wire.closed(self._noted, self.settings)
            if isinstance(error, TimeoutError):
                text = f"{wire.where(self.settings)} does not answer as an MQTT broker"
            if self._proven:
                raise NotConnected(text) from None
            return text
        finally:
            self._connack = None
            self._noted = ""
            paho.on_log = None
            if not self.connected:
                self.drop("")
        if code.value == UNSUPPORTED:
            return f"{wire.where(self.settings)} refuses MQTT {self._version}"
        if code.is_failure:
            raise NotConnected(wire.refusal(code, self.settings))
        self._limits(properties)
        return ""

    async def _dial(self) -> socket.socket:
        """DNS, TCP and TLS, in a thread. Raises NotConnected."""
        dialing = asyncio.get_running_loop().run_in_executor(None, wire.dial, self.settings)
        try:
            return await asyncio.shield(dialing)
        except asyncio.CancelledError:
            # The thread cannot be stopped; its socket must not outlive it.
            dialing.add_done_callback(wire.discard)
            raise

    def _greeting(self) -> dict[str, Any]:
        if self._version != "5":
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = MAX_PACKET
        return {"clean_start": False, "properties": properties}

    def _build(self) -> _OnLoop:
        version = _VERSIONS[self._version]
        five = version == MQTTProtocolVersion.MQTTv5
        paho = _OnLoop(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if five else False,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        paho.max_inflight_messages = (
            0  # `deliver` keeps the window; paho's own walks its queue at every acknowledgement
        )
        self._json = wire.content_type() if five else None
        if self._will is not None:
            paho.will_set(*self._will, qos=1, retain=True, properties=_will_properties() if five else None)
        paho.on_connect = self._on_connack
        paho.on_disconnect = self._on_disconnect
        paho.on_publish = self._on_puback
        paho.on_subscribe = self._on_suback
        paho.on_message = self._on_incoming
        paho.on_socket_open = self._on_socket_open
        paho.on_socket_close = self._on_socket_close
        paho.on_socket_register_write = self._on_register_write
        return paho

    def _switch(self) -> None:
        """The other MQTT version, with another paho."""
        self._version = "3.1.1" if self._version == "5" else "5"
        self._forget()
        self._paho = None

    def _limits(self, properties: Properties | None) -> None:
        self.ceiling.opened(getattr(properties, "MaximumPacketSize", LARGEST) - wire.OVERHEAD)
        self.window.opened(min(self.settings.max_inflight, getattr(properties, "ReceiveMaximum", 65535)))

    def _forget(self) -> None:
        """What is under way counts as not sent."""
        if self._paho is not None:
            self._paho.drop_out_messages()
        self.window.forget()

    def disconnect(self) -> None:
        """Says good-bye, so that the broker discards the will. Never raises."""
        if self._paho is not None and self.connected:
            self.reason = "closed"
            self._paho.disconnect()
            self._write()
        self.drop("closed")

    def drop(self, reason: str) -> None:
        """Ends the connection without a good-bye; what is under way stays with paho."""
        if self._paho is None or (sock := self._paho.socket()) is None:
            return
        self._noted = reason or self._noted
        wire.cut(sock)
        self._paho.disconnect()
        self._paho.loop_write()  # fails on the cut socket, and so paho lets go of it

    def tend(self) -> None:
        """To be called about once a second: keep-alive, and giving up a connection on which nothing moves."""
        if self._paho is None or not self.connected:
            return
        self._paho.loop_misc()
        if self.window.silence > STALL_S:
            self.drop(f"{wire.where(self.settings)} has acknowledged nothing for {STALL_S:.0f} s")

    # ---------------------------------------------------------------------------------------------------- messages

    async def deliver(self, messages: Iterable[Outgoing | None]) -> None:
        """See `Window.deliver`."""
        await self.window.deliver(messages)

    def _publish(self, message: Outgoing) -> int:
        assert self._paho is not None
        while True:
            info = self._paho.publish(
                message.topic, message.payload, 1, message.retain, message.properties or self._json
            )
            if info.rc != MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:  # else the number is still in use: take the next
                return info.mid

    async def subscribe(self, filters: Sequence[str]) -> list[ReasonCode]:
        """The broker's answer for each filter. Retained messages are delivered anew. Raises NotConnected."""
        if not self.connected or self._paho is None:
            raise NotConnected(self.reason)
        answer: asyncio.Future[list[ReasonCode]] = asyncio.get_running_loop().create_future()
        if self._version == "5":
            _, mid = self._paho.subscribe([(topic, SubscribeOptions(qos=1)) for topic in filters])
        else:
            _, mid = self._paho.subscribe([(topic, 1) for topic in filters])
        assert mid is not None
        self._subacks[mid] = answer
        try:
            return await answer
        finally:
            self._subacks.pop(mid, None)

    def ack(self, message: MQTTMessage) -> None:
        """Tells the broker that it need not send the message again."""
        if message.qos and self._paho is not None and self.connected:
            self._paho.ack(message.mid, message.qos)

    def pause(self, paused: bool) -> None:
        """Stops reading (what is in the broker stays there) or goes on."""
        if paused != self._paused and self._fd >= 0:
            loop = asyncio.get_running_loop()
            if paused:
                loop.remove_reader(self._fd)
            else:
                loop.add_reader(self._fd, self._read)
                loop.call_soon(self._read)
        self._paused = paused

    # -------------------------------------------------------------------------------------------------- the socket

    def _on_socket_open(self, _client: Client, _userdata: Any, sock: Any) -> None:
        self._fd = sock.fileno()
        self._paused = self._writing = False
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def _on_socket_close(self, _client: Client, _userdata: Any, _sock: Any) -> None:
        if self._fd >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            self._fd = -1

    def _on_register_write(self, _client: Client, _userdata: Any, _sock: Any) -> None:
        # One round at the end of this turn writes all that is published in it.
        asyncio.get_running_loop().call_soon(self._write)

    def _read(self) -> None:
        paho = self._paho
        assert paho is not None
        try:
            paho.loop_read()
            # What TLS has already taken off the socket makes no further event.
            while not self._paused and (sock := paho.socket()) is not None and wire.decrypted(sock):
                paho.loop_read()
        except Exception as error:
            log.exception("the broker sent what cannot be read")
            self.drop(f"{wire.where(self.settings)} sent what cannot be read: {error!r}")

    def _write(self) -> None:
        if self._paho is None or self._paho.socket() is None:
            return
        self._paho.loop_write()
        if self._fd < 0 or self._writing == self._paho.want_write():
            return
        self._writing = not self._writing
        if self._writing:
            asyncio.get_running_loop().add_writer(self._fd, self._write)
        else:
            asyncio.get_running_loop().remove_writer(self._fd)

    # ---------------------------------------------------------------------------------------------- paho's callbacks

    def _note(self, _client: Client, _userdata: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._noted = text

    def _on_connack(
        self, _client: Client, _userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if not code.is_failure:
            self.session_present = bool(flags.session_present)
            self.connected = True
            self.generation += 1
        if self._connack is not None and not self._connack.done():
            self._connack.set_result((code, properties))

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, code: ReasonCode, _properties: Any
    ) -> None:
        if self._connack is not None and not self._connack.done():
            self._connack.set_exception(ConnectionResetError())
        if not self.connected:
            return
        self.connected = False
        if self.reason != "closed":
            told = code if flags.is_disconnect_packet_from_server else None
            self.reason = self._noted or wire.lost(told, self.settings)
            if self.ceiling.hung_up(self.window.largest, told.value if told else 0):
                self._forget()
        self._noted = ""
        self.window.closed(self.reason)
        for answer in self._subacks.values():
            if not answer.done():
                answer.set_exception(NotConnected(self.reason))
        self.on_lost()

    def _on_puback(self, _client: Client, _userdata: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        self.window.acknowledged(mid, code.value)

    def _on_suback(self, _client: Client, _userdata: Any, mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        answer = self._subacks.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def _on_incoming(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            self.on_message(message)
        except Exception:
            log.exception("an incoming message on %r was not understood", message.topic)


def _will_properties() -> Properties:
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.WillDelayInterval = WILL_DELAY_S
    properties.ContentType = wire.JSON
    return properties
