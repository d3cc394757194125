"""A simulated OPC UA server: an asyncua server for one or several devices, made anew each time it is opened."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from asyncua import Server, ua

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from simulators.opcua.alarms import Alarms
from simulators.opcua.build import Builder
from simulators.opcua.door import Door
from simulators.opcua.faults import SOUND, ServerFaults
from simulators.opcua.hiding import Hiding
from simulators.opcua.ids import node_id
from simulators.opcua.memory import Memory
from simulators.opcua.namespaces import Namespaces, namespaces_in
from simulators.opcua.node import Node, moment
from simulators.opcua.security import Identity, Users, identity, policies, tokens
from simulators.opcua.services import LIMITS, NOW, Attributes, now_of
from simulators.opcua.standard import Internal
from simulators.opcua.unit import Unit
from simulators.worldfile import ServerEntry

logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what a client does wrong is told to the client


class OpcuaServer:
    """Fulfils `simulators.served.Endpoint`."""

    def __init__(self, clock: Clock, entry: ServerEntry, host: str = "127.0.0.1", port: int = 0) -> None:
        """Port 0 is a free one; `port` says which once open. Raises ConfigError."""
        self.host = host
        self.port = port
        self.entry = entry
        self.units: dict[str, Unit] = {}
        self.faults: ServerFaults = SOUND
        self._clock = clock
        self._policies, self._tokens, self._users = policies(entry), tokens(entry), Users(entry)
        self._identity: Identity | None = None
        self._shuffles = 0
        self._server: Server | None = None
        self._door: Door | None = None
        self._ids: dict[Node, ua.NodeId] = {}
        self._hiding: Hiding | None = None
        self._changed: dict[Node, None] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._trouble: asyncio.Task[None] | None = None
        self._restarting = asyncio.Lock()

    @property
    def address(self) -> str:
        return f"opc.tcp://{self.host}:{self.port}"

    @property
    def application_uri(self) -> str:
        """Of the first device."""
        return f"urn:southgate:simulator:{next(iter(self.units), '')}"

    @property
    def open_to_all(self) -> bool:
        """Whether sessions without security are let in."""
        return ua.SecurityPolicyType.NoSecurity in self._policies

    def add(self, name: str, unit: Unit) -> None:
        """A device of this server."""
        self.units[name] = unit
        unit.changed = self._change
        unit.rang = self._wake.set

    # --------------------------------------------------------------------------------------------------- up and down

    async def open(self) -> None:
        """Raises ConfigError when the port is taken or two devices have one node."""
        await self._up()
        self._trouble = asyncio.create_task(self._make_trouble())

    async def close(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            async with self._restarting:  # asyncua's stop swallows a cancellation
                await _end([trouble])
        await self._down()

    def shuffle(self) -> None:
        """Namespaces that are named by URI have other indexes from the next `open` on."""
        self._shuffles += 1

    async def drop_subscriptions(self) -> None:
        """Forgets every subscription without a word; sessions stay."""
        if self._server is not None:
            service = self._server.iserver.subscription_service
            await service.delete_subscriptions(list(service.subscriptions))

    async def _up(self) -> None:
        server = Server(Internal(self._users))
        server.name = f"Southgate simulator of {', '.join(self.units)}"
        server.set_endpoint(self.address)
        server.set_security_policy(self._policies)
        server.set_identity_tokens(self._tokens)
        server.iserver.bind_condition_methods = True  # ConditionRefresh
        await server.init()
        await server.set_application_uri(self.application_uri)
        await self._say_who(server)
        await self._identify(server)
        await self._limit(server)
        builder = await self._build(server)
        space = server.iserver.aspace
        server.iserver.attribute_service = Attributes(space, builder.variables, self._clock, self.entry.maxNodes)
        alarms = Alarms(server.iserver, builder.conditions, self._clock)
        memory: Any = Memory(builder.variables)
        server.iserver.history_manager = memory
        door = Door(server, (self.host, self.port), lambda: self.faults, self._clock)
        try:
            await door.open()
        except OSError as error:
            await server.iserver.stop()
            what = f"cannot listen on {self.host}:{self.port}: {error.strerror or error}; choose another port"
            raise ConfigError(what) from None
        self.port, self._server, self._door = door.port, server, door
        self._ids = {node: id_ for id_, (_, node) in builder.variables.items()}
        self._hiding = Hiding(space)
        self._tasks = [asyncio.create_task(self._tick(door)), asyncio.create_task(self._tell(alarms))]
        self._wake.set()

    async def _say_who(self, server: Server) -> None:
        """What it is a simulation of: the maker and the model of the first device (Part 5, 12.4)."""
        profile = next(iter(self.units.values())).profile
        maker, model = profile.manufacturer or "Southgate", profile.model or "Southgate simulator"
        uri, version = self.application_uri, "1.0"
        await server.set_build_info(uri, maker, model, version, "0", moment(self._clock.now()))

    async def _identify(self, server: Server) -> None:
        if all(policy == ua.SecurityPolicyType.NoSecurity for policy in self._policies):
            return
        if self._identity is None:
            folder = Path(self.entry.identity) if self.entry.identity else None
            self._identity = await asyncio.to_thread(identity, self.application_uri, self.host, folder)
        server.iserver.certificate, server.iserver.private_key = self._identity

    async def _limit(self, server: Server) -> None:
        if self.entry.maxNodes:
            most = ua.Variant(self.entry.maxNodes, ua.VariantType.UInt32)
            for limit in LIMITS:
                await server.get_node(node_id(limit)).write_value(most)

    async def _build(self, server: Server) -> Builder:
        places = [place for unit in self.units.values() for place in unit.places]
        namespaces = Namespaces(self.application_uri, namespaces_in(places), self._shuffles)
        await server.get_node(node_id(ua.ObjectIds.Server_NamespaceArray)).write_value(namespaces.uris)
        builder = Builder(server, namespaces)
        for name, unit in self.units.items():
            unit.refresh()
            builder.add(name, unit)
        return builder

    async def _down(self) -> None:
        tasks, self._tasks = self._tasks, []
        await _end(tasks)
        door, self._door, self._server = self._door, None, None
        if door is not None:
            await door.close()

    # ------------------------------------------------------------------------------------------------------- values

    def _change(self, node: Node) -> None:
        self._changed[node] = None
        self._wake.set()

    async def _tick(self, door: Door) -> None:
        """While somebody is connected, values move."""
        while True:
            await self._clock.sleep(min(unit.rest for unit in self.units.values()))
            if door.clients:
                for unit in self.units.values():
                    unit.refresh()
                await door.iserver.aspace.write_attribute_value(NOW, ua.AttributeIds.Value, now_of(self._clock))

    async def _tell(self, alarms: Alarms) -> None:
        """Subscribers hear what changed; what is to be hidden goes."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._hiding is not None:
                await self._hiding.only({self._ids[node] for unit in self.units.values() for node in unit.deleted})
            changed, self._changed = self._changed, {}
            for node in changed:
                await self._tell_of(node)
            await alarms.look()

    async def _tell_of(self, node: Node) -> None:
        assert self._server
        data = self._server.iserver.aspace.get(self._ids[node])
        if data is not None:
            value = data.attributes[ua.AttributeIds.Value]
            value.value = told = node.told()
            for handle, callback in list(value.datachange_callbacks.items()):
                await callback(handle, told)

    # ------------------------------------------------------------------------------------------------------- trouble

    async def _make_trouble(self) -> None:
        """Restarts and lost subscriptions, again and again."""
        last = dict.fromkeys(("restart", "shuffle", "drop"), self._clock.monotonic())
        while True:
            await self._clock.sleep(0.25)
            now = self._clock.monotonic()
            for name in last:
                every = getattr(self.faults, name)
                if not every:
                    last[name] = now
                elif now - last[name] >= every:
                    last[name] = now
                    await self._suffer(name)

    async def _suffer(self, name: str) -> None:
        if name == "drop":
            await self.drop_subscriptions()
            return
        if name == "shuffle":
            self.shuffle()
        async with self._restarting:
            await self._down()
            with suppress(ConfigError):  # somebody took the port: it stays down
                await self._up()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
