"""What every Exporter promises. A new exporter joins by a line in `EXPORTERS`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.model.contracts import Exporter
from gateway.model.errors import NotConnected
from tests.contract import exporter_peers as peers
from tests.support.clock import MovingClock
from tests.support.exporters import ChaosExporter, MemoryExporter
from tests.support.records import event, message, source

Opens = Callable[[MovingClock, Path], AbstractAsyncContextManager[Exporter]]


@contextlib.asynccontextmanager
async def memory(_: MovingClock, __: Path) -> AsyncIterator[Exporter]:
    yield MemoryExporter()


@contextlib.asynccontextmanager
async def chaos(clock: MovingClock, _: Path) -> AsyncIterator[Exporter]:
    yield ChaosExporter(clock)


EXPORTERS: dict[str, Opens] = {
    "memory": memory,
    "chaos": chaos,
    "influx": peers.influx,
    "http": peers.http,
    "webhook": peers.webhook,
    "files": peers.csv,
    "parquet": peers.parquet,
    "postgres": peers.postgres,
    "mqtt": peers.mqtt,
}


@pytest_asyncio.fixture(params=EXPORTERS)
async def exporter(request: pytest.FixtureRequest, clock: MovingClock, tmp_path: Path) -> AsyncIterator[Exporter]:
    async with EXPORTERS[request.param](clock, tmp_path) as made:
        yield made
        await made.close()


async def test_has_a_name(exporter: Exporter) -> None:
    assert exporter.name


async def test_takes_a_batch_once_connected(exporter: Exporter) -> None:
    await exporter.connect()
    assert await exporter.send([event(source(), 1), message(2)]) is None
    await exporter.close()


async def test_live_and_backlog_at_the_same_time(exporter: Exporter) -> None:
    await exporter.connect()
    await asyncio.gather(*(exporter.send([event(source(), n)]) for n in range(4)))
    await exporter.close()


async def test_without_a_connection_nothing_is_taken(exporter: Exporter) -> None:
    with pytest.raises(NotConnected):
        await exporter.send([event(source(), 1)])


async def test_connects_again_after_close_and_closes_twice(exporter: Exporter) -> None:
    await exporter.close()
    await exporter.connect()
    await exporter.close()
    await exporter.close()
    await exporter.connect()
    await exporter.send([event(source(), 1)])
    await exporter.close()


async def test_waits_while_connected_and_ends_when_cancelled(exporter: Exporter) -> None:
    await exporter.connect()
    waiting = asyncio.create_task(exporter.lost())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await exporter.close()


async def test_a_send_that_is_cancelled_leaves_it_usable(exporter: Exporter) -> None:
    await exporter.connect()
    sending = asyncio.create_task(exporter.send([event(source(), n) for n in range(50)]))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await exporter.close()
    await exporter.connect()
    await exporter.send([event(source(), 1)])
    await exporter.close()
