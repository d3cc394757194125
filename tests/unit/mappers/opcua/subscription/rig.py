"""A session with an asyncua server in the same loop, and polls of its variables."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from gateway.model.device import AutoEvent, Device
from gateway.model.place import Place
from gateway.model.plan import Poll
from gateway.model.profile import DeviceResource
from gateway.model.reading import Event, Source
from gateway.runtime.clock import SystemClock
from mappers.opcua.endpoint import reach
from mappers.opcua.plan import plan
from mappers.opcua.session import Session
from mappers.opcua.subscription.subscriptions import Subscriptions
from tests.support.opcua import plain_server
from tests.support.ports import free_port

URI = "urn:southgate:tests"


class Peer:
    """A server, and what it holds by name."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.server = plain_server()
        self.index = 0
        self.up = False

    async def start(self, *before: str) -> None:
        """`before`: namespaces that come first."""
        await self.server.init()
        self.server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/")
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for uri in before:
            await self.server.register_namespace(uri)
        self.index = await self.server.register_namespace(URI)
        await self.server.start()
        self.up = True

    async def stop(self) -> None:
        if self.up:
            self.up = False
            await self.server.stop()

    def node_id(self, name: str) -> ua.NodeId:
        return ua.NodeId(name, self.index)

    async def add(self, name: str, value: Any, kind: ua.VariantType | None = None) -> None:
        name_of = ua.QualifiedName(name, self.index)
        await self.server.nodes.objects.add_variable(self.node_id(name), name_of, value, kind)

    async def put(self, name: str, value: Any) -> None:
        """A value of the type that is there."""
        node = self.server.get_node(self.node_id(name))
        held = await node.read_data_type_as_variant_type()
        await node.write_value(ua.DataValue(ua.Variant(value, held), SourceTimestamp=datetime.now(UTC)))

    async def say(self, name: str, data: ua.DataValue) -> None:
        """With status and times as given."""
        await self.server.write_attribute_value(self.node_id(name), data)

    async def remove(self, name: str) -> None:
        """Nobody who watches it is told."""
        space, node = self.server.iserver.aspace, self.node_id(name)
        for item in self.items:
            if item.read_value_id.NodeId == node:
                space.delete_datachange_callback(item.callback_handle)
        await self.server.delete_nodes([self.server.get_node(node)])

    @property
    def subscriptions(self) -> dict[int, Any]:
        found: dict[int, Any] = self.server.iserver.subscription_service.subscriptions
        return found

    @property
    def items(self) -> list[Any]:
        """Monitored items of all subscriptions."""
        return [
            item for one in self.subscriptions.values() for item in one.monitored_item_srv._monitored_items.values()
        ]


@asynccontextmanager
async def serving(*names: str, port: int | None = None, conditions: bool = False) -> AsyncIterator[Peer]:
    """A server with whole numbers (Int32, 0) by these names. `conditions`: it can tell them again."""
    peer = Peer(port or free_port())
    peer.server.iserver.bind_condition_methods = conditions
    await peer.start()
    for name in names:
        await peer.add(name, 0, ua.VariantType.Int32)
    try:
        yield peer
    finally:
        await peer.stop()


def resource(name: str, value_type: str = "Int32", read_write: str = "R", **attributes: Any) -> DeviceResource:
    """At `nsu=URI;s=name`, unless attributes say where."""
    if not {"nodeId", "browsePath", "methodId"} & set(attributes):
        attributes["nodeId"] = f"nsu={URI};s={name}"
    properties = {"valueType": value_type, "readWrite": read_write}
    return DeviceResource.model_validate({"name": name, "properties": properties, "attributes": attributes})


def source(name: str, *resources: DeviceResource) -> Source:
    return Source("device-opcua", "press", "press-1", name, resources)


def device(port: int, **properties: Any) -> Device:
    given = {"Endpoint": f"opc.tcp://127.0.0.1:{port}", "SecurityPolicy": "None", "AllowNone": True, **properties}
    return Device.model_validate({"name": "press-1", "profileName": "press", "protocols": {"opcua": given}})


def poll(of: Device, interval: float, *sources: Source) -> Poll:
    events = tuple(AutoEvent.model_validate({"interval": f"{interval}s", "sourceName": one.name}) for one in sources)
    return Poll(of.name, interval, sources, events, plan(of, sources))


class Ear:
    """Whoever is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notifications: list[list[Event]] = []
        self._more = asyncio.Event()

    def __call__(self, events: list[Event]) -> None:
        self.notifications.append(events)
        self.events += events
        self._more.set()

    async def until(self, true: Callable[["Ear"], bool], seconds: float = 10.0) -> None:
        """Waits until it is true of what was heard."""
        async with asyncio.timeout(seconds):
            while not true(self):
                self._more.clear()
                await self._more.wait()

    def values(self, name: str) -> list[Any]:
        """All of one resource, oldest first."""
        return [one.value for event in self.events for one in event.readings() if one.resource.name == name]

    def codes(self, name: str) -> list[str]:
        return [one.quality.code for event in self.events for one in event.readings() if one.resource.name == name]


class Rig:
    """Subscriptions on a live session."""

    def __init__(
        self, session: Session, made: Subscriptions, counts: Counter[str], running: "asyncio.Task[str]"
    ) -> None:
        self.session, self.made, self.counts, self.running = session, made, counts, running
        self.ear = Ear()

    async def subscribe(self, *polls: Poll) -> Sequence[Poll]:
        return await self.made.subscribe(polls, self.ear)


@asynccontextmanager
async def subscribing(of: Device, clock: Any = None) -> AsyncIterator[Rig]:
    """A session of a device."""
    clock = clock or SystemClock()
    connection, _ = reach(of)
    session = Session(connection, clock, Place())
    await session.connect()
    counts: Counter[str] = Counter()
    made = Subscriptions(session, clock, counts)
    running = asyncio.ensure_future(made.run())
    try:
        yield Rig(session, made, counts, running)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await session.close()
