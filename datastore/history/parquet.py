"""Parquet files through DuckDB: written whole under another name, on the disk, then renamed. In the worker only."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from datastore.history.catalog import FILES, File
from datastore.history.columns import NONE, Readings, Words
from datastore.history.spans import BUCKET, SECOND, Span, Tier
from datastore.sqlite import sync_folder

TEMPORARY = "tmp"
ROW_GROUP: Mapping[Tier, int] = {"raw": 122_880, "minute": 16_384, "hour": 16_384, "messages": 122_880}
"""Rows that are read at least, if any are. A month of one resource is in the files of thirty days: of each little."""
RAW = 'series, origin, event, "offset", value, exact, quality'
SUMMED = "series, origin, min, max, mean, first, last, count, good, valued"
COLUMNS: Mapping[Tier, str] = {
    "raw": RAW,
    "minute": SUMMED,
    "hour": SUMMED,
    "messages": '"offset", origin, kind, device, name, body',
}
ORDER: Mapping[Tier, str] = {
    "raw": 'series, origin, "offset"',
    "minute": "series, origin",
    "hour": "series, origin",
    "messages": 'origin, "offset"',
}


@dataclass(frozen=True, slots=True)
class Belonging:
    """What a file to be written is."""

    tier: Tier
    level: int
    span: Span
    cleaned: int
    made: int


class Engine:
    """One DuckDB in memory, which reads and writes files of `<data>/history`. Raises duckdb.Error and OSError."""

    def __init__(self, folder: Path, memory: str) -> None:
        self._files = folder / FILES
        self._temporary = folder / TEMPORARY
        self._temporary.mkdir(parents=True, exist_ok=True)
        for left in self._temporary.iterdir():
            left.unlink()
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": "1",
            "memory_limit": memory,
            "temp_directory": str(self._temporary),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        self._settings = settings
        self._db = duckdb.connect(":memory:", config=settings)
        self.read: Sequence[File] = ()
        """Files that were read last, or were to be."""

    def close(self) -> None:
        self._db.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._db.execute(sql).fetchall()

    def reading(self, files: Sequence[File]) -> str:
        """SQL: what to select from."""
        self.read = files
        names = ", ".join(_quoted(str(self._files / file.name)) for file in files)
        return f"read_parquet([{names}])"

    def write(self, sql: str, what: Belonging) -> File | None:
        """The rows of a query, in their order, as a file that is on the disk; not in the catalog yet. None: no rows."""
        stamp = datetime.fromtimestamp(what.span[0] // SECOND, UTC).strftime("%Y%m%dT%H")
        name = f"{what.tier}-{stamp}-{secrets.token_hex(8)}.parquet"
        fresh = self._temporary / name
        try:
            rows = self._db.execute(f"COPY ({sql}) TO {_quoted(str(fresh))} {copying(what.tier)}").fetchall()[0][0]
            if not rows:
                fresh.unlink()
                return None
            _sync(fresh)
            fresh.rename(self._files / name)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        sync_folder(self._files)
        size = (self._files / name).stat().st_size
        bare = File(0, what.tier, what.level, name, *what.span, 0, 0, 0, 0, 0, 0, rows, size, what.cleaned, what.made)
        return self._measured(bare)

    def _measured(self, file: File) -> File:
        """With the lowest and highest of its columns, from the file's own statistics."""
        series = "0, 0" if file.tier == "messages" else "min(series), max(series)"
        offset = "0, 0" if file.tier in BUCKET else 'min("offset"), max("offset")'
        made = "coalesce(event, origin)" if file.tier == "raw" else "origin"
        sql = f"SELECT min(origin), max(origin), {series}, {offset}, min({made}), max({made})"
        names = ("oldest", "newest", "first_series", "last_series", "first_offset", "last_offset", "first_event")
        found = self.rows(f"{sql} FROM {self.reading([file])}")[0]
        return replace(file, **dict(zip((*names, "last_event"), found, strict=True)))

    def write_readings(self, readings: Readings, words: Words, what: Belonging) -> File | None:
        """Readings in any order."""
        ordered = readings.ordered()
        columns: dict[str, Any] = {
            "series": ordered.series,
            "origin": ordered.origin,
            "event": ordered.event,
            "offset": ordered.offset,
            "value": ordered.value,
        }
        texts = {name: getattr(ordered, name) for name in ("exact", "quality") if getattr(ordered, name).any()}
        if texts:
            table = np.array(words.all, dtype=object)
            columns |= {name: table[numbers] for name, numbers in texts.items()}
        spelt = ", ".join(name if name in texts else f"NULL::VARCHAR AS {name}" for name in ("exact", "quality"))
        event = f"nullif(event, {NONE + 1} - 1) AS event" if (ordered.event != NONE).any() else "NULL::BIGINT AS event"
        value = "CASE WHEN isnan(value) THEN NULL ELSE value END AS value"
        self._db.register("come", columns)
        try:
            return self.write(f'SELECT series, origin, {event}, "offset", {value}, {spelt} FROM come', what)  # noqa: S608
        finally:
            self._db.unregister("come")

    def write_messages(self, rows: Sequence[tuple[int, int, str, str, str, str]], what: Belonging) -> File | None:
        """Offset, origin, kind, device, name, body of each."""
        names = ("offset", "origin", "kind", "device", "name", "body")
        kinds = (np.int64, np.int64, object, object, object, object)
        columns = zip(*sorted(rows, key=lambda row: (row[1], row[0])), strict=True)
        told = {name: np.array(column, kind) for name, column, kind in zip(names, columns, kinds, strict=True)}
        self._db.register("come", told)
        try:
            return self.write(f"SELECT {COLUMNS['messages']} FROM come", what)  # noqa: S608
        finally:
            self._db.unregister("come")

    def sound(self, file: File) -> bool:
        """Whether every byte of a file can be read; by a DuckDB of its own, since ours may have given up."""
        try:
            columns = COLUMNS[file.tier].split(", ")
            sql = f"SELECT {', '.join(f'max({one})' for one in columns)} FROM {self.reading([file])}"  # noqa: S608
            with duckdb.connect(":memory:", config=self._settings) as db:
                db.execute(sql).fetchall()
        except (duckdb.Error, OSError):
            return False
        return True


def copying(tier: Tier) -> str:
    """How DuckDB is to write a file of a tier."""
    return f"(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, ROW_GROUP_SIZE {ROW_GROUP[tier]})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
