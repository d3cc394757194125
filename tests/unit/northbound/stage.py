"""An inbox between stand-ins, for tests of what arrives."""

import asyncio
from typing import Any

from gateway.northbound.answers import Answers
from gateway.northbound.desired import DesiredInbox
from gateway.northbound.inbox import Inbox
from gateway.northbound.link import Link
from gateway.northbound.presence import Presence
from gateway.northbound.topics import Topics
from tests.support.clock import MovingClock, settle
from tests.unit.northbound.fakes import Client, Commands, State, Twins, incoming

P = "southgate/v1/gw"


class Stage:
    """An inbox whose tasks run, between a fake client and fake commands."""

    def __init__(self, clock: MovingClock, state: State | None = None) -> None:
        self.clock = clock
        self.client = Client()
        self.twins = Twins("m1")
        self.commands = Commands()
        self.state = state or State()
        client: Any = self.client
        self.link = Link(client, Topics("southgate/v1", "gw"), "01S", clock)
        self.counts = self.link.counts
        self.presence = Presence(self.link, self.twins, "1")
        self.answers = Answers(self.link)
        self.desired = DesiredInbox(self.link, self.answers, self.presence, self.commands, self.state)
        self.inbox = Inbox(self.link, self.answers, self.presence, self.desired, self.commands)
        self.presence.follow_devices()
        self.desired.load()
        self.tasks = [asyncio.create_task(self.inbox.run()), asyncio.create_task(self.answers.run())]
        self.mids = 0

    async def get(self, topic: str, payload: Any, retain: bool = False, **properties: Any) -> None:
        """Something arrives and is handled."""
        self.mids += 1
        self.inbox.put(incoming(topic, payload, retain, self.mids, **properties))
        await settle()

    async def settled(self) -> None:
        """The connection is set up: the mark comes back."""
        task = asyncio.create_task(self.inbox.settle())
        await settle()
        mark = next(m for m in reversed(self.client.sent) if m.topic == f"{P}/rebirth")
        await self.get(mark.topic, mark.payload)
        await task

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.inbox.close()
