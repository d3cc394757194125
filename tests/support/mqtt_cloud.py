"""The product's cloud room, alone, between a real broker and a house of stand-ins."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from gateway.model.errors import NotConnected
from gateway.model.reading import Batch
from gateway.northbound.mqtt import Identity, MqttCloud
from gateway.northbound.settings import MqttSettings
from gateway.runtime.clock import SystemClock
from tests.unit.northbound.fakes import Commands, State, Twins

GATEWAY = "plant 7"
P = "southgate/v1/plant 7"


class House:
    """One gateway's cloud and what it meets inside."""

    def __init__(self, *devices: str, session: str = "01S") -> None:
        self.twins = Twins(*devices)
        self.commands = Commands()
        self.state = State()
        self.clock = SystemClock()
        self.session = session

    def cloud(self, url: str, **settings: Any) -> MqttCloud:
        given = MqttSettings(url=url, response_prefixes=["replies/"], **settings)
        identity = Identity(GATEWAY, "1.2.3", self.session)
        return MqttCloud(given, identity, self.twins, self.commands, self.state, self.clock)

    @contextlib.asynccontextmanager
    async def connected(self, url: str, **settings: Any) -> AsyncIterator[MqttCloud]:
        """Connected, and closed at the block's end."""
        cloud = self.cloud(url, **settings)
        try:
            await cloud.connect()
            yield cloud
        finally:
            await cloud.close()


async def persist(cloud: MqttCloud, batch: Batch, clock: SystemClock) -> int:
    """Sends as a forwarder does: again after every lost connection. Returns how often it had to."""
    tries = 0
    while True:
        try:
            await cloud.connect()
            await cloud.send(batch)
        except NotConnected:
            tries += 1
            await clock.sleep(0.05)
        else:
            return tries
