"""Holes and limits of a device: found by ordinary reads in the very poll that meets them, and asked around later."""

import asyncio
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.plan import Facts
from gateway.model.reading import Event, refused
from gateway.runtime.clock import SystemClock
from mappers.modbus.connection import reach
from mappers.modbus.isolate import MOST_READS, PATIENCE, merged
from mappers.modbus.mapper import ModbusMapper
from mappers.modbus.plan import plan
from tests.unit.mappers.modbus.build import device, resource, source

REFUSED = refused("2")


class Map:
    """A device with registers that are not there, a limit of length and borders it does not read across."""

    def __init__(self, holes: set[int] | None = None, limit: int = 125, borders: set[int] | None = None) -> None:
        self.holes, self.limit, self.borders = holes or set(), limit, borders or set()
        self.asked: list[tuple[int, int]] = []

    async def ask(self, _: int, pdu: bytes, __: float) -> bytes:
        """In place of a wire."""
        function, start, count = struct.unpack(">BHH", pdu)
        self.asked.append((start, count))
        code = self.refusal(start, count)
        return (
            bytes((function | 0x80, code))
            if code
            else struct.pack(f">BB{count}H", function, 2 * count, *range(start, start + count))
        )

    def refusal(self, start: int, count: int) -> int:
        asked = range(start, start + count)
        if count > self.limit:
            return 3
        return 2 * (not self.holes.isdisjoint(asked) or not self.borders.isdisjoint(asked[1:]))


async def polls(there: Map, addresses: list[int], count: int = 3, **properties: Any) -> tuple[list[Event], Facts]:
    """`count` polls, each planned with what the one before found out."""
    wanted = source(*(resource(f"r{a}", "Uint16", a) for a in addresses))
    at = device(**properties)
    mapper = ModbusMapper(reach(at)[0], SystemClock())
    mapper._wire = there  # type: ignore[assignment]
    facts: Facts = {}
    events = []
    for _ in range(count):
        there.asked.append((-1, 0))
        events += await mapper.read(plan(at, [wanted], facts))
        facts = merged(facts, mapper.found.pop("d", {}))
    return events, facts


def last(there: Map) -> list[tuple[int, int]]:
    """Requests of the last poll."""
    return there.asked[len(there.asked) - there.asked[::-1].index((-1, 0)) :]


async def test_a_hole_between_values_costs_no_value_and_is_met_once() -> None:
    there = Map(holes={4, 5})
    events, facts = await polls(there, [0, 1, 2, 3, 6, 7, 8])
    assert all(event.values == [0, 1, 2, 3, 6, 7, 8] and event.quality is None for event in events)
    assert facts == {"apart": {"HOLDING_REGISTERS": [6]}}
    assert last(there) == [(0, 4), (6, 3)]


async def test_a_value_that_is_not_there_is_refused_alone() -> None:
    there = Map(holes={5})
    events, facts = await polls(there, list(range(20)))
    for event in events:
        assert event.values == [None if a == 5 else a for a in range(20)]
        assert event.quality == {5: REFUSED}
    assert facts == {"apart": {"HOLDING_REGISTERS": [5, 6]}}
    assert last(there) == [(0, 5), (5, 1), (6, 14)]


@pytest.mark.parametrize("limit", [1, 2, 10, 33, 60, 99])
async def test_how_much_a_device_answers_is_found_exactly(limit: int) -> None:
    there = Map(limit=limit)
    events, facts = await polls(there, list(range(100)), 8)
    assert events[-1].values == list(range(100))
    assert facts["max_registers"] == limit
    assert len(last(there)) == -(-100 // limit)


async def test_a_border_is_no_limit() -> None:
    there = Map(borders={37})
    events, facts = await polls(there, list(range(100)))
    assert all(event.values == list(range(100)) for event in events)
    assert facts == {"apart": {"HOLDING_REGISTERS": [37]}}
    assert last(there) == [(0, 37), (37, 63)]


async def test_who_refuses_everything_has_no_holes_and_is_left_in_peace() -> None:
    there = Map(limit=0)
    events, facts = await polls(there, list(range(60)), 5)
    assert facts == {}
    assert all(event.quality == dict.fromkeys(range(60), refused("3")) for event in events)
    assert len([one for one in there.asked if one[1]]) == PATIENCE + 5


async def test_the_search_of_one_poll_is_bounded_and_goes_on_with_the_next() -> None:
    there = Map(holes=set(range(1, 120, 2)))
    events, _ = await polls(there, list(range(120)), 30)
    assert there.asked.index((-1, 0), 1) <= MOST_READS + 20
    assert events[-1].values == [None if a % 2 else a for a in range(120)]


@settings(max_examples=300, deadline=None)
@given(
    st.sets(st.integers(0, 80), min_size=1, max_size=40),
    st.sets(st.integers(0, 80), max_size=6),
    st.sampled_from([125, 125, 50, 7]),
    st.sets(st.integers(1, 80), max_size=2),
)
def test_whatever_the_map_every_value_that_is_there_comes_at_last(
    addresses: set[int], holes: set[int], limit: int, borders: set[int]
) -> None:
    there = Map(holes, limit, borders)
    wanted = sorted(addresses)
    events, facts = asyncio.run(polls(there, wanted, 12, MaxGap=20))
    if set(wanted) <= holes:
        return
    assert events[-1].values == [None if a in holes else a for a in wanted]
    spoiled = {position: REFUSED for position, a in enumerate(wanted) if a in holes}
    assert (events[-1].quality or {}) == spoiled
    for start, count in last(there):
        values = addresses & set(range(start, start + count))
        assert len(values) == 1 or values <= holes or not there.refusal(start, count), facts


def test_facts_add_up() -> None:
    one: Facts = {"answer_ms": 5, "apart": {"COILS": [3], "HOLDING_REGISTERS": [9]}, "max_registers": 60}
    other: Facts = {"apart": {"HOLDING_REGISTERS": [4, 9]}, "max_registers": 30, "max_bits": 100}
    assert merged(one, other) == {
        "answer_ms": 5,
        "apart": {"COILS": [3], "HOLDING_REGISTERS": [4, 9]},
        "max_registers": 30,
        "max_bits": 100,
    }
    assert merged(one, {}) == one
