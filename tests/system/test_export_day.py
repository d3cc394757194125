"""T6, of exporters and history: a server is away for a day (the clock moves; disk, keeper and server are real). The
journal stays bounded, what it keeps arrives complete and in order, the history misses nothing."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from datastore.exporters.build import Identity, open_exporter
from datastore.exporters.settings import HttpSettings
from datastore.history.history import CONSUMER, History
from datastore.history.settings import HistorySettings
from datastore.journal import Journal
from gateway.model.export.narrow import Selector
from gateway.model.export.settings import Only
from gateway.runtime.forwarder import Forwarder, ForwardSettings
from tests.support.clock import MovingClock
from tests.support.fakehttp import FakeHttp, fake_http
from tests.support.journals import eventually, journal
from tests.support.records import event, source

DEVICES, VALUES = 20, 20
PERIOD_S, STEP_S, DAY_S = 5.0, 60.0, 86_400.0
EVENTS = int(DAY_S / PERIOD_S) * DEVICES
EXPORT = "export-db"
FEEDING = ForwardSettings(
    linger_s=0.2, batch=500, backlog_batch=500, backlog_rate=20_000, first_retry_s=1.0, longest_retry_s=10.0
)
"""As `gateway.exporting` feeds exporters of which gateway.yaml says nothing more."""


@dataclass
class Plant:
    """What is joined, and what it is fed."""

    clock: MovingClock
    store: Journal
    history: History
    forwarder: Forwarder
    given: int = 0
    most: int = 0
    """Bytes of the journal at its largest."""

    def __post_init__(self) -> None:
        names = [f"R{n}" for n in range(VALUES)]
        self._of = [self.store.number(source(f"d{n}", names)) for n in range(DEVICES)]

    async def pass_(self, seconds: float) -> None:
        """Every device tells every five seconds. The keeper's process, whose time is the real one, keeps up."""
        for begin in range(0, int(seconds), int(STEP_S)):
            start = self.clock.now()
            for at in range(0, int(min(STEP_S, seconds - begin)), int(PERIOD_S)):
                made = [event(one, 0, [(self.given + k) % 65536 for k in range(VALUES)]) for one in self._of]
                for one in made:
                    one.origin = start + at * 10**9
                self.store.append(made)
                self.given += len(made)
            await self.store.commit()
            self.most = max(self.most, self.store.report().bytes)
            await self.clock.advance(min(STEP_S, seconds - begin))
            await self.rest()

    async def rest(self) -> None:
        """Until the keeper has answered."""
        await eventually(lambda: not self.history.process._turn.locked(), seconds=60)

    async def drained(self) -> None:
        """Until nobody waits for anything."""
        async with asyncio.timeout(120):
            while self.store.pending(EXPORT) or self.store.pending(CONSUMER):
                await self.clock.advance(1.0)
                await asyncio.sleep(0.001)
                await self.rest()


@contextlib.asynccontextmanager
async def plant(folder: Path, clock: MovingClock, url: str, max_bytes: str) -> AsyncIterator[Plant]:
    async with journal(folder / "journal", clock, max_bytes=max_bytes) as store:
        settings = HttpSettings(kind="http", url=url, template="{historical} {device} {origin}")
        exporter = open_exporter(Identity("db", "plant-7"), settings)
        forwarder = Forwarder(store, exporter, clock, EXPORT, FEEDING, Selector(Only(), {}))
        history = History(folder, store, HistorySettings(flush="10m"), clock)
        tasks = [asyncio.create_task(one.run()) for one in (forwarder, history)]
        try:
            await eventually(lambda: bool(history.report().taken), seconds=60)
            yield Plant(clock, store, history, forwarder)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await history.close()


def came(fake: FakeHttp) -> dict[str, dict[str, list[int]]]:
    """Origins by device, of live and of historical events, as they came."""
    found: dict[str, dict[str, list[int]]] = {"true": {}, "false": {}}
    for asked in fake.posts:
        for line in asked.body.decode().splitlines():
            historical, device, origin = line.split()
            found[historical].setdefault(device, []).append(int(origin))
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("max_bytes", ["500MB", "5MB"])
async def test_a_day_without_the_server(tmp_path: Path, clock: MovingClock, max_bytes: str) -> None:
    async with fake_http() as fake:
        await fake.stop()
        async with plant(tmp_path, clock, fake.url, max_bytes) as of:
            await of.pass_(DAY_S)
            assert of.given == EVENTS
            assert of.most <= of.store.report().max_bytes
            dropped = of.store.report().dropped["full"]
            assert of.forwarder.report().behind == of.given - dropped
            assert (dropped > EVENTS / 2) if max_bytes == "5MB" else dropped == 0

            await fake.start()
            for _ in range(30):
                await of.pass_(PERIOD_S)
            await of.drained()
            assert of.store.report().dropped == {"full": dropped, "age": 0, "failed": 0}
            kept = of.history.report().taken
            assert kept["kept"] == kept["readings"] == of.given * VALUES, "the history missed some"
    both = came(fake)
    for way in both.values():
        assert len(way) == DEVICES
        for origins in way.values():
            assert origins == sorted(set(origins)), "twice, or out of order"
    assert sum(len(origins) for way in both.values() for origins in way.values()) == of.given - dropped
    for device, origins in both["true"].items():
        every = sorted(origins + both["false"][device])
        gaps = {round((after - before) / 1e9, 3) for before, after in itertools.pairwise(every)}
        assert gaps == {PERIOD_S}, "something in the middle is missing"
