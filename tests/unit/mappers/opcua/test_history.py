"""What servers remember, in pages: exclusive bounds, no value twice, one Event for one time (ask 26)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua

from gateway.model.errors import DeviceError
from gateway.model.place import Place
from gateway.model.reading import Event, Source
from gateway.runtime.clock import SystemClock
from mappers.opcua import history as asking
from mappers.opcua.endpoint import reach
from mappers.opcua.history import Page, history
from mappers.opcua.mapper import OpcuaMapper
from mappers.opcua.plan import OpcuaPlan, plan
from mappers.opcua.session import Session
from tests.unit.mappers.opcua.subscription.rig import Peer, device, resource, serving, source

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZERO = 1_772_366_400_000_000_000


def at(milliseconds: int) -> int:
    return ZERO + milliseconds * 1_000_000


def remember(peer: Peer, name: str, values: dict[int, Any], codes: dict[int, int] | None = None) -> None:
    """By milliseconds."""
    storage = peer.server.iserver.history_manager.storage
    storage._datachanges[peer.node_id(name)] = [
        ua.DataValue(
            ua.Variant(value, ua.VariantType.Int32),
            ua.StatusCode((codes or {}).get(when, 0)),
            BEGIN + timedelta(milliseconds=when),
        )
        for when, value in sorted(values.items())
    ]


async def everything(
    session: Session, of: OpcuaPlan, one: Source, gaps: dict[str, tuple[int, int]]
) -> tuple[list[Event], int]:
    """All pages, and how many."""
    found: list[Event] = []
    pages = 0
    left: Any = gaps
    while left:
        events, left = await history(session, of, one, left)
        found += events
        pages += 1
        assert pages < 100
    return found, pages


def rows(events: Sequence[Event]) -> list[tuple[int, dict[str, Any]]]:
    return [
        ((event.origin - ZERO) // 1_000_000, dict(zip(event.names(), event.values, strict=True))) for event in events
    ]


async def test_history_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving("a", "b", "c") as peer:
        of = device(peer.port)
        session = Session(reach(of)[0], SystemClock(), Place())
        await session.connect()
        try:
            one = source("all", resource("a"), resource("b"), resource("c"))
            made = plan(of, [one])
            await _bounds_are_exclusive(peer, session, made, one)
            await _pages_are_cut_by_time(peer, session, made, one, monkeypatch)
            await _gaps_may_begin_at_different_times(peer, session, made, one)
            await _many_values_of_one_time_end(peer, session, made, one, monkeypatch)
            await _an_empty_page_with_more_to_come_is_gone_on_from(peer, session, made, one, monkeypatch)
            await _old_values_again_and_again_are_no_progress(peer, session, made, one, monkeypatch)
            await _who_has_no_history(peer, session, made, one, monkeypatch)
        finally:
            await session.close()


@pytest.mark.parametrize("stamps", ["gateway", "source"])
async def test_where_the_time_of_receipt_counts_the_server_is_asked_in_its_own(stamps: str) -> None:
    """T20: its clock is an hour behind; what was told before the outage does not come again with a wrong time."""
    async with serving("a") as peer:
        of = device(peer.port, TimeStamps=stamps)
        mapper = OpcuaMapper(reach(of)[0], SystemClock(), Place())
        mapper._subscriptions._hearing._skews.append(3600.0)
        one = source("all", resource("a"))
        hour = 3_600_000
        remember(peer, "a", {when + (-hour if stamps == "gateway" else 0): when for when in range(-9, 10)})
        try:
            await mapper._session.connect()  # the mapper's own would begin with another session's skew
            events, left = await mapper.history(plan(of, [one]), one, {"a": (at(0), at(4))})
        finally:
            await mapper.close()
        assert (rows(events), left) == ([(when, {"a": when}) for when in (1, 2, 3)], {})


async def _bounds_are_exclusive(peer: Peer, session: Session, made: OpcuaPlan, one: Source) -> None:
    """And a status is kept."""
    remember(peer, "a", {0: 1, 10: 2, 20: 3, 30: 4}, {20: ua.StatusCodes.BadSensorFailure})
    remember(peer, "b", {10: 20, 15: 21})
    gap = at(0), at(30)
    events, left = await history(session, made, one, {"a": gap, "b": gap})
    assert not left
    assert rows(events) == [(10, {"a": 2, "b": 20}), (15, {"b": 21}), (20, {"a": None})]
    assert all(event.historical and event.times is None for event in events)
    assert events[0].which == (0, 1)
    assert events[2].quality is not None
    assert events[2].quality[0].code == "BadSensorFailure"


async def _pages_are_cut_by_time(
    peer: Peer, session: Session, made: OpcuaPlan, one: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though one resource changes more often than another, each time comes once; nothing is kept on the server."""
    remember(peer, "a", {when: when for when in range(0, 1000, 10)})
    remember(peer, "b", {when: -when for when in range(0, 1000, 50)})
    monkeypatch.setattr(peer.server.iserver.history_manager.storage, "max_history_data_response_size", 30)
    released = _releases(peer, monkeypatch)
    gap = at(0), at(990)
    events, pages = await everything(session, made, one, {"a": gap, "b": gap})
    assert pages == 4
    assert len(released) == 3
    assert [event.origin for event in events] == [at(when) for when in range(10, 990, 10)]
    assert [event.values for event in events if len(event.values) == 2] == [[w, -w] for w in range(50, 990, 50)]


async def _gaps_may_begin_at_different_times(peer: Peer, session: Session, made: OpcuaPlan, one: Source) -> None:
    """One that has not changed for long does not fetch again what is known of others."""
    hour = 3_600_000
    remember(peer, "a", {0: 1, 5: 2, hour + 5: 3})
    remember(peer, "b", {7: 1, hour: 2, hour + 5: 3, hour + 6: 4})
    events, _ = await everything(session, made, one, {"a": (at(0), at(hour + 9)), "b": (at(hour), at(hour + 6))})
    assert rows(events) == [(5, {"a": 2}), (hour + 5, {"a": 3, "b": 3})]


async def _many_values_of_one_time_end(
    peer: Peer, session: Session, made: OpcuaPlan, one: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAGE", 1)
    monkeypatch.setattr(asking, "LEAST", 5)
    remember(peer, "a", {})
    storage = peer.server.iserver.history_manager.storage._datachanges[peer.node_id("a")]
    storage += [ua.DataValue(ua.Variant(i, ua.VariantType.Int32), SourceTimestamp=BEGIN) for i in range(20)]
    later = BEGIN + timedelta(milliseconds=3)
    storage.append(ua.DataValue(ua.Variant(99, ua.VariantType.Int32), SourceTimestamp=later))
    events, _ = await everything(session, made, one, {"a": (at(-1), at(5))})
    assert rows(events) == [(0, {"a": 0}), (3, {"a": 99})]


async def _an_empty_page_with_more_to_come_is_gone_on_from(
    peer: Peer, session: Session, made: OpcuaPlan, one: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part 11, 6.4.3. For ever: nothing is expected of that node, and the others go on."""
    manager, seen = peer.server.iserver.history_manager, list[tuple[bytes, int]]()
    read, empty = manager._read_history, 3

    async def reluctant(details: Any, wanted: ua.HistoryReadValueId) -> ua.HistoryReadResult:
        if wanted.NodeId != peer.node_id("a"):
            return await read(details, wanted)
        number = int(wanted.ContinuationPoint or b"0")
        seen.append((wanted.ContinuationPoint, number))
        if number < empty:
            return ua.HistoryReadResult(HistoryData=ua.HistoryData(), ContinuationPoint=b"%d" % (number + 1))
        wanted.ContinuationPoint = None
        return await read(details, wanted)

    remember(peer, "a", {1: 1, 4: 4})
    remember(peer, "b", {2: 2})
    gaps = dict.fromkeys("ab", (at(0), at(9)))
    with monkeypatch.context() as patch:
        patch.setattr(manager, "_read_history", reluctant)
        events, left = await history(session, made, one, gaps)
        assert rows(events) == [(1, {"a": 1}), (2, {"b": 2}), (4, {"a": 4})]
        assert (len(seen), left) == (4, {})
        empty, released = 10**9, _releases(peer, monkeypatch)
        seen.clear()
        events, left = await history(session, made, one, gaps)
        assert rows(events) == [(2, {"b": 2})]
        assert (len(seen), len(released), left) == (1 + asking.EMPTY + 1, 1, {})


async def _old_values_again_and_again_are_no_progress(
    peer: Peer, session: Session, made: OpcuaPlan, one: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T22: whoever asks gives up when nothing changes."""
    old = ua.DataValue(ua.Variant(1, ua.VariantType.Int32), SourceTimestamp=BEGIN)

    async def stuck(*_: Any) -> ua.HistoryReadResult:
        return ua.HistoryReadResult(HistoryData=ua.HistoryData([old] * 10), ContinuationPoint=b"more")

    gaps = {"a": (at(0), at(9))}
    with monkeypatch.context() as patch:
        patch.setattr(peer.server.iserver.history_manager, "_read_history", stuck)
        assert await history(session, made, one, gaps) == ([], gaps)


async def _who_has_no_history(
    peer: Peer, session: Session, made: OpcuaPlan, one: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some: the others go on. All: it is said why."""
    refused = {peer.node_id("b")}
    manager = peer.server.iserver.history_manager
    read = manager._read_history

    async def refusing(details: Any, wanted: ua.HistoryReadValueId) -> ua.HistoryReadResult:
        if wanted.NodeId in refused:
            code = ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported)
            return ua.HistoryReadResult(StatusCode=code)
        return await read(details, wanted)

    monkeypatch.setattr(manager, "_read_history", refusing)
    remember(peer, "a", {1: 1})
    gaps = dict.fromkeys("abc", (at(0), at(9)))
    events, left = await history(session, made, one, gaps)
    assert rows(events) == [(1, {"a": 1})]
    assert not left
    refused |= {peer.node_id(name) for name in "ac"}
    with pytest.raises(DeviceError, match="there is no history of a, b, c") as raised:
        await history(session, made, one, gaps)
    assert raised.value.code == "BadHistoryOperationUnsupported"


def _releases(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Places the server was told to forget."""
    manager, found = peer.server.iserver.history_manager, []
    read = manager.read_history

    async def listening(params: ua.HistoryReadParameters) -> Any:
        if params.ReleaseContinuationPoints:
            found.append(params)
        return await read(params)

    monkeypatch.setattr(manager, "read_history", listening)
    return found


def test_a_page_begins_with_the_oldest_and_ends_where_others_begin() -> None:
    minute = 60 * 10**9
    gaps = {"a": (100, 900 * minute), "b": (200, 50 * minute), "c": (100 * minute, 900 * minute)}
    page = Page.first(gaps)
    assert page.names == {"a", "b"}
    assert (page.start, page.end) == (100, 100 * minute + 1)
