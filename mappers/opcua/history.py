"""What servers remember: raw values between two times, a page at a time (Part 11, 6.5.3).

Pages are cut by time, not by the server's continuation points: what is left is a gap again, and outlives the
connection. Only a page without a value goes on where the server says (Part 11, 6.4.3). Resources whose gaps begin at
about the same time are asked for together, the oldest first, so that what was stored at one time comes in one Event.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asyncua import ua
from asyncua.client.ua_session import UaSession

from gateway.model.abilities import Gaps
from gateway.model.errors import DeviceError
from gateway.model.reading import Event, Source
from mappers.opcua.plan import OpcuaPlan
from mappers.opcua.point import Kind, Point
from mappers.opcua.session import Session
from mappers.opcua.status import name_of, said
from mappers.opcua.subscription.outlet import Data, is_time, ns
from mappers.opcua.subscription.readers import reader

PAGE = 1000
"""Values of one call, for all nodes together; of each node at least `LEAST`."""
LEAST = 10
EMPTY = 10
"""Pages without a value and with more to come, of one node in a row: then nothing is expected of it."""
TOGETHER_NS = 60 * 10**9
"""Gaps that begin within this time are filled together; what some of them have already is dropped."""
STEP_NS = 1000
"""The library's times are microseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for in one call: some resources, from one time to another (ns, both exclusive)."""

    names: frozenset[str]
    start: int
    end: int

    @classmethod
    def first(cls, gaps: Gaps) -> "Page":
        """The oldest; it ends where other gaps begin, so that from there on they are filled together."""
        start = min(first for first, _ in gaps.values())
        names = frozenset(name for name, (first, _) in gaps.items() if first <= start + TOGETHER_NS)
        others = [first + 1 for name, (first, _) in gaps.items() if name not in names]
        return cls(names, start, min([max(gaps[name][1] for name in names), *others]))


async def history(
    session: Session, plan: OpcuaPlan, source: Source, gaps: Gaps, behind: int = 0
) -> tuple[list[Event], Gaps]:
    """See `Backfills.history`. `behind`: by so much (ns) the times of gaps and events are later than the server's."""
    events, left = await _history(session, plan, source, _later(gaps, -behind))
    for event in events:
        event.origin += behind
    return events, _later(left, behind)


def _later(gaps: Gaps, by: int) -> Gaps:
    return {name: (first + by, last + by) for name, (first, last) in gaps.items()}


async def _history(session: Session, plan: OpcuaPlan, source: Source, gaps: Gaps) -> tuple[list[Event], Gaps]:
    points = {point.name: (i, point) for i, point in enumerate(plan.points[plan.sources.index(source)])}
    left = {name: gap for name, gap in gaps.items() if points[name][1].kind is Kind.VALUE and gap[0] + 1 < gap[1]}
    if not left:
        return [], {}
    page = Page.first(left)
    nodes = await _nodes(session, [points[name][1] for name in page.names])
    found, upto, why = await _ask(session, page, list(dict.fromkeys(nodes.values())))
    refused = {name for name in page.names if nodes[name] not in found}
    if refused == {name for name, (i, point) in points.items() if _is_told(source, i, point)}:
        raise DeviceError(why, f"there is no history of {', '.join(sorted(refused))}: {said(why)}", "HistoryRead")
    rows: dict[int, dict[int, Data]] = defaultdict(dict)
    for name in page.names - refused:
        first, last = left[name]
        for data in found[nodes[name]]:
            time = ns(cast(datetime, data.SourceTimestamp))
            if first < time < last and time <= upto:
                rows[time].setdefault(points[name][0], data)
    readers = {i: reader(point, session.types).decode for i, point in points.values()}
    events = [_event(source, time, rows[time], readers) for time in sorted(rows)]
    still = {name: (max(first, upto) if name in page.names else first, last) for name, (first, last) in left.items()}
    return events, {name: (a, b) for name, (a, b) in still.items() if name not in refused and a + 1 < b}


def _is_told(source: Source, index: int, point: Point) -> bool:
    return point.kind is Kind.VALUE and source.resources[index].properties.read_write.readable


async def _nodes(session: Session, points: Sequence[Point]) -> dict[str, ua.NodeId | None]:
    """By name; None: not on the server."""
    places = await session.resolve([point.at for point in points if point.at is not None])
    found = {point.name: places[point.at] if point.at is not None else None for point in points}
    return {name: node if isinstance(node, ua.NodeId) else None for name, node in found.items()}


async def _ask(
    session: Session, page: Page, nodes: Sequence[ua.NodeId | None]
) -> tuple[Mapping[ua.NodeId | None, list[Data]], int, str]:
    """Values with a time by node, of those that have a history; the time up to which all are there; and the status of
    the last that has none."""
    known = [node for node in nodes if node is not None]
    most = max(LEAST, PAGE // max(1, len(known)))
    asked: list[tuple[ua.NodeId, bytes | None]] = [(node, None) for node in known]
    results = await session.in_batches("history", asked, lambda to, part: _read(to, part, page, most))
    for _ in range(EMPTY):
        on = [at for at, result in enumerate(results) if _is_empty(result)]
        asked = [(known[at], results[at].ContinuationPoint) for at in on]
        more = await session.in_batches("history", asked, lambda to, part: _read(to, part, page, most))
        for at, result in zip(on, more, strict=True):
            results[at] = result
    found: dict[ua.NodeId | None, list[Data]] = {}
    upto, why = page.end, "BadNodeIdUnknown"
    for node, result in zip(known, results, strict=True):
        if result.StatusCode.is_bad():
            why = name_of(result.StatusCode.value)
            continue
        if _is_empty(result):
            why = "BadNoData"
            continue
        found[node] = values = _values(result)
        if values and (result.ContinuationPoint or len(values) >= most):
            upto = min(upto, max(page.start, *(ns(cast(datetime, one.SourceTimestamp)) for one in values)))
    await _release(
        session, [(n, r.ContinuationPoint) for n, r in zip(known, results, strict=True) if r.ContinuationPoint]
    )
    return found, upto, why


def _is_empty(result: ua.HistoryReadResult) -> bool:
    """There is nothing in it, and more to come."""
    return bool(result.ContinuationPoint) and not result.StatusCode.is_bad() and not _values(result)


async def _read(
    to: UaSession, wanted: list[tuple[ua.NodeId, bytes | None]], page: Page, most: int
) -> list[ua.HistoryReadResult]:
    """Of nodes, from the beginning or from a continuation point on."""
    between = ua.ReadRawModifiedDetails(
        IsReadModified=False,
        StartTime=_time(page.start + STEP_NS),
        EndTime=_time(page.end + STEP_NS),
        NumValuesPerNode=most,
        ReturnBounds=False,
    )
    asked = [ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point) for node, point in wanted]
    found: list[ua.HistoryReadResult] = await to.history_read(_parameters(between, asked, release=False))
    return found


async def _release(session: Session, points: Sequence[tuple[ua.NodeId, bytes]]) -> None:
    """The server need not keep these places (Part 4, 5.11.3)."""
    if not points:
        return
    asked = [ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point) for node, point in points]

    async def work(to: UaSession, part: list[ua.HistoryReadValueId]) -> list[Any]:
        await to.history_read(_parameters(ua.ReadRawModifiedDetails(IsReadModified=False), part, release=True))
        return part

    with suppress(DeviceError):
        await session.in_batches("history", asked, work)


def _parameters(
    between: ua.ReadRawModifiedDetails, asked: list[ua.HistoryReadValueId], *, release: bool
) -> ua.HistoryReadParameters:
    return ua.HistoryReadParameters(
        HistoryReadDetails=between,
        TimestampsToReturn=ua.TimestampsToReturn.Source,
        ReleaseContinuationPoints=release,
        NodesToRead=asked,
    )


def _values(result: ua.HistoryReadResult) -> list[Data]:
    data = result.HistoryData
    if not isinstance(data, ua.HistoryData):
        return []
    return [cast(Data, one) for one in data.DataValues or () if is_time(one.SourceTimestamp)]


def _event(source: Source, time: int, row: Mapping[int, Data], readers: Mapping[int, Any]) -> Event:
    which = tuple(sorted(row))
    pairs = [readers[index](row[index]) for index in which]
    quality = {position: wrong for position, (_, wrong) in enumerate(pairs) if wrong is not None}
    return Event(
        source,
        time,
        [value for value, _ in pairs],
        None if len(which) == len(source.resources) else which,
        quality or None,
        historical=True,
    )


def _time(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at // 1000)
