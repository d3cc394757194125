"""SunSpec: which models a unit has, and what their registers hold. Pure: a talk yields requests and is sent answers.

Source: SunSpec Alliance, SunSpec Device Information Model Specification (marker, chain of models, values that mean "not
implemented"); the models themselves are in `sunspec.yaml`.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gateway.model.yaml import read
from mappers.modbus.address import MAX_REGISTERS
from mappers.modbus.discovery.identify import Talk, plain

BASES = (40000, 50000, 0)
"""Addresses where a chain may begin."""
MARKER = b"SunS"
END = 0xFFFF
"""Id of the end model."""
COMMON = 1
MOST_MODELS = 100
"""Models of one chain; real ones have some twenty."""
MOST_REPEATS = 32
"""Copies of a repeated group that are described: inputs of an inverter, curves, points of a curve."""
LONGEST = 2000
"""Registers that are read of a model with groups inside groups: 4 trip settings of three curves with 40 points each."""
SMALLEST = 16
"""Registers of the shortest request that is tried when longer ones are refused."""
WIDTHS = {
    "int16": 1, "uint16": 1, "acc16": 1, "enum16": 1, "bitfield16": 1, "sunssf": 1, "pad": 1,
    "int32": 2, "uint32": 2, "acc32": 2, "enum32": 2, "bitfield32": 2, "float32": 2,
    "int64": 4, "uint64": 4, "acc64": 4, "bitfield64": 4, "float64": 4,
}  # fmt: skip
"""Registers of a value by its SunSpec type; a string says its own length."""


@dataclass(frozen=True, slots=True)
class Item:
    """A point of a model, as the document says it."""

    name: str
    kind: str
    size: int
    """Registers."""
    mandatory: bool = False
    writable: bool = False
    units: str = ""
    scale: str = ""
    """Name of the point that holds the exponent of ten."""
    text: str = ""
    values: Mapping[str, str] | None = None
    """Number → word, of an enumeration."""


@dataclass(frozen=True, slots=True)
class Group:
    """Points that belong together, and groups behind them: a curve with its points."""

    name: str
    parts: "tuple[Item | Group, ...]"
    count: str = ""
    """The point of the model that says how often it is there; empty: once."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A model, as the document says it."""

    name: str
    title: str
    points: tuple[Item, ...]
    each: Group | None = None
    """What is repeated behind the points."""

    @property
    def nested(self) -> bool:
        """Whether how long a copy is stands in a register, too."""
        return self.each is not None and any(isinstance(part, Group) for part in self.each.parts)

    @property
    def counts(self) -> frozenset[str]:
        """Points that say how often something is there."""
        return frozenset(_counts(self.each)) if self.each else frozenset()


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was found. `data` are its registers behind the header, if they are described and could be read."""

    id: int
    address: int
    """Of its first register, the id."""
    length: int
    """Registers behind the header, as the unit says."""
    data: bytes = b""

    @property
    def layout(self) -> Layout | None:
        return layouts().get(self.id)


@dataclass(frozen=True, slots=True)
class Chain:
    """What a unit has, and what is wrong with how it says it."""

    base: int
    models: tuple[Model, ...]
    problems: tuple[str, ...] = ()
    end: int | None = None
    """Address of the end model; None: there is none."""

    def common(self, name: str) -> str:
        """A text of the common model: Mn, Md, Vr, SN; empty if there is none."""
        for model in self.models:
            if model.id == COMMON:
                return next((plain(p.raw(model)) for p in placed(model) if p.item.name == name), "")
        return ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A point at its place: `offset` in registers behind the model's header."""

    item: Item
    offset: int
    path: str = ""
    """The groups it is in, with the copy (from 1 on) of those that are repeated: `2`, `2_MustTrip_Pt_3`."""

    def raw(self, model: Model) -> bytes:
        """Its registers; fewer or none if they could not be read."""
        return model.data[2 * self.offset : 2 * (self.offset + self.item.size)]


@lru_cache(maxsize=1)
def layouts() -> Mapping[int, Layout]:
    """Every model that is described, by id."""
    tree: Any = read((Path(__file__).parent / "sunspec.yaml").read_bytes(), "sunspec.yaml").value
    rows = tree["points"]
    return {
        int(number): Layout(
            about["name"], about["title"], tuple(map(_item, rows[about["points"]])),
            _group("", about["each"], about.get("count", ""), rows) if "each" in about else None,
        )
        for number, about in tree["models"].items()
    }  # fmt: skip


def _group(name: str, points: str, count: str, rows: Mapping[str, Any]) -> Group:
    """A row that is a mapping is a group behind the points."""
    parts = [
        _group(row["name"], row["points"], row.get("count", ""), rows) if isinstance(row, Mapping) else _item(row)
        for row in rows[points]
    ]
    return Group(name, tuple(parts), count)


def _counts(group: Group) -> Iterator[str]:
    if group.count:
        yield group.count
    for part in group.parts:
        if isinstance(part, Group):
            yield from _counts(part)


def _item(row: list[Any]) -> Item:
    name, kind, flags, units, scale, text, values = (*row, *[""] * 7)[:7]
    is_text = kind.startswith("string")
    size = int(kind.removeprefix("string")) if is_text else WIDTHS[kind]
    words = {str(number): str(word) for number, word in values.items()} if values else None
    return Item(name, "string" if is_text else kind, size, "M" in flags, "W" in flags, units, scale, text, words)


@lru_cache(maxsize=64)
def placed(model: Model) -> Sequence[Placed]:
    """The points of a model that lie within the length it says; repeated groups as often as they fit and it says."""
    layout = model.layout
    if layout is None:
        return ()
    found, end = _row(layout.points, 0)
    if layout.each is not None:
        said = {one.item.name: _said(one.raw(model)) for one in found if one.item.name in layout.counts}
        for copy in range(1, _copies(model, layout, said, end) + 1):
            more, end = _row(layout.each.parts, end, str(copy), said)
            found += more
    return [one for one in found if one.offset + one.item.size <= model.length]


def _said(raw: bytes) -> int | None:
    """How often; None: the unit does not say it."""
    found = int.from_bytes(raw) if len(raw) == 2 else END
    return None if found == END else found


def _row(
    parts: Sequence[Item | Group], at: int, path: str = "", said: Mapping[str, int | None] | None = None
) -> tuple[list[Placed], int]:
    """Points from an offset on, and the offset behind them."""
    found: list[Placed] = []
    for part in parts:
        if isinstance(part, Item):
            found.append(Placed(part, at, path))
            at += part.size
            continue
        for copy in range(1, ((said or {}).get(part.count) or 0) + 1) if part.count else (0,):
            more, at = _row(part.parts, at, f"{path}_{part.name}" + (f"_{copy}" if copy else ""), said)
            found += more if copy <= MOST_REPEATS else []
    return found, at


def _copies(model: Model, layout: Layout, said: Mapping[str, int | None], fixed: int) -> int:
    """How often the group behind the points is there; 0 where nobody knows how long it is, or it fits nowhere."""
    assert layout.each is not None
    if any(said.get(name) is None for name in layout.counts - {layout.each.count}):
        return 0
    fit = min(max(0, model.length - fixed) // _width(layout.each, said), MOST_REPEATS)
    count = said.get(layout.each.count)
    return fit if count is None else min(fit, count)


def _width(group: Group, said: Mapping[str, int | None]) -> int:
    """Registers of one copy."""
    inner = [part for part in group.parts if isinstance(part, Group)]
    own = sum(part.size for part in group.parts if isinstance(part, Item))
    return own + sum(_width(part, said) * ((said.get(part.count) or 0) if part.count else 1) for part in inner)


def walk() -> Talk[Chain | None]:
    """Looks for the marker, then goes from model to model. None: there is no SunSpec here."""
    for base in BASES:
        if _registers((yield _request(base, 2)), 2) == MARKER:
            return (yield from _chain(base))
    return None


def _chain(base: int) -> Talk[Chain]:
    at = base + 2
    models: list[Model] = []
    problems: list[str] = []
    while True:
        if len(models) == MOST_MODELS:
            problems.append(f"more than {MOST_MODELS} models: this is no chain; stopped at address {at}")
            break
        if at + 2 > 0x10000:
            problems.append("the chain runs beyond address 65535 without an end model")
            break
        header = _registers((yield _request(at, 2)), 2)
        if header is None:
            problems.append(f"no model header can be read at address {at}: the chain has no end model")
            break
        number, length = struct.unpack(">HH", header)
        if number == END:
            return Chain(base, tuple(models), (*problems, *_first(models)), at)
        if not number or at + 2 + length > 0x10000:
            problems.append(f"model {number} with length {length} at address {at} cannot be: the chain is broken there")
            break
        model = Model(number, at, length)
        data = yield from _block(at + 2, _wanted(model))
        if len(data) < 2 * _wanted(model):
            problems.append(f"model {number}: registers from address {at + 2 + len(data) // 2} on cannot be read")
        models.append(Model(number, at, length, data))
        at += 2 + length
    return Chain(base, tuple(models), (*problems, *_first(models)))


def _first(models: list[Model]) -> list[str]:
    return [] if models and models[0].id == COMMON else ["the chain does not begin with the common model"]


def _wanted(model: Model) -> int:
    """Registers worth reading: those that are described."""
    if model.layout is not None and model.layout.nested:
        return min(model.length, LONGEST)
    last = max(placed(model), key=lambda one: one.offset, default=None)
    return 0 if last is None else last.offset + last.item.size


def _block(first: int, count: int) -> Talk[bytes]:
    """As many registers from the first on as the unit gives; when it refuses many at once, fewer are asked for."""
    data, most = b"", MAX_REGISTERS
    while (missing := count - len(data) // 2) > 0:
        size = min(most, missing)
        answer = yield _request(first + len(data) // 2, size)
        got = _registers(answer, size)
        if got is not None:
            data += got
        elif answer is None or size <= SMALLEST:
            break
        else:
            most = max(SMALLEST, size // 2)
    return data


def _request(first: int, count: int) -> bytes:
    return struct.pack(">BHH", 3, first, count)


def _registers(answer: bytes | None, count: int) -> bytes | None:
    """The data of a right answer; None for silence, a refusal, or another length than the one asked for."""
    right = answer is not None and len(answer) == 2 + 2 * count and answer[0] == 3 and answer[1] == 2 * count
    return answer[2:] if right and answer is not None else None
