"""The journal's files, as its writing thread sees them: append, roll, retain, delete. Only one thread at a time is in
here; `segments` is replaced as a whole, so that readers in other threads see one list or the next."""

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from datastore import query, sqlite
from datastore.codec import MESSAGE, encode
from datastore.offsets import Offsets
from datastore.ranges import Range, Unacknowledged
from datastore.segment import Row, Segment, files
from datastore.settings import JournalSettings
from datastore.sources import Sources
from datastore.sqlite import Corrupt
from gateway.model.contracts import Clock
from gateway.model.reading import Event, Record

log = logging.getLogger(__name__)

SEGMENT_BYTES = 8_000_000
"""What a query of the newest values scans at most, since the segment being written has no index."""
SMALLEST_SEGMENT = 100_000
SEGMENTS = 16
"""At least so many make up the whole, by bytes and by age: retention takes one at a time."""
CARRIED = 1000
"""Messages still to be sent that outlive the segment they were in."""
_INT64 = 2**63

Cursors = Mapping[str, Sequence[Range]]


@dataclass(slots=True)
class Lost:
    """Records that are gone from the disk."""

    cause: str
    first: int
    last: int
    unsent: int
    """How many of them some consumer still waited for."""
    carried: list[int] = field(default_factory=list)
    """Offsets of messages that were taken over."""


@dataclass(slots=True)
class Outcome:
    """What a commit did besides."""

    lost: list[Lost] = field(default_factory=list)
    refused: int = 0
    """Records that cannot be written at all."""
    full: bool = False
    """No room for more under `drop-newest`."""


class Disk:
    """A folder of segments, the last one being written."""

    def __init__(self, folder: Path, settings: JournalSettings, clock: Clock) -> None:
        self.folder = folder
        self.segments: tuple[Segment, ...] = ()
        self.sources = Sources()
        self.offsets = Offsets(folder / "offsets", clock)
        self.moved_aside: list[Path] = []
        self._settings = settings
        self._clock = clock
        self._segment_bytes = max(min(SEGMENT_BYTES, settings.bytes_max // (2 * SEGMENTS)), SMALLEST_SEGMENT)
        self._wal_bytes = self._segment_bytes // 4
        self._cursors: Cursors = {}
        self._saved: Cursors = {}
        self._outcome = Outcome()

    # ------------------------------------------------------------------------------------------------------ start

    def load(self, given: int = 0) -> tuple[int, dict[str, list[Range]], str]:
        """Looks at what is there, moving damaged files aside. `given`: an offset that somebody has seen. Returns the
        offset after which to go on, the cursors, and why the disk fails (empty: it does not). Raises ConfigError for a
        file of another version."""
        failing = ""
        cursors: dict[str, list[Range]] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            paths = files(self.folder)
        except OSError as error:
            failing, paths = sqlite.why(error), []
        for path in paths:
            try:
                cursors = self._load(Segment(path)) or cursors
            except (OSError, sqlite3.Error) as error:
                failing = f"{path}: {sqlite.why(error)}"
                self.sources.leave_room()
        last = max((segment.last for segment in self.segments), default=0)
        return self.offsets.begin(max(last, given)), cursors, failing or self.offsets.refused

    def _load(self, segment: Segment) -> dict[str, list[Range]]:
        try:
            found = segment.load(self.sources)
        except Corrupt as error:
            log.error("journal: %s; the file is moved aside", error)
            self.moved_aside.append(sqlite.move_aside(segment.path, self._clock.now()))
            return {}
        self.segments += (segment,)
        return found

    # ----------------------------------------------------------------------------------------------------- append

    def commit(self, records: Sequence[Record], cursors: Cursors, head: int) -> Outcome:
        """Writes the records and the cursors, all or nothing, then retains. Raises Corrupt, sqlite3.Error, OSError;
        what was lost meanwhile is told by the next commit that works."""
        outcome = self._outcome
        outcome.refused = 0
        self._cursors = cursors
        rows = [row for row in (_row(record, outcome) for record in records) if row is not None]
        partial = any(isinstance(record, Event) and record.which is not None for record in records)
        if rows or cursors != self._saved:
            self._write(rows, partial, outcome)
        self._roll()
        self._retain(outcome)
        if self.offsets.due(head):
            self.offsets.extend(head)
        self._outcome = Outcome()
        return outcome

    def _write(self, rows: list[Row], partial: bool, outcome: Outcome) -> None:
        while True:
            try:
                active = self._active(rows[0][0] if rows else 0)
                active.partial = active.partial or partial
                changed = {name: ranges for name, ranges in self._cursors.items() if self._saved.get(name) != ranges}
                anew = self._saved.keys() != self._cursors.keys()
                active.write(rows, self.sources, self._cursors if anew else changed, anew)
                self._saved = dict(self._cursors)
                return
            except (sqlite3.Error, OSError, Corrupt) as error:
                self._trouble(error, outcome)

    def _trouble(self, error: Exception, outcome: Outcome) -> None:
        """Returns when it is worth another try at once, else raises what came."""
        active = self.segments[-1] if self.segments else None
        if active is not None:
            active.close()
        again = any(lost.cause == "failed" for lost in outcome.lost)
        if isinstance(error, Corrupt) and active is not None and not again:
            self._set_aside(active, outcome)
            log.error("journal: %s; the file is moved aside", error)
        elif not (sqlite.is_full(error) and self._make_room(outcome, "full")):
            raise error

    def _active(self, first: int) -> Segment:
        """The segment to write to, open."""
        last = self.segments[-1] if self.segments else None
        if last is None or last.sealed:
            known = last.last + 1 if last else 1
            last = Segment.begun(self.folder, max(first, known), self._clock.now())
            self._saved = {}
            last.open(self._wal_bytes)
            self.segments += (last,)
        last.open(self._wal_bytes)
        return last

    def _roll(self) -> None:
        """Seals the segment when it is full or old: after the commit, so that nobody's values wait for the index."""
        active = self.segments[-1] if self.segments else None
        if active is None or active.sealed or not self._is_done(active):
            return
        try:
            active.seal(self._wal_bytes)
        except (sqlite3.Error, OSError, Corrupt) as error:
            log.warning("journal: %s cannot be indexed yet: %s", active.path, sqlite.why(error))
            active.close()

    def _is_done(self, segment: Segment) -> bool:
        if not segment.count:
            return False
        old = self._clock.now() - segment.made > self._settings.age_ns // SEGMENTS
        return segment.bytes > self._segment_bytes + self._wal_bytes or (old and self._clock.trusted())

    # ----------------------------------------------------------------------------------------------------- retain

    @property
    def bytes(self) -> int:
        """On disk, with logs and indexes."""
        return sum(segment.bytes for segment in self.segments)

    def _retain(self, outcome: Outcome) -> None:
        horizon = self._clock.now() - self._settings.age_ns
        while len(self.segments) > 1 and self._newest(*self.segments[:2]) < horizon and self._clock.trusted():
            self._drop(outcome, "age")
        room = self._settings.bytes_max - self._segment_bytes // 4
        while self.bytes > room and self._make_room(outcome, "full"):
            pass
        outcome.full = self.bytes > room and self._settings.when_full == "drop-newest"

    def _newest(self, segment: Segment, following: Segment) -> int:
        """When its last record came, ns; a stamp from the future tells nothing, else one would keep all that follows
        for ever."""
        return segment.newest if segment.newest <= self._clock.now() else following.made

    def _make_room(self, outcome: Outcome, cause: str) -> bool:
        """Drops the oldest segment if there is one and the policy allows it."""
        if len(self.segments) < 2:
            return False
        oldest = self.segments[0]
        if self._settings.when_full == "drop-newest" and self._unsent(oldest):
            return False
        self._drop(outcome, cause)
        return True

    def _unsent(self, segment: Segment) -> int:
        """Most that any consumer still waits for in it."""
        waits = [Unacknowledged(ranges).count(segment.first, segment.last) for ranges in self._cursors.values()]
        return min(max(waits, default=0), segment.count)

    def _drop(self, outcome: Outcome, cause: str) -> None:
        oldest, unsent = self.segments[0], self._unsent(self.segments[0])
        carried = self._messages(oldest) if unsent and cause == "full" else []
        oldest.close()
        sqlite.remove(oldest.path)
        self.segments = self.segments[1:]
        lost = Lost(cause, oldest.first, oldest.last, unsent)
        if carried:
            try:
                self.segments[0].carry(carried, self._wal_bytes)
            except (sqlite3.Error, OSError, Corrupt) as error:
                log.error("journal: %d messages that were still to be sent are lost: %s", len(carried), error)
            else:
                lost.carried = [row[0] for row in carried]
                lost.unsent = max(0, unsent - len(carried))
        outcome.lost.append(lost)

    def _messages(self, segment: Segment) -> list[Row]:
        waiting = [Unacknowledged(ranges) for ranges in self._cursors.values()]
        try:
            rows = segment.messages()
        except (sqlite3.Error, Corrupt):
            return []
        return [row for row in rows if any(row[0] in ranges for ranges in waiting)][-CARRIED:]

    def set_aside(self, path: str) -> Outcome:
        """A reader found this file damaged. Raises OSError."""
        outcome = Outcome()
        for segment in self.segments:
            if str(segment.path) in path:
                self._set_aside(segment, outcome)
        return outcome

    def _set_aside(self, segment: Segment, outcome: Outcome) -> None:
        segment.close()
        unsent = self._unsent(segment)
        self.moved_aside.append(sqlite.move_aside(segment.path, self._clock.now()))
        self.segments = tuple(one for one in self.segments if one is not segment)
        outcome.lost.append(Lost("failed", segment.first, segment.last, unsent))

    # ----------------------------------------------------------------------------------------------------- delete

    def delete(self, segment: Segment, want: query.Wanted, pending: query.Pending) -> int:
        """Removes a selection from one segment. Raises Corrupt, sqlite3.Error, OSError."""
        if segment not in self.segments or not query.touches(want, segment):
            return 0
        db = segment.open(self._wal_bytes)
        try:
            with sqlite.reading(segment.path), sqlite.transaction(db):
                hidden, removed = query.delete(db, segment, want, pending)
        finally:
            if segment.sealed:
                segment.close()
        segment.count -= removed
        segment.visible -= hidden + removed
        return hidden + removed

    def close(self, head: int) -> None:
        """A clean stop after the last commit. Never raises."""
        for segment in self.segments:
            segment.close()
        with suppress(OSError):
            self.offsets.end(head)


def _row(record: Record, outcome: Outcome) -> Row | None:
    """None for what cannot be written at all: it must not stop the rest."""
    try:
        body = encode(record)
        if not -_INT64 <= record.origin < _INT64:
            raise OverflowError(f"{record.origin} is no 64-bit stamp")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        outcome.refused += 1
        log.error("journal: a record of %s cannot be written: %s", _device(record), error)
        return None
    number = record.source.number if isinstance(record, Event) else MESSAGE
    return record.offset, number, record.origin, body


def _device(record: Record) -> str:
    return record.source.device if isinstance(record, Event) else record.device
