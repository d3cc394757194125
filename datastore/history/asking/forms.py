"""Rows of DuckDB as JSON, CSV and Arrow."""

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from nanoarrow.ipc import StreamWriter

from datastore.history.asking.archive import literal
from gateway.model.csvcell import disarmed

INTEGERS = frozenset(f"{sign}int{bits}".capitalize() for sign in ("", "u") for bits in (8, 16, 32, 64))
FLOATS = frozenset(("Float32", "Float64"))
_ARMED = r"^ *[''=+\-@\t\r＝＋－＠]"
"""See `gateway.model.csvcell`; quoted for SQL."""
_HARMLESS = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_PLAIN = ("BIGINT", "DOUBLE", "FLOAT", "BOOLEAN", "TIMESTAMP", "DATE", "INTEGER", "HUGEINT", "SMALLINT", "TINYINT")


def number_text(value_type: str) -> str:
    """SQL: the column `value` as text, as its type has it."""
    if value_type == "Bool":
        return "CASE value WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
    if value_type in INTEGERS:
        return "CASE WHEN value = floor(value) THEN value::HUGEINT::VARCHAR ELSE value::VARCHAR END"
    return "value::VARCHAR"


def harmless(column: str) -> str:
    """SQL: a text that no spreadsheet takes for a formula."""
    return (
        f"CASE WHEN regexp_matches({column}, '{_ARMED}') AND NOT regexp_full_match({column}, '{_HARMLESS}') "
        f"THEN '''' || {column} ELSE {column} END"
    )


def csv(con: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    """Writes a file with a line of names; returns how many rows follow it. Raises duckdb.Error."""
    described = con.execute(f"DESCRIBE {sql}").fetchall()
    cells = []
    for name, kind, *_ in described:
        column = quoted(name)
        text = column if kind.startswith(_PLAIN) and "[" not in kind else harmless(f"{column}::VARCHAR")
        cells.append(f"{text} AS {quoted(disarmed(name))}")
    select = f"SELECT {', '.join(cells)} FROM ({sql})"
    return number(con, f"COPY ({select}) TO {literal(path)} (FORMAT csv, HEADER)")


def arrow(con: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    """Writes a file with an Arrow IPC stream; returns how many rows it has. Raises duckdb.Error."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {sql}")
    rows = number(con, "SELECT count(*) FROM answer")
    with path.open("wb") as file, StreamWriter.from_writable(file) as writer:
        writer.write_stream(con.sql("FROM answer"))
    con.execute("DROP TABLE answer")
    return rows


def number(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The one number that it yields; nothing is 0. Raises duckdb.Error."""
    return int(con.execute(sql).fetchall()[0][0] or 0)


def columns(con: duckdb.DuckDBPyConnection, sql: str) -> "dict[str, np.ma.MaskedArray[Any, Any]]":
    """Column by column; masked where there is nothing. Raises duckdb.Error."""
    return {name: np.ma.asanyarray(column) for name, column in con.execute(sql).fetchnumpy().items()}


def listed(column: "np.ma.MaskedArray[Any, Any]") -> list[Any]:
    """With None where there is nothing."""
    found: list[Any] = column.tolist() if np.ma.is_masked(column) else column.data.tolist()
    return found


def values(column: "np.ma.MaskedArray[Any, Any]", exact: "np.ma.MaskedArray[Any, Any]", value_type: str) -> list[Any]:
    """What the columns `value` and `exact` say (see `catalog`), as the device said it."""
    if not exact.count():
        if value_type == "Bool":
            return listed(np.ma.asanyarray(column.astype(np.bool_)))
        whole = value_type in INTEGERS and (np.floor(column) == column).all()
        return listed(np.ma.asanyarray(column.astype(np.int64)) if whole else column)
    return [value(number, text, value_type) for number, text in zip(listed(column), listed(exact), strict=True)]


def value(number: float | None, exact: str | None, value_type: str) -> Any:
    """One of them; binary stays base64."""
    if exact is None:
        if number is None or value_type in FLOATS:
            return number
        if value_type == "Bool" and number in (0.0, 1.0):
            return bool(number)
        return int(number) if value_type in INTEGERS and number.is_integer() else number
    if number is not None:
        return int(exact)
    if value_type in FLOATS and exact in ("NaN", "Infinity", "-Infinity"):
        return math.nan if exact == "NaN" else math.inf if exact == "Infinity" else -math.inf
    if value_type.endswith("Array") or value_type == "Object":
        return json.loads(exact)
    return exact


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
