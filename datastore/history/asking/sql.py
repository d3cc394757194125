"""Answers to `Sql`: an analyst's SELECT over views of all there is, in a database that can do nothing else."""

import json
from collections.abc import Sequence
from typing import Any

import duckdb

from datastore.history.asking import forms, shapes
from datastore.history.asking.archive import EMPTY, TAIL, Archive, Series
from datastore.history.asking.found import Found, NewFile
from datastore.history.spans import BUCKET, FLUSHED, Tier
from gateway.model.asking import MEDIA, Sql
from gateway.model.errors import QuestionRefused

MOST_ROWS = {"json": 100_000, "csv": 1_000_000, "arrow": 1_000_000}
_TIME = "make_timestamp(origin // 1000) AS time"
_WHO = "device, source, resource"
_USABLE = "value IS NOT NULL AND NOT coalesce(starts_with(quality, 'bad'), false)"
_SUM = (
    "min(value) FILTER (usable) AS min, max(value) FILTER (usable) AS max, avg(value) FILTER (usable) AS mean, "
    'arg_min(value, origin) FILTER (usable) AS "first", arg_max(value, origin) FILTER (usable) AS "last", '
    "count(*)::INTEGER AS count, (count(*) FILTER (quality IS NULL))::INTEGER AS good, "
    "(count(*) FILTER (usable))::INTEGER AS valued"
)
_MERGED = (
    "series, origin, min(min) AS min, max(max) AS max, sum(mean * valued) / nullif(sum(valued), 0) AS mean, "
    'arg_min("first", n) AS "first", arg_max("last", n) AS "last", sum(count)::INTEGER AS count, '
    "sum(good)::INTEGER AS good, sum(valued)::INTEGER AS valued"
)
_LOCKS = (
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def answer(con: duckdb.DuckDBPyConnection, archive: Archive, asked: Sql, fresh: NewFile) -> Found:
    """`con` belongs to this question alone. Raises QuestionRefused, duckdb.InterruptException,
    duckdb.OutOfMemoryException."""
    text = _select(asked.text)
    _views(con, archive, text.lower())
    folders = [archive.folder, fresh().parent]
    con.execute(f"SET allowed_directories = {[str(folder) for folder in folders]}")
    for lock in _LOCKS:
        con.execute(lock)
    try:
        return _rows(con, text, asked, fresh)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.IOException as error:
        if "No such file" in str(error):  # a file was swapped for another meanwhile
            raise
        raise QuestionRefused(400, _words(error)) from None
    except duckdb.Error as error:
        raise QuestionRefused(400, _words(error)) from None


def _select(text: str) -> str:
    """The one SELECT that is allowed. Raises QuestionRefused."""
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise QuestionRefused(400, _words(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        found = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise QuestionRefused(400, f"one SELECT is what can be asked; this is {found}")
    return statements[0].query.strip().rstrip(";")


def _rows(con: duckdb.DuckDBPyConnection, text: str, asked: Sql, fresh: NewFile) -> Found:
    most = MOST_ROWS[asked.form]
    sql = f"SELECT * FROM (\n{text}\n) LIMIT {most + 1}"
    if asked.form != "json":
        path = fresh()
        rows = forms.csv(con, sql, path) if asked.form == "csv" else forms.arrow(con, sql, path)
        found = Found(MEDIA[asked.form], path=path, rows=rows)
    else:
        told = con.execute(sql)
        described = [(name, str(kind)) for name, kind, *_ in told.description or []]
        got = told.fetchall()
        found = Found(MEDIA["json"], _json(described, got) if len(got) <= most else b"", rows=len(got))
    if found.rows > most:
        raise QuestionRefused(413, f"there are more than {most} rows; add a LIMIT, a WHERE or a GROUP BY")
    return found


def _json(described: Sequence[tuple[str, str]], rows: Sequence[Any]) -> bytes:
    body = {"columns": [name for name, _ in described], "types": [kind for _, kind in described], "rows": rows}
    try:
        return shapes.encode(body)
    except OverflowError:  # integers beyond 64 bits
        return json.dumps(body, default=str).encode()


def _words(error: duckdb.Error) -> str:
    return str(error).strip()


# --------------------------------------------------------------------------------------------------------------- views


def _views(con: duckdb.DuckDBPyConnection, archive: Archive, text: str) -> None:
    """`text`: the question in small letters; what it does not name need not be summed up."""
    _series(con, archive.series())
    archive.tail(con)
    snapshot = archive.snapshot
    raw = f"{archive.rows('raw', snapshot.of('raw'))} UNION ALL SELECT * FROM {TAIL}"
    shown = f"{_TIME}, {_WHO}, value, exact AS text, quality, units, origin"
    con.execute(f"CREATE VIEW readings AS SELECT {shown} FROM ({raw}) JOIN series USING (series)")
    flushed = archive.rows("raw", [file for file in snapshot.of("raw") if file.level == FLUSHED])
    unsummed = f"{flushed} UNION ALL SELECT * FROM {TAIL}"
    for tier in BUCKET:
        if tier in text or "show" in text:
            _summed(con, archive, tier, unsummed)
    con.execute(f"CREATE TABLE journal_messages AS {EMPTY['messages']} WHERE false")
    con.executemany("INSERT INTO journal_messages VALUES (?, ?, ?, ?, ?, ?)", archive.messages() or [(None,) * 6])
    kept = archive.rows("messages", snapshot.of("messages"))
    both = f"{kept} UNION ALL SELECT * FROM journal_messages WHERE origin IS NOT NULL"
    con.execute(f"CREATE VIEW messages AS SELECT {_TIME}, kind, device, name, body, origin FROM ({both})")
    listed = "DISTINCT device, service, profile, source, resource, value_type, units"
    con.execute(f"CREATE VIEW devices AS SELECT {listed} FROM series ORDER BY ALL")


def _series(con: duckdb.DuckDBPyConnection, series: Sequence[Series]) -> None:
    import numpy as np

    names = ("service", "profile", "device", "source", "resource", "value_type", "units")
    columns = {name: np.array([getattr(one, name) for one in series], object) for name in names}
    con.register("known", {"series": np.array([one.series for one in series], np.int32), **columns})
    cast = ", ".join(f"{name}::VARCHAR AS {name}" for name in names)
    con.execute(f"CREATE TABLE series AS SELECT series, {cast} FROM known")
    con.unregister("known")


def _summed(con: duckdb.DuckDBPyConnection, archive: Archive, tier: Tier, unsummed: str) -> None:
    """A tier with what its files do not know yet: the rows of a bucket are put together where there are two."""
    width = BUCKET[tier]
    fresh = f"SELECT series, origin // {width} * {width} AS origin, {_SUM} "
    fresh += f"FROM (SELECT *, {_USABLE} AS usable FROM ({unsummed})) GROUP BY ALL"
    con.execute(f"CREATE TABLE fresh_{tier} AS {fresh}")
    con.execute(f"CREATE VIEW kept_{tier} AS {archive.rows(tier, archive.snapshot.of(tier))}")
    sole = f"SELECT k.* FROM kept_{tier} k ANTI JOIN fresh_{tier} f ON k.series = f.series AND k.origin = f.origin"
    shared = (
        f"SELECT {_MERGED} FROM (SELECT k.*, 0 AS n FROM kept_{tier} k SEMI JOIN fresh_{tier} f "
        f"ON k.series = f.series AND k.origin = f.origin UNION ALL SELECT *, 1 AS n FROM fresh_{tier}) GROUP BY ALL"
    )
    shown = f'{_TIME}, {_WHO}, mean, min, max, "first", "last", count, good, units, origin'
    rows = f"{sole} UNION ALL {shared}"
    con.execute(f"CREATE VIEW {tier} AS SELECT {shown} FROM ({rows}) JOIN series USING (series)")
