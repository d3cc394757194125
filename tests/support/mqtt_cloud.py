"""The product's cloud room, alone, between a real broker and a house of stand-ins."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from datastore.journal import Journal
from gateway.model.errors import NotConnected
from gateway.model.reading import Batch
from gateway.northbound.mqtt import Identity, MqttCloud
from gateway.northbound.settings import MqttSettings
from gateway.runtime.clock import SystemClock
from gateway.runtime.forwarder import Forwarder, ForwardSettings
from tests.support.journals import journal
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


@contextlib.asynccontextmanager
async def fed(cloud: MqttCloud, folder: Path, clock: SystemClock) -> AsyncIterator[tuple[Journal, Forwarder]]:
    """A journal whose forwarder feeds and keeps up the cloud, in a hurry."""
    async with journal(folder / "journal", clock, running=True) as store:
        forwarder = Forwarder(store, cloud, clock, cloud.name, ForwardSettings(first_retry_s=0.05, longest_retry_s=0.1))
        task = asyncio.create_task(forwarder.run())
        try:
            yield store, forwarder
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


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
