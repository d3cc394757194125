"""OPC UA over one session: read a plan's nodes, write a source's values."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from asyncua import ua

from gateway.model.abilities import Gaps, Told
from gateway.model.contracts import Clock
from gateway.model.errors import CommandRejected, DeviceError
from gateway.model.place import Place
from gateway.model.plan import Connection, Facts, Poll
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Quality, Source
from mappers.opcua import conditions, status
from mappers.opcua.address import At
from mappers.opcua.codec.learn import learn_wanted
from mappers.opcua.codec.limits import DEPTH
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.codec.structure import Types
from mappers.opcua.codec.values import Decode
from mappers.opcua.codec.variants import ANY, USUAL, Target, variant
from mappers.opcua.history import history
from mappers.opcua.methods import Call, Methods
from mappers.opcua.plan import OpcuaPlan
from mappers.opcua.point import Kind, Point, at_text
from mappers.opcua.session import Session
from mappers.opcua.session.held import Held
from mappers.opcua.subscription import LOOK_S, Subscriptions
from mappers.opcua.subscription.outlet import is_time, ns

WRITE_ONLY = Quality("bad", "config", "write-only")
TOLD = Quality("bad", "config", "events are told, not read")
CALLED = (Kind.METHOD, Kind.CONDITION)
Cell = ua.DataValue | Quality
"""What came for a node."""


class OpcuaMapper:
    """Fulfils `gateway.model.contracts.Mapper` for `OpcuaPlan`."""

    def __init__(self, connection: Connection, clock: Clock, place: Place, meant: dict[int, str] | None = None) -> None:
        """`meant`: see `Session`."""
        self._clock = clock
        self._session = Session(connection, clock, place, meant)
        self.found: dict[str, Facts] = {}
        """See `Mapper.found`."""
        self.counts: Counter[str] = Counter()
        """See `Subscribes.counts`."""
        self._methods = Methods(self._session)
        self._decodes: dict[tuple[ValueType, tuple[str, ...]], Decode] = {}
        self._subscriptions = Subscriptions(self._session, clock, self.counts)

    @property
    def rest_after(self) -> float | None:
        """Sessions are kept."""
        return None

    async def connect(self) -> None:
        """Raises NotConnected."""
        if not self._session.up:
            missed = self.missed
            self._subscriptions = Subscriptions(self._session, self._clock, self.counts)
            self.missed = missed
            await self._session.connect()
            if self._session.namespaces.moved:
                self.counts["namespaces"] += 1

    async def rest(self) -> None:
        """Closes the session."""
        await self._session.close()

    async def close(self) -> None:
        """Idempotent; never raises."""
        await self._session.close()

    # ------------------------------------------------------------------------------------ what servers tell: Subscribes

    @property
    def alive(self) -> bool:
        """See `Subscribes.alive`."""
        return self._subscriptions.alive

    @property
    def skew_s(self) -> float | None:
        """See `Subscribes.skew_s`."""
        return self._subscriptions.skew_s

    @property
    def look_after(self) -> float:
        """Seconds."""
        return LOOK_S

    async def subscribe(self, polls: Sequence[Poll], told: Told) -> Sequence[Poll]:
        """See `Subscribes.subscribe`. Raises NotConnected, NoAnswer."""
        return await self._subscriptions.subscribe(polls, told)

    async def look(self) -> None:
        """See `Subscribes.look`. Raises NotConnected."""
        await self._session.renew()
        await self._subscriptions.look()

    async def lost(self) -> str:
        """Hears while connected; returns why when the connection is gone."""
        return await self._subscriptions.run()

    # -------------------------------------------------------------------------------- what servers remember: Backfills

    @property
    def missed(self) -> Callable[[Iterable[Source]], None]:
        """See `Backfills.missed`."""
        return self._subscriptions.missed

    @missed.setter
    def missed(self, hear: Callable[[Iterable[Source]], None]) -> None:
        self._subscriptions.missed = hear

    async def history(self, plan: OpcuaPlan, source: Source, gaps: Gaps) -> tuple[list[Event], Gaps]:
        """See `Backfills.history`. Where the time of receipt counts, gaps are in our time and the server's memory is in
        its own. Raises NotConnected, NoAnswer, DeviceError."""
        behind = 0 if plan.manner.source_times else round((self.skew_s or 0.0) * 1e9)
        return await history(self._session, plan, source, gaps, behind)

    # ---------------------------------------------------------------------------------------------- reading and writing

    async def read(self, plan: OpcuaPlan, patience: float | None = None) -> list[Event]:
        """One event per source. Raises NotConnected; NoAnswer; DeviceError for a source of nothing but events: that it
        cannot be read is no news of the device."""
        await self._session.renew()
        if all(point.kind is Kind.EVENTS for point in plan.flat):
            what = f"{TOLD.code}; the last one is among the values of the device"
            raise DeviceError(TOLD.code, f"{plan.sources[0].name}: {what}", "Read")
        cells = await self._cells(plan, patience)
        origin = self._clock.now()
        found = self._events(plan, cells, origin)
        for _ in range(DEPTH):  # what was not known may hold more of its kind
            if not await learn_wanted(self._session.types, self._session):
                break
            found = self._events(plan, cells, origin)
        await self._call(plan, found)
        return [_without_told(event, points) for event, points in zip(found, plan.points, strict=True)]

    async def _call(self, plan: OpcuaPlan, events: Sequence[Event]) -> None:
        """Methods that are called when they are read, each once."""
        given: dict[Point, tuple[Any, Quality | None]] = {}
        for event, points in zip(events, plan.points, strict=True):
            for at, point in enumerate(points):
                if point.kind is not Kind.METHOD or point.writes:
                    continue
                if point not in given:
                    given[point] = await self._methods.read(point)
                event.values[at], wrong = given[point]
                rest = {n: quality for n, quality in (event.quality or {}).items() if n != at}
                event.quality = (rest | {at: wrong} if wrong else rest) or None

    def _events(self, plan: OpcuaPlan, cells: Sequence[Cell], origin: int) -> list[Event]:
        timed = cells if plan.manner.source_times else ()  # some servers send times that nobody asked for
        times = {at: stamp for at, cell in enumerate(timed) if (stamp := _time(cell))}
        return [
            _event(
                source,
                [self._value(point, cells[at] if at >= 0 else None) for point, at in zip(points, pick, strict=True)],
                {position: times[at] for position, at in enumerate(pick) if at in times},
                origin,
            )
            for source, points, pick in zip(plan.sources, plan.points, plan.picks, strict=True)
        ]

    def _value(self, point: Point, cell: Cell | None) -> tuple[Any, Quality | None]:
        if cell is None:
            return None, TOLD if point.kind is Kind.EVENTS else WRITE_ONLY
        if isinstance(cell, Quality):
            return None, cell
        said = status.quality(cell.StatusCode.value) if cell.StatusCode is not None else None
        if said is not None and said.level == "bad":
            return None, said
        try:
            return self._decode(point)(cell.Value), said
        except Misfit as misfit:
            return None, misfit.quality

    def _decode(self, point: Point) -> Decode:
        key = point.value_type, point.field
        if key not in self._decodes:
            self._decodes[key] = Decode(*key, self._session.types)
        return self._decodes[key]

    async def _cells(self, plan: OpcuaPlan, patience: float | None) -> list[Cell]:
        """What each node of a plan holds."""
        places = await self._session.resolve(plan.nodes)
        known = {at: place for at in plan.nodes if isinstance(place := places[at], ua.NodeId)}
        values = await self._session.read(list(known.values()), times=plan.manner.source_times, patience=patience)
        found: dict[At, Cell] = dict(zip(known, values, strict=True))
        for at, value in zip(known, values, strict=True):
            if value.StatusCode is not None and value.StatusCode.value == ua.StatusCodes.BadNodeIdUnknown:
                self._session.forget(at)
        return [found[at] if at in found else _wrong(places[at]) for at in plan.nodes]

    async def write(self, plan: OpcuaPlan, values: Mapping[str, Any]) -> Event | None:
        """Everything is encoded before anything is sent. Raises CommandRejected (422) for what does not fit,
        NotConnected, NoAnswer, DeviceError."""
        await self._session.renew()
        wishes = [point for point in plan.flat if point.name in values]
        calls = [await self._methods.by_value(p, values[p.name]) for p in wishes if p.kind is Kind.METHOD]
        nodes = [(point, await self._node(point)) for point in wishes if point.kind not in CALLED]
        held = await self._session.held([node for _, node in nodes])
        asked = [_wish(self._session.types, point, node, held[node], values[point.name]) for point, node in nodes]
        for (point, _), answer in zip(nodes, await self._session.write(asked), strict=True):
            if not answer.is_good():
                raise _refusal(point, status.name_of(answer.value))
        for point in wishes:
            if point.kind is Kind.CONDITION:
                await conditions.say(self._session, point, values[point.name])
        return await self._run(plan.sources[0], calls)

    async def _run(self, source: Source, calls: Sequence[Call]) -> Event | None:
        """Calls methods, one after another; what they give, as values of the resources that stand for them."""
        given: dict[int, Any] = {}
        for call in calls:
            with suppress(Misfit):  # the type of a resource that is written is that of what goes in
                found = await self._methods.run(call)
                if found is not None:
                    given[source.names.index(call.point.name)] = found
        which = tuple(sorted(given))
        return Event(source, self._clock.now(), [given[at] for at in which], which) if which else None

    async def _node(self, point: Point) -> ua.NodeId:
        if point.kind is not Kind.VALUE or point.at is None:
            raise CommandRejected(422, f"{point.name}: a {point.kind} cannot be written")
        found = (await self._session.resolve([point.at]))[point.at]
        if isinstance(found, Quality):
            raise _refusal(point, found.code)
        return found


def _without_told(event: Event, points: Sequence[Point]) -> Event:
    """What was read, without events that stand beside it: they are told, and the last one still holds."""
    kept = tuple(at for at, point in enumerate(points) if point.kind is not Kind.EVENTS)
    if not kept or len(kept) == len(points):
        return event
    quality, times = event.quality or {}, event.times or {}
    event.which = kept
    event.values = [event.values[at] for at in kept]
    event.quality = {n: quality[at] for n, at in enumerate(kept) if at in quality} or None
    event.times = {n: times[at] for n, at in enumerate(kept) if at in times} or None
    return event


def _wrong(place: ua.NodeId | Quality) -> Quality:
    assert isinstance(place, Quality)
    return place


def _refusal(point: Point, code: str) -> DeviceError:
    assert point.at is not None
    return DeviceError(code, f"{point.name}: {status.said(code)}", f"Write {at_text(point.at)}")


def _wish(types: Types, point: Point, node: ua.NodeId, held: Held | Quality, value: Any) -> ua.WriteValue:
    if isinstance(held, Quality):
        raise _refusal(point, held.code)
    kind = USUAL.get(point.element, held.kind) if held.kind in ANY else held.kind
    sent = ua.DataValue(Value=variant(types, Target(point.name, kind, held.rank, held.sizes), value))
    return ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value, Value=sent)


def _event(source: Source, found: Sequence[tuple[Any, Quality | None]], times: dict[int, int], origin: int) -> Event:
    quality = {at: wrong for at, (_, wrong) in enumerate(found) if wrong is not None}
    return Event(source, origin, [value for value, _ in found], quality=quality or None, times=times or None)


def _time(cell: Cell) -> int:
    """Source time of what came for a node, ns; 0: it has none."""
    stamp = cell.SourceTimestamp if isinstance(cell, ua.DataValue) else None
    return ns(stamp) if is_time(stamp) else 0
