"""Dead letters sent again, and stretches of time sent out of turn: they wait, go on, and end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from datastore.journal import Journal
from gateway.model.asking import Kept, KeptPage
from gateway.model.errors import ConfigError, NotConnected, QuestionRefused
from gateway.model.health import ConsumerReport, JournalReport
from gateway.model.reading import Batch, Record
from gateway.runtime.exports import Exports, Given, Job
from tests.support.clock import MovingClock
from tests.support.journals import eventually, journal
from tests.support.letters import MemoryLetters
from tests.support.records import ORIGIN, event, message, source
from tests.support.state import MemoryState

S = 10**9


class Feeds:
    """Implements `gateway.model.contracts.Forwards` with one exporter."""

    def __init__(self) -> None:
        self.taken: list[Record] = []
        self.poison: set[int] = set()
        self.away = False
        self.gone = False
        self.pages = 0
        self.away_after: int | None = None
        """Pages."""

    def report(self) -> Sequence[ConsumerReport]:
        return [ConsumerReport(name, not self.away, "", 0, 0, 0, 0) for name in ("mqtt", "export-db")]

    async def deliver(self, consumer: str, records: Batch) -> Mapping[int, str]:
        assert consumer == "export-db"
        if self.gone:
            raise KeyError(consumer)
        if self.away or self.pages == self.away_after:
            raise NotConnected("nobody there")
        self.pages += 1
        refused = {at: "poison" for at, one in enumerate(records) if one.offset in self.poison}
        self.taken += [one for at, one in enumerate(records) if at not in refused]
        return refused


class Rig:
    def __init__(self, made: Exports, given: Given, feeds: Feeds) -> None:
        self.exports, self.feeds, self.state = made, feeds, given.state
        assert isinstance(given.letters, MemoryLetters)
        self.letters = given.letters

    def job(self, of: Job) -> Job:
        return next(job for job in self.exports.jobs if job.id == of.id)

    def offsets(self) -> list[int]:
        return [one.offset for one in self.feeds.taken]


class Past:
    """Implements `gateway.model.asking.Remembers`; pages of 150."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.refuses = False

    async def kept(self, question: Kept) -> KeptPage:
        if self.refuses:
            raise QuestionRefused(503, "too many ask")
        found = sorted(
            (one.origin, one.offset, one)
            for one in self.records
            if question.start <= one.origin < question.end
            and question.above < one.offset <= question.upto
            and (one.origin, one.offset) > question.after
        )[:150]
        return KeptPage([one for _, _, one in found], found[-1][:2] if found else None)


@contextlib.asynccontextmanager
async def rig(
    folder: Path,
    clock: MovingClock,
    state: MemoryState | None = None,
    count: int = 1200,
    past: "Past | None" = None,
) -> AsyncIterator[Rig]:
    """A journal with an event a second."""
    async with journal(folder, clock) as store:
        if not store.head:
            store.append([event(store.number(source()), n) for n in range(count)])
        feeds, letters, state = Feeds(), MemoryLetters(), state or MemoryState()
        given = Given(store, feeds, letters, state, past)
        made = Exports(given, clock)
        task = asyncio.create_task(made.run())
        try:
            yield Rig(made, given, feeds)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_stretch_of_time_is_sent_once_and_exactly(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        job = await r.exports.send("db", ORIGIN + 100 * S, ORIGIN + 900 * S)
        await eventually(lambda: r.job(job).state == "done", clock)
        assert r.offsets() == list(range(101, 901))
        done = r.job(job)
        assert (done.sent, done.refused, done.progress) == (800, 0, 1.0)
        assert r.state.all("exports")[job.id]["state"] == "done"


async def test_what_is_refused_is_a_dead_letter(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock, count=20) as r:
        r.feeds.poison = {4, 9}
        job = await r.exports.send("db", 0, 2**63 - 1)
        await eventually(lambda: r.job(job).ended, clock)
        assert (r.job(job).sent, r.job(job).refused) == (18, 2)
        assert r.letters.of("export-db") == {4: "poison", 9: "poison"}


async def test_it_waits_for_its_exporter_and_goes_on_after_a_restart(tmp_path: Path, clock: MovingClock) -> None:
    state = MemoryState()
    async with rig(tmp_path, clock, state) as r:
        r.feeds.away_after = 1
        job = await r.exports.send("db", 0, 2**63 - 1)
        await eventually(lambda: r.job(job).state == "waiting", clock)
        assert (r.job(job).reason, 0.4 < r.job(job).progress < 0.5) == ("nobody there", True)
        await r.exports.stop(job.id)
        before = r.offsets()
        assert before == list(range(1, 501))
    async with rig(tmp_path, clock, state) as r:
        again = await r.exports.send("export-db", 0, 2**63 - 1)
        assert again.id == job.id, "the same is the job there is"
        await eventually(lambda: r.job(again).state == "done", clock)
        assert r.offsets() == list(range(501, 1201)), "it goes on where it was"


async def test_a_stopped_one_stays_stopped(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock) as r:
        r.feeds.away = True
        job = await r.exports.send("db", 0, ORIGIN)
        await r.exports.stop(job.id)
        r.feeds.away = False
        await clock.advance(5)
        assert r.job(job).state == "stopped"
        assert r.feeds.pages == 0


def old(count: int) -> list[Record]:
    """As many, whose seconds are those before the journal's; offsets from 1 on."""
    made: list[Record] = [event(source(), n - count) for n in range(count)]
    for number, one in enumerate(made, 1):
        one.offset = number
    return made


def drop(
    monkeypatch: pytest.MonkeyPatch, below: int, report: Callable[[Journal], JournalReport] = Journal.report
) -> None:
    """What retention does, by whole files."""
    monkeypatch.setattr(Journal, "report", lambda store: replace(report(store), whole_from=below))


async def test_what_the_journal_has_no_more_comes_from_the_history(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, state = Past(old(1000)), MemoryState()  # those from 601 on are the journal's
    async with rig(tmp_path, clock, state, past=past) as r:
        drop(monkeypatch, 601)
        r.feeds.away_after = 2
        job = await r.exports.send("db", ORIGIN - 900 * S, ORIGIN + 1000 * S)
        await eventually(lambda: r.job(job).state == "waiting", clock)
        assert r.offsets() == list(range(101, 401))
        assert 0.0 < r.job(job).progress < 0.5
        await r.exports.stop(job.id)
    async with rig(tmp_path, clock, state, past=past) as r:
        past.refuses = True
        await r.exports.send("db", ORIGIN - 900 * S, ORIGIN + 1000 * S)
        await eventually(lambda: r.job(job).reason == "too many ask", clock)
        assert r.job(job).state == "waiting"
        past.refuses = False
        seen: list[float] = []

        def done() -> bool:
            seen.append(r.job(job).progress)
            return r.job(job).state == "done"

        await eventually(done, clock)
        assert r.offsets() == [*range(401, 601), *range(601, 1001)], "it goes on where it was; each comes once"
        assert seen == sorted(seen)
        assert r.job(job).sent == 900


async def test_what_the_journal_drops_meanwhile_comes_from_the_history(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, clock, past=(past := Past(old(600)))) as r:
        drop(monkeypatch, 601)
        r.feeds.away_after = 2
        job = await r.exports.send("db", 0, 2**63 - 1)
        await eventually(lambda: r.job(job).state == "waiting", clock)
        drop(monkeypatch, 701)
        more = [event(source(), n) for n in range(600, 700)]
        for number, one in enumerate(more, 601):
            one.offset = number
        past.records = [*past.records, *more]
        r.feeds.away_after = None
        await eventually(lambda: r.job(job).state == "done", clock)
        assert r.offsets() == list(range(1, 1201))


async def test_what_the_journal_drops_while_it_is_read_comes_from_the_history(
    tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = Past([replace(event(source(), n), offset=n + 1) for n in range(100)])
    async with rig(tmp_path, clock, past=past) as r:
        read = Journal.read

        async def dropped(store: Journal, after: int, limit: int, upto: int | None = None) -> Sequence[Record]:
            """As a file that goes just then."""
            monkeypatch.setattr(Journal, "read", read)
            drop(monkeypatch, 101)
            return await read(store, max(after, 100), limit, upto)

        monkeypatch.setattr(Journal, "read", dropped)
        job = await r.exports.send("db", 0, 2**63 - 1)
        await eventually(lambda: r.job(job).state == "done", clock)
        assert r.offsets() == list(range(1, 1201))


async def test_an_exporter_that_is_taken_away_ends_its_job(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock, count=1) as r:
        r.feeds.gone = True
        job = await r.exports.send("db", 0, 2**63 - 1)
        await eventually(lambda: r.job(job).ended, clock)
        assert (r.job(job).state, r.job(job).reason) == ("failed", "there is no exporter db any more")


async def test_an_exporter_that_there_is_not(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock, count=1) as r:
        with pytest.raises(ConfigError, match="there is no exporter bd; there are: mqtt, db"):
            await r.exports.send("bd", 0, 1)


async def test_letters_are_sent_again_and_forgotten_when_they_are_taken(tmp_path: Path, clock: MovingClock) -> None:
    async with rig(tmp_path, clock, count=1) as r:
        records = [event(source(), n) for n in range(3)]
        for number, record in enumerate(records):
            record.offset = 100 + number
        await r.letters.put("export-db", [(record, "refused") for record in records])
        await r.letters.put("mqtt", [(message(1), "refused")])
        r.feeds.poison = {101}
        numbers = await r.exports.pick(r.exports.consumer("db"), [])
        done = await r.exports.retry(numbers)
        assert (done.sent, list(done.refused.values())) == (2, ["poison"])
        assert r.letters.of("export-db") == {101: "poison"}
        assert len(r.letters.of("mqtt")) == 1
        r.feeds.away = True
        with pytest.raises(NotConnected):
            await r.exports.retry(await r.exports.pick("export-db", []))
        assert len(r.letters.of("export-db")) == 1, "nothing is forgotten that was not taken"
