"""Data types of a server: the built-in type each comes down to, and what the numbers of enumerations mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from mappers.opcua.discovery.asks import Asks
from mappers.opcua.discovery.ids import plain

STRUCTURE, ENUMERATION = 22, 29
ABSTRACT = frozenset((24, 26, 27, 28))
"""BaseDataType, Number, Integer, UInteger: whatever somebody writes (Part 5, 12.2)."""
BASIC = frozenset(range(1, 26)) | {ENUMERATION} | ABSTRACT
LEVELS = 20
"""Supertypes that are followed."""
MOST = 5000
"""Data types that are looked at."""
MOST_LABELS = 1000
MOST_LABEL = 200
"""Characters of one."""
_HAS_SUBTYPE = ua.NodeId(ua.Int32(ObjectIds.HasSubtype))
_HAS_PROPERTY = ua.NodeId(ua.Int32(ObjectIds.HasProperty))


@dataclass(frozen=True, slots=True)
class Kind:
    """A data type, as far as it matters here."""

    number: int
    """Of the built-in type (Part 6, 5.1.2), `STRUCTURE`, `ENUMERATION` or one of `ABSTRACT`; 0: nobody knows."""
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of an enumeration: number → text."""


UNKNOWN = Kind(0)


def value_of(found: ua.DataValue) -> Any:
    """The value; None where the status is bad."""
    bad = found.StatusCode is not None and found.StatusCode.value & 0x8000_0000
    return None if bad or found.Value is None else found.Value.Value


def plain_text(found: Any) -> str:
    """Of a String or LocalizedText, one line, not too long."""
    given = found.Text if isinstance(found, ua.LocalizedText) else found
    if not isinstance(given, str):
        return ""
    line = given[: 5 * MOST_LABEL]
    return " ".join((line if line.isprintable() else "".join(c if c.isprintable() else " " for c in line)).split())


def labels(found: Any) -> dict[str, str]:
    """Of EnumStrings, EnumValues (Part 3, 5.8.3) or an EnumDefinition (Part 3, 8.50); empty for what is neither."""
    given = found.Fields if isinstance(found, ua.EnumDefinition) else found
    said = dict[str, str]()
    for number, one in enumerate(given[:MOST_LABELS] if isinstance(given, list) else ()):
        if isinstance(one, ua.EnumField | ua.EnumValueType):
            label = plain_text(one.DisplayName) or plain_text(getattr(one, "Name", ""))
            said[str(one.Value)] = label[:MOST_LABEL]
        else:
            said[str(number)] = plain_text(one)[:MOST_LABEL]
    return {number: label for number, label in said.items() if label}


class Kinds:
    """Of one server; grows as types are met."""

    def __init__(self, server: Asks, namespaces: Sequence[str]) -> None:
        self._server, self._namespaces = server, namespaces
        self._above: dict[ua.NodeId, ua.NodeId | None] = {}
        self._known: dict[ua.NodeId, Kind] = {}

    def of(self, id_: Any) -> Kind:
        """What `learn` has found."""
        return self._known.get(id_, UNKNOWN) if isinstance(id_, ua.NodeId) else UNKNOWN

    async def learn(self, ids: Iterable[Any]) -> None:
        """Asks for what is not known yet. Raises as `Asks`."""
        new = [id_ for id_ in dict.fromkeys(ids) if isinstance(id_, ua.NodeId) and id_ not in self._known]
        new = new[: max(0, MOST - len(self._known))]
        await self._climb(new)
        names = await self._server.read(new, AttributeIds.BrowseName) if new else []
        for id_, name in zip(new, names, strict=True):
            found = value_of(name)
            said = plain_text(found.Name)[:MOST_LABEL] if isinstance(found, ua.QualifiedName) else ""
            self._known[id_] = Kind(self._base(id_), said)
        await self._label([id_ for id_ in new if self._known[id_].number == ENUMERATION])

    async def _climb(self, ids: Sequence[ua.NodeId]) -> None:
        """Supertypes, level by level."""
        level = set(ids)
        for _ in range(LEVELS):
            new = [id_ for id_ in level if not _basic(id_) and id_ not in self._above]
            if not new:
                return
            asked = [_references(id_, _HAS_SUBTYPE, ua.BrowseDirection.Inverse) for id_ in new]
            level = set()
            for id_, answer in zip(new, await self._server.browse(asked, 2), strict=True):
                above = plain(answer.References[0].NodeId, self._namespaces) if answer.References else None
                self._above[id_] = above
                level |= {above} if above is not None else set()

    def _base(self, id_: ua.NodeId) -> int:
        at: ua.NodeId | None = id_
        for _ in range(LEVELS):
            if at is None:
                return 0
            if _basic(at):
                return int(at.Identifier)
            at = self._above.get(at)
        return 0

    async def _label(self, enumerations: Sequence[ua.NodeId]) -> None:
        if not enumerations:
            return
        definitions = await self._server.read(enumerations, AttributeIds.DataTypeDefinition)
        asked = [_references(id_, _HAS_PROPERTY, ua.BrowseDirection.Forward) for id_ in enumerations]
        properties = dict[ua.NodeId, ua.NodeId]()
        for id_, answer in zip(enumerations, await self._server.browse(asked, 10), strict=True):
            for reference in answer.References or ():
                at = plain(reference.NodeId, self._namespaces)
                if reference.BrowseName.Name in ("EnumStrings", "EnumValues") and at is not None:
                    properties[id_] = at
        values = await self._server.read(list(properties.values()), AttributeIds.Value) if properties else []
        said = {id_: labels(value_of(value)) for id_, value in zip(properties, values, strict=True)}
        for id_, definition in zip(enumerations, definitions, strict=True):
            found = labels(value_of(definition)) or said.get(id_, {})
            self._known[id_] = Kind(ENUMERATION, self._known[id_].name, found)


def _basic(id_: ua.NodeId) -> bool:
    return id_.NamespaceIndex == 0 and id_.Identifier in BASIC


def _references(id_: ua.NodeId, kind: ua.NodeId, direction: ua.BrowseDirection) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=id_, BrowseDirection=direction, ReferenceTypeId=kind, IncludeSubtypes=True, ResultMask=ua.UInt32(63)
    )
