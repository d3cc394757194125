"""The demo's cloud: switches an actuator over MQTT now and then and hears the result."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

TURNS = (("io-board", "Relay0"), ("relays", "Relay1"))
"""Actuators that are switched in turn."""


class DemoCloud:
    """A client of the broker that commands and listens, as a cloud would."""

    def __init__(self, client: Any, gateway: str) -> None:
        self._client = client
        self._root = f"southgate/v1/{gateway}"
        self._results: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._count = 0

    def heard(self, payload: bytes) -> None:
        """A result came."""
        self._results.put_nowait(json.loads(payload))

    async def switch(self) -> str:
        """Sends the next command and says in one line what became of it."""
        device, resource = TURNS[self._count % len(TURNS)]
        value = self._count // len(TURNS) % 2 == 0
        self._count += 1
        command = {"id": f"demo-{self._count}", "args": {resource: value}}
        topic = f"{self._root}/d/{device}/cmd/{resource}"
        self._client.publish(topic, json.dumps(command), qos=1)
        asked = f"command {device} {resource} = {str(value).lower()}"
        try:
            async with asyncio.timeout(5):
                while (result := await self._results.get())["id"] != command["id"]:
                    continue
        except TimeoutError:
            return f"{asked}: no result within 5 s"
        took = (result["finished"] - result["started"]) / 1e6
        return f"{asked}: {result['status']} in {took:.0f} ms, reads back {json.dumps(result.get('readback'))}"


@asynccontextmanager
async def cloud(port: int, gateway: str) -> AsyncIterator[DemoCloud]:
    """Connected to the broker until the block ends."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    loop = asyncio.get_running_loop()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="southgate-demo-cloud", protocol=mqtt.MQTTv311)
    found = DemoCloud(client, gateway)
    ready = asyncio.Event()

    def on_message(_client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        loop.call_soon_threadsafe(found.heard, bytes(message.payload))

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        client.subscribe(f"southgate/v1/{gateway}/d/+/cmd/+/result", qos=1)

    def on_subscribe(*_: Any) -> None:
        loop.call_soon_threadsafe(ready.set)

    client.on_message, client.on_connect, client.on_subscribe = on_message, on_connect, on_subscribe
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        await ready.wait()
        yield found
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
