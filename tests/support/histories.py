"""Histories to ask, made as the keeper makes them: Parquet files named by a catalog."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from datastore.history.catalog import Catalog, File, Tombstone
from datastore.history.parquet import copying
from datastore.history.spans import DAILY, DAY, FLUSHED, HOUR, MINUTE, Tier, span
from datastore.sources import Sources
from gateway.model.reading import Source

RAW = 'series::INTEGER series, origin::BIGINT origin, event::BIGINT event, "offset"::BIGINT "offset", '
RAW += "value::DOUBLE AS value, exact::VARCHAR exact, quality::VARCHAR quality"
COLUMNS = 'series, origin, event, "offset", value, exact, quality'
USABLE = "value IS NOT NULL AND NOT coalesce(quality LIKE 'bad%', false)"


class History:
    """A folder with a catalog; `source` first, then rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = Catalog.writer(folder)
        self._sources = Sources()
        self._names = 0

    def source(self, source: Source) -> int:
        """Its first series."""
        numbered = self._sources.number(source)
        row, definition = self._sources.row(numbered.number)
        with self.catalog.change():
            self.catalog.enrol([row], {row.resources: definition})
        return self.catalog.series_of()[row.fingerprint][0]

    def raw(self, rows: str, level: int = FLUSHED) -> File:
        """A file of the raw tier; `rows` is SQL with the columns of RAW. Above FLUSHED its sums are made, too."""
        file = self.write("raw", rows, level)
        if level != FLUSHED:
            for tier, width in (("minute", MINUTE), ("hour", HOUR)):
                self.write(tier, _sums(f"'{self.catalog.path(file)}'", width), level)  # type: ignore[arg-type]
        return file

    def values(self, series: int, start: int, values: Sequence[Any], level: int = FLUSHED, offset: int = 1) -> File:
        """One a second; None: bad timeout, text: exact."""
        rows = ", ".join(_row(series, start + n * 10**9, offset + n, one) for n, one in enumerate(values))
        return self.raw(
            f'SELECT * FROM (VALUES {rows}) v(series, origin, event, "offset", value, exact, quality)', level
        )

    def cursor(self, offset: int) -> None:
        with self.catalog.change():
            self.catalog.note("cursor", offset)

    def raw_removed(self, before: int) -> None:
        """As retention does it."""
        with self.catalog.change():
            self.catalog.drop([file for file in self.catalog.files("raw") if file.newest < before])
            self.catalog.note("raw_from", before)

    def bury(self, tombstones: Iterable[Tombstone]) -> None:
        with self.catalog.change():
            self.catalog.bury(tombstones)

    def close(self) -> None:
        self.catalog.close()

    def write(self, tier: Tier, sql: str, level: int) -> File:
        """A file of these rows, in the tier's order."""
        order, series = ("", "0, 0") if tier == "messages" else ("series, ", "min(series), max(series)")
        sql = f"SELECT {RAW if tier == 'raw' else '*'} FROM ({sql}) ORDER BY {order}origin"
        self._names += 1
        name = f"{tier}-{self._names}.parquet"
        path = self.catalog.files_folder / name
        with duckdb.connect() as db:
            db.execute(f"COPY ({sql}) TO '{path}' {copying(tier)}")
            offsets = "0, 0" if tier in ("minute", "hour") else 'min("offset"), max("offset")'
            told = f"SELECT min(origin), max(origin), {series}, {offsets}, count(*) FROM '{path}'"
            oldest, newest, first, last, low, high, rows = db.execute(told).fetchone()  # type: ignore[misc]
            made = "coalesce(event, origin)" if tier == "raw" else "origin"
            events = db.execute(f"SELECT min({made}), max({made}) FROM '{path}'").fetchone()
        start, end = span(oldest, level or 1) if level <= DAILY else (oldest // DAY * DAY, newest // DAY * DAY + DAY)
        file = File(
            0,
            tier,
            level,
            name,
            start,
            end,
            oldest,
            newest,
            first,
            last,
            low,
            high,
            rows,
            path.stat().st_size,
            0,
            1,
            *events,  # type: ignore[misc]
        )
        with self.catalog.change():
            self.catalog.add([file])
        return next(one for one in self.catalog.files() if one.name == name)


def _row(series: int, origin: int, offset: int, value: Any) -> str:
    number = "NULL" if value is None or isinstance(value, str) else repr(float(value))
    exact = f"'{value}'" if isinstance(value, str) else "NULL"
    quality = "'bad timeout'" if value is None else "NULL"
    return f"({series}, {origin}, NULL, {offset}, {number}, {exact}, {quality})"


def _sums(path: str, width: int) -> str:
    usable = f"FILTER ({USABLE})"
    columns = (
        f"series, origin // {width} * {width} AS origin",
        f"min(value) {usable} AS min",
        f"max(value) {usable} AS max",
        f"avg(value) {usable} AS mean",
        f"arg_min(value, origin) {usable} AS first",
        f"arg_max(value, origin) {usable} AS last",
        "count(*)::INTEGER AS count",
        "(count(*) FILTER (quality IS NULL))::INTEGER AS good",
        f"(count(*) {usable})::INTEGER AS valued",
    )
    return f"SELECT {', '.join(columns)} FROM {path} GROUP BY ALL ORDER BY ALL"
