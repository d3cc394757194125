"""A stretch of time that reaches beyond the journal: the history's own processes, a journal that dropped its oldest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datastore.history.asking.client import AskedHistory
from datastore.history.asking.settings import AskSettings
from datastore.history.history import CONSUMER
from datastore.journal import Journal
from gateway.model.edgexjson import event_json
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Source
from gateway.runtime.clock import SystemClock
from gateway.runtime.exports import Exports, Given
from tests.support.journals import Alarms, eventually, journal
from tests.support.letters import MemoryLetters
from tests.support.records import resource
from tests.support.state import MemoryState
from tests.system.test_history import running
from tests.unit.runtime.test_exports import Feeds

pytest.importorskip("duckdb")
VALUES = 100


@contextlib.asynccontextmanager
async def exports(store: Journal, past: AskedHistory, feeds: Feeds, state: MemoryState) -> AsyncIterator[Exports]:
    made = Exports(Given(store, feeds, MemoryLetters(), state, past), SystemClock())
    run = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def test_all_there_ever_was_is_sent_once_with_its_ids(tmp_path: Path) -> None:
    clock, alarms, state, feeds = SystemClock(), Alarms(), MemoryState(), Feeds()
    resources = [resource(f"R{n}", ValueType.FLOAT64) for n in range(VALUES - 1)]
    scaled = resources[0].properties.model_copy(update={"value_type": ValueType.INT16, "scale": 0.125})
    resources.append(resource("Scaled").model_copy(update={"properties": scaled}))
    said: dict[int, object] = {}
    async with (
        journal(tmp_path / "journal", clock, alarms, running=True, max_bytes="1MB") as store,
        running(tmp_path, store, alarms) as history,
    ):
        begun = clock.now()
        for turn in range(18):
            of = store.number(Source("s", "p", f"meter-{turn % 3}", "all", tuple(resources)))
            now = clock.now()
            made = [
                Event(of, now + n, [float((n * 7919 + k + turn) % 65536) / 8 for k in range(VALUES)])
                for n in range(200)
            ]
            store.append(made)
            said |= {one.offset: event_json(one) for one in made}
            if turn % 9 == 8:
                await eventually(lambda: store.pending(CONSUMER) == [], seconds=30)
        assert 1001 < store.report().whole_from < store.head
        past = AskedHistory(tmp_path, store, AskSettings(), clock, history.bury)
        feeds.away_after = 1
        async with exports(store, past, feeds, state) as first:
            job = await first.send("db", begun, 2**63 - 1)
            await eventually(lambda: first.jobs[0].state == "waiting", seconds=30)
        half = len(feeds.taken)
        feeds.away_after = None
        async with exports(store, past, feeds, state) as again:
            await eventually(lambda: again.jobs[0].state == "done", seconds=60)
            assert (again.jobs[0].id, again.jobs[0].sent) == (job.id, 3600)
        await past.close()
    assert 0 < half < 3600
    found = [one for one in feeds.taken if isinstance(one, Event)]
    assert [one.offset for one in found] == list(range(1, 3601)), "in order, each once"
    assert all(event_json(one) == said[one.offset] for one in found)
