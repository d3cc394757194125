"""Values of one resource over time: which files of which tier say it, and the SQL that puts them together."""

from collections.abc import Sequence
from dataclasses import dataclass

from datastore.history.asking.archive import TAIL, Archive, Series
from datastore.history.catalog import File
from datastore.history.spans import BUCKET, FLUSHED, Tier
from gateway.model.asking import Values

_COARSEST: tuple[Tier, ...] = ("hour", "minute", "raw")
_OF = {
    "mean": "sum(total) / nullif(sum(weight), 0)",
    "min": "min(low)",
    "max": "max(high)",
    "first": "arg_min(earliest, origin)",
    "last": "arg_max(latest, origin)",
    "count": "sum(n)::BIGINT",
    "good": "100.0 * sum(good) / sum(n)",
}
_USABLE = "value IS NOT NULL AND NOT coalesce(starts_with(quality, 'bad'), false)"
"""As tiers count in `valued`."""
_RAW = (
    f"series, origin, CASE WHEN {_USABLE} THEN value END AS low, low AS high, low AS total, "
    "(low IS NOT NULL)::INT AS weight, low AS earliest, low AS latest, 1 AS n, (quality IS NULL)::BIGINT AS good"
)
_SUMMED = (
    "series, origin, min AS low, max AS high, mean * valued AS total, valued AS weight, first AS earliest, "
    "last AS latest, count AS n, good"
)
_RAW_EVENTS = (
    "series, coalesce(event, origin) AS origin, false AS summed, 1 AS n, "
    "(NOT coalesce(starts_with(quality, 'bad'), false))::INT AS usable, quality"
)
_SUMMED_EVENTS = "series, origin, true AS summed, count AS n, greatest(good, valued) AS usable, NULL AS quality"
"""Series, the event's origin (or a bucket's start: `summed`), how many, how many of them not bad, quality."""


@dataclass(frozen=True, slots=True)
class Part:
    """A span of time that one tier tells about; half open, ns."""

    tier: Tier
    start: int
    end: int


def parts(archive: Archive, start: int, end: int, bucket: int) -> list[Part]:
    """The coarsest tiers that fit the buckets, finer ones at the edges; where those have been removed, the finest there
    still is."""
    fitting = [tier for tier in _COARSEST if tier == "raw" or bucket % BUCKET[tier] == 0]
    found = _inner(start, end, fitting)
    return [kept for part in found for kept in _kept(archive, part)]


def _inner(start: int, end: int, tiers: Sequence[Tier]) -> list[Part]:
    if start >= end:
        return []
    tier, *finer = tiers
    if not finer:
        return [Part(tier, start, end)]
    width = BUCKET[tier]
    first, last = -(-start // width) * width, end // width * width
    if first >= last:
        return _inner(start, end, finer)
    return [*_inner(start, first, finer), Part(tier, first, last), *_inner(last, end, finer)]


def _kept(archive: Archive, part: Part) -> list[Part]:
    """Its tier where it is still there, before that the next coarser one."""
    at = _COARSEST.index(part.tier)
    since = archive.since(part.tier)
    if at == 0 or since <= part.start:
        return [part]
    coarser = _COARSEST[at - 1]
    width = BUCKET[coarser]
    older = Part(coarser, part.start // width * width, min(part.end, since))
    return [*_kept(archive, older), *([Part(part.tier, since, part.end)] if since < part.end else [])]


def pieces(
    archive: Archive, series: Sequence[Series] | None, start: int, end: int, bucket: int, of_events: bool = False
) -> tuple[str, Tier]:
    """SQL for all there is of some series (None: of all), as rows that can be put together in any way: series, origin,
    low, high, total, weight, earliest, latest, n, good; and the coarsest tier it uses. `of_events`: what completeness
    asks instead."""
    raw, summed_up = (_RAW_EVENTS, _SUMMED_EVENTS) if of_events else (_RAW, _SUMMED)
    found = parts(archive, start, end, bucket)
    rows = [f"SELECT {raw if p.tier == 'raw' else summed_up} FROM ({_told(archive, series, p)})" for p in found]
    summed = [part for part in found if part.tier != "raw"]
    if summed:  # their rows know nothing of what was flushed since
        spans = " OR ".join(f"origin >= {part.start} AND origin < {part.end}" for part in summed)
        flushed = [f for f in _files(archive, series, _around(summed)) if f.level == FLUSHED]
        unsummed = archive.rows("raw", flushed, f"{_of(series)} AND ({spans})")
        rows.append(f"SELECT {raw} FROM ({unsummed})")
    rows.append(f"SELECT {raw} FROM {TAIL} WHERE {_within(series, start, end)}")
    return " UNION ALL ".join(rows), min((part.tier for part in found), key=_COARSEST.index, default="raw")


def bucketed(archive: Archive, series: Sequence[Series], asked: Values) -> tuple[str, Tier]:
    """SQL whose rows are the buckets that have readings, in order: `stamp` (the bucket's start, ns) and the columns
    asked for; and the coarsest tier it uses."""
    rows, tier = pieces(archive, series, asked.start, asked.end, asked.bucket)
    columns = [f'{_OF[name]} AS "{name}"' for name in asked.of if name in _OF]
    if "gaps" in asked.of:
        columns.append(f"{_OF['count']} AS readings")
    said = ", ".join([f"origin // {asked.bucket} * {asked.bucket} AS stamp", *columns])
    return f"SELECT {said} FROM ({rows}) GROUP BY stamp ORDER BY stamp", tier


def every(archive: Archive, series: Sequence[Series], asked: Values) -> str:
    """SQL whose rows are the readings themselves, in order: `stamp` (the reading's origin), value, exact, quality."""
    where = _within(series, asked.start, asked.end)
    files = archive.rows("raw", _files(archive, series, Part("raw", asked.start, asked.end)), where)
    columns = 'origin AS stamp, value, exact, quality, "offset"'
    both = f"SELECT {columns} FROM ({files}) UNION ALL SELECT {columns} FROM {TAIL} WHERE {where}"
    return f'SELECT stamp, value, exact, quality FROM ({both}) ORDER BY stamp, "offset"'


def _told(archive: Archive, series: Sequence[Series] | None, part: Part) -> str:
    return archive.rows(part.tier, _files(archive, series, part), _within(series, part.start, part.end))


def _around(parts: Sequence[Part]) -> Part:
    return Part("raw", min(part.start for part in parts), max(part.end for part in parts))


def _files(archive: Archive, series: Sequence[Series] | None, part: Part) -> list[File]:
    numbers = None if series is None else [one.series for one in series]
    return archive.snapshot.of(part.tier, part.start, part.end - 1, numbers)


def _of(series: Sequence[Series] | None) -> str:
    return "true" if series is None else f"series IN ({', '.join(str(one.series) for one in series)})"


def _within(series: Sequence[Series] | None, start: int, end: int) -> str:
    return f"{_of(series)} AND origin >= {start} AND origin < {end}"
