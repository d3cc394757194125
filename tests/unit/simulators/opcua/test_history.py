"""What a simulated server remembers, read by asyncua's own client."""

from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua

from simulators.behaviour import ramp
from simulators.worldfile import ServerEntry
from tests.support.clock import MovingClock
from tests.unit.simulators.opcua.profiles import NAME, at, node, served, simulated
from tests.unit.simulators.profiles import profile

X = node("X", "X", "valueType: Float64, readWrite: R")


def wall(clock: MovingClock) -> datetime:
    return datetime.fromtimestamp(clock.now() / 1e9, UTC)


def later(clock: MovingClock, seconds: float) -> None:
    clock._monotonic += seconds
    clock._now += round(seconds * 1e9)


async def test_history_also_has_what_nobody_was_there_to_see(clock: MovingClock) -> None:
    """A gap of a client, or of the server's port, is filled."""
    async with simulated(profile(X), clock, refresh="1s") as running:
        running.behave(NAME, "X", ramp(0, 1000, 1000))
        begun = wall(clock)
        await running.unplug(NAME)
        later(clock, 30.5)
        await running.plug(NAME)
        async with Client(running.devices[NAME].address) as client:
            found = await at(client, "X").read_raw_history(begun + timedelta(seconds=10), wall(clock))
            assert [value.Value.Value for value in found] == [pytest.approx(n) for n in range(10, 31)]
            times = [value.SourceTimestamp.replace(tzinfo=UTC) for value in found]
            assert times == [begun + timedelta(seconds=n) for n in range(10, 31)]
            back = await at(client, "X").read_raw_history(wall(clock), begun + timedelta(seconds=10))
            assert [value.Value.Value for value in back] == [pytest.approx(n) for n in range(30, 10, -1)]
            last = await at(client, "X").read_raw_history(None, wall(clock), numvalues=3)
            assert [value.Value.Value for value in last] == [pytest.approx(n) for n in (30, 29, 28)]


async def test_history_comes_in_pages_and_is_bounded(clock: MovingClock) -> None:
    async with served(X, clock=clock, refresh="1s") as (running, client):
        running.behave(NAME, "X", ramp(0, 10_000, 10_000))
        begun = wall(clock)
        later(clock, 5000)
        details = ua.ReadRawModifiedDetails()
        details.StartTime, details.EndTime, details.IsReadModified = begun, wall(clock) + timedelta(1), False
        details.NumValuesPerNode = 0
        values, pages, point = [], 0, None
        while pages == 0 or point:
            wanted = ua.HistoryReadValueId()
            wanted.NodeId, wanted.ContinuationPoint = ua.NodeId("X", 2), point
            params = ua.HistoryReadParameters(
                HistoryReadDetails=details, NodesToRead=[wanted], ReleaseContinuationPoints=False
            )
            (result,) = await client.uaclient.session.history_read(params)
            values += [value.Value.Value for value in result.HistoryData.DataValues]
            point, pages = result.ContinuationPoint, pages + 1
        assert values == [pytest.approx(n) for n in range(4001, 5001)]
        assert pages == 2


async def test_what_has_no_history_says_so() -> None:
    resources = [X, node("Name", "Name", "valueType: String, readWrite: R")]
    for history, name, code in ((1000, "Name", "Unsupported"), (0, "X", "Unsupported"), (1000, "Z", "Unknown")):
        async with served(*resources, opcua=ServerEntry(history=history)) as (_, client):
            with pytest.raises(ua.UaStatusCodeError, match=code):
                await at(client, name).read_raw_history(datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC))
            assert await at(client, "X").read_attribute(ua.AttributeIds.Historizing) == ua.DataValue(history > 0)
