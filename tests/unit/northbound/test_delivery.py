"""The window: bounded, woken cheaply, and nothing under way is ever published twice."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.model.errors import NotConnected
from gateway.northbound.delivery import STRETCH_S, Outgoing, Window
from tests.support.clock import MovingClock, settle


class Library:
    """Numbers what it is given."""

    def __init__(self) -> None:
        self.published: list[str] = []

    def publish(self, message: Outgoing) -> int:
        self.published.append(message.topic)
        return len(self.published)


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def window(library: Library, clock: MovingClock) -> Window:
    window = Window(library.publish, clock)
    window.opened(3)
    return window


def outgoing(*topics: str) -> list[Outgoing]:
    return [Outgoing(topic, b"") for topic in topics]


async def test_returns_when_all_are_acknowledged(window: Window) -> None:
    messages = outgoing("a", "b")
    task = asyncio.create_task(window.deliver(messages))
    await settle()
    window.acknowledged(1, 0)
    await settle()
    assert not task.done()
    window.acknowledged(2, 0x10)
    await task
    assert [m.code for m in messages] == [0, 0x10]


async def test_no_more_than_the_window_are_under_way(window: Window, library: Library) -> None:
    task = asyncio.create_task(window.deliver(outgoing(*"abcdefgh")))
    await settle()
    assert library.published == ["a", "b", "c"]
    window.acknowledged(1, 0)
    await settle()
    assert library.published == ["a", "b", "c"]  # woken at half a window
    window.acknowledged(2, 0)
    await settle()
    assert library.published == ["a", "b", "c", "d", "e"]
    for number in range(3, 9):
        window.acknowledged(number, 0)
        await settle()
    await task
    assert len(window) == 0


async def test_acknowledgements_that_overtake_the_sender_do_not_end_its_wait(window: Window, library: Library) -> None:
    task = asyncio.create_task(window.deliver(outgoing(*"abcd")))
    await settle()
    for number in (1, 2, 3):  # all that is under way, before the sender comes back
        window.acknowledged(number, 0)
    await settle()
    assert library.published == ["a", "b", "c", "d"]
    assert not task.done()
    window.acknowledged(4, 0)
    await task


async def test_a_lost_connection_is_heard_by_all_who_wait(window: Window) -> None:
    under_way = asyncio.create_task(window.deliver(outgoing("a", "b", "c")))
    await settle()
    no_room = asyncio.create_task(window.deliver(outgoing("d")))
    await settle()
    window.closed("the cable was cut")
    for task in (under_way, no_room):
        with pytest.raises(NotConnected, match="cable"):
            await task
    with pytest.raises(NotConnected, match="cable"):
        await window.deliver(outgoing("e"))


async def test_what_is_under_way_is_waited_for_and_not_published_again(window: Window, library: Library) -> None:
    messages = outgoing("a", "b")
    task = asyncio.create_task(window.deliver(messages))
    await settle()
    window.closed("lost")
    with pytest.raises(NotConnected):
        await task
    window.opened(3)
    window.acknowledged(1, 0)  # the library sent both again
    task = asyncio.create_task(window.deliver(messages))
    await settle()
    assert not task.done()
    window.acknowledged(2, 0)
    await task
    assert library.published == ["a", "b"]


async def test_when_the_library_is_replaced_what_it_had_is_published_again(window: Window, library: Library) -> None:
    messages = outgoing("a")
    task = asyncio.create_task(window.deliver(messages))
    await settle()
    window.closed("lost")
    with pytest.raises(NotConnected):
        await task
    window.forget()
    window.opened(3)
    task = asyncio.create_task(window.deliver(messages))
    await settle()
    window.acknowledged(2, 0)
    await task
    assert library.published == ["a", "a"]


async def test_a_cancelled_sender_leaves_the_others_alone(window: Window) -> None:
    first = asyncio.create_task(window.deliver(outgoing("a", "b", "c", "d")))
    await settle()
    second = asyncio.create_task(window.deliver(outgoing("e")))
    await settle()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    for number in (1, 2, 3):
        window.acknowledged(number, 0)
    await settle()
    window.acknowledged(4, 0)
    await second


async def test_silence_counts_only_while_an_answer_is_owed(window: Window, clock: MovingClock) -> None:
    await clock.advance(100)
    assert window.silence == 0
    task = asyncio.create_task(window.deliver(outgoing("a")))
    await clock.advance(12)
    assert window.silence == 12
    window.acknowledged(1, 0)
    await task
    assert window.silence == 0


async def test_others_get_turns_while_many_are_made_and_sent(
    window: Window, library: Library, clock: MovingClock
) -> None:
    """Also while there is nothing to send for long, as when a thousand devices are looked at."""
    log: list[str] = []

    def looking() -> Iterator[Outgoing | None]:
        for number in range(10):
            clock._move_to(clock.monotonic() + STRETCH_S / 2)
            log.append("look")
            yield Outgoing("a", b"") if number == 9 else None

    async def another() -> None:
        while True:
            log.append("another")
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(window.deliver(looking())), asyncio.create_task(another())]
    await settle()
    assert library.published == ["a"]
    last = len(log) - log[::-1].index("look")
    assert log[:last].count("another") == 4
    window.acknowledged(1, 0)
    await tasks[0]
    tasks[1].cancel()
    await asyncio.wait(tasks)
