"""The other side of the broker: a plain paho client on its own thread, as a cloud would be."""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.broker import Broker

WAIT_S = 15.0
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Received:
    topic: str
    payload: bytes
    retain: bool
    properties: Any

    @property
    def body(self) -> Any:
        return json.loads(self.payload)


class CloudClient:
    """Sees everything under its filter, in order."""

    def __init__(self, paho: Client) -> None:
        self.paho = paho
        self.seen: list[Received] = []
        self.subscribed = 0
        """How often: once per connection."""
        self._news = asyncio.Event()

    def take(self, message: Received) -> None:
        self.seen.append(message)
        self._news.set()

    def on(self, topic: str) -> list[Received]:
        """What came on this topic, or under it where it ends with `/`."""
        return [m for m in self.seen if m.topic == topic or (topic.endswith("/") and m.topic.startswith(topic))]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """The condition's value as soon as it is true; looks again at every message."""
        async with asyncio.timeout(WAIT_S):
            while not (value := condition()):
                self._news.clear()
                await self._news.wait()
        return value

    async def until_true(self, condition: Callable[[], Any]) -> None:
        """For what causes no message: looks again at every turn of the loop."""
        async with asyncio.timeout(WAIT_S):
            while not condition():  # noqa: ASYNC110  there is nothing that could set an event
                await asyncio.sleep(0.005)

    async def one(self, topic: str) -> Received:
        """The first message on a topic."""
        found: list[Received] = await self.until(lambda: self.on(topic))
        return found[0]

    async def publish(self, topic: str, body: Any, retain: bool = False, **properties: Any) -> None:
        """Returns when the broker has it. Keyword arguments are MQTT 5 properties; bytes leave as they are."""
        given = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        for name, value in properties.items():
            setattr(given, name, value)
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        info = self.paho.publish(topic, payload, 1, retain, given)
        await asyncio.to_thread(info.wait_for_publish, WAIT_S)


@contextlib.asynccontextmanager
async def cloud_client(broker: Broker, topics: str = "#", **tls: Any) -> AsyncIterator[CloudClient]:
    """Connected and subscribed; its session outlives a broker that is stopped in an orderly way."""
    loop = asyncio.get_running_loop()
    name = f"cloud-{next(_NUMBERS)}"
    paho = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = 3600
    paho.reconnect_delay_set(1, 1)
    client = CloudClient(paho)

    def on_subscribe(*_: Any) -> None:
        client.subscribed += 1

    def on_message(_client: Client, _userdata: Any, m: MQTTMessage) -> None:
        loop.call_soon_threadsafe(client.take, Received(m.topic, bytes(m.payload), m.retain, m.properties))

    paho.on_message = on_message
    paho.on_connect = lambda *_: paho.subscribe(topics, qos=1) and None
    paho.on_subscribe = on_subscribe
    paho.on_socket_open = lambda _c, _u, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        paho.tls_set(**tls)
    for user, password in broker.options.users.items():
        paho.username_pw_set(user, password)
        break
    await asyncio.to_thread(lambda: paho.connect(broker.host, broker.port, clean_start=False, properties=session))
    paho.loop_start()
    try:
        await client.until_true(lambda: client.subscribed)
        yield client
    finally:
        await asyncio.to_thread(paho.disconnect)
        await asyncio.to_thread(paho.loop_stop)
