"""Answers to `Values`: every reading of one resource, or buckets of time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from datastore.history.asking import forms, shapes
from datastore.history.asking.archive import Archive, Series
from datastore.history.asking.buckets import bucketed, every
from datastore.history.asking.found import Found, NewFile
from datastore.history.spans import HOUR
from gateway.model.asking import MEDIA, TIME_COLUMN, Values

MOST_ROWS = 2_000_000
"""Of one answer: three weeks of a reading a second."""
_TIME = f"strftime(make_timestamp_ns(stamp), '%Y-%m-%dT%H:%M:%S.%n') || 'Z' AS {TIME_COLUMN}"
_AT = f"make_timestamp_ns(stamp) AS {TIME_COLUMN}"


def answer(con: duckdb.DuckDBPyConnection, archive: Archive, asked: Values, fresh: NewFile) -> Found:
    """Raises QuestionRefused, duckdb.Error."""
    series = archive.series(asked.device, asked.resource)
    if not series and not asked.value_type:
        raise shapes.nothing_known(asked)
    series = series or [Series(0, 0, "", "", asked.device, "", asked.resource, asked.value_type, "")]
    archive.tail(con, series)
    if asked.bucket:
        return _bucketed(con, archive, series, asked, fresh)
    return _every(con, archive, series, asked, fresh)


def _bucketed(
    con: duckdb.DuckDBPyConnection, archive: Archive, series: Sequence[Series], asked: Values, fresh: NewFile
) -> Found:
    shapes.check_buckets(asked, MOST_ROWS)
    sql, tier = bucketed(archive, series, asked)
    if "gaps" in asked.of:
        sql = _with_empty(sql, asked)
    names = [name for name in asked.of if name != "gaps"]
    if asked.form != "json":
        shown = ", ".join([_AT if asked.form == "arrow" else _TIME, *map(forms.quoted, names)])
        return _file(con, f"SELECT {shown} FROM ({sql})", asked, fresh, {"tier": tier})
    found = {name: forms.listed(column) for name, column in forms.columns(con, sql).items()}
    at = found.pop("stamp")
    body = (
        shapes.head(asked, series[-1].value_type, series[-1].units)
        | {"tier": tier, "rows": len(at), TIME_COLUMN: at}
        | {n: found[n] for n in names}
    )
    if "gaps" in asked.of:
        body["gaps"] = shapes.gaps(at, found["readings"], asked)
    return Found(MEDIA["json"], shapes.encode(body), rows=len(at), notes={"tier": tier})


def _with_empty(sql: str, asked: Values) -> str:
    """A row for every bucket of the span."""
    width, first = asked.bucket, asked.start // asked.bucket * asked.bucket
    counts = ", ".join(
        f"coalesce({name}, 0) AS {name}" if name in {"count", "readings"} else forms.quoted(name)
        for name in [*(n for n in asked.of if n != "gaps"), "readings"]
    )
    wanted = f"SELECT unnest(range({first}, {asked.end}, {width})) AS stamp"
    return f"SELECT stamp, {counts} FROM ({wanted}) LEFT JOIN ({sql}) USING (stamp) ORDER BY stamp"


def _every(
    con: duckdb.DuckDBPyConnection, archive: Archive, series: Sequence[Series], asked: Values, fresh: NewFile
) -> Found:
    kind = series[-1].value_type
    _expect_few(con, archive, series, asked)
    sql = f"{every(archive, series, asked)} LIMIT {MOST_ROWS + 1}"
    if asked.form == "csv":
        text = f"coalesce(exact, {forms.number_text(kind)}) AS value"
        return _file(con, f"SELECT {_TIME}, {text}, quality FROM ({sql})", asked, fresh, {"tier": "raw"})
    if asked.form == "arrow":
        columns = f"{_AT}, value, exact AS text, quality"
        return _file(con, f"SELECT {columns} FROM ({sql})", asked, fresh, {"tier": "raw"})
    found = forms.columns(con, sql)
    rows = len(found["stamp"])
    shapes.check_rows(rows, MOST_ROWS)
    body = shapes.head(asked, series[-1].value_type, series[-1].units) | {
        "tier": "raw",
        "rows": rows,
        TIME_COLUMN: forms.listed(found["stamp"]),
    }
    body["value"] = forms.values(found["value"], found["exact"], kind)
    if found["quality"].count():
        body["quality"] = forms.listed(found["quality"])
    return Found(MEDIA["json"], shapes.encode(body), rows=rows, notes={"tier": "raw"})


def _expect_few(con: duckdb.DuckDBPyConnection, archive: Archive, series: Sequence[Series], asked: Values) -> None:
    """Hours know how many readings they have, which is quicker than to find out by reading ten years."""
    files = archive.snapshot.of("raw", asked.start, asked.end - 1, [one.series for one in series])
    if sum(file.rows for file in files) > MOST_ROWS:
        sql, _ = bucketed(archive, series, replace(asked, bucket=HOUR, of=("count",)))
        shapes.check_rows(forms.number(con, f"SELECT sum(count) FROM ({sql})"), MOST_ROWS)


def _file(con: duckdb.DuckDBPyConnection, sql: str, asked: Values, fresh: NewFile, notes: Mapping[str, str]) -> Found:
    path = fresh()
    write: Callable[[duckdb.DuckDBPyConnection, str, Path], int] = forms.csv if asked.form == "csv" else forms.arrow
    rows = write(con, sql, path)
    shapes.check_rows(rows, MOST_ROWS)
    return Found(MEDIA[asked.form], path=path, rows=rows, notes=notes)
