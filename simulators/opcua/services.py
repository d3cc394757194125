"""Where the services of a simulated server differ from asyncua's own: what is read and written is the units'."""

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService

from gateway.model.contracts import Clock
from simulators.opcua.ids import node_id, status
from simulators.opcua.node import Node, moment
from simulators.opcua.unit import Unit

ADMIN = User(role=UserRole.Admin)
_UNKNOWN = status(ua.StatusCodes.BadNodeIdUnknown)
LIMITS = (
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
)
"""What `most` is the value of."""
NOW = node_id(ua.ObjectIds.Server_ServerStatus_CurrentTime)


def now_of(clock: Clock) -> ua.DataValue:
    """What the server says the time is."""
    now = moment(clock.now())
    return ua.DataValue(ua.Variant(now, ua.VariantType.DateTime), SourceTimestamp=now, ServerTimestamp=now)


class Attributes(AttributeService):
    """The attribute service set (Part 4, 5.11)."""

    def __init__(
        self, space: AddressSpace, variables: dict[ua.NodeId, tuple[Unit, Node]], clock: Clock, most: int = 0
    ) -> None:
        """`most`: nodes of one call; 0 is any number."""
        super().__init__(space)
        self._space = space
        self._most = most
        self._clock = clock
        self._variables = variables

    def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        self._limit(len(params.NodesToRead))
        results = super().read(params)
        for at, wanted in enumerate(params.NodesToRead):
            served = self._variables.get(wanted.NodeId)
            if results[at].StatusCode == _UNKNOWN:
                continue
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
        self._limit(len(params.NodesToWrite))
        results = []
        for one in params.NodesToWrite:
            served = self._variables.get(one.NodeId)
            if served is not None and one.NodeId not in self._space:
                results.append(_UNKNOWN)
            elif served is None or one.AttributeId != ua.AttributeIds.Value:
                results += await super().write(ua.WriteParameters([one]), user)
            else:
                results.append(status(_write(*served, one)))
        for unit in {unit for unit, _ in self._asked(params.NodesToWrite)}:
            unit.requests += 1
        return results

    def _limit(self, nodes: int) -> None:
        if self._most and nodes > self._most:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)

    def _asked(self, items: list[ua.ReadValueId] | list[ua.WriteValue]) -> list[tuple[Unit, Node]]:
        return [self._variables[item.NodeId] for item in items if item.NodeId in self._variables]


def _write(unit: Unit, node: Node, wanted: ua.WriteValue) -> int:
    if not any(point.writable for point in node.points):
        return ua.StatusCodes.BadNotWritable
    if wanted.IndexRange:
        return ua.StatusCodes.BadWriteNotSupported
    return unit.write(node, wanted.Value.Value)
