"""What every Store promises. A new store joins by a line in `STORES`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.model.contracts import Store
from gateway.model.query import Selection
from gateway.model.reading import Event, Message
from tests.support.clock import MovingClock
from tests.support.journals import journal
from tests.support.records import ORIGIN, event, message, source

Opener = Callable[[Path, MovingClock], AbstractAsyncContextManager[Store]]
STORES: dict[str, Opener] = {"journal": journal}


@pytest.fixture(params=STORES)
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, clock: MovingClock
) -> Callable[[], AbstractAsyncContextManager[Store]]:
    """Opens the store; again on the same disk at each call."""
    return lambda: STORES[request.param](tmp_path, clock)


@pytest_asyncio.fixture
async def store(opened: Callable[[], AbstractAsyncContextManager[Store]]) -> AsyncIterator[Store]:
    async with opened() as made:
        yield made


def fill(store: Store, count: int, device: str = "meter") -> list[Event]:
    of = store.number(source(device))
    batch = [event(of, n) for n in range(count)]
    store.append(batch)
    return batch


async def test_offsets_grow_in_order(store: Store) -> None:
    first, second = fill(store, 3), fill(store, 2, "pump")
    assert [e.offset for e in first + second] == [1, 2, 3, 4, 5]
    assert store.head == 5


async def test_reads_back_in_order_before_and_after_the_commit(store: Store) -> None:
    batch = fill(store, 10)
    store.append([message(1)])
    for _ in range(2):
        found = await store.read(3, 100)
        assert [r.offset for r in found] == list(range(4, 12))
        assert isinstance(found[-1], Message)
        assert [r.offset for r in await store.read(0, 4)] == [1, 2, 3, 4]
        assert [r.offset for r in await store.read(2, 100, 5)] == [3, 4, 5]
        assert list(await store.read(11, 5)) == []
        await store.commit()
    assert store.report().committed == 11
    assert batch[3].values == found[0].values  # type: ignore[union-attr]


async def test_everything_survives_a_restart(opened: Callable[[], AbstractAsyncContextManager[Store]]) -> None:
    async with opened() as store:
        number = fill(store, 5)[0].source.number
        store.append([message(7)])
        store.ack("cloud", 1, 2)
    async with opened() as store:
        assert store.pending("cloud") == [(3, 6)]
        found = await store.read(0, 100)
        assert [r.offset for r in found] == [1, 2, 3, 4, 5, 6]
        assert isinstance(found[0], Event)
        assert found[0].source.names == ("Voltage", "Current")
        assert store.number(source()).number == number
        assert fill(store, 1)[0].offset > 6


async def test_pending_and_ack(store: Store) -> None:
    fill(store, 10)
    assert store.pending("new") == [(1, 10)]
    store.ack("cloud", 4, 6)
    store.ack("cloud", 9, 9)
    assert store.pending("cloud") == [(1, 3), (7, 8), (10, 10)]
    fill(store, 2)
    assert store.pending("cloud") == [(1, 3), (7, 8), (10, 12)]
    assert store.pending("new") == [(1, 12)]
    store.ack("cloud", 1, 12)
    assert store.pending("cloud") == []


async def test_wait(store: Store) -> None:
    waiting = [asyncio.create_task(store.wait(0)) for _ in range(3)]
    gone = asyncio.create_task(store.wait(0))
    await asyncio.sleep(0)
    gone.cancel()
    fill(store, 2)
    assert await asyncio.gather(*waiting) == [2, 2, 2]
    assert await store.wait(1) == 2


async def test_repeats_are_not_kept(store: Store) -> None:
    one = event(store.number(source()), 1)
    one.repeat = True
    assert store.append([one]) == 0


async def test_throw_away_sources_are_kept_too(store: Store) -> None:
    store.append([event(source("meter", ["Power"]), 1)])
    await store.commit()
    found, _ = await store.events(Selection(resource="Power"))
    assert found[0].source.number


@pytest.mark.parametrize("committed", [False, True])
async def test_selections(store: Store, committed: bool) -> None:
    meter, pump = store.number(source("meter")), store.number(source("pump", ["Current", "Speed"], "fast"))
    store.append([event(of, n) for n in range(10) for of in (meter, pump)])
    if committed:
        await store.commit()

    async def ask(**selection: object) -> tuple[list[int], int]:
        found, total = await store.events(Selection(**selection))  # type: ignore[arg-type]
        return [e.offset for e in found], total

    assert await ask(limit=3) == ([20, 19, 18], 20)
    assert await ask(limit=2, newest_first=False) == ([1, 2], 20)
    assert await ask(device="pump", offset=1, limit=2) == ([18, 16], 10)
    assert await ask(source="fast", limit=1) == ([20], 10)
    assert await ask(resource="Current", limit=1) == ([20], 20)
    assert await ask(resource="Voltage", limit=1) == ([19], 10)
    assert await ask(device="pump", start=ORIGIN + 3 * 10**9, end=ORIGIN + 5 * 10**9) == ([12, 10, 8], 3)
    assert await ask(event=7) == ([7], 1)
    assert await ask(event=99) == ([], 0)
    assert await ask(device="nobody") == ([], 0)
    assert (await ask(limit=-1))[0] == list(range(20, 0, -1))
    assert await ask(limit=0) == ([], 20)
    assert await ask(offset=18, limit=10) == ([2, 1], 20)


@pytest.mark.parametrize("committed", [False, True])
async def test_an_event_that_lacks_the_resource_is_not_selected(store: Store, committed: bool) -> None:
    of = store.number(source())
    batch = [event(of, n) for n in range(4)]
    batch[1].values, batch[1].which = [5], (1,)
    batch[2].values, batch[2].which = [6], (0,)
    store.append(batch)
    if committed:
        await store.commit()
    found, total = await store.events(Selection(resource="Voltage"))
    assert ([e.offset for e in found], total) == ([4, 3, 1], 3)


async def test_delete_spares_what_a_consumer_waits_for(
    opened: Callable[[], AbstractAsyncContextManager[Store]],
) -> None:
    async with opened() as store:
        fill(store, 10)
        fill(store, 5, "pump")
        store.append([message(1)])
        store.ack("cloud", 1, 4)
        assert await store.delete(Selection(device="meter")) == 10
        assert (await store.events(Selection(limit=-1)))[1] == 5
        assert await store.delete(Selection(device="meter")) == 0
    async with opened() as store:
        assert (await store.events(Selection(device="meter")))[1] == 0
        assert [r.offset for r in await store.read(0, 100)] == list(range(5, 17))
