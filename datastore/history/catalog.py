"""What lies where in the history: `<data>/history/catalog.db` (SQLite, synchronous FULL). Needs no DuckDB, no NumPy.

Layout of `<data>/history/`
  catalog.db      this catalog
  files/*.parquet what the table `files` names (zstd); the keeper removes any other file there when it starts
  tmp/            what is being written

One process, the keeper, writes; others open it with `Catalog.reader`, take a `snapshot()` (one transaction) and read
the files it names. A file that is swapped out stays on the disk for `LINGER_S` more; who meets a missing file takes a
new snapshot and asks again.

Files of every tier are sorted (messages by origin, else by series, origin). Columns:
  raw       series INTEGER, origin BIGINT (ns, the reading's own), event BIGINT (the event's origin where it differs,
            else NULL), "offset" BIGINT (of the journal: rows of one event share it), value DOUBLE (numbers; booleans as
            1, 0; always finite), exact VARCHAR (only where `value` does not say all, see below), quality VARCHAR (NULL:
            good; else level, reason, code with a blank between: `bad timeout`, `bad refused 2`)
  minute,   series INTEGER, origin BIGINT (the bucket's start), min, max, mean, first, last DOUBLE, count INTEGER (rows
  hour      of the bucket), good INTEGER (rows with quality NULL), valued INTEGER (rows with a `value` whose quality
            is not bad: min, max, mean, first, last are of these; weigh means with it; first, last by origin, offset)
  messages  "offset" BIGINT, origin BIGINT, kind VARCHAR, device VARCHAR, name VARCHAR, body VARCHAR (JSON)

`exact` by the series' value_type: String the text; Binary base64; Object and arrays JSON; integers beyond 2^53 their
digits (`value` is near); floats that are not finite `NaN`, `Infinity`, `-Infinity` (`value` is NULL). A row with
neither value nor exact is a reading without a value; `quality` says why.

Series: one per resource of a source (what EdgeX calls a deviceCommand or deviceResource), as it was defined then: those
of a source follow each other, `sources.first_series + position`. A device's resource has several when several sources
read it or its profile changed. `sources` has what `datastore.sources.Sources.load` takes, so that an Event can be made
again: rows of one offset are one event; resources of its source that are missing did not come.

Levels (`spans`): raw rows of level FLUSHED are in no other tier; those of HOURLY and DAILY are summed up in both
`minute` and `hour`. So a tier holds for a span of time that no flushed raw file reaches into; `covered` says it. Before
`raw_from` (state) raw rows have been removed, and tiers are all there is. Above `cursor` (state) everything is still
only in the journal.

Tombstones say what people have deleted, or the retention of an autoEvent has: raw rows by series, by the event's origin
(`coalesce(event, origin)`), by offset; `gone` is the SQL. A row of a tier goes when its bucket does. Each holds at once
for all files whose `cleaned` is lower than its id (`standing`: for all); the keeper removes the rows when it next
merges the file. `Snapshot.hidden(file)` are those to heed.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Self, cast

from datastore import sqlite
from datastore.history.spans import FIRST, FLUSHED, LAST, Span, Tier
from datastore.sources import SourceRow

NAME = "catalog.db"
FILES = "files"
LINGER_S = 60
"""How long a file outlives its row, for whoever still reads it."""
FORMAT = 1
SCHEMA = """
CREATE TABLE state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE definitions (hash BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (number INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL UNIQUE, resources BLOB NOT NULL,
    about BLOB NOT NULL, first_series INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE TABLE series (series INTEGER PRIMARY KEY, number INTEGER NOT NULL, position INTEGER NOT NULL,
    service TEXT NOT NULL, profile TEXT NOT NULL, device TEXT NOT NULL, source TEXT NOT NULL, resource TEXT NOT NULL,
    value_type TEXT NOT NULL, units TEXT NOT NULL);
CREATE INDEX series_of ON series (device, resource);
CREATE TABLE files (id INTEGER PRIMARY KEY AUTOINCREMENT, tier TEXT NOT NULL, level INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, "end" INTEGER NOT NULL, oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL, first_series INTEGER NOT NULL, last_series INTEGER NOT NULL, first_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, cleaned INTEGER NOT NULL,
    made INTEGER NOT NULL, first_event INTEGER NOT NULL, last_event INTEGER NOT NULL);
CREATE INDEX files_of ON files (tier, start);
CREATE TABLE tombstones (id INTEGER PRIMARY KEY AUTOINCREMENT, first_series INTEGER NOT NULL,
    last_series INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, first_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL, standing INTEGER NOT NULL);
CREATE TABLE moments (origin INTEGER NOT NULL, device TEXT NOT NULL, name TEXT NOT NULL)
"""
WAL_BYTES = 1_000_000
_FILE = 'id, tier, level, name, start, "end", oldest, newest, first_series, last_series, first_offset, last_offset, rows, bytes, cleaned, made, first_event, last_event'  # noqa: E501
_TOMBSTONE = 'id, first_series, last_series, start, "end", first_offset, last_offset, standing'


@dataclass(frozen=True, slots=True)
class File:
    """A row of `files`."""

    id: int
    """0: not in the catalog yet."""
    tier: Tier
    level: int
    name: str
    """Its path under `files/`."""
    start: int
    """The span of time it belongs to, half open: of an hour, a day, a month."""
    end: int
    oldest: int
    """Lowest and highest `origin` of its rows, both inclusive."""
    newest: int
    first_series: int
    """Lowest and highest, both inclusive; 0 for messages."""
    last_series: int
    first_offset: int
    """Lowest and highest journal offset; 0 where rows have none."""
    last_offset: int
    rows: int
    bytes: int
    cleaned: int
    """Tombstones up to this id have been applied."""
    made: int
    """ns UTC."""
    first_event: int = FIRST
    """Lowest and highest origin of the events of its rows, both inclusive: a device may tell a value long after its
    time."""
    last_event: int = LAST


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Rows that are not there any more. Bounds are inclusive."""

    id: int = 0
    first_series: int = 0
    last_series: int = LAST
    start: int = FIRST
    end: int = LAST
    first_offset: int = 0
    last_offset: int = LAST
    standing: bool = False
    """Replaced as it grows: the retention of an autoEvent."""

    def applies(self, file: File) -> bool:
        """Whether it may take rows of this file."""
        if not (self.standing or self.id > file.cleaned):
            return False
        if not (self.first_series <= file.last_series and self.last_series >= file.first_series):
            return False
        if file.tier == "raw":
            return self.first_offset <= file.last_offset and self.last_offset >= file.first_offset
        return not self.first_offset and self.start <= file.newest and self.end >= file.oldest


def gone(tombstones: Sequence[Tombstone], tier: Tier) -> str:
    """SQL that is true for the rows of a tier which these took."""
    at = "coalesce(event, origin)" if tier == "raw" else "origin"
    terms = [
        f"(series BETWEEN {t.first_series} AND {t.last_series} AND {at} BETWEEN {t.start} AND {t.end}"
        + (f' AND "offset" BETWEEN {t.first_offset} AND {t.last_offset})' if tier == "raw" else ")")
        for t in tombstones
    ]
    return " OR ".join(terms) or "false"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the catalog says at one moment."""

    cursor: int
    raw_from: int
    files: list[File]
    tombstones: list[Tombstone]

    def of(self, tier: Tier, start: int = FIRST, end: int = LAST, series: Iterable[int] | None = None) -> list[File]:
        """The files of a tier that may have rows of these series, by `origin` from `start` to `end`, both inclusive."""
        wanted = None if series is None else sorted(series)
        return [
            file
            for file in self.files
            if file.tier == tier
            and file.oldest <= end
            and file.newest >= start
            and (wanted is None or any(file.first_series <= one <= file.last_series for one in wanted))
        ]

    def hidden(self, file: File) -> list[Tombstone]:
        """The tombstones that must be heeded when this file is read."""
        return [tombstone for tombstone in self.tombstones if tombstone.applies(file)]

    def covered(self, tier: Tier) -> list[Span]:
        """Where this summed-up tier holds: the spans of its files without those that raw rows of level 0 reach into.
        Sorted, half open, not touching."""
        spans = _joined((file.start, file.end) for file in self.files if file.tier == tier)
        fresh = _joined((f.start, f.end) for f in self.files if f.tier == "raw" and f.level == FLUSHED)
        return _without(spans, fresh)


class Catalog:
    """One connection. The keeper's writes; others read."""

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self.folder = folder
        self.files_folder = folder / FILES
        self._db = db

    @classmethod
    def writer(cls, folder: Path) -> Self:
        """Makes it where there is none. Raises ConfigError for another version's, Corrupt, sqlite3.Error, OSError."""
        path = folder / NAME
        (folder / FILES).mkdir(parents=True, exist_ok=True)
        with sqlite.reading(path):
            db = sqlite.open_writer(path, WAL_BYTES)
        try:
            sqlite.prepare(db, SCHEMA, FORMAT, path)
            sqlite.check(db, path)
        except BaseException:
            db.close()
            raise
        return cls(folder, db)

    @classmethod
    def reader(cls, folder: Path) -> Self:
        """Raises ConfigError, Corrupt, sqlite3.Error, OSError; sqlite3.OperationalError where there is none yet."""
        path = folder / NAME
        with sqlite.reading(path):
            db = sqlite.open_reader(path)
        try:
            if not sqlite.is_version(db, FORMAT, path):
                raise sqlite3.OperationalError(f"{path} is empty")
        except BaseException:
            db.close()
            raise
        return cls(folder, db)

    def close(self) -> None:
        self._db.close()

    # ------------------------------------------------------------------------------------------------------ ask

    def state(self, key: str, default: int = 0) -> int:
        """`cursor`: the journal's offset up to which all is here. `raw_from`: ns; older raw rows have been removed."""
        found = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return default if found is None else int(found[0])

    @property
    def cursor(self) -> int:
        return self.state("cursor")

    def snapshot(self) -> Snapshot:
        """All of one moment."""
        with self._moment():
            return Snapshot(self.cursor, self.state("raw_from", FIRST), self.files(), self.tombstones())

    def files(self, tier: Tier | None = None, start: int = FIRST, end: int = LAST) -> list[File]:
        """Files whose span reaches into this one (half open), oldest span first."""
        which = "tier = :tier AND" if tier else ""
        sql = f'SELECT {_FILE} FROM files WHERE {which} start < :end AND "end" > :start ORDER BY start, id'  # noqa: S608
        return [File(*row) for row in self._db.execute(sql, {"tier": tier, "start": start, "end": end})]

    def tombstones(self) -> list[Tombstone]:
        rows = self._db.execute(f"SELECT {_TOMBSTONE} FROM tombstones ORDER BY id")  # noqa: S608
        return [Tombstone(*row) for row in rows]

    def path(self, file: File) -> Path:
        return self.files_folder / file.name

    def sources(self) -> tuple[list[SourceRow], dict[bytes, bytes]]:
        """What `datastore.sources.Sources.load` takes; numbers are the catalog's own, not the journal's."""
        rows = self._db.execute("SELECT number, fingerprint, resources, about FROM sources")
        return [SourceRow(*row) for row in rows], dict(
            self._db.execute("SELECT hash, body FROM definitions").fetchall()
        )

    def series_of(self) -> dict[bytes, tuple[int, int]]:
        """By a source's fingerprint: its first series and how many there are."""
        rows = self._db.execute("SELECT fingerprint, first_series, count FROM sources")
        return {fingerprint: (first, count) for fingerprint, first, count in rows}

    def series(self) -> list[tuple[int, str, str, str]]:
        """Series, device, source and resource of each."""
        return self._db.execute("SELECT series, device, source, resource FROM series ORDER BY series").fetchall()

    def series_by_source(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """By device and source: the first and last series of each definition it had."""
        sql = "SELECT device, source, min(series), max(series) FROM series GROUP BY number, device, source"
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for device, source, first, last in self._db.execute(sql):
            found.setdefault((device, source), []).append((first, last))
        return found

    def moments(self, start: int, end: int) -> list[tuple[int, str, str]]:
        """Origin, device and name of alarms that were raised within, both inclusive."""
        sql = "SELECT origin, device, name FROM moments WHERE origin BETWEEN ? AND ? ORDER BY origin"
        return self._db.execute(sql, (start, end)).fetchall()

    @contextmanager
    def _moment(self) -> Iterator[None]:
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    # --------------------------------------------------------------------------------------------------- change

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction around several of the calls below."""
        with sqlite.reading(self.folder / NAME), sqlite.transaction(self._db):
            yield

    def note(self, key: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def add(self, files: Iterable[File]) -> None:
        """Files that count from now on; they are on the disk under their name."""
        marks = ",".join("?" * 17)
        rows = [astuple(file)[1:] for file in files]
        self._db.executemany(f"INSERT INTO files ({_FILE.partition(', ')[2]}) VALUES ({marks})", rows)  # noqa: S608

    def drop(self, files: Iterable[File]) -> None:
        """Files that count no more; whoever calls deletes them, later."""
        self._db.executemany("DELETE FROM files WHERE id = ?", [(file.id,) for file in files])

    def lift(self, files: Iterable[File], level: int) -> None:
        """These are of that level from now on."""
        self._db.executemany("UPDATE files SET level = ? WHERE id = ?", [(level, file.id) for file in files])

    def cleaned(self, file: File, upto: int) -> None:
        """Tombstones up to this id take nothing of the file."""
        self._db.execute("UPDATE files SET cleaned = max(cleaned, ?) WHERE id = ?", (upto, file.id))

    def enrol(self, rows: Iterable[SourceRow], definitions: Mapping[bytes, bytes]) -> None:
        """Gives sources that are not known yet their series."""
        known = set(self.series_of())
        for row in rows:
            if row.fingerprint in known:
                continue
            body = definitions[row.resources]
            resources, about = json.loads(zlib.decompress(body)), json.loads(row.about)
            first = self._db.execute("SELECT coalesce(max(first_series + count), 1) FROM sources").fetchone()[0]
            self._db.execute("INSERT OR IGNORE INTO definitions VALUES (?, ?)", (row.resources, body))
            told = (row.fingerprint, row.resources, row.about, first, max(len(resources), 1))
            sql = "INSERT INTO sources (fingerprint, resources, about, first_series, count) VALUES (?,?,?,?,?)"
            number = self._db.execute(sql, told).lastrowid
            who = [about[key] for key in ("service", "profile", "device", "name")]
            self._db.executemany(
                "INSERT INTO series VALUES (?,?,?,?,?,?,?,?,?,?)",
                [(first + at, number, at, *who, *_resource(one)) for at, one in enumerate(resources)],
            )
            known.add(row.fingerprint)

    def bury(self, tombstones: Iterable[Tombstone]) -> None:
        marks = "?,?,?,?,?,?,?"
        rows = [astuple(tombstone)[1:] for tombstone in tombstones]
        sql = f"INSERT INTO tombstones ({_TOMBSTONE.partition(', ')[2]}) VALUES ({marks})"  # noqa: S608
        self._db.executemany(sql, rows)

    def unbury(self, tombstones: Iterable[Tombstone]) -> None:
        """These have been applied to every file."""
        self._db.executemany("DELETE FROM tombstones WHERE id = ?", [(tombstone.id,) for tombstone in tombstones])

    def remember(self, moments: Iterable[tuple[int, str, str]]) -> None:
        """Alarms raised: origin, device, name."""
        self._db.executemany("INSERT INTO moments VALUES (?,?,?)", moments)

    def forget_moments(self, before: int) -> None:
        self._db.execute("DELETE FROM moments WHERE origin < ?", (before,))


def cursor_of(folder: Path) -> int:
    """The journal's offset up to which this history has all; 0 where there is none or it cannot be read."""
    try:
        with closing(Catalog.reader(folder)) as catalog:
            return catalog.cursor
    except Exception:  # noqa: BLE001  the keeper says what is wrong with it
        return 0


def _resource(told: Mapping[str, Any]) -> tuple[str, str, str]:
    properties = cast("Mapping[str, Any]", told["properties"])
    return told["name"], properties["valueType"], properties.get("units", "")


def _joined(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    left = list(spans)
    for low, high in holes:
        cut: list[Span] = []
        for start, end in left:
            if end <= low or start >= high:
                cut.append((start, end))
                continue
            cut += [piece for piece in ((start, low), (high, end)) if piece[0] < piece[1]]
        left = cut
    return left
