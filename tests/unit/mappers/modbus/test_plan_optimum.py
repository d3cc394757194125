"""Whole devices of every table and type against an exhaustive search: no request too many, none beyond its limits, and
every value read exactly once."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.address import Table
from mappers.modbus.plan import Block, ModbusPlan, join, plan
from tests.support.exhaustive import Rules, Span, fewest, least
from tests.support.maps import Map, random_map

EPSILON = 1e-6
"""What a request weighs on top, so that of equally cheap ways the one with fewest requests is the cheapest."""


def test_the_search_itself() -> None:
    apart = [(0, 10), (10, 12), (15, 20), (40, 41)]
    assert fewest(apart, Rules(125, 50)) == 1
    assert fewest(apart, Rules(125, 5)) == 2
    assert fewest(apart, Rules(12, 5)) == 3
    assert fewest(apart, Rules(125, 50, begins=(10, 12))) == 3
    assert fewest(apart, Rules(125, 50, begins=(11,))) == 2
    assert least(apart, Rules(125, 50), lambda addresses: 10 + addresses) == 20 + 20 + 1
    assert fewest([(0, 10), (2, 4), (8, 14)], Rules(12, 0)) == 2


def planned(seed: int, serial: bool) -> tuple[Map, ModbusPlan]:
    made = random_map(random.Random(seed), 8, serial)
    return made, plan(made.device, [made.source], made.facts)


def asked(block: Block) -> Span:
    pdu = block.request.pdu
    start = int.from_bytes(pdu[1:3])
    return start, start + int.from_bytes(pdu[3:5])


def of_table(plan: ModbusPlan, name: str) -> list[Block]:
    return [block for block in plan.blocks if block.held[0].table is Table[name]]


@given(st.integers(0, 2**32))
def test_every_value_is_read_once_within_limits_barriers_and_gaps(seed: int) -> None:
    made, found = planned(seed, serial=False)
    held = Counter(point.name for block in found.blocks for point in block.held)
    assert held == Counter(resource.name for resource in made.resources)
    assert all(-1 not in ([pick] if isinstance(pick, slice) else pick) for pick in found.picks)
    for name, (spans, rules) in made.tables.items():
        for block in of_table(found, name):
            first, end = asked(block)
            own = sorted(span for span in spans if first <= span[0] and span[1] <= end)
            assert all(first <= point.address and point.end <= end for point in block.held), "a value is torn"
            assert end - first <= rules.most
            assert not any(first < begin < end for begin in rules.begins)
            assert (own[0][0], max(e for _, e in own)) == (first, end), "nothing is asked that nobody wants"
            ends = [max(e for _, e in own[: i + 1]) for i in range(len(own))]
            assert all(after[0] - end <= rules.gap for end, (_, after) in zip(ends, pairwise(own), strict=False))
    apart = [asked(block) for name in made.tables for block in of_table(found, name)]
    assert len(apart) == len(found.requests)


@given(st.integers(0, 2**32))
def test_no_way_is_cheaper_and_none_as_cheap_has_fewer_requests(seed: int) -> None:
    made, found = planned(seed, serial=False)
    for name, (spans, rules) in made.tables.items():
        ours = [end - first for first, end in map(asked, of_table(found, name))]
        free = Rules(rules.most, 10**9, rules.begins)
        best = least(spans, free, lambda addresses, gap=rules.gap: gap + addresses + EPSILON)  # type: ignore[misc]
        assert sum(ours) + len(ours) * (rules.gap + EPSILON) == pytest.approx(best, abs=EPSILON / 10)


def test_a_request_more_where_it_saves_more_than_it_costs() -> None:
    """What the planner minimises is not the number of requests alone: two of them would bridge two gaps of 9."""
    spans = [(0, 20), (29, 39), (39, 49), (58, 78)]
    assert fewest(spans, Rules(40, 10)) == 2
    assert join(spans, 40, 10) == [(0, 20), (29, 49), (58, 78)]
    assert least(spans, Rules(40, 10**9), lambda addresses: 10 + addresses) == 3 * 10 + 60


@given(st.integers(0, 2**32))
def test_on_a_serial_line_the_time_is_the_least(seed: int) -> None:
    """Of a request: 8 characters out, 5 and the data in, two silences of 3.5 characters, 10 bits each, 5 ms to answer.
    Gaps are counted in whole registers, which may cost a little."""
    made, found = planned(seed, serial=True)
    for name, (spans, rules) in made.tables.items():
        bits = Table[name].bits

        def seconds(addresses: int, bits: bool = bits) -> float:
            data = -(-addresses // 8) if bits else 2 * addresses
            return (8 + 5 + data + 7) * 10 / 9600 + 0.005

        ours = sum(block.request.line_s + 0.005 for block in of_table(found, name))
        assert ours <= least(spans, rules, seconds) * 1.02
