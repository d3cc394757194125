"""Holes and limits of a device: found by ordinary reads in the very poll that meets them, and asked around later."""

import asyncio
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.errors import NoAnswer
from gateway.model.plan import Facts
from gateway.model.reading import Event, refused
from gateway.runtime.clock import SystemClock
from mappers.modbus.isolate import MOST_READS, PATIENCE, merged
from mappers.modbus.line.connection import reach
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
    assert PATIENCE <= MOST_READS


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
    spoiled = {position for position, a in enumerate(wanted) if a in holes}
    said = events[-1].quality or {}  # a request that is nothing but holes may be refused for its length first
    assert said.keys() == spoiled
    assert all(quality in (REFUSED, refused("3")) for quality in said.values())
    for start, count in last(there):
        values = addresses & set(range(start, start + count))
        assert len(values) == 1 or values <= holes or not there.refusal(start, count), facts


@pytest.mark.parametrize("missing", [1, 2, 3, 10, 60, 80])
async def test_what_is_missing_at_the_beginning_costs_nothing_of_the_rest(missing: int) -> None:
    events, facts = await polls(Map(holes=set(range(missing))), list(range(100)), 8)
    assert events[-1].values == [None] * missing + list(range(missing, 100))
    assert facts["apart"]
    assert "max_registers" not in facts


@pytest.mark.parametrize("border", [1, 2, 26, 88, 99])
async def test_a_border_anywhere_is_no_limit(border: int) -> None:
    there = Map(borders={border})
    events, facts = await polls(there, list(range(100)), 4)
    assert [event.values for event in events] == [list(range(100))] * 4
    assert facts == {"apart": {"HOLDING_REGISTERS": [border]}}
    assert len(last(there)) == 2


class Moody(Map):
    """Says something else for its first requests."""

    def __init__(self, *codes: int, holes: set[int] | None = None) -> None:
        super().__init__(holes)
        self.codes = list(codes)

    def refusal(self, start: int, count: int) -> int:
        return self.codes.pop(0) if self.codes else super().refusal(start, count)


@pytest.mark.parametrize("codes", [(2,), (2, 2), (2, 6), (2, 2, 6, 6), (2, 6, 6, 6), (2, 2, 2, 6), (2, 2, 4, 4)])
@pytest.mark.parametrize("addresses", [[0, 1], [0, 1, 10, 11], list(range(100))])
async def test_a_passing_mood_is_no_fact(codes: tuple[int, ...], addresses: list[int]) -> None:
    events, facts = await polls(Moody(*codes), addresses, 4)
    assert "max_registers" not in facts
    assert events[-1].values == addresses


async def test_a_device_that_keeps_silent_about_a_hole_gives_the_rest() -> None:
    class Shy(Map):
        async def ask(self, unit: int, pdu: bytes, timeout: float) -> bytes:
            if struct.unpack(">BHH", pdu)[1:] == (5, 1):
                raise NoAnswer("nothing")
            return await super().ask(unit, pdu, timeout)

    events, _ = await polls(Shy(holes={5}), list(range(20)), 12)
    assert sum(value is not None for value in events[-1].values) >= 10


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


async def test_a_device_that_is_busy_in_the_middle_of_the_search_teaches_nothing() -> None:
    """T46: an answer that is neither values nor a refusal says nothing of borders."""

    class Busy(Map):
        def refusal(self, start: int, count: int) -> int:
            code = super().refusal(start, count)
            return 6 if code and (start, count) == (25, 18) else code

    there = Busy(borders={37})
    _, facts = await polls(there, list(range(100)), 1)
    assert (25, 18) in there.asked, "looked for the border between 37 and 50"
    assert facts == {}
