"""A server's address space in memory, behind the services that discovery uses, with limits and bad manners."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

URIS = ("http://opcfoundation.org/UA/", "urn:fake", "urn:acme:press")
OBJECT, VARIABLE, METHOD = ua.NodeClass.Object, ua.NodeClass.Variable, ua.NodeClass.Method


def node(text: str) -> ua.NodeId:
    return ua.NodeId.from_string(text)


def _parts(id_: int | str) -> tuple[Any, Any]:
    if isinstance(id_, int):
        return ua.Int32(id_), ua.Int16(0)
    return node(id_).Identifier, node(id_).NamespaceIndex


def key(id_: ua.NodeId) -> str:
    return id_.to_string()


@dataclass
class Fake:
    """Fulfils `mappers.opcua.discovery.asks.Asks`."""

    page: int = 1000
    """References of an answer."""
    points: int = 1000
    """Continuation points at a time."""
    references: dict[str, list[ua.ReferenceDescription]] = field(default_factory=dict)
    attributes: dict[tuple[str, AttributeIds], Any] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    """How often each node was browsed."""
    open: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    """Continuation points."""

    def add(
        self, parent: str, id_: str, name: str = "", kind: ua.NodeClass = OBJECT, by: int = ObjectIds.HasComponent
    ) -> str:
        """A node below another; `name`: `2:Press`."""
        name = name or f"2:{node(id_).Identifier}"
        reference = ua.ReferenceDescription(
            ReferenceTypeId=ua.NodeId(ua.Int32(by)), IsForward=True, NodeId=ua.ExpandedNodeId(
                node(id_).Identifier, node(id_).NamespaceIndex, node(id_).NodeIdType
            ), BrowseName=ua.QualifiedName.from_string(name), DisplayName=ua.LocalizedText(name.partition(":")[2]),
            NodeClass=kind,
        )  # fmt: skip
        self.references.setdefault(key(node(parent)), []).append(reference)
        return id_

    def variable(self, parent: str, id_: str, name: str = "", **attributes: Any) -> str:
        """A variable: a Double that may be read, unless said otherwise."""
        given = {
            "DataType": ua.NodeId(ua.Int32(ObjectIds.Double)), "ValueRank": -1, "UserAccessLevel": 1,
            "Description": ua.LocalizedText(""), "MinimumSamplingInterval": 0.0, "Historizing": False, **attributes,
        }  # fmt: skip
        for attribute, value in given.items():
            self.attributes[key(node(id_)), AttributeIds[attribute]] = value
        return self.add(parent, id_, name, VARIABLE)

    def about(self, of: str, name: str, value: Any) -> None:
        """A property of a variable, a method or a type."""
        id_ = f"ns=2;s={node(of).Identifier}/{name}"
        self.add(of, id_, f"0:{name}", VARIABLE, ObjectIds.HasProperty)
        self.attributes[key(node(id_)), AttributeIds.Value] = value

    def supertypes(self, above: Mapping[int | str, int | str]) -> None:
        """Data types and what each is a kind of."""
        for of, up in above.items():
            reference = ua.ReferenceDescription(NodeId=ua.ExpandedNodeId(*_parts(up)), IsForward=False)
            self.references[f"up {key(ua.NodeId(*_parts(of)))}"] = [reference]

    def define(self, type_: str, definition: ua.EnumDefinition) -> None:
        """The fields of an enumeration."""
        self.attributes[type_, AttributeIds.DataTypeDefinition] = definition

    def called(self, type_: int, name: str) -> None:
        """The name of a data type."""
        self.attributes[key(ua.NodeId(*_parts(type_))), AttributeIds.BrowseName] = ua.QualifiedName(ua.String(name))

    async def browse(self, nodes: Sequence[ua.BrowseDescription], most: int) -> list[ua.BrowseResult]:
        self.calls["browse"] += 1
        return [self._browsed(one, most) for one in nodes]

    def _browsed(self, one: ua.BrowseDescription, most: int) -> ua.BrowseResult:
        self.asked[key(one.NodeId)] += 1
        assert one.ResultMask & 31 == 31, "a server leaves out what it is not asked for (Part 4, 7.31)"
        return self._page(key(one.NodeId), 0, one, most)

    def _page(self, of: str, at: int, one: ua.BrowseDescription | None = None, most: int = 0) -> ua.BrowseResult:
        result = ua.BrowseResult()
        size = min(self.page, most or self.page)
        references = self.references.get(of, [])
        if one is not None and one.BrowseDirection == ua.BrowseDirection.Inverse:
            references = self.references.get(f"up {of}", [])
        if at + size < len(references):
            if len(self.open) >= self.points:
                result.StatusCode = ua.StatusCode(ua.UInt32(StatusCodes.BadNoContinuationPoints))
                return result
            point = f"{of}@{at + size}".encode()
            self.open[point] = of, at + size
            result.ContinuationPoint = ua.ContinuationPoint(point)
        result.References = references[at : at + size]
        return result

    async def browse_next(self, points: Sequence[ua.ContinuationPoint]) -> list[ua.BrowseResult]:
        self.calls["next"] += 1
        return [self._page(*self.open.pop(point)) for point in points]

    async def release(self, points: Sequence[ua.ContinuationPoint]) -> None:
        self.calls["release"] += 1
        for point in points:
            del self.open[point]

    async def read(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[ua.DataValue]:
        self.calls["read"] += 1
        return [self._value(one, attribute) for one in nodes]

    def _value(self, one: ua.NodeId, attribute: AttributeIds) -> ua.DataValue:
        place = key(one), attribute
        if place not in self.attributes:
            return ua.DataValue(StatusCode=ua.StatusCode(ua.UInt32(StatusCodes.BadAttributeIdInvalid)))
        value = self.attributes[place]
        return ua.DataValue(value if isinstance(value, ua.Variant) else ua.Variant(value))
