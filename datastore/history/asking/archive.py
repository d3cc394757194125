"""Everything there is to ask, at one moment: the files that the catalog names and what only the journal has, as SQL."""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import msgspec
import numpy as np

from datastore import sqlite
from datastore.history.asking.fresh import Fresh
from datastore.history.catalog import FILES, NAME, Catalog, File, Snapshot, gone
from datastore.history.columns import NONE, Place, Words, readings
from datastore.history.spans import FIRST, LAST, Tier
from datastore.sources import SourceRow, Sources
from gateway.model.reading import Source

TAIL = "tail"
"""The name under which DuckDB finds what only the journal has."""
COLUMNS: dict[Tier, str] = {
    "raw": 'series, origin, event, "offset", value, exact, quality',
    "minute": "series, origin, min, max, mean, first, last, count, good, valued",
    "hour": "series, origin, min, max, mean, first, last, count, good, valued",
    "messages": '"offset", origin, kind, device, name, body',
}
EMPTY: dict[Tier, str] = {
    "raw": 'SELECT NULL::INTEGER series, NULL::BIGINT origin, NULL::BIGINT event, NULL::BIGINT "offset", '
    "NULL::DOUBLE AS value, NULL::VARCHAR exact, NULL::VARCHAR quality",
    "minute": "SELECT NULL::INTEGER series, NULL::BIGINT origin, NULL::DOUBLE min, NULL::DOUBLE max, "
    "NULL::DOUBLE mean, NULL::DOUBLE AS first, NULL::DOUBLE AS last, NULL::INTEGER count, NULL::INTEGER good, "
    "NULL::INTEGER valued",
    "messages": 'SELECT NULL::BIGINT "offset", NULL::BIGINT origin, NULL::VARCHAR kind, NULL::VARCHAR device, '
    "NULL::VARCHAR AS name, NULL::VARCHAR body",
}
EMPTY["hour"] = EMPTY["minute"]


@dataclass(frozen=True, slots=True)
class Series:
    """A row of the catalog's `series`, or of a source that is only in the journal yet."""

    series: int
    number: int
    """Of its source; equal for all its resources."""
    service: str
    profile: str
    device: str
    source: str
    resource: str
    value_type: str
    units: str


_SERIES = "series, number, service, profile, device, source, resource, value_type, units"


class Shelf:
    """The catalog and the journal, as one process sees them; what did not change is not read again."""

    def __init__(self, history: Path, journal: Path) -> None:
        self.history = history
        self.fresh = Fresh(journal)
        self._catalog: Catalog | None = None
        self._db: sqlite3.Connection | None = None
        self._version = -1
        self._snapshot = Snapshot(0, FIRST, [], [])
        self._places: dict[bytes, tuple[int, int]] = {}

    def look(self) -> tuple[Snapshot, dict[bytes, tuple[int, int]]]:
        """All of one moment, and the first series and count of each source, by fingerprint. Nothing where nothing has
        been taken from the journal yet."""
        if self._db is None or self._catalog is None:
            try:
                self._catalog = Catalog.reader(self.history)
            except sqlite3.OperationalError:
                return self._snapshot, self._places
            self._db = sqlite.open_reader(self.history / NAME)
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._snapshot, self._places = self._catalog.snapshot(), self._catalog.series_of()
            self._version = version
        return self._snapshot, self._places

    def rows(self, sql: str, parameters: Mapping[str, Any] = MappingProxyType({})) -> list[Any]:
        """Of the catalog; none where there is none."""
        return self._db.execute(sql, dict(parameters)).fetchall() if self._db is not None else []

    def close(self) -> None:
        if self._db is not None and self._catalog is not None:
            self._db.close()
            self._catalog.close()
            self._db = self._catalog = None


class Archive:
    """What there is at one moment; take a new one for every question."""

    def __init__(self, shelf: Shelf) -> None:
        self.folder = shelf.history / FILES
        """Of the files."""
        self.fresh = shelf.fresh
        self._shelf = shelf
        self._unknown = 0
        self._places: dict[int, Place] = {}
        self.snapshot, known = shelf.look()
        self._number(known)

    def _number(self, known: Mapping[bytes, tuple[int, int]]) -> None:
        """Series of the sources in the journal: the catalog's, or negative ones that hold for this question."""
        for number, fingerprint in self.fresh.sources(self.cursor).items():
            place = known.get(fingerprint)
            if place is None:
                count = len(self.fresh.source(number).resources)
                self._unknown += count
                place = -self._unknown, count
            self._places[number] = Place(*place)

    @property
    def cursor(self) -> int:
        return self.snapshot.cursor

    def since(self, tier: Tier) -> int:
        """From when on this tier has all there ever was; before, it has been removed."""
        if tier == "raw":
            return self.snapshot.raw_from
        return min((file.start for file in self.snapshot.files if file.tier == tier), default=FIRST)

    # ---------------------------------------------------------------------------------------------------- series

    def series(self, device: str = "", resource: str = "", source: str = "") -> list[Series]:
        """Of a device, a resource, a source; empty: of any."""
        wanted = {"device": device, "resource": resource, "source": source}
        where = " AND ".join(f"{column} = :{column}" for column, name in wanted.items() if name) or "true"
        rows = self._shelf.rows(f"SELECT {_SERIES} FROM series WHERE {where} ORDER BY series", wanted)
        found = [Series(*row) for row in rows]
        return found + [
            one
            for one in self._only_fresh()
            if device in ("", one.device) and resource in ("", one.resource) and source in ("", one.source)
        ]

    def _only_fresh(self) -> Iterable[Series]:
        for number, first in [(number, place.first) for number, place in self._places.items()]:
            if first < 0:
                s = self.fresh.source(number)
                for at, one in enumerate(s.resources):
                    p = one.properties
                    yield Series(
                        first + at, first, s.service, s.profile, s.device, s.name, one.name, p.value_type.value, p.units
                    )

    def sources(self, series: Iterable[int]) -> list[tuple[int, Source]]:
        """The sources of these series, each with the series of its first resource."""
        wanted = set(series)
        fresh = self._numbers({one for one in wanted if one < 0})
        found = [(self._places[number].first, self.fresh.source(number)) for number in fresh]
        if not any(one > 0 for one in wanted):
            return found
        told = Sources()
        where = f"SELECT DISTINCT number FROM series WHERE series IN ({','.join(map(str, sorted(wanted)))})"
        where = f"WHERE number IN ({where})"
        columns = "number, fingerprint, resources, about, first_series"
        rows = self._shelf.rows(f"SELECT {columns} FROM sources {where}")
        hashes = f"SELECT hash, body FROM definitions WHERE hash IN (SELECT resources FROM sources {where})"
        told.load([SourceRow(*row[:4]) for row in rows], dict(self._shelf.rows(hashes)))
        return found + [(row[4], told.get(row[0])) for row in rows]

    # ----------------------------------------------------------------------------------------------------- files

    def rows(self, tier: Tier, files: Sequence[File], where: str = "true") -> str:
        """SQL for the rows of these files that have not been deleted; of no file, for none."""
        files = sorted(files, key=lambda file: [t.id for t in self.snapshot.hidden(file)])
        parts = []
        for ids, group in groupby(files, key=lambda file: [t.id for t in self.snapshot.hidden(file)]):
            some = list(group)
            paths = ", ".join(literal(self.folder / file.name) for file in some)
            hidden = f" AND NOT ({gone(self.snapshot.hidden(some[0]), tier)})" if ids else ""
            parts.append(f"SELECT {COLUMNS[tier]} FROM read_parquet([{paths}]) WHERE {where}{hidden}")
        return " UNION ALL ".join(parts) or f"{EMPTY[tier]} WHERE false"

    # ------------------------------------------------------------------------------------------------------ tail

    def tail(self, con: duckdb.DuckDBPyConnection, series: Sequence[Series] | None = None) -> None:
        """Puts what only the journal has of the sources of these series (None: of all) into the table TAIL, with the
        columns of `raw`."""
        numbers = None if series is None else self._numbers({one.series for one in series})
        rows = [] if numbers == set() else self.fresh.events(self.cursor, numbers)
        words = Words()
        found = readings(rows, self._places, words)
        said = np.array(words.all, object)
        con.register(
            "journal_rows",
            {
                "series": found.series,
                "origin": found.origin,
                "event": found.event,
                "offset": found.offset,
                "value": found.value,
                "exact": said[found.exact],
                "quality": said[found.quality],
            },
        )
        columns = f"nullif(event, {NONE}) AS event, \"offset\", nullif(value, 'NaN'::DOUBLE) AS value"
        columns = f"series, origin, {columns}, exact::VARCHAR AS exact, quality::VARCHAR AS quality"
        con.execute(f"CREATE OR REPLACE TABLE {TAIL} AS SELECT {columns} FROM journal_rows")
        con.unregister("journal_rows")

    def messages(self) -> list[tuple[Any, ...]]:
        """What only the journal has of them, with the columns of `messages`."""
        return [
            (m.offset, m.origin, m.kind, m.device, m.name, msgspec.json.encode(m.body).decode())
            for m in self.fresh.messages(self.cursor)
        ]

    def _numbers(self, series: set[int]) -> set[int]:
        """The journal's sources among whose resources these series are."""
        firsts = sorted((place.first, number) for number, place in self._places.items())
        found = set()
        for one in series:
            at = bisect_right(firsts, (one, LAST)) - 1
            if at >= 0 and one - firsts[at][0] < self._places[firsts[at][1]].count:
                found.add(firsts[at][1])
        return found


def literal(text: object) -> str:
    """A text in SQL."""
    return "'" + str(text).replace("'", "''") + "'"
