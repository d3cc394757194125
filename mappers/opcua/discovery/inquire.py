"""What the nodes are that a walk has found: their attributes and properties, read in batches."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds as Attribute

from mappers.opcua.discovery import ids
from mappers.opcua.discovery.asks import Asks
from mappers.opcua.discovery.kinds import ABSTRACT, Kind, Kinds, labels, plain_text, value_of
from mappers.opcua.discovery.walk import METHOD, VARIABLE, Found

AT_ONCE = 500
"""Nodes that are asked about before they are kept."""
READ, WRITE = 1, 2
"""Bits of UserAccessLevel (Part 3, 8.57)."""
ASKED = (
    Attribute.DataType, Attribute.ValueRank, Attribute.ArrayDimensions, Attribute.UserAccessLevel,
    Attribute.Description, Attribute.MinimumSamplingInterval, Attribute.Historizing,
)  # fmt: skip
CEFACT = "http://www.opcfoundation.org/UA/units/un/cefact"
"""Units are those of UNECE, Recommendation 20 (Part 8, 5.6.3.3)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value looks like."""

    kind: Kind
    array: bool = False
    dimensions: tuple[int, ...] = ()
    """Lengths, as far as the server says; 0: any."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A value of the server."""

    path: tuple[str, ...]
    node: str
    shape: Shape
    access: int
    """UserAccessLevel."""
    title: str = ""
    """DisplayName."""
    description: str = ""
    sampling: float = 0.0
    """Seconds: the fastest the server samples it."""
    history: bool = False
    constant: bool = False
    """A property: it changes seldom."""
    limits: tuple[float, float] | None = None
    """EURange."""
    units: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Texts of raw values."""


@dataclass(frozen=True, slots=True)
class Argument:
    """Of a method."""

    name: str
    shape: Shape
    description: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """What can be called."""

    path: tuple[str, ...]
    node: str
    object: str
    """The node it is called on."""
    title: str = ""
    description: str = ""
    inputs: tuple[Argument, ...] = ()
    outputs: tuple[Argument, ...] = ()


class Inquiry:
    """Asks about nodes; what is known grows while it runs."""

    def __init__(self, server: Asks, namespaces: Sequence[str]) -> None:
        self.variables: list[Variable] = []
        self.methods: list[Method] = []
        self.asked = 0
        """Nodes that were asked about."""
        self._server, self._namespaces = server, namespaces
        self._kinds = Kinds(server, namespaces)

    async def run(self, found: Sequence[Found]) -> None:
        """Raises as `Asks`; what was learned before stays."""
        for at in range(0, len(found), AT_ONCE):
            some = found[at : at + AT_ONCE]
            await self._variables([one for one in some if one.kind == VARIABLE])
            await self._methods([one for one in some if one.kind == METHOD])
            self.asked += len(some)

    async def _variables(self, nodes: Sequence[Found]) -> None:
        if not nodes:
            return
        at = [one.id for one in nodes]
        columns = [[value_of(one) for one in await self._server.read(at, attribute)] for attribute in ASKED]
        await self._kinds.learn(columns[0])
        about = await self._about(nodes)
        said = [dict(zip(ASKED, row, strict=True)) for row in zip(*columns, strict=True)]
        open_ = [n for n, row in enumerate(said) if _is_open(self._kinds.of(row[Attribute.DataType]), row)]
        values = await self._server.read([at[n] for n in open_], Attribute.Value) if open_ else []
        held = dict(zip(open_, values, strict=True))
        for number, (one, row) in enumerate(zip(nodes, said, strict=True)):
            shape = _shape(self._kinds.of(row[Attribute.DataType]), row, held.get(number))
            self.variables.append(_variable(one, row, shape, about[number], self._path(one), self._text(one.id)))

    async def _about(self, nodes: Sequence[Found]) -> list[dict[str, Any]]:
        """Values of the properties of each node."""
        places = [(number, name, id_) for number, one in enumerate(nodes) for name, id_ in one.about.items()]
        values = await self._server.read([id_ for *_, id_ in places], Attribute.Value) if places else []
        found: list[dict[str, Any]] = [{} for _ in nodes]
        for (number, name, _), value in zip(places, values, strict=True):
            found[number][name] = value_of(value)
        return found

    async def _methods(self, nodes: Sequence[Found]) -> None:
        if not nodes:
            return
        at = [one.id for one in nodes]
        descriptions = [value_of(one) for one in await self._server.read(at, Attribute.Description)]
        about = await self._about(nodes)
        given = [[_arguments(one.get(name)) for name in ("InputArguments", "OutputArguments")] for one in about]
        await self._kinds.learn(argument.DataType for both in given for some in both for argument in some)
        for one, description, (inputs, outputs) in zip(nodes, descriptions, given, strict=True):
            if one.parent is not None:
                made = Method(
                    path=self._path(one),
                    node=self._text(one.id),
                    object=self._text(one.parent.id),
                    title=one.display,
                    description=plain_text(description),
                    inputs=tuple(map(self._argument, inputs)),
                    outputs=tuple(map(self._argument, outputs)),
                )
                self.methods.append(made)

    def _argument(self, given: ua.Argument) -> Argument:
        row = {Attribute.ValueRank: given.ValueRank, Attribute.ArrayDimensions: given.ArrayDimensions}
        shape = _shape(self._kinds.of(given.DataType), row, None)
        return Argument(plain_text(given.Name), shape, plain_text(given.Description))

    def _path(self, one: Found) -> tuple[str, ...]:
        """Printable, whatever the server says: it goes into comments and onto terminals."""
        return tuple(plain_text(step.name) or "?" for step in (one.path or [one]))

    def _text(self, id_: ua.NodeId) -> str:
        return ids.text(id_, self._namespaces)


def _arguments(found: Any) -> list[ua.Argument]:
    return [one for one in found if isinstance(one, ua.Argument)] if isinstance(found, list) else []


def _is_open(kind: Kind, row: Mapping[Attribute, Any]) -> bool:
    """Only the value itself says what it looks like (Part 3, 5.6.2)."""
    return kind.number in ABSTRACT or row[Attribute.ValueRank] in (-2, -3)


def _shape(kind: Kind, row: Mapping[Attribute, Any], held: ua.DataValue | None) -> Shape:
    rank, array = row[Attribute.ValueRank], False
    value = value_of(held) if held is not None else None
    if isinstance(rank, int):
        array = rank >= 0 or (rank in (-2, -3) and isinstance(value, list))
    if kind.number in ABSTRACT and held is not None and value is not None:
        variant = held.Value.VariantType if held.Value is not None else None
        number = variant.value if isinstance(variant, ua.VariantType) else 0
        kind = Kind(number, kind.name)
    given = row[Attribute.ArrayDimensions]
    dimensions = tuple(one for one in given if isinstance(one, int))[:10] if array and isinstance(given, list) else ()
    if array and isinstance(rank, int) and rank > 1 and not dimensions:
        dimensions = (0,) * min(rank, 10)
    return Shape(kind, array, dimensions)


def _variable(
    one: Found, row: Mapping[Attribute, Any], shape: Shape, about: Mapping[str, Any], path: tuple[str, ...], node: str
) -> Variable:
    sampling, access = row[Attribute.MinimumSamplingInterval], row[Attribute.UserAccessLevel]
    return Variable(
        path=path,
        node=node,
        shape=shape,
        access=access if isinstance(access, int) else READ,
        title=one.display,
        description=plain_text(row[Attribute.Description]),
        sampling=sampling / 1000 if isinstance(sampling, float) and 0 < sampling < 1e9 else 0.0,
        history=row[Attribute.Historizing] is True,
        constant=one.is_property,
        limits=_limits(about.get("EURange")),
        units=_units(about.get("EngineeringUnits")),
        labels=dict(_labels(about)) or shape.kind.labels,
    )


def _limits(found: Any) -> tuple[float, float] | None:
    """Of an EURange that is one (Part 8, 5.6.2)."""
    if not isinstance(found, ua.Range) or not (math.isfinite(found.Low) and math.isfinite(found.High)):
        return None
    return (float(found.Low), float(found.High)) if found.Low < found.High else None


def _units(found: Any) -> str:
    """How the server shows it, else its UNECE code."""
    if not isinstance(found, ua.EUInformation):
        return ""
    shown = plain_text(found.DisplayName)[:50]
    if shown or found.NamespaceUri != CEFACT or not 0 < found.UnitId < 2**31:
        return shown
    code = found.UnitId.to_bytes(4, "big").lstrip(b"\0")
    return code.decode() if code.isalnum() and code.isascii() else ""


def _labels(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of discrete items (Part 8, 5.3.3)."""
    for value, name in (("true", "TrueState"), ("false", "FalseState")):
        if label := plain_text(about.get(name)):
            yield value, label
    yield from (labels(about.get("EnumValues")) or labels(about.get("EnumStrings"))).items()
