"""Dead letters: implements `gateway.model.letter.DeadLetters` in an SQLite file of its own, decodable alone.

At most `MOST` of one consumer: a side that refuses everything must not fill the disk. The oldest go, counted.
"""

import asyncio
import functools
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from datastore import sqlite
from datastore.codec import MESSAGE, decode, decode_message, encode
from datastore.sources import SourceRow, Sources
from datastore.sqlite import Corrupt
from gateway.model.contracts import Clock
from gateway.model.errors import StoreFailed
from gateway.model.letter import Letter
from gateway.model.reading import Event, Record

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

FORMAT = 1
SCHEMA = """
CREATE TABLE letters (number INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL, offset INTEGER NOT NULL,
    source INTEGER NOT NULL, origin INTEGER NOT NULL, body BLOB NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL,
    UNIQUE (consumer, offset));
CREATE TABLE sources
    (number INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, resources BLOB NOT NULL, about BLOB NOT NULL);
CREATE TABLE definitions (hash BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counts (consumer TEXT PRIMARY KEY, ever INTEGER NOT NULL) WITHOUT ROWID
"""
MOST = 10_000
"""Letters kept of one consumer."""
WAL_BYTES = 1_000_000
_COLUMNS = "number, consumer, offset, source, origin, body, why, at"
_DISK = (sqlite3.Error, OSError, Corrupt)


class SqliteLetters:
    """`await open()` first, `await close()` last. The file is made when there is something to keep."""

    def __init__(self, path: Path, clock: Clock, most: int = MOST) -> None:
        self._path = path
        self._clock = clock
        self._most = most
        self._thread = ThreadPoolExecutor(1, "letters")
        self._sources = Sources()
        self._known: set[int] = set()
        """Numbers of sources that are in the file."""
        self._ever: Counter[str] = Counter()
        self._db: sqlite3.Connection | None = None
        self._closed = False

    async def open(self) -> None:
        """Reads the counts. Raises ConfigError when another version wrote the file; a damaged one is moved aside; a
        disk that refuses shows when something is to be kept."""
        try:
            self._ever.update(await self._in(_counts))
        except StoreFailed as error:
            log.error("%s", error)

    def ever(self, consumer: str) -> int:
        return self._ever[consumer]

    async def put(self, consumer: str, refused: Sequence[tuple[Record, str]]) -> None:
        self._ever[consumer] += await self._in(_put, consumer, refused, self._clock.now())

    async def find(self, consumer: str = "", after: int = 0, limit: int = 100) -> tuple[Sequence[Letter], int]:
        return await self._in(_find, consumer, after, limit)

    async def get(self, numbers: Sequence[int]) -> Sequence[Letter]:
        return await self._in(_get, numbers)

    async def drop(self, numbers: Sequence[int]) -> int:
        return await self._in(_drop, numbers)

    async def close(self) -> None:
        """Idempotent, never raises."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        await asyncio.to_thread(self._thread.shutdown)

    async def _in(self, job: "Callable[Concatenate[SqliteLetters, P], T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """In the thread. Raises StoreFailed."""
        if self._closed:
            raise StoreFailed(f"{self._path} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, functools.partial(job, self, *args, **kwargs)
            )
        except _DISK as error:
            raise StoreFailed(f"{self._path}: {sqlite.why(error)}") from error

    # -------------------------------------------------------------------------------------------- in the thread

    def exists(self) -> bool:
        """Whether anything was ever kept."""
        return self._db is not None or self._path.exists()

    def database(self) -> sqlite3.Connection:
        """Opened on first need. Raises sqlite3.Error, OSError, ConfigError."""
        if self._db is None:
            try:
                self._db = self._open()
            except Corrupt as error:
                aside = sqlite.move_aside(self._path, self._clock.now())
                log.error("%s; the file was moved to %s, its dead letters are not shown", error, aside)
                self._db = self._open()
        return self._db

    def _open(self) -> sqlite3.Connection:
        with sqlite.reading(self._path):
            db = sqlite.open_writer(self._path, WAL_BYTES)
        try:
            sqlite.prepare(db, SCHEMA, FORMAT, self._path)
            sqlite.check(db, self._path)
            with sqlite.reading(self._path):
                rows = [SourceRow(*row) for row in db.execute("SELECT * FROM sources")]
                self._sources.load(rows, dict(db.execute("SELECT * FROM definitions").fetchall()))
        except BaseException:
            db.close()
            raise
        self._known = {row.number for row in rows}
        return db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def number(self, record: Record) -> int:
        """Of its source; the file must be open, since it knows which numbers are taken."""
        return self._sources.number(record.source).number if isinstance(record, Event) else MESSAGE

    def keep_source(self, db: sqlite3.Connection, number: int) -> None:
        """Within a transaction."""
        if number in self._known:
            return
        row, definitions = self._sources.row(number)
        db.execute("INSERT OR IGNORE INTO definitions VALUES (?,?)", (row.resources, definitions))
        told = (row.number, row.fingerprint, row.resources, row.about)
        db.execute("INSERT OR REPLACE INTO sources VALUES (?,?,?,?)", told)

    def has_kept(self, numbers: set[int]) -> None:
        """These sources are on disk."""
        self._known |= numbers

    @property
    def most(self) -> int:
        return self._most

    def letter(self, row: Sequence[object]) -> Letter:
        """Of a row. Raises Corrupt."""
        number, consumer, offset, source, origin, body, why, at = row
        try:
            if source == MESSAGE:
                record: Record = decode_message(offset, origin, body)  # type: ignore[arg-type]
            else:
                record = decode(self._sources.get(source), offset, origin, body)  # type: ignore[arg-type]
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise Corrupt(f"letter {number} cannot be read: {error}") from error
        return Letter(number, consumer, record, why, at)  # type: ignore[arg-type]


def _counts(letters: SqliteLetters) -> dict[str, int]:
    if not letters.exists():
        return {}
    return dict(letters.database().execute("SELECT * FROM counts").fetchall())


def _put(letters: SqliteLetters, consumer: str, refused: Sequence[tuple[Record, str]], now: int) -> int:
    """Returns how many were not there yet."""
    db = letters.database()
    rows = [
        (consumer, record.offset, letters.number(record), record.origin, encode(record), why, now)
        for record, why in refused
    ]
    numbers = {row[2] for row in rows} - {MESSAGE}
    with sqlite.transaction(db):
        for number in numbers:
            letters.keep_source(db, number)
        known = "SELECT 1 FROM letters WHERE consumer = ? AND offset = ?"
        fresh = len({row[1] for row in rows if db.execute(known, row[:2]).fetchone() is None})
        db.executemany(
            "INSERT INTO letters (consumer, offset, source, origin, body, why, at) VALUES (?,?,?,?,?,?,?) "
            "ON CONFLICT (consumer, offset) DO UPDATE SET why = excluded.why, at = excluded.at",
            rows,
        )
        db.execute(
            "INSERT INTO counts VALUES (?1, ?2) ON CONFLICT (consumer) DO UPDATE SET ever = ever + ?2",
            (consumer, fresh),
        )
        db.execute(
            "DELETE FROM letters WHERE consumer = ?1 AND number <= (SELECT number FROM letters WHERE consumer = ?1 "
            "ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            (consumer, letters.most),
        )
    letters.has_kept(numbers)
    return fresh


def _find(letters: SqliteLetters, consumer: str, after: int, limit: int) -> tuple[list[Letter], int]:
    if not letters.exists():
        return [], 0
    db = letters.database()
    where, given = ("consumer = ?", (consumer,)) if consumer else ("1", ())
    total = db.execute(f"SELECT count(*) FROM letters WHERE {where}", given).fetchone()[0]  # noqa: S608
    text = f"SELECT {_COLUMNS} FROM letters WHERE {where} AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
    with closing(db.execute(text, (*given, after, limit))) as rows:
        return [letters.letter(row) for row in rows], total


def _get(letters: SqliteLetters, numbers: Sequence[int]) -> list[Letter]:
    if not letters.exists():
        return []
    db = letters.database()
    rows = (db.execute(f"SELECT {_COLUMNS} FROM letters WHERE number = ?", (n,)).fetchone() for n in numbers)  # noqa: S608
    return [letters.letter(row) for row in rows if row is not None]


def _drop(letters: SqliteLetters, numbers: Sequence[int]) -> int:
    if not letters.exists():
        return 0
    db = letters.database()
    with sqlite.transaction(db):
        before = db.total_changes
        db.executemany("DELETE FROM letters WHERE number = ?", [(number,) for number in numbers])
        return db.total_changes - before
