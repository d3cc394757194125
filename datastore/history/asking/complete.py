"""Answers to `Completeness`: of each source what should have come, what came, and the gaps, with their cause.

An event came when a reading of any of its resources did, and it is good unless all of them are bad. A gap is where no
good one came for longer than `PATIENCE` times the interval; among very many readings minutes tell (of an hour as many
events as its busiest resource has readings), and gaps are known to the minute.
"""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from datastore.history.asking import shapes
from datastore.history.asking.archive import Archive, Series
from datastore.history.asking.buckets import pieces
from datastore.history.asking.found import Found
from datastore.history.asking.shapes import MOST_GAPS, PATIENCE
from datastore.history.spans import MINUTE, SECOND
from gateway.model.asking import MEDIA, Completeness

FEW = 2_000_000
"""Events among which gaps are looked for one by one, of ten times as many readings."""
Owned = tuple[Series, int]
"""A resource, and the place of its source in the question."""


def answer(con: duckdb.DuckDBPyConnection, archive: Archive, asked: Completeness) -> Found:
    """Raises duckdb.Error."""
    own, others = _standing(archive, asked)
    archive.tail(con, [one for one, _ in [*own, *others]])
    width = _width(archive, asked, own)
    reach = _width(archive, asked, others)
    _told(con, archive, asked, own, "told", width)
    _told(con, archive, asked, others, "others", reach)
    counts = {row[0]: (row[1], row[2]) for row in con.execute(_COUNTS).fetchall()}
    body = shapes.completeness(asked, width, counts, _gaps(con, asked, width, reach))
    return Found(MEDIA["json"], body, rows=len(asked.sources))


_COUNTS = "SELECT owner, sum(n)::BIGINT, sum(usable)::BIGINT FROM told GROUP BY owner"


def _standing(archive: Archive, asked: Completeness) -> tuple[list[Owned], list[Owned]]:
    """All resources of the sources that are reported, as they were defined at any time; and the first of each other
    source, since it tells whether anything was read."""
    places = {(device, source): at for at, (device, source, _) in enumerate(asked.sources)}
    own: list[Owned] = []
    others: dict[int, Owned] = {}
    for one in archive.series():
        at = places.get((one.device, one.source))
        if at is not None and asked.device in ("", one.device):
            own.append((one, at))
        elif at is not None:
            others.setdefault(one.number, (one, at))
    return own, list(others.values())


def _width(archive: Archive, asked: Completeness, owned: Sequence[Owned]) -> int:
    """Whether events tell, or minutes."""
    expected = [max(asked.end - asked.start, 0) // step if step else 0 for _, _, step in asked.sources]
    events = sum(expected[at] for at in {at for _, at in owned})
    readings = sum(expected[at] for _, at in owned)
    return SECOND if events <= FEW and readings <= 10 * FEW and archive.since("raw") <= asked.start else MINUTE


def _told(
    con: duckdb.DuckDBPyConnection, archive: Archive, asked: Completeness, owned: Sequence[Owned], name: str, width: int
) -> None:
    """Makes a table of what came of each source: owner, origin, n, usable, quality (of what is bad)."""
    standing = [one for one, _ in owned]
    con.register(
        "standing", {"series": _ints([one.series for one in standing]), "owner": _ints([at for _, at in owned])}
    )
    none = [Series(0, 0, "", "", "", "", "", "", "")]
    rows, _ = pieces(archive, standing or none, asked.start, asked.end, width, of_events=True)
    columns = "owner, origin, max(n) AS n, max(usable) AS usable, min(quality) AS quality"
    con.execute(
        f"CREATE OR REPLACE TABLE {name} AS SELECT {columns} FROM ({rows}) JOIN standing USING (series) "
        "GROUP BY owner, origin, summed"
    )
    con.unregister("standing")


def _ints(numbers: Sequence[int]) -> "np.ndarray[Any, Any]":
    return np.array(numbers, np.int64)


def _gaps(con: duckdb.DuckDBPyConnection, asked: Completeness, width: int, reach: int) -> dict[int, list[Any]]:
    """Of each source, in order of time. When reading begins again, others may come first by less than an interval."""
    wanted = [at for at, (device, _, step) in enumerate(asked.sources) if step and asked.device in ("", device)]
    con.register("steps", {"owner": _ints(wanted), "step": _ints([asked.sources[at][2] for at in wanted])})
    con.execute("CREATE OR REPLACE TABLE owners AS SELECT * FROM steps")
    con.unregister("steps")
    con.execute(f"CREATE OR REPLACE TABLE gaps AS {_missing(asked, width)}")
    causes = (
        "SELECT gaps.owner AS owner, since, arg_min(quality, origin) AS cause FROM gaps JOIN told ON "
        "told.owner = gaps.owner AND origin >= since - 2 * step AND origin < till WHERE usable = 0 AND "
        "quality IS NOT NULL GROUP BY ALL"
    )
    sql = (
        f"SELECT gaps.owner, gaps.since, till, cause, coalesce(t.until <= gaps.since, true) AND "
        f"coalesce(o.until <= gaps.since, true) FROM gaps LEFT JOIN ({causes}) c ON c.owner = gaps.owner AND "
        f"c.since = gaps.since ASOF LEFT JOIN ({_read('told', width)}) t ON gaps.till - step > t.origin "
        f"ASOF LEFT JOIN ({_read('others', reach)}) o ON gaps.till - step > o.origin ORDER BY gaps.owner, gaps.since"
    )
    found: dict[int, list[Any]] = {}
    for owner, since, till, cause, nobody in con.execute(sql).fetchall():
        found.setdefault(owner, []).append(shapes.missing(since, till, cause, nobody))
    return found


def _read(table: str, width: int) -> str:
    """SQL: when anything was read, and until when that tells; a minute stands for all of itself."""
    return f"SELECT DISTINCT origin, origin + {MINUTE if width == MINUTE else 1} AS until FROM {table}"


def _missing(asked: Completeness, width: int) -> str:
    """SQL for the gaps: from when the next was due until one came. A minute stands for all of itself."""
    unit = "step" if width == SECOND else f"greatest(step, {MINUTE})"
    patience = f"step * {PATIENCE}" if width == SECOND else f"greatest(step * {PATIENCE}, {MINUTE} + 1)"
    marks = (
        f"SELECT owner, origin FROM told WHERE usable > 0 UNION ALL SELECT owner, {asked.start} - {unit} FROM owners "
        f"UNION ALL SELECT owner, {asked.end} FROM owners"
    )
    before = (
        f"SELECT owner, origin AS till, lag(origin) OVER (PARTITION BY owner ORDER BY origin) AS prev FROM ({marks})"
    )
    found = f"SELECT owner, prev + {unit} AS since, till, step FROM ({before}) JOIN owners USING (owner)"
    return f"{found} WHERE till - prev > {patience} ORDER BY owner, since LIMIT {MOST_GAPS}"
