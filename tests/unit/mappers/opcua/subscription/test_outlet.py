"""Grouping what a notification brings; pure."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua

from gateway.model.reading import OVERFLOW, Quality
from mappers.opcua.codec.structure import Types
from mappers.opcua.point import locate
from mappers.opcua.subscription.outlet import Outlet, events, ns
from mappers.opcua.subscription.readers import reader
from tests.unit.mappers.opcua.build import resource, source

NOW = 5_000
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_NS = 1_772_366_400_000_000_000
V = ua.VariantType


def outlet(*value_types: str, source_times: bool = True) -> Outlet:
    resources = [resource(f"r{i}", value_type) for i, value_type in enumerate(value_types)]
    points = [locate(one)[0] for one in resources]
    readers = [reader(point, Types()) for point in points if point is not None]
    return Outlet(source(*resources), readers, source_times)


def data(value: Any, kind: V = V.Int32, code: int = 0, when: datetime | None = NOON) -> Any:
    return ua.DataValue(ua.Variant(value, kind), ua.StatusCode(code), when)


def targets(*outlets: Outlet) -> dict[int, Any]:
    """Handles in order, of all resources of all outlets."""
    places = [(one, one.bucket, i) for one in outlets for i in range(len(one.source.resources))]
    return {handle: (place,) for handle, place in enumerate(places)}


def test_one_event_for_each_source() -> None:
    a, b = outlet("Int32", "Int32"), outlet("Int32")
    found = events([(0, data(1)), (2, data(3)), (1, data(2))], targets(a, b), NOW)
    assert [(one.source, one.values, one.which) for one in found] == [(a.source, [1, 2], None), (b.source, [3], None)]
    assert all(one.origin == NOW and one.quality is None for one in found)


def test_all_values_are_in_order_however_they_came() -> None:
    one = outlet("Int32", "Int32", "Int32")
    (event,) = events([(2, data(3)), (0, data(1)), (1, data(2))], targets(one), NOW)
    assert (event.values, event.which) == ([1, 2, 3], None)
    (event,) = events([(2, data(3)), (0, data(1))], targets(one), NOW)
    assert (event.values, event.which) == ([3, 1], (2, 0))


def test_an_item_that_comes_k_times_makes_k_events_in_order() -> None:
    one = outlet("Int32", "Int32")
    changes = [(0, data(1)), (0, data(2)), (1, data(9)), (0, data(3))]
    found = events(changes, targets(one), NOW)
    assert [(event.values, event.which) for event in found] == [([1, 9], None), ([2], (0,)), ([3], (0,))]


def test_resources_may_share_an_item_and_what_nobody_asked_for_is_left_out() -> None:
    one = outlet("Int32", "Float64")
    both = {7: ((one, one.bucket, 0), (one, one.bucket, 1))}
    (event,) = events([(7, data(4)), (8, data(5))], both, NOW)
    assert event.values == [4, 4.0]
    assert not events([(9, data(1))], both, NOW)


def test_what_is_unusual_in_a_column_is_looked_at_by_itself() -> None:
    one = outlet("Int32", "Int32", "Int32", "Int32", "String")
    usual = [(i, data(i)) for i in range(4)] + [(4, data("x", V.String))]
    for _ in range(2):
        (event,) = events(usual, targets(one), NOW)
        assert (event.values, event.quality) == ([0, 1, 2, 3, "x"], None)
    odd = [
        (0, data(None, V.Null, ua.StatusCodes.BadSensorFailure)),
        (1, data(2**40, V.Int64)),
        (2, ua.DataValue(ua.Variant([1, 2], V.Int32))),
        (3, data(7, code=ua.StatusCodes.UncertainLastUsableValue)),
        (4, data(None, V.String)),
    ]
    (event,) = events(odd, targets(one), NOW)
    assert event.values == [None, None, None, 7, ""]
    assert event.quality is not None
    assert event.quality[0] == Quality("bad", "device", "BadSensorFailure")
    assert event.quality[1] == OVERFLOW
    assert "array" in event.quality[2].code
    assert event.quality[3] == Quality("uncertain", "device", "UncertainLastUsableValue")
    assert 4 not in event.quality
    (event,) = events(usual, targets(one), NOW)
    assert (event.values, event.quality) == ([0, 1, 2, 3, "x"], None)


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([0, 0, 0], {0: 0, 1: 0, 2: 0}),
        ([5, 0, 999_999], {0: 5, 1: 0, 2: 999_999}),
        ([0, 3_600_000_001, 7], {0: 0, 1: 3_600_000_001, 2: 7}),
        ([0, None, 2], {0: 0, 2: 2}),
        ([None, None, None], None),
    ],
)
def test_source_times(offsets: list[int | None], expected: dict[int, int] | None) -> None:
    one = outlet("Int32", "Int32", "Int32")
    stamps = [None if offset is None else NOON + timedelta(microseconds=offset) for offset in offsets]
    (event,) = events([(i, data(i, when=stamp)) for i, stamp in enumerate(stamps)], targets(one), NOW)
    wanted = None if expected is None else {i: NOON_NS + offset * 1000 for i, offset in expected.items()}
    assert event.times == wanted


def test_the_year_1601_is_no_time() -> None:
    one = outlet("Int32", "Int32")
    never = datetime(1601, 1, 1, tzinfo=UTC)
    (event,) = events([(0, data(1, when=never)), (1, data(2))], targets(one), NOW)
    assert event.times == {1: NOON_NS}
    (event,) = events([(0, data(1, when=never)), (1, data(2, when=never))], targets(one), NOW)
    assert event.times is None


@pytest.mark.parametrize("more", [0, 1])
def test_the_end_of_all_times_is_no_time(more: int) -> None:
    """DateTime has one (Part 6, 5.2.2.5), far beyond what 64 bits of nanoseconds hold."""
    one = outlet(*["Int32"] * (1 + more))
    for end in (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)):
        (event,) = events([(i, data(1, when=end if i == 0 else NOON)) for i in range(1 + more)], targets(one), NOW)
        assert event.times == ({1: NOON_NS} if more else None)
        (event,) = events([(i, data(1, when=end)) for i in range(1 + more)], targets(one), NOW)
        assert event.times is None


def test_what_ran_up_in_queues_does_not_hold_the_loop_up() -> None:
    """Each value is touched as often as where every item comes once: milliseconds of computing, not the square."""
    count, one = 4000, outlet("Int32", "Int32")
    changes = [(handle, data(n)) for handle in (0, 1) for n in range(count)]
    started = time.process_time()
    found = events(changes, targets(one), NOW)
    assert time.process_time() - started < 2
    assert [event.values for event in found] == [[n, n] for n in range(count)]


def test_a_device_may_not_want_source_times() -> None:
    (event,) = events([(0, data(1))], targets(outlet("Int32", source_times=False)), NOW)
    assert event.times is None


def test_times_are_exact() -> None:
    assert ns(NOON + timedelta(microseconds=1)) == NOON_NS + 1000
