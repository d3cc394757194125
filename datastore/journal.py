"""The journal: implements `gateway.model.contracts.Store`. This is the loop's side: the tail in memory, the cursors,
when to commit. The disk's side (`disk`) runs in one thread of its own, queries in another two."""

import asyncio
import functools
import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from datastore import query, sqlite
from datastore.disk import Disk, Lost, Outcome
from datastore.drops import Alarm, Drops, untold
from datastore.ranges import FOREVER, Range, Unacknowledged
from datastore.segment import Segment
from datastore.settings import JournalSettings
from datastore.sqlite import Corrupt
from datastore.tail import Tail
from gateway.model.contracts import Clock
from gateway.model.errors import StoreFailed
from gateway.model.health import JournalReport
from gateway.model.query import Selection
from gateway.model.reading import Batch, Event, Record, Source

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

FAILING: Final = "journal-failing"
DAMAGED: Final = "journal-damaged"
CUT: Final = "journal-cut"
RETRY_S = 1.0
HOUSEKEEPING_S = 60.0
"""Age is looked at so often even when nothing is appended."""
AT_ONCE = 20_000
"""Records a transaction at most."""
_DISK = (sqlite3.Error, OSError, Corrupt)


class Journal:
    """Append-only, durable, a cursor per consumer. `await open()`, then `run()` as a task, then `await close()`."""

    def __init__(self, folder: Path, settings: JournalSettings, clock: Clock, alarm: Alarm = untold) -> None:
        self._disk = Disk(folder, settings, clock)
        self._settings = settings
        self._clock = clock
        self._alarm = alarm
        self._writer = ThreadPoolExecutor(1, "journal-write")
        self._readers = ThreadPoolExecutor(2, "journal-read")
        self._tail = Tail(settings.when_full)
        self._head = 0
        self._committed = 0
        self._cursors: dict[str, Unacknowledged] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        self._dirty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._commit_lock = asyncio.Lock()
        self._failing = ""
        self._full = False
        self._drops = Drops(clock, alarm)
        self._opened = False
        self._cut = False
        """The run before was cut short, and nothing has been written since."""

    async def open(self, given: int = 0) -> None:
        """Reads what is there. `given`: an offset that a consumer has seen; none up to it is given again, even if the
        journal's files are gone. Raises ConfigError when another version wrote it; a disk that refuses only shows in
        the report, and a damaged file is moved aside."""
        after, cursors, failing = await self._in(self._writer, self._disk.load, given)
        last = max((segment.last for segment in self._disk.segments), default=0)
        self._head = self._committed = after
        self._tail.floor = after
        self._cursors = {name: Unacknowledged(ranges) for name, ranges in cursors.items()}
        self._opened = True
        if after > last:
            self._forget(last + 1, after)
        if self._disk.offsets.cut:
            self._cut = True
            commit = f"{self._settings.commit_s:g} s"
            self._alarm(CUT, "raised", f"the gateway was not stopped properly: at most the last {commit} are missing")
        for path in self._disk.moved_aside:
            self._alarm(DAMAGED, "raised", f"a damaged file was moved to {path}; what it held is not sent or shown")
        if failing:
            self._fails(failing)

    async def run(self) -> None:
        """Commits what is appended, until cancelled."""
        while True:
            try:
                async with self._clock.timeout(HOUSEKEEPING_S):
                    await self._dirty.wait()
                async with self._clock.timeout(self._settings.commit_s):
                    await self._urgent.wait()
            except TimeoutError:
                pass
            await self._commit()
            if self._failing:
                await self._clock.sleep(RETRY_S)

    async def close(self) -> None:
        """Commits what is left and lets go of the files. Idempotent, never raises."""
        if self._opened:
            with suppress(StoreFailed):
                await self.commit()
            await self._commit()  # the cursors, too
            if self._tail.waiting:
                log.error("journal: %d records are lost with this stop: %s", self._tail.waiting, self._failing)
            self._opened = False
            await self._in(self._writer, self._disk.close, self._head)
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)

    # ----------------------------------------------------------------------------------------------------- append

    @property
    def head(self) -> int:
        return self._head

    def number(self, source: Source) -> Source:
        return self._disk.sources.number(source)

    def append(self, batch: Batch) -> int:
        tail, head, number = self._tail, self._head, self._disk.sources.number
        for record in batch:
            if isinstance(record, Event):
                if record.repeat:
                    continue
                record.source = number(record.source)
                if self._full:
                    self._drops.add("full")
                    self._dirty.set()
                    continue
            else:
                self._urgent.set()
            if not tail.takes(record):
                self._drops.add("failed")
                self._dirty.set()
                continue
            if head >= self._disk.offsets.promised:
                head = self._disk.offsets.beyond(head)
            head += 1
            record.offset = head
            tail.append(record)
        if head != self._head:
            self._head = head
            self._dirty.set()
            self._drops.add("failed", tail.shed())
            self._wake()
        return head

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # ----------------------------------------------------------------------------------------------------- commit

    async def commit(self) -> None:
        target = self._head
        while self._committed < target:
            if not self._opened:
                raise StoreFailed("the journal is closed")
            await self._commit(target)
            if self._failing:
                raise StoreFailed(f"the journal cannot be written: {self._failing}")

    async def _commit(self, upto: int | None = None) -> None:
        """Seen through even when whoever asked is cancelled: what the disk has taken must be known."""
        await asyncio.shield(asyncio.ensure_future(self._commit_now(upto)))

    async def _commit_now(self, upto: int | None) -> None:
        async with self._commit_lock:
            if not self._opened or (upto is not None and self._committed >= upto):
                return
            self._dirty.clear()
            self._urgent.clear()
            head = self._head
            records = self._tail.uncommitted()
            if len(records) > AT_ONCE:
                records = records[:AT_ONCE]
                head = records[-1].offset
                self._urgent.set()
            cursors = {name: list(cursor.ranges) for name, cursor in self._cursors.items()}
            try:
                outcome = await self._in(self._writer, self._disk.commit, records, cursors, head)
            except _DISK as error:
                self._fails(sqlite.why(error))
            else:
                self._succeeds(head, outcome)
            if self._tail.uncommitted():
                self._dirty.set()

    def _succeeds(self, head: int, outcome: Outcome) -> None:
        self._committed = max(self._committed, head)
        if self._cut:
            self._cut = False
            self._alarm(CUT, "cleared", "the journal goes on")
        self._tail.committed(self._committed)
        self._drops.add("failed", outcome.refused)
        for lost in outcome.lost:
            self._lost(lost)
        self._full = outcome.full
        if self._failing:
            log.warning("journal: writing again")
            self._alarm(FAILING, "cleared", "the journal is written again")
            self._failing = ""
        self._drops.tell(self._full)

    def _fails(self, why: str) -> None:
        if not self._failing:
            log.error("journal: %s; values go on from memory, %s", why, self._settings.when_full)
            self._failing = why
            self._alarm(FAILING, "raised", f"the journal cannot be written: {why}")
        self._failing = why
        self._drops.tell(self._full)

    def _lost(self, lost: Lost) -> None:
        self._drops.add(lost.cause, lost.unsent)
        self._forget(lost.first, lost.last, lost.carried)
        if lost.cause == "failed":
            path = self._disk.moved_aside[-1]
            self._alarm(DAMAGED, "raised", f"a damaged file was moved to {path}; what it held is not sent or shown")

    def _forget(self, first: int, last: int, but: Sequence[int] = ()) -> None:
        """No consumer waits any more for what does not exist."""
        for cursor in self._cursors.values():
            start = first
            for offset in sorted(but):
                cursor.remove(start, offset - 1)
                start = offset + 1
            cursor.remove(start, last)

    # ---------------------------------------------------------------------------------------------------- consume

    async def wait(self, after: int) -> int:
        while self._head <= after:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._head

    async def read(self, after: int, limit: int, upto: int | None = None) -> Sequence[Record]:
        top = self._head if upto is None else min(upto, self._head)
        found: list[Record] = []
        while after < self._tail.floor and after < top and len(found) < limit:
            below = min(top, self._tail.floor)
            found += await self._from_disk(query.in_order, self._disk.sources, after, below, limit - len(found))
            after = below
        if len(found) < limit and after < top:
            found += self._tail.read(after, top, limit - len(found))
        return found

    def pending(self, consumer: str) -> list[Range]:
        return self._cursor(consumer).upto(self._head)

    def ack(self, consumer: str, first: int, last: int) -> None:
        self._cursor(consumer).remove(first, min(last, self._head))
        self._dirty.set()

    def forget(self, consumer: str) -> None:
        """This consumer is no more; nothing is kept for it."""
        self._cursors.pop(consumer, None)
        self._dirty.set()

    def forget_all_but(self, consumers: Collection[str]) -> None:
        """Who left gateway.yaml holds nothing back; should he return, he gets all that is kept then."""
        for consumer in self._cursors.keys() - set(consumers):
            self.forget(consumer)

    def _cursor(self, consumer: str) -> Unacknowledged:
        cursor = self._cursors.get(consumer)
        if cursor is None:
            cursor = self._cursors[consumer] = Unacknowledged([(self._oldest_offset(), FOREVER)])
            self._dirty.set()
        return cursor

    def _oldest_offset(self) -> int:
        kept = [segment.first for segment in self._disk.segments if segment.count]
        waiting = self._tail.records[:1]
        return min([*kept, *(record.offset for record in waiting), self._head + 1])

    # ----------------------------------------------------------------------------------------------------- people

    async def events(self, selection: Selection) -> tuple[Sequence[Event], int]:
        upto = self._committed
        waiting = [r for r in self._tail.uncommitted() if isinstance(r, Event) and r.offset > upto]
        return await self._from_disk(query.by_selection, self._disk.sources, selection, upto, waiting)

    async def delete(self, selection: Selection) -> int:
        await self.commit()
        want = query.wanted(selection, self._disk.sources.all())
        waiting = [Unacknowledged(cursor.ranges) for cursor in self._cursors.values()]

        def pending(offset: int) -> bool:
            return any(offset in ranges for ranges in waiting)

        try:
            removed = 0
            for segment in self._disk.segments:  # one job each, so that commits come in between
                removed += await self._in(self._writer, self._disk.delete, segment, want, pending)
            return removed
        except _DISK as error:
            raise StoreFailed(f"the journal cannot be changed: {sqlite.why(error)}") from error

    def report(self) -> JournalReport:
        segments = self._disk.segments
        kept = [segment for segment in segments if segment.count]
        waiting = self._tail.oldest_waiting
        begins = [*(segment.begin for segment in segments[:1]), *(one.offset for one in self._tail.records[:1])]
        return JournalReport(
            state=f"failing: {self._failing}" if self._failing else "ok",
            head=self._head,
            committed=self._committed,
            records=sum(segment.count for segment in segments) + self._tail.waiting,
            bytes=self._disk.bytes,
            max_bytes=self._settings.bytes_max,
            oldest=kept[0].oldest if kept else waiting.origin if waiting else 0,
            dropped=dict(self._drops.counts),
            moved_aside=str(self._disk.moved_aside[-1]) if self._disk.moved_aside else "",
            whole_from=min(begins, default=self._head + 1),
        )

    # ---------------------------------------------------------------------------------------------------- threads

    async def _in(self, pool: ThreadPoolExecutor, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, functools.partial(job, *args, **kwargs))

    async def _from_disk(
        self, job: Callable[Concatenate[Sequence[Segment], P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """A query over the files. A file found damaged is moved aside and the query asked again. Raises StoreFailed."""
        if not self._opened:
            raise StoreFailed("the journal is closed")
        try:
            while True:
                segments = self._disk.segments
                try:
                    return await self._in(self._readers, functools.partial(job, segments, *args, **kwargs))
                except Corrupt as error:
                    outcome = await self._in(self._writer, self._disk.set_aside, str(error))
                    if segments == self._disk.segments:  # else another reader found it, too, and was first
                        raise
                    for lost in outcome.lost:
                        self._lost(lost)
        except _DISK as error:
            raise StoreFailed(f"the journal cannot be read: {sqlite.why(error)}") from error
