"""One variable of a simulated server: what it holds, since when and how good it is."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua

from simulators.opcua.ids import status
from simulators.opcua.points import SOMETHING, Place, Point
from simulators.opcua.types import Shape, Structure, to_variant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP = timedelta(microseconds=1)


class Told(ua.DataValue):
    """Never changed once made, so nobody needs a copy of it: asyncua copies what it tells subscribers."""

    def __deepcopy__(self, _: dict[int, Any]) -> "Told":
        return self


@dataclass(slots=True, eq=False)
class Node:
    """Shared by the resources that are fields of its structure, or name it twice."""

    place: Place
    points: tuple[Point, ...]
    shape: Shape
    types: dict[str, ua.NodeId]
    """The encodings of structures on the server, by name."""
    history: deque[Told] | None
    value: Any = None
    variant: ua.Variant = field(default_factory=ua.Variant)
    since: Any = EPOCH
    """A datetime."""
    status: int = 0
    """What the device itself says of it (a fault)."""

    @property
    def name(self) -> str:
        return self.points[0].resource.name

    def put(self, path: Sequence[str], value: Any, now: int) -> bool:
        """Whether that changed something. Raises ValueError if it does not fit."""
        whole = _with(self.value, path, value)
        if whole == self.value and type(whole) is type(self.value):
            return False
        self.take(whole, to_variant(whole, self.shape, self.types), now)
        return True

    def take(self, value: Any, variant: ua.Variant, now: int) -> None:
        """`variant` is `value` as asyncua has it."""
        self.value, self.variant = value, variant
        self.since = max(moment(now), self.since + STEP)  # no two of one time
        if self.history is not None:
            self.history.append(self.told())

    def get(self, path: Sequence[str]) -> Any:
        found = self.value
        for part in path:
            found = found[part]
        return found

    def told(self) -> Told:
        """What a client reads."""
        variant = self.variant if not self.status & 0x80000000 else ua.Variant()
        return Told(variant, status(self.status), self.since, self.since)

    def rebuild(self) -> None:
        """The types have other ids now."""
        self.variant = to_variant(self.value, self.shape, self.types)


def moment(nanoseconds: int) -> Any:
    """Wall time as asyncua wants it: a datetime."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _with(whole: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    return {**whole, path[0]: _with(whole[path[0]], path[1:], value)}


def shape_for(points: Sequence[Point]) -> Shape:
    """The type of a node that these have in common. Raises ValueError when they do not agree."""
    parts = [point for point in points if point.path]
    wholes = [point for point in points if not point.path]
    first = wholes[0].shape if wholes else None
    for other in wholes[1:]:
        if other.shape != first and not (isinstance(first, Structure) and isinstance(other.shape, Structure)):
            raise ValueError(f"{other.resource.name} and {wholes[0].resource.name} are one node with two types")
    if not parts:
        assert first is not None
        return first
    if first is not None and (not isinstance(first, Structure) or first.array):
        raise ValueError(f"{parts[0].resource.name} is a field of {wholes[0].resource.name}, which is no structure")
    fields = {} if first is None or first.fields == SOMETHING else dict(first.fields)
    for point in parts:
        _place(fields, point.path, point, parts[0].resource.name)
    return Structure(first.name if first else f"{parts[0].resource.name}Type", fields)


def _place(fields: dict[str, Shape], path: Sequence[str], point: Point, name: str) -> None:
    key, *rest = path
    if not rest:
        fields[key] = point.shape
        return
    inner = fields.get(key)
    if inner is not None and not isinstance(inner, Structure):
        raise ValueError(f"{point.resource.name}: {key} is a value and a structure at once")
    below = dict(inner.fields) if inner else {}
    _place(below, rest, point, f"{name}{key}")
    fields[key] = Structure(inner.name if inner else f"{name}{key}", below)
