"""One file of the journal: a stretch of offsets with all that is needed to decode it alone.

The newest segment is appended to and has no index (an index over sources would be rewritten all over at every commit);
when it is full it is sealed: indexed once, its log folded in. Old ones are dropped as whole files, which is quick and
needs no room on a full disk.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from datastore.ranges import Range
from datastore.sources import SourceRow, Sources
from datastore.sqlite import (
    Corrupt,
    check,
    is_version,
    open_reader,
    open_writer,
    prepare,
    reading,
    recover,
    size,
    transaction,
    without_log,
)

FORMAT = 1
SCHEMA = """
CREATE TABLE records (offset INTEGER PRIMARY KEY, source INTEGER NOT NULL, origin INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE sources
    (number INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, resources BLOB NOT NULL, about BLOB NOT NULL);
CREATE TABLE definitions (hash BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE cursors (consumer TEXT PRIMARY KEY, ranges BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE made (at INTEGER NOT NULL);
CREATE TABLE summary
    (first INTEGER, last INTEGER, count INTEGER, oldest INTEGER, newest INTEGER, partial INTEGER, visible INTEGER)
"""
PATTERN = "journal-*.db"
Row = tuple[int, int, int, bytes]
"""Offset; source's number (0: a message; negative: removed from people's queries); origin; body."""

_ROWS = 64
"""Rows a statement: each statement gives up the interpreter lock and has to win it back."""
_INSERT = "INSERT OR IGNORE INTO records VALUES "
_INSERT_MANY = _INSERT + ",".join(["(?,?,?,?)"] * _ROWS)
_INSERT_ONE = _INSERT + "(?,?,?,?)"
_SUMMARY = "SELECT min(offset), max(offset), count(*), min(origin), max(origin), sum(source > 0) FROM records"


class Segment:
    """A file and what is known of its content without opening it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made = 0
        """When it was begun, ns: origins do not tell, a device may deliver last year's values today."""
        self.first = 0
        """Lowest offset; 0 while empty."""
        self.last = 0
        self.count = 0
        self.visible = 0
        """Events that people may see: no messages, nothing deleted."""
        self.oldest = 2**63 - 1
        """Origin of the oldest record, ns."""
        self.newest = -(2**63)
        self.partial = False
        """Some event may lack some of its source's resources."""
        self.sealed = False
        self.bytes = 0
        self.numbers: set[int] = set()
        """The sources in it."""
        self._db: sqlite3.Connection | None = None

    @property
    def begin(self) -> int:
        """The offset that it was begun with; messages taken over from files before have lower ones."""
        return int(self.path.stem.rpartition("-")[2])

    @classmethod
    def begun(cls, folder: Path, first: int, now: int) -> "Segment":
        """A new one, for offsets from `first`."""
        segment = cls(folder / f"journal-{first:016d}.db")
        segment.made = now
        return segment

    def load(self, sources: Sources) -> dict[str, list[Range]]:
        """Learns what is in the file, its sources and the cursors it holds; writes nothing. Raises ConfigError,
        Corrupt, sqlite3.Error."""
        with reading(self.path):
            recover(self.path)
        try:
            with reading(self.path), closing(open_reader(self.path)) as db:
                return self._learn(db, sources) if is_version(db, FORMAT, self.path) else {}
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise Corrupt(f"{self.path}: {error}") from error

    def look(self, sources: Sources) -> None:
        """As `load`, beside the writer: nothing is checked or counted, so that of a file that is not sealed all is
        possible. Raises ConfigError, Corrupt, sqlite3.Error."""
        with reading(self.path), closing(open_reader(self.path)) as db:
            if not is_version(db, FORMAT, self.path):
                return
            found = db.execute("SELECT * FROM summary").fetchone()
            if found is None:
                self.first, self.last, self.count, self.oldest, self.newest = 1, 2**63 - 1, 1, -(2**63), 2**63 - 1
                self.partial = True
            else:
                self._sum(found)
            self._load(db, sources)

    def _learn(self, db: sqlite3.Connection, sources: Sources) -> dict[str, list[Range]]:
        found = db.execute("SELECT * FROM summary").fetchone()
        self.sealed = found is not None
        self.made = db.execute("SELECT coalesce(max(at), 0) FROM made").fetchone()[0]
        if not self.sealed:
            check(db, self.path)
            self.partial = True  # for all that is known
            self._count(db)
        else:
            self._sum(found)
        self._load(db, sources)
        self.bytes = size(self.path)
        return {
            consumer: [(first, last) for first, last in msgspec.msgpack.decode(ranges)]
            for consumer, ranges in db.execute("SELECT * FROM cursors")
        }

    def _sum(self, told: tuple[Any, ...]) -> None:
        if told[2]:
            self.first, self.last, self.count, self.oldest, self.newest, partial, self.visible = told
            self.partial = bool(partial)

    def _load(self, db: sqlite3.Connection, sources: Sources) -> None:
        rows = [SourceRow(*row) for row in db.execute("SELECT * FROM sources")]
        sources.load(rows, dict(db.execute("SELECT * FROM definitions").fetchall()))
        self.numbers = {row.number for row in rows}

    def open(self, wal_bytes: int) -> sqlite3.Connection:
        """The connection that writes. Raises ConfigError, Corrupt, sqlite3.Error, OSError."""
        if self._db is None:
            with reading(self.path):
                db = open_writer(self.path, 0 if self.sealed else wal_bytes)
            try:
                prepare(db, SCHEMA, FORMAT, self.path)
                db.execute("INSERT INTO made SELECT ? WHERE NOT EXISTS (SELECT * FROM made)", (self.made,))
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    def write(
        self, rows: Sequence[Row], sources: Sources, cursors: Mapping[str, Sequence[Range]], anew: bool = False
    ) -> None:
        """One transaction; `anew`: these are all cursors there are. The segment must be open. Raises Corrupt,
        sqlite3.Error."""
        assert self._db is not None
        fresh = {row[1] for row in rows} - self.numbers - {0}
        with reading(self.path), transaction(self._db):
            for number in fresh:
                row, definitions = sources.row(number)
                self._db.execute("INSERT OR IGNORE INTO definitions VALUES (?,?)", (row.resources, definitions))
                told = (row.number, row.fingerprint, row.resources, row.about)
                self._db.execute("INSERT OR REPLACE INTO sources VALUES (?,?,?,?)", told)
            added = _insert(self._db, rows)
            if anew:
                self._db.execute("DELETE FROM cursors")
            self._db.executemany(
                "INSERT OR REPLACE INTO cursors VALUES (?,?)",
                [(consumer, msgspec.msgpack.encode(ranges)) for consumer, ranges in cursors.items()],
            )
        self.numbers = self.numbers | fresh
        self.bytes = size(self.path)
        if added == len(rows):
            self._note(rows)
        else:  # a commit that was said to have failed, and is tried again, had been on disk
            self._count(self._db)

    def _note(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        self.first = min(self.first, rows[0][0]) if self.first else rows[0][0]
        self.last = max(self.last, rows[-1][0])
        self.count += len(rows)
        self.visible += sum(row[1] > 0 for row in rows)
        origins = [row[2] for row in rows]
        self.oldest = min(self.oldest, *origins)
        self.newest = max(self.newest, *origins)

    def _count(self, db: sqlite3.Connection) -> None:
        """Looks at every row."""
        found = db.execute(_SUMMARY).fetchone()
        if found[2]:
            self.first, self.last, self.count, self.oldest, self.newest, self.visible = found

    def seal(self, wal_bytes: int) -> None:
        """No more is appended: fold its log in, index it, close it. Raises Corrupt, sqlite3.Error, OSError."""
        db = self.open(wal_bytes)
        with reading(self.path):
            without_log(db)
            with transaction(db):
                db.execute("CREATE INDEX IF NOT EXISTS by_source ON records (source, origin)")
                db.execute("DELETE FROM summary")
                told = (self.first, self.last, self.count, self.oldest, self.newest, self.partial, self.visible)
                db.execute("INSERT INTO summary VALUES (?,?,?,?,?,?,?)", told)
        self.sealed = True
        self.close()
        self.bytes = size(self.path)

    def carry(self, rows: Sequence[Row], wal_bytes: int) -> None:
        """Takes over messages of an older segment that goes. Raises Corrupt, sqlite3.Error, OSError."""
        was_open = self._db is not None
        db = self.open(wal_bytes)
        self.write(rows, Sources(), {})
        if self.sealed:
            with reading(self.path):
                db.execute("UPDATE summary SET first=?, count=?, oldest=?", (self.first, self.count, self.oldest))
        if not was_open:
            self.close()

    def messages(self) -> list[Row]:
        """All messages in it. Raises Corrupt, sqlite3.Error."""
        with reading(self.path), closing(open_reader(self.path)) as db:
            return db.execute("SELECT * FROM records WHERE source = 0 ORDER BY offset").fetchall()

    def close(self) -> None:
        """Never raises."""
        if self._db is not None:
            self._db.close()
            self._db = None


def _insert(db: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Returns how many were not there yet."""
    before = db.total_changes
    whole = len(rows) // _ROWS * _ROWS
    for start in range(0, whole, _ROWS):
        db.execute(_INSERT_MANY, list(chain.from_iterable(rows[start : start + _ROWS])))
    db.executemany(_INSERT_ONE, rows[whole:])
    return db.total_changes - before


def files(folder: Path) -> Iterable[Path]:
    """The journal's files, oldest first. Raises OSError."""
    return sorted(folder.glob(PATTERN))


__all__ = ["FORMAT", "PATTERN", "Corrupt", "Row", "Segment", "files"]
