"""A simulated OPC UA server: an asyncua server for one or several devices, made anew each time it is opened."""

import asyncio
import logging
from contextlib import suppress

from asyncua import Server, ua

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from simulators.opcua.build import Builder
from simulators.opcua.ids import node_id
from simulators.opcua.namespaces import Namespaces, namespaces_in
from simulators.opcua.node import Node
from simulators.opcua.services import NOW, Attributes, Door, now_of
from simulators.opcua.standard import Internal
from simulators.opcua.unit import Unit

for _name in ("asyncua.server", "asyncua.common", "asyncua.uaprotocol"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what a client does wrong is told to the client


class OpcuaServer:
    """Fulfils `simulators.served.Endpoint`."""

    def __init__(self, clock: Clock, port: int = 0, host: str = "127.0.0.1", period: float = 0.2) -> None:
        """Port 0 is a free one; `port` says which once open. `period`: seconds between two values of a node."""
        self.host = host
        self.port = port
        self.units: dict[str, Unit] = {}
        self.shuffles = 0
        """How often the namespaces were given other indexes; counts from the next `open`."""
        self._clock = clock
        self._period = period
        self._server: Server | None = None
        self._door: Door | None = None
        self._changed: dict[Node, None] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        return f"opc.tcp://{self.host}:{self.port}"

    @property
    def application_uri(self) -> str:
        """Of the first device."""
        return f"urn:southgate:simulator:{next(iter(self.units), '')}"

    def add(self, name: str, unit: Unit) -> None:
        """A device of this server."""
        self.units[name] = unit
        unit.changed = self._change

    async def open(self) -> None:
        """Raises ConfigError when the port is taken or two devices have one node."""
        server = Server(Internal())
        server.name = f"Southgate simulator of {', '.join(self.units)}"
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_endpoint(self.address)
        await server.init()
        await server.set_application_uri(self.application_uri)
        variables = await self._build(server)
        server.iserver.attribute_service = Attributes(server.iserver.aspace, variables, self._clock)
        self._door = Door(server, self.host, self.port)
        self._server = server
        try:
            await self._door.open()
        except OSError as error:
            await server.iserver.stop()
            self._server = self._door = None
            what = f"cannot listen on {self.host}:{self.port}: {error.strerror or error}; choose another port"
            raise ConfigError(what) from None
        self.port = self._door.port
        self._variables = {node: id_ for id_, (_, node) in variables.items()}
        self._tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._tell())]

    async def _build(self, server: Server) -> dict[ua.NodeId, tuple[Unit, Node]]:
        places = [place for unit in self.units.values() for place in unit.places]
        namespaces = Namespaces(self.application_uri, namespaces_in(places), self.shuffles)
        await server.get_node(node_id(ua.ObjectIds.Server_NamespaceArray)).write_value(namespaces.uris)
        builder = Builder(server, namespaces)
        for name, unit in self.units.items():
            unit.refresh()
            builder.add(name, unit)
        return builder.variables

    async def close(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        door, self._door = self._door, None
        if door is not None:
            await door.close()
        server, self._server = self._server, None
        if server is not None:
            await server.iserver.stop()

    # ------------------------------------------------------------------------------------------------------- values

    def _change(self, node: Node) -> None:
        self._changed[node] = None
        self._wake.set()

    async def _tick(self) -> None:
        """While somebody is connected, values move."""
        while True:
            await self._clock.sleep(self._period)
            if self._door and self._door.clients and self._server:
                for unit in self.units.values():
                    unit.refresh()
                now = now_of(self._clock)
                await self._server.iserver.aspace.write_attribute_value(NOW, ua.AttributeIds.Value, now)

    async def _tell(self) -> None:
        """Subscribers hear what changed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, {}
            assert self._server
            space = self._server.iserver.aspace
            for node in changed:
                with suppress(KeyError):  # it was deleted
                    value = space[self._variables[node]].attributes[ua.AttributeIds.Value]
                    value.value = node.told()
                    for handle, callback in value.datachange_callbacks.items():
                        await callback(handle, value.value)
