"""Threads of an exporter: side by side, errors told, nobody left waiting, a library that hangs left behind."""

import asyncio
import threading

import pytest

from datastore.exporters.answers import Refused, isolated, waiting
from datastore.exporters.threads import Threads
from gateway.model.errors import NotConnected


async def test_two_side_by_side_and_what_they_give() -> None:
    threads, both = Threads("t"), threading.Barrier(2, timeout=5)
    found = await asyncio.gather(*(threads.call(lambda n=n: (both.wait(), n)[1]) for n in range(2)))
    assert found == [0, 1]
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 // 0)
    threads.close()
    assert await threads.call(lambda: 7) == 7, "it begins anew"
    threads.close()
    threads.close()


async def test_who_waits_for_what_was_not_begun_is_told() -> None:
    threads, go, begun = Threads("t", count=1), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang() -> str:
        loop.call_soon_threadsafe(begun.set)
        go.wait(5)
        return "late"

    first = asyncio.create_task(threads.call(hang))
    await begun.wait()
    second = asyncio.create_task(threads.call(lambda: "never"))
    await asyncio.sleep(0)
    threads.close()
    with pytest.raises(NotConnected):
        await second
    go.set()
    assert await first == "late"


def test_halving_finds_every_poisonous_one() -> None:
    sent: list[int] = []

    def send(some: object) -> None:
        assert isinstance(some, range)
        if any(n in (0, 5, 6, 31) for n in some):
            raise Refused(400, f"{some}")
        sent.extend(some)

    assert sorted(isolated(range(32), send)) == [0, 5, 6, 31]
    assert sorted(sent) == [n for n in range(32) if n not in (0, 5, 6, 31)]
    assert isolated(range(0), send) == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("", 0), ("soon", 0), ("-3", 0), ("99999", 600), ("Thu, 01 Jan 1970 00:01:40 GMT", 90)],
)
def test_how_long_to_wait(text: str, seconds: float) -> None:
    assert waiting(text, 10.0) == seconds
