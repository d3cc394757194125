"""The requests of a poll: every value whole in exactly one, limits kept, and as cheap as an exhaustive search finds."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from mappers import Switchboard
from mappers.modbus.plan import Span, join, plan
from tests.unit.mappers.modbus.build import device, resource, serial_device, source

spans = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 8)).map(lambda p: (p[0], p[0] + p[1])), min_size=1, max_size=7
)


def cost(blocks: Sequence[Span], gap: int) -> int:
    return sum(gap + end - start for start, end in blocks)


def partitions(items: Sequence[Span]) -> Iterator[list[list[Span]]]:
    """Every way to share the items out among requests."""
    if not items:
        yield []
        return
    head, rest = items[0], items[1:]
    for shared in partitions(rest):
        for i, group in enumerate(shared):
            yield [*shared[:i], [head, *group], *shared[i + 1 :]]
        yield [[head], *shared]


def cheapest(items: Sequence[Span], limit: int, gap: int, barriers: Sequence[int]) -> int:
    found = []
    for shared in partitions(items):
        blocks = [(min(s for s, _ in group), max(e for _, e in group)) for group in shared]
        whole = all(e - s <= limit for s, e in blocks)
        kept = all(
            not any(s < b <= max(start for start, _ in group) for b in barriers)
            for (s, _), group in zip(blocks, shared, strict=True)
        )
        if whole and kept:
            found.append(cost(blocks, gap))
    return min(found)


@given(spans, st.integers(8, 40), st.integers(0, 12))
def test_as_cheap_as_an_exhaustive_search_and_never_more_than_one_per_value(
    items: list[Span], limit: int, gap: int
) -> None:
    blocks = join(items, limit, gap)
    assert all(any(s <= start and end <= e for s, e in blocks) for start, end in items)
    assert all(e - s <= limit for s, e in blocks)
    assert len(blocks) <= len(set(items))
    assert cost(blocks, gap) == cheapest(items, limit, gap, ())


@given(st.sets(st.integers(0, 40), min_size=1, max_size=7), st.sets(st.integers(0, 40), max_size=3))
def test_no_request_reaches_across_a_barrier(addresses: set[int], barriers: set[int]) -> None:
    items = [(a, a + 1) for a in sorted(addresses)]
    blocks = join(items, 20, 10, barriers)
    assert all(not any(s < b < e for b in barriers) for s, e in blocks)
    assert cost(blocks, 10) == cheapest(items, 20, 10, sorted(barriers))


@given(st.lists(st.tuples(st.sampled_from(["Uint16", "Float32", "Uint64", "Bool"]), st.integers(0, 3000)), max_size=60))
def test_every_value_is_decoded_once_from_the_addresses_it_has(given_: list[tuple[str, int]]) -> None:
    resources = [resource(f"r{i}", kind, address) for i, (kind, address) in enumerate(given_)]
    made = plan(device(MaxRegisters=60), [source(*resources)], {})
    assert len(made.requests) <= len(resources)
    assert sum(block.cells for block in made.blocks) == len(resources)
    cells: list[int] = []
    for request, block in zip(made.requests, made.blocks, strict=True):
        start, count = int.from_bytes(request.pdu[1:3]), int.from_bytes(request.pdu[3:5])
        assert count <= 60
        data = b"".join((a & 0xFFFF).to_bytes(2, "big") for a in range(start, start + count))
        cells += block.decode(data)[0]
    pick = made.picks[0]
    values = cells[pick] if isinstance(pick, slice) else [cells[at] for at in pick]
    for (kind, address), value in zip(given_, values, strict=True):
        if kind == "Uint16":
            assert value == address
        elif kind == "Bool":
            assert value is (address != 0)
        elif kind == "Uint64":
            assert value == sum((address + i) << (48 - 16 * i) for i in range(4))


def texts(*resources: object, **properties: object) -> list[str]:
    return [r.text for r in plan(device(**properties), [source(*resources)], {}).requests]  # type: ignore[arg-type]


def run_of(count: int, table: str = "HOLDING_REGISTERS", kind: str = "Uint16") -> list[object]:
    return [resource(f"{table}{i}", kind, i, table) for i in range(count)]


def test_at_most_125_registers_and_2000_bits() -> None:
    assert len(texts(*run_of(300))) == 3
    assert len(texts(*run_of(2001, "COILS", "Bool"))) == 2
    assert len(texts(*run_of(2000, "DISCRETE_INPUTS", "Bool"))) == 1
    assert len(texts(*run_of(100), MaxRegisters=10)) == 10
    assert len(texts(*run_of(100, "COILS", "Bool"), MaxBits="0x20")) == 4


def test_one_value_is_never_split() -> None:
    made = plan(device(MaxRegisters=3), [source(*(resource(f"r{i}", "Float32", 2 * i) for i in range(3)))], {})
    assert [r.text for r in made.requests] == [f"FC3 holding registers {i}-{i + 1}" for i in (0, 2, 4)]
    with pytest.raises(ConfigError, match=r"long\.attributes: takes 4 addresses; MaxRegisters of the device allows 3"):
        plan(device(MaxRegisters=3), [source(resource("long", "Uint64", 0))], {})


def test_a_value_that_is_only_written_keeps_the_limits_too() -> None:
    long = resource("long", "Uint16Array", 0, read_write="W", arrayLength=60)
    with pytest.raises(ConfigError, match=r"takes 60 addresses; MaxRegisters of the device allows 20"):
        plan(device(MaxRegisters=20), [source(long)], {})
    profile = DeviceProfile(name="p", device_resources=[resource("a", "Uint16", 0), long])
    modbus = Switchboard().by_service("device-modbus")
    (problem,) = modbus.check(profile, device(MaxRegisters=20))
    assert (problem.severity, problem.where) == ("warning", "deviceResources[1].attributes")
    assert modbus.check(profile, device()) == []


def test_all_sources_of_a_poll_are_read_together() -> None:
    sources = [source(resource(f"r{i}", "Uint16", i), name=f"r{i}") for i in (2, 0, 1)]
    made = plan(device(), sources, {})
    assert [r.text for r in made.requests] == ["FC3 holding registers 0-2"]
    assert made.picks == (slice(2, 3), slice(0, 1), slice(1, 2))
    assert made.unit == 1


def test_a_gap_is_bridged_when_that_is_cheaper_than_a_request() -> None:
    apart = [resource("a", "Uint16", 0), resource("b", "Uint16", 40)]
    assert len(texts(*apart)) == 1
    assert len(texts(*apart, MaxGap=38)) == 2
    assert len(texts(*apart, MaxGap=39)) == 1
    assert len(texts(resource("a", "Uint16", 0), resource("b", "Uint16", 60))) == 2
    assert len(plan(serial_device(), [source(*apart)], {}).requests) == 2
    near = [resource("a", "Uint16", 0), resource("b", "Uint16", 10)]
    assert len(plan(serial_device(), [source(*near)], {}).requests) == 1
    assert len(plan(serial_device(), [source(*apart)], {"answer_ms": 80.0}).requests) == 1


def test_a_barrier_begins_a_request() -> None:
    neighbours = [resource("a", "Uint16", 0), resource("b", "Uint16", 1, barrier=True), resource("c", "Uint16", 2)]
    assert texts(*neighbours) == ["FC3 holding registers 0", "FC3 holding registers 1-2"]


def test_bytes_on_the_wire_and_time_on_the_line() -> None:
    three = [source(*(resource(f"r{i}", "Uint16", 0x6B + i) for i in range(3)))]
    (request,) = plan(device(), three, {}).requests
    assert request.pdu == bytes.fromhex("03 00 6B 00 03")
    assert (request.sent, request.received, request.line_s) == (12, 15, 0.0)
    (request,) = plan(serial_device(), three, {}).requests
    assert (request.sent, request.received) == (8, 11)
    assert request.line_s == pytest.approx((8 + 11 + 2 * 3.5) * 10 / 9600)
    (request,) = plan(serial_device(BaudRate=115200, Parity="E"), three, {}).requests
    assert request.line_s == pytest.approx(19 * 11 / 115200 + 2 * 0.00175)
    for rests, line_s in ((device(RequestDelay="50ms"), 0.05), (serial_device(RequestDelay="50ms"), 0.05 + 260 / 9600)):
        (request,) = plan(rests, three, {}).requests
        assert request.line_s == pytest.approx(line_s)
    (request,) = plan(device(), [source(*run_of(19, "COILS", "Bool"))], {}).requests  # type: ignore[arg-type]
    assert (request.pdu, request.received) == (bytes.fromhex("01 00 00 00 13"), 12)


def test_tables_are_read_apart_and_what_is_write_only_not_at_all() -> None:
    mixed = [
        resource("c", "Bool", 0, "COILS"),
        resource("h", "Uint16", 0),
        resource("i", "Uint16", 0, "INPUT_REGISTERS"),
        resource("d", "Bool", 0, "DISCRETES_INPUT"),
        resource("w", "Uint16", 1, read_write="W"),
    ]
    made = plan(device(), [source(*mixed)], {})
    assert [r.pdu[0] for r in made.requests] == [1, 2, 3, 4]
    assert made.picks == ((0, 2, 3, 1, -1),)
    assert plan(device(), [source(mixed[-1])], {}).requests == ()


def test_planning_is_pure() -> None:
    modbus = Switchboard().by_service("device-modbus")
    sources = [source(*run_of(200))]  # type: ignore[arg-type]
    one, other = modbus.plan(device(), sources, {}), modbus.plan(device(), sources, {})
    assert one.requests == other.requests


def test_every_problem_of_a_plan_is_named() -> None:
    with pytest.raises(ConfigError) as error:
        plan(device(), [source(resource("a", "Uint16", 70000), resource("b", "Binary", 1))], {})
    assert [p.where for p in error.value.problems] == ["a.attributes.startingAddress", "b.properties.valueType"]
