"""From the journal's files into the history's: what is above the catalog's cursor, a batch at a time. Reads only; what
the journal drops meanwhile is not there any more."""

import logging
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from datastore import sqlite
from datastore.codec import MESSAGE, decode_message
from datastore.history.catalog import Catalog, File
from datastore.history.columns import Place, Readings, Words, readings
from datastore.history.keeping import Keeping
from datastore.history.parquet import Belonging, Engine
from datastore.history.spans import DAILY, DAY, FIRST, FLUSHED, HOUR, HOURLY, span
from datastore.segment import FORMAT, Row, files
from datastore.sources import SourceRow
from gateway.model.reading import Message

log = logging.getLogger(__name__)

BATCH_BYTES = 10_000_000
"""A batch at most, about, as files: some 60 MB while a million readings are sorted and written."""
READING_BYTES = 10
"""What a reading takes in a file, at most, beside its text."""
TOGETHER, ROWS = 5, 50_000
"""Decoded at once: this part of a batch, by bytes of bodies, and so many rows."""
_json = msgspec.json.Encoder().encode
_SELECT = "SELECT offset, source, origin, body FROM records WHERE offset > ? ORDER BY offset"
_LAST = (
    "SELECT offset, source, origin, body FROM records WHERE source = ? AND offset <= ? ORDER BY offset DESC LIMIT 200"
)
"""So many of a source may each have only some of its resources."""


@dataclass(slots=True)
class Taken:
    """What a batch held."""

    cursor: int
    records: int = 0
    readings: int = 0
    bytes: int = 0
    """Of bodies."""
    kept: int = 0
    too_old: int = 0
    """Readings of a time of which the readings have been removed already."""
    more: bool = False
    """There is more to take."""
    parts: list[Readings] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of files that it will make, at most."""
        return max(self.bytes, READING_BYTES * max(self.readings, self.records))


class Intake:
    """Takes batches; a batch is in the catalog whole or not at all, together with the cursor."""

    def __init__(self, journal: Path, catalog: Catalog, engine: Engine, keeping: Keeping) -> None:
        self.batch_bytes = BATCH_BYTES
        self._journal = journal
        self._catalog = catalog
        self._engine = engine
        self._keeping = keeping
        self._series = catalog.series_of()

    def take(self, now: int) -> Taken:
        """Raises OSError, sqlite3.Error, Corrupt, duckdb.Error; then nothing was taken."""
        before = self._keeping.remembered()
        try:
            return self._take(now)
        except BaseException:
            self._keeping.forget(before)
            raise

    def _take(self, now: int) -> Taken:
        taken = Taken(self._catalog.cursor)
        words = Words()
        for rows, places in self._batches(taken.cursor):
            self._sort_out(rows, places, words, taken)
            if taken.size >= self.batch_bytes:
                taken.more = True
                break
        if taken.records:
            self._keep(taken, words, now)
        taken.parts, taken.messages = [], []
        return taken

    def _sort_out(self, rows: Sequence[Row], places: Mapping[int, Place], words: Words, taken: Taken) -> None:
        self._recall(taken.cursor)
        found = readings(rows, places, words)
        taken.readings += len(found)
        taken.records += len(rows)
        taken.bytes += sum(len(row[3]) for row in rows)
        taken.cursor = rows[-1][0]
        messages = [message for row in rows if row[1] == MESSAGE for message in _message(row)]
        taken.parts.append(self._keeping.readings(found, words))
        taken.messages += messages

    def _keep(self, taken: Taken, words: Words, now: int) -> None:
        found = Readings.join(taken.parts)
        from_ = self._catalog.state("raw_from", FIRST)
        fresh = found.origin >= from_
        taken.too_old = int(len(found) - fresh.sum())
        found = found if not taken.too_old else found.take(fresh)
        taken.kept = len(found)
        written: list[File] = []
        try:
            written += self._write_readings(found, words, now)
            written += self._write_messages(self._keeping.messages(taken.messages), now)
            with self._catalog.change():
                self._catalog.add(written)
                self._catalog.note("cursor", taken.cursor)
                self._catalog.remember([(m.origin, m.device, m.name) for m in taken.messages if _is_raised(m)])
        except BaseException:
            for file in written:
                self._catalog.path(file).unlink(missing_ok=True)
            raise

    def _write_readings(self, found: Readings, words: Words, now: int) -> Iterator[File]:
        """A file for each hour of the last day, and for each day that lies further back."""
        day, hour = found.origin // DAY * DAY, found.origin // HOUR * HOUR
        near = span(now, HOURLY)[0] - DAY
        for level, which, starts in ((HOURLY, hour >= near, hour), (DAILY, hour < near, day)):
            for start in np.unique(starts[which]).tolist():
                what = Belonging("raw", FLUSHED, span(start, level), 0, now)
                file = self._engine.write_readings(found.take(which & (starts == start)), words, what)
                if file is not None:
                    yield file

    def _write_messages(self, messages: Sequence[Message], now: int) -> Iterator[File]:
        days: dict[int, list[Message]] = {}
        for message in messages:
            days.setdefault(message.origin // DAY * DAY, []).append(message)
        for start, some in days.items():
            rows = [(m.offset, m.origin, m.kind, m.device, m.name, _json(m.body).decode()) for m in some]
            file = self._engine.write_messages(rows, Belonging("messages", FLUSHED, span(start, DAILY), 0, now))
            if file is not None:
                yield file

    # -------------------------------------------------------------------------------------------------- journal

    def _batches(self, after: int) -> Iterator[tuple[list[Row], Mapping[int, Place]]]:
        """Rows above an offset in order, and where their sources' readings go."""
        paths = list(files(self._journal))
        begins = [_begin(path) for path in paths]
        for at, path in enumerate(paths):
            if at + 1 < len(paths) and begins[at + 1] <= after + 1:
                continue  # all of it is below the next file's first
            try:
                for rows, places in self._rows(path, after):
                    after = rows[-1][0]
                    yield rows, places
            except sqlite.Corrupt as error:
                log.error("history: %s; what is not read of it is left out", error)
            except (sqlite3.Error, OSError):
                if path.exists():
                    raise
                log.info("history: the journal has dropped %s while it was read", path)

    def _rows(self, path: Path, after: int) -> Iterator[tuple[list[Row], Mapping[int, Place]]]:
        with sqlite.reading(path), closing(sqlite.open_reader(path)) as db:
            if not sqlite.is_version(db, FORMAT, path):
                return  # it is being made just now
            places: dict[int, Place] = {}
            while rows := _some(db, after, self.batch_bytes // TOGETHER):
                if not {row[1] for row in rows if row[1] > MESSAGE} <= places.keys():
                    places = self._places(db)
                yield rows, places
                after = rows[-1][0]

    def _recall(self, cursor: int) -> None:
        """Conditions that are new, or stand in a keeper that is, learn the values of the last batch: as far as the
        journal still has them."""
        whiles = self._keeping.whiles
        paths = sorted(files(self._journal)) if whiles.asks() else []
        while paths and (asked := whiles.asks()):
            path = paths.pop()
            if _begin(path) <= cursor:
                with suppress(sqlite3.Error, sqlite.Corrupt, OSError):  # taking it says what is wrong with it
                    self._recall_from(path, cursor, asked)
        whiles.settle()

    def _recall_from(self, path: Path, cursor: int, asked: set[int]) -> None:
        with sqlite.reading(path), closing(sqlite.open_reader(path)) as db:
            if not sqlite.is_version(db, FORMAT, path):
                return
            places = self._places(db)
            rows: list[Row] = []
            for number, place in places.items():
                if not asked.isdisjoint(range(place.first, place.first + place.count)):
                    rows += db.execute(_LAST, (number, cursor)).fetchall()
        words = Words()
        self._keeping.whiles.recall(readings(sorted(rows), places, words), words)

    def _places(self, db: sqlite3.Connection) -> dict[int, Place]:
        """Of all sources of a file; those that are new are given their series."""
        rows = db.execute("SELECT number, fingerprint FROM sources").fetchall()
        unknown = [number for number, fingerprint in rows if fingerprint not in self._series]
        if unknown:
            told = [SourceRow(*row) for row in db.execute("SELECT * FROM sources") if row[0] in set(unknown)]
            definitions = dict(db.execute("SELECT * FROM definitions").fetchall())
            try:
                with self._catalog.change():
                    self._catalog.enrol(told, definitions)
            except (KeyError, TypeError, ValueError, zlib.error) as error:
                raise sqlite.Corrupt(f"a source cannot be read: {error!r}") from error
            self._series = self._catalog.series_of()
            self._keeping.learn(self._catalog)
        return {number: Place(*self._series[fingerprint]) for number, fingerprint in rows}


def _some(db: sqlite3.Connection, after: int, most: int) -> list[Row]:
    """The next rows, not many more bytes than `most`, however long their texts."""
    found: list[Row] = []
    size = 0
    with closing(db.execute(_SELECT, (after,))) as rows:
        for row in rows:
            found.append(row)
            size += len(row[3])
            if size >= most or len(found) >= ROWS:
                break
    return found


def _begin(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _message(row: Row) -> Iterator[Message]:
    try:
        yield decode_message(row[0], row[2], row[3])
    except Exception as error:  # noqa: BLE001  any: it depends on which bit of the row flipped
        log.error("history: the row of offset %d is damaged and left out: %s", row[0], error)


def _is_raised(message: Message) -> bool:
    return message.kind == "alarm" and message.body.get("state") == "raised"
