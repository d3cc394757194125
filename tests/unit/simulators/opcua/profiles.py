"""OPC UA profiles made in a test, and a client of asyncua's own for what serves them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asyncua import Client, Node, ua
from asyncua.common.subscription import DataChangeNotif

from gateway.model.contracts import Clock
from gateway.model.profile import DeviceProfile
from simulators.world import Running, World, serve
from tests.unit.simulators.profiles import profile, resource

NAME = "Test"


def node(name: str, where: str, properties: str) -> str:
    """A resource with a node id in namespace 2, or with the attributes that are given."""
    return resource(name, where if ": " in where else f"nodeId: ns=2;s={where}", properties)


@asynccontextmanager
async def served(*resources: str, clock: Clock | None = None, **settings: Any) -> AsyncIterator[tuple[Running, Client]]:
    """One device and a connected client."""
    async with (
        simulated(profile(*resources), clock, **settings) as running,
        Client(running.devices[NAME].address, timeout=10) as client,
    ):
        yield running, client


@asynccontextmanager
async def simulated(made: DeviceProfile, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Running]:
    async with serve(World.from_profiles([made], **settings), clock) as running:
        yield running


def at(client: Client, identifier: str) -> Node:
    return client.get_node(ua.NodeId(identifier, 2))


class Heard:
    """What a subscription tells."""

    def __init__(self) -> None:
        self.values: asyncio.Queue[Any] = asyncio.Queue()

    def datachange_notification(self, _node: Any, value: Any, _data: DataChangeNotif) -> None:
        self.values.put_nowait(value)
