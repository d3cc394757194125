"""What every Exporter promises. A new exporter joins by a line in `EXPORTERS`."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.model.contracts import Exporter
from gateway.model.errors import NotConnected
from tests.support.clock import MovingClock
from tests.support.exporters import ChaosExporter, MemoryExporter
from tests.support.records import event, message, source

EXPORTERS: dict[str, Callable[[MovingClock], Exporter]] = {
    "memory": lambda _: MemoryExporter(),
    "chaos": ChaosExporter,
}


@pytest.fixture(params=EXPORTERS)
def exporter(request: pytest.FixtureRequest, clock: MovingClock) -> Exporter:
    return EXPORTERS[request.param](clock)


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
