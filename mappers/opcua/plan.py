"""The requests of a poll: each node once, whoever wants it. Pure.

How many nodes go into one request is the server's to say, when it is connected; until then `MaxNodes` of the device
counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.model.device import Device
from gateway.model.errors import Problem
from gateway.model.plan import Request
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Source
from mappers.opcua.address import At, NodeRef
from mappers.opcua.endpoint import KEY, Endpoint, Manner, reach
from mappers.opcua.point import Kind, Point, at_text, locate
from mappers.shared import located

UNIT = "server"
"""One for each connection: a server that answers nothing answers for none of its devices."""
FRAME = 24
"""Bytes around each message without security: its header, the channel's token, a sequence (Part 6, 6.7.2)."""
ASKED, ANSWERED = 53, 36
"""Bytes of a Read beside its nodes: type, header, what holds for all nodes; and of its answer."""
PER_NODE = 14
"""Bytes of a node in a Read beside its id: attribute, no index range, no encoding (Part 4, 5.11.2)."""
PER_VALUE = 14
"""Bytes of a value beside itself: what is there, its type, its source timestamp (Part 6, 5.2.2.17)."""
SIZE = {"Bool": 1, "Uint8": 1, "Int8": 1, "Uint16": 2, "Int16": 2, "Uint32": 4, "Int32": 4, "Float32": 4}
"""Bytes of numbers; 8 for all others: of texts and arrays nobody knows."""


@dataclass(frozen=True, slots=True, eq=False)
class OpcuaPlan:
    """Fulfils `gateway.model.plan.Plan` and `gateway.model.abilities.Tells`."""

    device: str
    manner: Manner
    sources: tuple[Source, ...]
    points: tuple[tuple[Point, ...], ...]
    """Per source, of its resources in order."""
    nodes: tuple[At, ...]
    """What a read asks for: each node once."""
    picks: tuple[tuple[int, ...], ...]
    """Per source and resource, which of `nodes`; -1: not read from a node."""
    requests: tuple[Request, ...]
    """Byte counts are estimates: without security, numbers at their size."""
    unit: str = field(default=UNIT)

    @property
    def flat(self) -> Iterator[Point]:
        """Every point, source after source."""
        return (point for points in self.points for point in points)

    @property
    def told(self) -> tuple[Source, ...]:
        """See `Tells.told`. A source is read when its device or one of its readable resources says so, or calls a
        method: what is told and what is read of one source must not take turns."""
        if not self.manner.subscribe:
            return ()
        return tuple(source for source, points in zip(self.sources, self.points, strict=True) if _told(source, points))


def plan(device: Device, sources: Sequence[Source]) -> OpcuaPlan:
    """For reading all `sources` together or for writing one. Raises ConfigError with every problem."""
    connection, manner = reach(device)
    points = located.points(sources, lambda resource, _: locate(resource))
    cells: dict[At, int] = {}
    picks = []
    for source, mine in zip(sources, points, strict=True):
        readable = (resource.properties.read_write.readable for resource in source.resources)
        picks.append(tuple(_cell(cells, point) if read else -1 for read, point in zip(readable, mine, strict=True)))
    settings = connection.settings
    assert isinstance(settings, Endpoint)
    requests = (*_reads(cells, points, settings.max_nodes or len(cells)), *_calls(sources, points))
    return OpcuaPlan(device.name, manner, tuple(sources), points, tuple(cells), tuple(picks), requests)


def _told(source: Source, points: Sequence[Point]) -> bool:
    return not any(
        _is_read(point)
        for resource, point in zip(source.resources, points, strict=True)
        if resource.properties.read_write.readable
    )


def unheard(profile: DeviceProfile, manner: Manner | None = None) -> list[Problem]:
    """Warnings of events that nobody would ever be told: all of a device is read, or something else of their command.
    `where` as people see it."""
    points = {one.name: point for one in profile.device_resources if (point := locate(one)[0]) is not None}
    names = {one.name for one in profile.device_resources if one.properties.read_write.readable}
    found = []
    for index, command in enumerate(profile.device_commands):
        members = [one.device_resource for one in command.resource_operations]
        mine = [points[name] for name in members if name in names and name in points]
        events, read = (next((p.name for p in mine if sort(p)), "") for sort in (_is_events, _is_read))
        if command.read_write.readable and events and read:
            what = f"{events} is told, {read} is read, and so is all of a command with it: take {events} out"
            found.append(Problem(f"deviceCommands[{index}]", f"{what}; it is a source itself", severity="warning"))
    all_events = ", ".join(point.name for point in points.values() if _is_events(point))
    if all_events and manner is not None and not manner.subscribe:
        what = f"{all_events}: events cannot be read; leave this out, and give what is to be read subscribe: false"
        found.append(Problem(f"protocols.{KEY}.Subscribe", what, severity="warning"))
    return found


def _is_events(point: Point) -> bool:
    return point.kind is Kind.EVENTS


def _is_read(point: Point) -> bool:
    """By whoever wants it, never told."""
    return point.kind is Kind.METHOD or not point.subscribe


def _cell(cells: dict[At, int], point: Point) -> int:
    return cells.setdefault(point.at, len(cells)) if point.kind is Kind.VALUE and point.at is not None else -1


def _reads(cells: Iterable[At], points: Sequence[Sequence[Point]], most: int) -> Iterator[Request]:
    size = {point.at: SIZE.get(point.value_type, 8) for mine in points for point in mine}
    nodes = list(cells)
    for first in range(0, len(nodes), most or 1):
        part = nodes[first : first + most]
        yield Request(
            text=f"Read {len(part)} node{'s' * (len(part) > 1)}",
            pdu=b"",
            sent=FRAME + ASKED + sum(PER_NODE + _id_size(at) for at in part),
            received=FRAME + ANSWERED + sum(PER_VALUE + size[at] for at in part),
        )


def _id_size(at: At) -> int:
    """Bytes of a node id; of one that a path leads to, of a small number."""
    if not isinstance(at, NodeRef) or at.kind == "i":
        return 4
    return {"g": 19}.get(at.kind, 7 + len(at.identifier.encode()))


def _calls(sources: Sequence[Source], points: Sequence[Sequence[Point]]) -> Iterator[Request]:
    """Methods that are called when they are read; how long arguments are nobody knows."""
    for source, mine in zip(sources, points, strict=True):
        for resource, point in zip(source.resources, mine, strict=True):
            if point.kind is Kind.METHOD and resource.properties.read_write.readable:
                assert point.method is not None
                yield Request(f"Call {at_text(point.method)}", b"", FRAME + ASKED, FRAME + ANSWERED)
