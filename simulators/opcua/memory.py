"""What the nodes of a simulated server held, on request: raw historical values in pages (Part 11, 6.5.3)."""

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from simulators.opcua.ids import status
from simulators.opcua.node import EPOCH, STEP, Node, Told
from simulators.opcua.unit import Unit

PAGE = 500
"""Values of one answer, however many more are wanted."""
_NO_TIME = ua.get_win_epoch()
_TOKEN = struct.Struct("<q")


class Memory:
    """In place of asyncua's history manager."""

    def __init__(self, variables: Mapping[ua.NodeId, tuple[Unit, Node]]) -> None:
        self._variables = variables

    async def read_history(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """The service; one result for each node."""
        return [self._read(params, wanted) for wanted in params.NodesToRead]

    async def stop(self) -> None:
        """Nothing is held open."""

    def _read(self, params: ua.HistoryReadParameters, wanted: ua.HistoryReadValueId) -> ua.HistoryReadResult:
        result = ua.HistoryReadResult()
        served = self._variables.get(wanted.NodeId)
        details = params.HistoryReadDetails
        if params.ReleaseContinuationPoints:
            return result
        if served is None:
            result.StatusCode = status(ua.StatusCodes.BadNodeIdUnknown)
            return result
        unit, node = served
        if node.history is None or not isinstance(details, ua.ReadRawModifiedDetails) or details.IsReadModified:
            result.StatusCode = status(ua.StatusCodes.BadHistoryOperationUnsupported)
            return result
        unit.requests += 1
        unit.refresh()
        values, rest = _page(node.history, details, wanted.ContinuationPoint)
        result.HistoryData = ua.HistoryData()
        result.HistoryData.DataValues = values
        result.ContinuationPoint = rest
        if not values:
            result.StatusCode = status(ua.StatusCodes.GoodNoData)
        return result


def _page(kept: Sequence[Told], details: ua.ReadRawModifiedDetails, token: bytes | None) -> tuple[list[Any], Any]:
    """Values in the direction that is wanted, and where the next page begins. The first time counts, the last does
    not."""
    start, end = _time(details.StartTime), _time(details.EndTime)
    back = start is None or (end is not None and end < start)
    if start is None:
        start, end = end, None
    if token:
        start = _moment(_TOKEN.unpack(token)[0])
    ordered = reversed(kept) if back else iter(kept)
    found = [one for one in ordered if _within(one.SourceTimestamp, start, end, back)]
    size = min(details.NumValuesPerNode or PAGE, PAGE)
    if len(found) <= size:
        return found, None
    return found[:size], _TOKEN.pack(_microseconds(found[size].SourceTimestamp))


def _within(time: Any, start: datetime | None, end: datetime | None, back: bool) -> bool:
    if back:
        return (start is None or time <= start) and (end is None or time > end)
    return (start is None or time >= start) and (end is None or time < end)


def _time(time: datetime | None) -> datetime | None:
    """None for OPC UA's null, 1601."""
    if time is None:
        return None
    found = time.replace(tzinfo=UTC)
    return None if found == _NO_TIME.replace(tzinfo=UTC) else found


def _microseconds(time: Any) -> int:
    gone = time - EPOCH
    found: int = gone // STEP
    return found


def _moment(microseconds: int) -> datetime:
    return EPOCH + STEP * microseconds
