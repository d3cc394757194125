"""Where a simulated server differs from asyncua's own: what is read and written is the units', and the door through
which requests come."""

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.server.binary_server_asyncio import BinaryServer

from gateway.model.contracts import Clock
from simulators.opcua.ids import node_id, status
from simulators.opcua.node import Node, moment
from simulators.opcua.unit import Unit

ADMIN = User(role=UserRole.Admin)
NOW = node_id(ua.ObjectIds.Server_ServerStatus_CurrentTime)


def now_of(clock: Clock) -> ua.DataValue:
    """What the server says the time is."""
    now = moment(clock.now())
    return ua.DataValue(ua.Variant(now, ua.VariantType.DateTime), SourceTimestamp=now, ServerTimestamp=now)


class Attributes(AttributeService):
    """The attribute service set (Part 4, 5.11)."""

    def __init__(self, space: AddressSpace, variables: dict[ua.NodeId, tuple[Unit, Node]], clock: Clock) -> None:
        super().__init__(space)
        self._clock = clock
        self._variables = variables

    def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        results = super().read(params)
        for at, wanted in enumerate(params.NodesToRead):
            served = self._variables.get(wanted.NodeId)
            if served is not None and wanted.AttributeId == ua.AttributeIds.Value:
                results[at] = self._value(*served)
            elif wanted.NodeId == NOW and wanted.AttributeId == ua.AttributeIds.Value:
                results[at] = now_of(self._clock)
        for unit in {unit for unit, _ in self._asked(params.NodesToRead)}:
            unit.requests += 1
        return results

    def _value(self, unit: Unit, node: Node) -> ua.DataValue:
        if not any(point.readable for point in node.points):
            return ua.DataValue(StatusCode=status(ua.StatusCodes.BadNotReadable))
        unit.refresh()
        return node.told()

    async def write(self, params: ua.WriteParameters, user: User = ADMIN) -> list[ua.StatusCode]:
        results = []
        for one in params.NodesToWrite:
            served = self._variables.get(one.NodeId)
            if served is None or one.AttributeId != ua.AttributeIds.Value:
                results += await super().write(ua.WriteParameters([one]), user)
            else:
                results.append(status(_write(*served, one)))
        for unit in {unit for unit, _ in self._asked(params.NodesToWrite)}:
            unit.requests += 1
        return results

    def _asked(self, items: list[ua.ReadValueId] | list[ua.WriteValue]) -> list[tuple[Unit, Node]]:
        return [self._variables[item.NodeId] for item in items if item.NodeId in self._variables]


def _write(unit: Unit, node: Node, wanted: ua.WriteValue) -> int:
    if not any(point.writable for point in node.points):
        return ua.StatusCodes.BadNotWritable
    if wanted.IndexRange:
        return ua.StatusCodes.BadWriteNotSupported
    return unit.write(node, wanted.Value.Value)


class Door:
    """The port of a server: asyncua's, opened and closed with all that hangs on it."""

    def __init__(self, server: Server, host: str, port: int) -> None:
        self._server = server
        self._binary = BinaryServer(server.iserver, host, port, server.limits)

    @property
    def port(self) -> int:
        return self._binary.port

    @property
    def clients(self) -> int:
        """Connections."""
        return len(self._binary.clients)

    async def open(self) -> None:
        """Raises OSError."""
        await self._server._setup_server_nodes()  # noqa: SLF001  what Server.start does, with a door of our own
        await self._server.iserver.start()
        self._binary.set_policies(self._server._policies)  # noqa: SLF001
        await self._binary.start()

    async def close(self) -> None:
        """Connections are cut."""
        for client in list(self._binary.clients):
            if client.transport is not None:
                client.transport.abort()
        await self._binary.stop()
