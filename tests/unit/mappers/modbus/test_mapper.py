"""What the mapper makes of peers that are silent, broken, late or hostile: bounded time and the right error."""

import asyncio
import random
from collections.abc import Callable

import pytest

from gateway.model.errors import CommandRejected, DeviceError, NoAnswer, NotConnected
from gateway.model.reading import TIMEOUT, Quality
from gateway.runtime.clock import SystemClock
from mappers.modbus.line.connection import reach
from mappers.modbus.mapper import MALFORMED, NONSENSE, WRITE_ONLY, ModbusMapper
from mappers.modbus.plan import plan
from tests.support.clock import MovingClock
from tests.support.ports import free_port
from tests.unit.mappers.modbus.build import device, resource, source
from tests.unit.mappers.modbus.peer import Answer, frame, registers, talking

GOOD = [0, 1, 2, 1000]


async def test_a_right_answer() -> None:
    async with talking(registers) as (peer, mapper, plan):
        (event,) = await mapper.read(plan)
        assert (event.values, event.quality) == (GOOD, None)
        assert [r[7:] for r in peer.requests] == [r.pdu for r in plan.requests]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda request: b"",
        lambda request: frame(request, registers(request)[7:], transaction=77),
        lambda request: frame(request, registers(request)[7:], transaction=0),
        lambda request: frame(request, registers(request)[7:], unit=9),
        lambda request: frame(request, b"\x04" + registers(request)[8:]),
        lambda request: frame(request, b"\x55\x01\x02\x03"),
        lambda request: frame(request, b"\x83\x0a"),
        lambda request: frame(request, b"\x83\x0b"),
    ],
    ids=["silence", "transaction", "transaction 0", "unit", "function", "unknown function", "code 10", "code 11"],
)
async def test_no_answer_of_this_unit_and_then_one(wrong: Answer) -> None:
    async with talking(wrong) as (peer, mapper, plan):
        with pytest.raises(NoAnswer, match="unit 1"):
            await mapper.read(plan)
        assert len(peer.requests) == 1
        peer.answer = registers
        assert (await mapper.read(plan))[0].values == GOOD


async def test_patience_cuts_the_wait_short_and_never_makes_it_longer() -> None:
    async with talking(lambda request: b"", Timeout="300ms") as (peer, mapper, plan):
        with pytest.raises(NoAnswer, match=r"within 0\.05 s"):
            await mapper.read(plan, 0.05)
        with pytest.raises(NoAnswer, match=r"within 0\.3 s"):
            await mapper.read(plan, 5.0)
        peer.answer = registers
        assert (await mapper.read(plan, 5.0))[0].values == GOOD


@pytest.mark.parametrize(("code", "told"), [(10, True), (11, True), (None, False)])
async def test_who_said_that_a_unit_is_silent(code: int | None, told: bool) -> None:
    def answer(request: bytes) -> bytes:
        return frame(request, bytes((0x83, code))) if code else b""

    async with talking(answer, Timeout="100ms") as (_, mapper, plan):
        with pytest.raises(NoAnswer) as caught:
            await mapper.read(plan)
        assert caught.value.told == told


@pytest.mark.parametrize(
    "wrong",
    [
        lambda request: registers(request)[:7],
        lambda request: registers(request)[:-1],
        lambda request: b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        lambda request: b"\x00" * 5,
    ],
    ids=["header only", "truncated", "another protocol", "zeros"],
)
async def test_bytes_that_are_no_frame_end_the_connection(wrong: Answer) -> None:
    async with talking(wrong) as (peer, mapper, plan):
        with pytest.raises(NotConnected, match="no whole Modbus TCP frame"):
            await mapper.read(plan)
        peer.answer = registers
        await mapper.connect()
        assert (await mapper.read(plan))[0].values == GOOD


@pytest.mark.parametrize("sent", [0, 5, 9, 12])
async def test_a_reset_in_the_middle_of_a_frame_is_noticed_at_once(sent: int) -> None:
    """T11."""
    async with talking(lambda request: registers(request)[:sent], Timeout="30s") as (peer, mapper, plan):
        peer.reset = True
        with pytest.raises(NotConnected):
            async with asyncio.timeout(20):  # before the time-out of the request is over
                await mapper.read(plan)
        with pytest.raises(NotConnected, match="the connection was lost before any answer"):
            await mapper.read(plan)


@pytest.mark.parametrize(
    "pdu",
    [
        b"\x83",
        b"\x83\x02\x02",
        b"\x03",
        b"\x03\x06",
        b"\x03\x06\x00\x01\x00\x02",
        b"\x03\x04\0\0\0\0\0\0",
        b"\x83\x06\0\1\0\2\0\3",
    ],
)
async def test_a_lying_answer_is_bad_and_the_rest_goes_on(pdu: bytes) -> None:
    async with talking(lambda request: frame(request, pdu)) as (peer, mapper, plan):
        peer.answer = lambda request: registers(request) if request[8:10] != b"\0\0" else frame(request, pdu)
        (event,) = await mapper.read(plan)
        assert event.values == [None, None, None, 1000]
        assert event.quality == dict.fromkeys(range(3), MALFORMED)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 99])
async def test_every_exception_is_a_refusal_with_its_code(code: int) -> None:
    async with talking(lambda request: frame(request, bytes((0x83, code)))) as (_, mapper, plan):
        (event,) = await mapper.read(plan)
        assert event.values == [None] * 4
        assert event.quality == dict.fromkeys(range(4), Quality("bad", "refused", str(code)))


async def test_the_first_block_counts_for_the_unit_a_later_one_for_itself() -> None:
    async with talking(lambda r: registers(r) if r[8:10] == b"\0\0" else b"") as (_, mapper, plan):
        (event,) = await mapper.read(plan)
        assert event.values == [0, 1, 2, None]
        assert event.quality == {3: TIMEOUT}


async def test_a_unit_that_falls_silent_costs_two_time_outs_and_not_one_for_each_request() -> None:
    async with talking(lambda r: registers(r) if r[8:10] == b"\0\0" else b"", MaxGap=0) as (peer, mapper, _):
        apart = plan(
            device(peer.port, Timeout="100ms"), [source(*(resource(f"r{i}", "Uint16", 200 * i) for i in range(9)))], {}
        )
        (event,) = await mapper.read(apart)
        assert event.values == [0] + [None] * 8
        assert len(peer.requests) == 3


@pytest.mark.parametrize("split", [1, 3, 7, 10])
async def test_an_answer_in_pieces(split: int) -> None:
    def pieces(request: bytes) -> list[bytes | float]:
        whole = registers(request)
        return [whole[i : i + split] for i in range(0, len(whole), split)]

    async with talking(pieces) as (_, mapper, plan):
        assert (await mapper.read(plan))[0].values == GOOD


async def test_a_late_answer_is_never_the_next_ones() -> None:
    """The first request is answered with other data, together with the second one's answer and long before it."""
    waiting: list[bytes] = []

    def late(request: bytes) -> bytes:
        if not waiting:
            waiting.append(registers(request, 0xDEAD))
            return b""
        return waiting[0] + registers(request)

    async with talking(late) as (peer, mapper, plan):
        with pytest.raises(NoAnswer):
            await mapper.read(plan)
        assert (await mapper.read(plan))[0].values == GOOD

        peer.answer = lambda request: [0.25, registers(request, 0xDEAD)]
        with pytest.raises(NoAnswer):
            await mapper.read(plan)
        peer.answer = registers
        assert (await mapper.read(plan))[0].values == GOOD


async def test_random_bytes_never_become_a_value_or_another_error() -> None:
    chance = random.Random(4711)

    def noise(request: bytes) -> bytes:
        head = request[:2] + b"\0\0" if chance.random() < 0.7 else chance.randbytes(4)
        body = chance.randbytes(chance.choice((0, 1, 2, 3, 9, 300)))
        return head + (len(body) + chance.choice((0, 0, 1, 500))).to_bytes(2) + body

    async with talking(noise, Timeout="5ms") as (_, mapper, plan):
        outcomes = set()
        for _ in range(300):
            try:
                (event,) = await mapper.read(plan)
                outcomes.add("bad")
                assert event.values == [None] * 4
            except NotConnected:
                outcomes.add("lost")
                await mapper.connect()
            except NoAnswer:
                outcomes.add("silent")
        assert outcomes >= {"lost", "silent"}


async def test_a_flood_is_bounded() -> None:
    async with talking(lambda request: b"\xff" * 5_000_000) as (_, mapper, plan):
        with pytest.raises((NoAnswer, NotConnected)):
            await mapper.read(plan)


async def test_closed_while_an_answer_is_awaited() -> None:
    async with talking(lambda request: b"", Timeout="30s") as (peer, mapper, plan):
        reading = asyncio.create_task(mapper.read(plan))
        await until(lambda: bool(peer.requests))
        await mapper.close()
        with pytest.raises(NotConnected):
            async with asyncio.timeout(5):
                await reading


async def test_nobody_listens() -> None:
    mapper = ModbusMapper(reach(device(free_port()))[0], SystemClock())
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:\d+: Connection refused"):
        await mapper.connect()


async def test_writes_are_confirmed_refused_or_unanswered() -> None:
    async with talking(lambda request: request) as (peer, mapper, plan):
        await mapper.write(plan, {"r1": 5})
        assert peer.requests[-1][7:] == bytes.fromhex("06 00 01 00 05")
        peer.answer = lambda request: frame(request, request[7:-1] + b"\x77")
        with pytest.raises(DeviceError, match="confirmed another write"):
            await mapper.write(plan, {"r1": 5})
        peer.answer = lambda request: frame(request, b"\x86\x03")
        with pytest.raises(DeviceError, match=r"exception 3 ILLEGAL DATA VALUE; .*\(FC6 06 00 01 00 05\)") as error:
            await mapper.write(plan, {"r1": 5})
        assert (error.value.code, error.value.request) == ("3", "FC6 06 00 01 00 05")
        peer.answer = lambda request: frame(request, b"\x86\x0b")
        with pytest.raises(NoAnswer, match="GATEWAY TARGET DEVICE FAILED TO RESPOND"):
            await mapper.write(plan, {"r1": 5})
        peer.answer = lambda request: b""
        with pytest.raises(NoAnswer):
            await mapper.write(plan, {"r1": 5})


async def test_nothing_is_sent_when_one_value_does_not_fit() -> None:
    async with talking(registers) as (peer, mapper, plan):
        with pytest.raises(CommandRejected, match="r1: 70000 does not fit Uint16"):
            await mapper.write(plan, {"r0": 1, "r1": 70000})
        assert peer.requests == []


async def test_a_bit_of_a_register_is_read_changed_and_written() -> None:
    def device_with_0x0180(request: bytes) -> bytes:
        return frame(request, b"\x03\x02\x01\x80") if request[7] == 3 else request

    async with talking(device_with_0x0180) as (peer, mapper, _):
        bit = plan(device(peer.port), [source(resource("b", "Bool", "4.0"))], {})
        await mapper.write(bit, {"b": True})
        assert [r[7:].hex(" ") for r in peer.requests] == ["03 00 04 00 01", "06 00 04 01 81"]
        peer.answer = lambda request: frame(request, b"\x03\x04\0\0\0\0")
        with pytest.raises(DeviceError, match="answered 03 04 00 00 00 00 instead of one register"):
            await mapper.write(bit, {"b": True})
        peer.answer = lambda request: frame(request, b"\x83\x02\1\x80")
        with pytest.raises(DeviceError, match="answered 83 02 01 80 instead of one register"):
            await mapper.write(bit, {"b": True})


async def test_what_holds_nothing_sensible_or_may_not_be_read() -> None:
    async with talking(lambda request: registers(request, 0x12AB)) as (peer, mapper, _):
        mixed = [
            resource("digits", "Uint16", 0, rawType="BCD"),
            resource("secret", "Uint16", 1, read_write="W"),
            resource("word", "Uint16", 2),
        ]
        (event,) = await mapper.read(plan(device(peer.port), [source(*mixed)], {}))
        assert event.values == [None, None, 0x12AB]
        assert event.quality == {0: NONSENSE, 1: WRITE_ONLY}


async def test_delays_are_kept_on_our_clock(clock: MovingClock) -> None:
    async with talking(registers) as (peer, _, _plan):
        reached = device(peer.port, ConnectDelay="1s", RequestDelay="2s")
        mapper = ModbusMapper(reach(reached)[0], clock)
        made = plan(reached, [source(resource("r", "Uint16", 7))], {})
        connecting = asyncio.create_task(mapper.connect())
        await until(lambda: bool(clock._sleepers) and peer.port != 0 and mapper._wire.up)
        assert not connecting.done()
        await clock.advance(1.0)
        await connecting
        reading = asyncio.create_task(mapper.read(made))
        await clock.advance(1.9)
        assert peer.requests == []
        await clock.advance(0.2)
        (event,) = await reading
        assert event.values == [7]
        await mapper.close()


async def until(condition: Callable[[], bool]) -> None:
    """Real sockets need real turns of the loop."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  nothing to wait on: the condition is another's
            await asyncio.sleep(0.001)
