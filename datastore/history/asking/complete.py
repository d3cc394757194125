"""Answers to `Completeness`: of each source what should have come, what came, and the gaps, with their cause.

One resource stands for its source: events of polled sources are whole. A gap is where no value came that is not bad for
longer than `PATIENCE` times the interval; among very many readings minutes tell, and gaps are known to the minute.
"""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from datastore.history.asking import forms
from datastore.history.asking.archive import Archive, Series
from datastore.history.asking.buckets import pieces
from datastore.history.asking.found import Found
from datastore.history.spans import MINUTE, SECOND
from gateway.model.asking import MEDIA, Completeness

PATIENCE = 2.5
FEW = 2_000_000
"""Readings among which gaps are looked for one by one."""
MOST_GAPS = 10_000
NOBODY = "nothing was read of any device: the gateway did not run, or its clock was set"
UNKNOWN = "not read, for a reason that nothing kept tells"


def answer(con: duckdb.DuckDBPyConnection, archive: Archive, asked: Completeness) -> Found:
    """Raises duckdb.Error."""
    standing = _standing(archive, asked)
    fine = sum(max(asked.end - asked.start, 0) // step for _, _, step in asked.sources if step) <= FEW
    width = SECOND if fine and archive.since("raw") <= asked.start else MINUTE
    archive.tail(con, standing)
    _told(con, archive, asked, standing, width)
    counts = {row[0]: row[1:] for row in con.execute(_COUNTS).fetchall()}
    gaps = _gaps(con, asked, width)
    sources = [
        _source(asked, at, counts.get(at, (0, 0)), [gap for gap in gaps if gap["of"] == at])
        for at in range(len(asked.sources))
    ]
    body = {"start": asked.start, "end": asked.end, "resolution": width, "sources": sources}
    return Found(MEDIA["json"], forms.encode(body), rows=len(sources))


_COUNTS = "SELECT owner, sum(n)::BIGINT, sum(good)::BIGINT FROM told GROUP BY owner"


def _standing(archive: Archive, asked: Completeness) -> list[Series]:
    """The first resource of each source, as it was defined at any time."""
    wanted = {(device, source) for device, source, _ in asked.sources}
    first: dict[int, Series] = {}
    for one in archive.series():
        if (one.device, one.source) in wanted:
            known = first.setdefault(one.number, one)
            first[one.number] = min(known, one, key=lambda s: s.series)
    return list(first.values())


def _told(
    con: duckdb.DuckDBPyConnection, archive: Archive, asked: Completeness, standing: Sequence[Series], width: int
) -> None:
    """Makes the tables `owners` and `told`: what came of each source."""
    numbers = {(device, source): at for at, (device, source, _) in enumerate(asked.sources)}
    owners = [numbers[one.device, one.source] for one in standing]
    con.register("standing", {"series": _ints([one.series for one in standing]), "owner": _ints(owners)})
    steps = [step for _, _, step in asked.sources]
    con.register("steps", {"owner": _ints(list(range(len(steps)))), "step": _ints(steps)})
    con.execute("CREATE OR REPLACE TABLE owners AS SELECT * FROM steps WHERE step > 0")
    none = [Series(0, 0, "", "", "", "", "", "", "")]
    rows, _ = pieces(archive, list(standing) or none, asked.start, asked.end, width, quality=True)
    columns = "owner, origin, n, good, weight, quality"
    con.execute(f"CREATE OR REPLACE TABLE told AS SELECT {columns} FROM ({rows}) JOIN standing USING (series)")
    con.unregister("standing")
    con.unregister("steps")


def _ints(numbers: Sequence[int]) -> "np.ndarray[Any, Any]":
    return np.array(numbers, np.int64)


def _gaps(con: duckdb.DuckDBPyConnection, asked: Completeness, width: int) -> list[dict[str, Any]]:
    """In order of their sources and of time."""
    con.execute(f"CREATE OR REPLACE TABLE gaps AS {_missing(asked, width)}")
    causes = (
        "SELECT gaps.owner AS owner, since, arg_min(quality, origin) AS cause FROM gaps JOIN told ON "
        "told.owner = gaps.owner AND origin >= since - 2 * step AND origin < till WHERE quality IS NOT NULL "
        "GROUP BY ALL"
    )
    everything = f"SELECT origin FROM told UNION SELECT {asked.start} - 1 UNION SELECT {asked.end}"
    idle = f"SELECT origin AS next, lag(origin) OVER (ORDER BY origin) AS prev FROM ({everything})"
    idle = f"SELECT * FROM ({idle}) WHERE next - prev >= (SELECT min(till - since) FROM gaps)"
    sql = (
        f"SELECT gaps.owner, gaps.since, till, cause, next IS NOT NULL FROM gaps LEFT JOIN ({causes}) c ON "
        f"c.owner = gaps.owner AND c.since = gaps.since LEFT JOIN ({idle}) ON prev < gaps.since AND next >= till "
        "ORDER BY gaps.owner, gaps.since"
    )
    return [
        {"of": of, "start": since, "end": till, "seconds": (till - since) / 1e9, "cause": _cause(cause, nobody)}
        for of, since, till, cause, nobody in con.execute(sql).fetchall()
    ]


def _missing(asked: Completeness, width: int) -> str:
    """SQL for the gaps: from when the next was due until one came. A minute stands for all of itself."""
    unit = "step" if width == SECOND else f"greatest(step, {MINUTE})"
    patience = f"step * {PATIENCE}" if width == SECOND else f"greatest(step * {PATIENCE}, {MINUTE} + 1)"
    marks = (
        f"SELECT owner, origin FROM told WHERE weight > 0 UNION ALL SELECT owner, {asked.start} - {unit} FROM owners "
        f"UNION ALL SELECT owner, {asked.end} FROM owners"
    )
    before = (
        f"SELECT owner, origin AS till, lag(origin) OVER (PARTITION BY owner ORDER BY origin) AS prev FROM ({marks})"
    )
    found = f"SELECT owner, prev + {unit} AS since, till, step FROM ({before}) JOIN owners USING (owner)"
    return f"{found} WHERE till - prev > {patience} ORDER BY owner, since LIMIT {MOST_GAPS}"


def _cause(quality: str | None, nobody: bool) -> str:
    if quality:
        return quality.removeprefix("bad ")
    return NOBODY if nobody else UNKNOWN


def _source(asked: Completeness, at: int, counts: Sequence[int], gaps: list[dict[str, Any]]) -> dict[str, Any]:
    device, source, step = asked.sources[at]
    received, good = counts
    expected = (asked.end - asked.start) // step if step else None
    return {
        "device": device,
        "source": source,
        "interval_s": step / 1e9 if step else None,
        "expected": expected,
        "received": received,
        "good": good,
        "percent": round(min(100.0, 100 * good / expected), 3) if expected else None,
        "gaps": [{name: value for name, value in gap.items() if name != "of"} for gap in gaps],
    }
