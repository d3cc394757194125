"""What a node holds: its data type down to the built-in one, and whether it is an array. Asked once a connection."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from asyncua import ua
from asyncua.client.ua_session import UaSession

from gateway.model.errors import DeviceError
from gateway.model.reading import Quality
from mappers.opcua import status
from mappers.opcua.session.names import node_id

if TYPE_CHECKING:
    from mappers.opcua.session.session import Session

DEEPEST = 20
"""Supertypes that are followed."""
BUILT_IN = 25
"""The highest number of a built-in type (Part 6, 5.1.2)."""
ENUMERATION, ABSTRACT = 29, (24, 26, 27, 28)
"""Data types of namespace 0 that are none: an Enumeration is an Int32; BaseDataType, Number, Integer and UInteger are
whatever somebody writes (Part 5, 12.2)."""


class Held(NamedTuple):
    """Of one variable."""

    data_type: ua.NodeId
    variant: ua.VariantType | None
    """Built-in type; None: any that fits the value."""
    rank: int
    """-1: one value; 1 and above: dimensions; others: either (Part 3, 5.6.2)."""


class Types:
    """Of one connection."""

    def __init__(self) -> None:
        self._held: dict[ua.NodeId, Held] = {}
        self._built_in: dict[ua.NodeId, ua.VariantType | None] = {}

    async def of(self, session: "Session", nodes: Sequence[ua.NodeId]) -> Mapping[ua.NodeId, Held | Quality]:
        """What each of the nodes holds, or why nobody knows. Raises NotConnected, NoAnswer."""
        new = list(dict.fromkeys(node for node in nodes if node not in self._held))
        wrong: dict[ua.NodeId, Held | Quality] = {}
        types = await session.read(new, ua.AttributeIds.DataType)
        ranks = await session.read(new, ua.AttributeIds.ValueRank)
        for node, one, rank in zip(new, types, ranks, strict=True):
            bad = status.quality(one.StatusCode.value if one.StatusCode else 0)
            data_type = one.Value.Value if one.Value else None
            if bad is not None or not isinstance(data_type, ua.NodeId):
                wrong[node] = bad or Quality("bad", "device", "no data type")
                continue
            found = rank.Value.Value if rank.Value else None
            self._held[node] = Held(
                data_type, await self._variant(session, data_type), found if isinstance(found, int) else -2
            )
        return {node: wrong.get(node) or self._held[node] for node in nodes}

    async def _variant(self, session: "Session", data_type: ua.NodeId) -> ua.VariantType | None:
        """Through its supertypes, inverse HasSubtype, to the built-in type."""
        if data_type in self._built_in:
            return self._built_in[data_type]
        found: ua.VariantType | None = None
        at: ua.NodeId | None = data_type
        for _ in range(DEEPEST):
            if at is None:
                break
            number = at.Identifier if at.NamespaceIndex == 0 else None
            if number == ENUMERATION:
                found = ua.VariantType.Int32
                break
            if number in ABSTRACT:
                break
            if isinstance(number, int) and 0 < number <= BUILT_IN:
                found = ua.VariantType(number)
                break
            at = await _supertype(session, at)
        self._built_in[data_type] = found
        return found


async def _supertype(session: "Session", data_type: ua.NodeId) -> ua.NodeId | None:
    asked = ua.BrowseDescription(
        NodeId=data_type,
        BrowseDirection=ua.BrowseDirection.Inverse,
        ReferenceTypeId=node_id(ua.ObjectIds.HasSubtype),
        IncludeSubtypes=True,
        NodeClassMask=0,
        ResultMask=0,
    )

    async def work(to: UaSession) -> list[ua.BrowseResult]:
        return await to.browse(ua.BrowseParameters(NodesToBrowse=[asked]))

    try:
        (answer,) = await session.ask(work)
    except DeviceError:
        return None
    found = answer.References[0].NodeId if answer.References else None
    return None if found is None else node_id(found.Identifier, found.NamespaceIndex)
