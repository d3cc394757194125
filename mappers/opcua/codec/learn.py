"""What a server's data types are, asked of the server: the DataTypeDefinition attribute (Part 3, 5.8.3), supertypes
down to a builtin type, and for servers before 1.04 the type dictionaries (`dictionary`). Each once a connection."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from gateway.model.errors import DeviceError
from mappers.opcua.codec import limits, standard
from mappers.opcua.codec.dictionary import Dictionaries
from mappers.opcua.codec.natural import clean
from mappers.opcua.codec.structure import Field, Kind, Structure, Types

V = ua.VariantType
_OPTIONAL = ua.StructureType.StructureWithOptionalFields
_UNIONS = (ua.StructureType.Union, ua.StructureType.UnionWithSubtypedValues)
_SUBTYPED = (ua.StructureType.StructureWithSubtypedValues, ua.StructureType.UnionWithSubtypedValues)


class Asks(Protocol):
    """What is wanted of a session; requests as large as the server takes."""

    async def read(
        self, nodes: Sequence[ua.NodeId], attribute: AttributeIds = AttributeIds.Value
    ) -> list[ua.DataValue]: ...

    async def in_batches(
        self, what: str, items: Sequence[Any], work: Callable[[UaSession, list[Any]], Awaitable[Sequence[Any]]]
    ) -> list[Any]: ...


async def learn_wanted(types: Types, session: Asks) -> bool:
    """Asks what the encodings are that came and were not known; whether anything was learned. Raises NotConnected,
    NoAnswer."""
    wanted = list(types.wanted)
    types.wanted.clear()
    if not wanted:
        return False
    found = await referenced(session, wanted, ObjectIds.HasEncoding, inverse=True)
    data_types = [there[0] if there else encoding for encoding, there in zip(wanted, found, strict=True)]
    await learn(types, session, data_types)
    types.learned()
    for encoding, data_type in zip(wanted, data_types, strict=True):
        known = types.structures.get(encoding) or types.kinds.get(data_type)
        if isinstance(known, Structure):
            types.structures[encoding] = known
            known.encoding = known.encoding or encoding
        else:
            types.unknown.add(encoding)
    return any(encoding in types.structures for encoding in wanted)


async def learn(types: Types, session: Asks, data_types: Iterable[ua.NodeId]) -> None:
    """From now on `types.kinds` has these data types and all that their fields are of; as Null those of which the
    server does not say what they are. Raises NotConnected, NoAnswer."""
    await _Learning(types, session).run(data_types)


async def referenced(
    session: Asks, nodes: Sequence[ua.NodeId], reference: int, *, inverse: bool = False
) -> list[list[ua.NodeId]]:
    """What each node has such references to; nothing where the server does not say. Raises NotConnected, NoAnswer."""
    direction = ua.BrowseDirection.Inverse if inverse else ua.BrowseDirection.Forward
    asked = [
        ua.BrowseDescription(node, direction, ua.NodeId(ua.Int32(reference)), True, 0, ua.BrowseResultMask.None_)
        for node in nodes
    ]

    async def work(to: UaSession, part: list[ua.BrowseDescription]) -> list[ua.BrowseResult]:
        found: list[ua.BrowseResult] = await to.browse(ua.BrowseParameters(NodesToBrowse=part))
        return found

    try:
        answers = await session.in_batches("browse", asked, work)
    except DeviceError:
        return [[] for _ in nodes]
    return [[plain_id(one.NodeId) for one in answer.References or ()] for answer in answers]


def plain_id(node: ua.NodeId) -> ua.NodeId:
    """Of this server, as references and targets name it."""
    return ua.NodeId(node.Identifier, node.NamespaceIndex)


class _Learning:
    """One go: definitions of all types first, then what those are that have none, then the structures are put
    together."""

    def __init__(self, types: Types, session: Asks) -> None:
        self._types = types
        self._session = session
        self._definitions: dict[ua.NodeId, ua.StructureDefinition] = {}
        self._made: dict[ua.NodeId, Structure] = {}
        self._others: list[ua.NodeId] = []
        self._abstract: set[ua.NodeId] = set()
        self._bare: list[ua.NodeId] = []
        """Structures without a definition."""

    async def run(self, data_types: Iterable[ua.NodeId]) -> None:
        """See `learn`."""
        await self._define(data_types)
        await self._classify()
        await self._dictionaries()
        for data_type, definition in self._definitions.items():
            explain(self._made[data_type], definition, self._types.kinds)

    async def _define(self, data_types: Iterable[ua.NodeId]) -> None:
        """Reads definitions, and those of the types of their fields."""
        asked: set[ua.NodeId] = set()
        pending = self._new(data_types, asked)
        for _ in range(limits.LEVELS):
            if not pending or len(asked) > limits.TYPES:
                break
            asked.update(pending)
            answers = await self._session.read(pending, AttributeIds.DataTypeDefinition)
            names = await self._session.read(pending, AttributeIds.BrowseName)
            abstract = await self._session.read(pending, AttributeIds.IsAbstract)
            self._abstract.update(d for d, one in zip(pending, abstract, strict=True) if good(one) is True)
            for data_type, answer, name in zip(pending, answers, names, strict=True):
                self._take(data_type, good(answer), good(name))
            new = (self._definitions[one] for one in pending if one in self._definitions)
            pending = self._new([field.DataType for one in new for field in one.Fields or ()], asked)
        self._types.kinds.update(dict.fromkeys(pending, V.Null))

    def _take(self, data_type: ua.NodeId, definition: Any, name: Any) -> None:
        if not isinstance(definition, ua.StructureDefinition):
            self._others.append(data_type)
            return
        text = clean(name.Name or "") if isinstance(name, ua.QualifiedName) else ""
        encoding = definition.DefaultEncodingId
        known = Structure(text or "structure", None if encoding.is_null() else encoding)
        self._definitions[data_type], self._made[data_type] = definition, known
        self._types.kinds[data_type] = V.ExtensionObject if data_type in self._abstract else known
        if known.encoding is not None:
            self._types.structures[known.encoding] = known

    def _new(self, data_types: Iterable[ua.NodeId], asked: set[ua.NodeId]) -> list[ua.NodeId]:
        """Those nobody knows yet; of namespace 0 we know most ourselves."""
        found = []
        for data_type in dict.fromkeys(data_types):
            if data_type in self._types.kinds or data_type in asked:
                continue
            known = standard.kind_of(data_type)
            if known is None:
                found.append(data_type)
            else:
                self._types.kinds[data_type] = known
        return found

    async def _classify(self) -> None:
        """What is no structure is as its supertype: an enumeration, another name for a builtin type."""
        above = {data_type: data_type for data_type in self._others}
        for _ in range(limits.LEVELS):
            open_ones = [one for one in above if one not in self._types.kinds]
            if not open_ones:
                return
            supertypes = await referenced(
                self._session, [above[one] for one in open_ones], ObjectIds.HasSubtype, inverse=True
            )
            for one, there in zip(open_ones, supertypes, strict=True):
                above[one] = there[0] if there else one
                self._as_supertype(one, there[0] if there else None)
        for one in above:
            self._types.kinds.setdefault(one, V.Null)

    def _as_supertype(self, one: ua.NodeId, supertype: ua.NodeId | None) -> None:
        if supertype is None:
            self._types.kinds[one] = V.Null
            return
        known = self._types.kinds.get(supertype) or standard.kind_of(supertype)
        if isinstance(known, Structure) and known.name != "OptionSet":  # that one's subtypes only name its bits
            known = V.ExtensionObject
        if known is V.ExtensionObject:
            self._bare.append(one)
            known = known if one in self._abstract else V.Null
        if known is not None:
            self._types.kinds[one] = known

    async def _dictionaries(self) -> None:
        """Structures without a definition: an old server may describe them in a dictionary."""
        if self._bare:
            found = await described(self._session, self._bare)
            self._types.kinds.update((one, known) for one, known in found.items() if one not in self._abstract)
            self._types.structures.update({s.encoding: s for s in found.values() if s.encoding is not None})


def explain(known: Structure, definition: ua.StructureDefinition, kinds: Mapping[ua.NodeId, Kind]) -> None:
    """What a structure is made of. `kinds`: of the data types of its fields."""
    subtyped = definition.StructureType in _SUBTYPED
    known.union = definition.StructureType in _UNIONS
    known.masked = definition.StructureType == _OPTIONAL
    fields: list[Field] = []
    bits = 0
    for one in definition.Fields or ():
        kind = kinds.get(one.DataType, V.Null)
        if subtyped and one.IsOptional and kind is not V.Null:
            kind = V.ExtensionObject if isinstance(kind, Structure) or kind is V.ExtensionObject else V.Variant
        bit = bits if known.masked and one.IsOptional else None
        bits += bit is not None
        fields.append(Field(clean(one.Name or f"field {len(fields)}"), kind, _rank(one), bit))
    known.fields = tuple(fields)


def _rank(field: ua.StructureField) -> int:
    """Fields are single values or of a number of dimensions (Part 3, 8.51); some servers leave out the number."""
    rank: int = field.ValueRank if field.ValueRank > 0 else len(field.ArrayDimensions or ())
    return rank or -1


def good(answer: ua.DataValue) -> Any:
    """What was read; None where it was not."""
    bad = answer.StatusCode is not None and not answer.StatusCode.is_good()
    return None if bad or answer.Value is None else answer.Value.Value


async def described(session: Asks, data_types: Sequence[ua.NodeId]) -> Mapping[ua.NodeId, Structure]:
    """Structures as OPC Binary dictionaries describe them (Part 5, annex D, until 1.03): the type's encoding has a
    description, whose value is a name in the dictionary it belongs to. Raises NotConnected, NoAnswer."""
    encodings = await referenced(session, data_types, ObjectIds.HasEncoding)
    flat = [(data_type, one) for data_type, there in zip(data_types, encodings, strict=True) for one in there]
    descriptions = await referenced(session, [one for _, one in flat], ObjectIds.HasDescription)
    pairs = [(*pair, there[0]) for pair, there in zip(flat, descriptions, strict=True) if there]
    names = [good(one) for one in await session.read([one for _, _, one in pairs])]
    homes = await referenced(session, [one for _, _, one in pairs], ObjectIds.HasComponent, inverse=True)
    books = Dictionaries()
    for home in dict.fromkeys(there[0] for there in homes if there):
        (text,) = await session.read([home])
        books.add(home, good(text))
    found: dict[ua.NodeId, Structure] = {}
    for (data_type, encoding, _), name, there in zip(pairs, names, homes, strict=True):
        known = books.structure(there[0], name) if there and isinstance(name, str) else None
        if known is not None:
            known.encoding = encoding
            found[data_type] = known
    return found
