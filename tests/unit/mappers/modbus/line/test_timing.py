"""T11: answers to the millisecond, on every framing: the whole wire on the moving clock."""

import asyncio

import pytest

from gateway.model.errors import NoAnswer
from tests.fuzz.farend import TIMEOUT_S, UNIT, Talk, _turns
from tests.fuzz.frames import framed
from tests.fuzz.script import Script

ONES, TWOS = b"\0\1" * 4, b"\0\2" * 4


async def asked(talk: Talk) -> "asyncio.Task[list[object]]":
    task = asyncio.create_task(talk.mapper.read(talk.words))
    await _turns()
    talk._look()
    return task  # type: ignore[return-value]


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
async def test_a_millisecond_before_the_time_out_is_in_time_and_one_after_it_is_not(framing: str) -> None:
    talk = Talk(framing, Script(ONES + ONES + TWOS))
    await talk.mapper.connect()
    reading = await asked(talk)
    await talk._pass(TIMEOUT_S - 0.001)
    talk._deliver(talk._right())
    (event,) = await reading
    assert event.values == [1] * 4  # type: ignore[attr-defined]

    reading = await asked(talk)
    late = talk._right()
    await talk._pass(TIMEOUT_S + 0.001)
    with pytest.raises(NoAnswer, match="did not answer within"):
        await reading
    talk._deliver(late)
    again = await asked(talk)
    await talk._pass(0.06)  # a line is drained first
    talk._deliver(talk._right())
    (event,) = await again
    assert event.values == [2] * 4  # type: ignore[attr-defined]
    await talk.mapper.close()


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
async def test_an_answer_whose_second_half_comes_in_the_last_millisecond(framing: str) -> None:
    talk = Talk(framing, Script(ONES))
    await talk.mapper.connect()
    reading = await asked(talk)
    right = talk._right()
    talk._deliver(right[:5])
    await talk._pass(TIMEOUT_S - 0.001)
    assert not reading.done()
    talk._deliver(right[5:])
    (event,) = await reading
    assert event.values == [1] * 4  # type: ignore[attr-defined]
    await talk.mapper.close()


async def test_an_answer_to_an_earlier_request_is_passed_over() -> None:
    talk = Talk("tcp", Script(ONES + TWOS))
    await talk.mapper.connect()
    first = await asked(talk)
    earlier = talk._right()
    await talk._pass(TIMEOUT_S + 0.001)
    with pytest.raises(NoAnswer):
        await first
    second = await asked(talk)
    talk._deliver(earlier)
    await _turns()
    assert not second.done()
    talk._deliver(earlier + talk._right())
    (event,) = await second
    assert event.values == [2] * 4  # type: ignore[attr-defined]
    await talk.mapper.close()


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
async def test_an_answer_right_behind_the_late_one_of_another_unit_is_heard(framing: str) -> None:
    """A converter that was slow sends both at once."""
    talk = Talk(framing, Script(ONES))
    await talk.mapper.connect()
    reading = await asked(talk)
    right = talk._right()
    talk._deliver(framed(framing, UNIT + 1, bytes((3, 8)) + TWOS) + right[:6])
    await _turns()
    assert not reading.done()
    talk._deliver(right[6:])
    (event,) = await reading
    assert event.values == [1] * 4  # type: ignore[attr-defined]
    await talk.mapper.close()
