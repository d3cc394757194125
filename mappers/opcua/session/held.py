"""What variables hold: data type, and whether it is an array. Asked once a connection."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from asyncua import ua

from gateway.model.reading import Quality
from mappers.opcua import status
from mappers.opcua.codec.learn import good, learn
from mappers.opcua.codec.structure import Kind

if TYPE_CHECKING:
    from mappers.opcua.session.session import Session

ANY = -2
"""One value or an array, where the server does not say."""


class Held(NamedTuple):
    """Of one variable."""

    data_type: ua.NodeId
    kind: Kind
    rank: int
    """-1: one value; 1 and above: dimensions; others: either (Part 3, 5.6.2)."""
    sizes: tuple[int, ...]
    """Of each dimension; empty: nobody says."""


class Holdings:
    """Of one connection."""

    def __init__(self) -> None:
        self._held: dict[ua.NodeId, Held] = {}

    async def of(self, session: "Session", nodes: Sequence[ua.NodeId]) -> Mapping[ua.NodeId, Held | Quality]:
        """What each of the nodes holds, or why nobody knows. Raises NotConnected, NoAnswer."""
        new = list(dict.fromkeys(node for node in nodes if node not in self._held))
        wrong: dict[ua.NodeId, Held | Quality] = {}
        types = await session.read(new, ua.AttributeIds.DataType)
        ranks = await session.read(new, ua.AttributeIds.ValueRank)
        sizes = await session.read(new, ua.AttributeIds.ArrayDimensions)
        await learn(session.types, session, [found for one in types if isinstance(found := good(one), ua.NodeId)])
        for node, one, rank, size in zip(new, types, map(good, ranks), map(good, sizes), strict=True):
            data_type = good(one)
            if not isinstance(data_type, ua.NodeId):
                bad = status.quality(one.StatusCode.value if one.StatusCode else 0)
                wrong[node] = bad or Quality("bad", "device", "no data type")
                continue
            self._held[node] = Held(
                data_type,
                session.types.kinds[data_type],
                rank if isinstance(rank, int) else ANY,
                tuple(size) if isinstance(size, list) else (),
            )
        return {node: wrong.get(node) or self._held[node] for node in nodes}
