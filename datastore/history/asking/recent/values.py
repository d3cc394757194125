"""Answers to `Values`: every reading of one resource, or buckets of time, out of the journal."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from datastore.history.asking import shapes
from datastore.history.asking.found import Found
from datastore.history.asking.recent.shelf import Shelf, is_bad
from datastore.history.spelling import spelled, text
from gateway.model.asking import MEDIA, TIME_COLUMN, Values
from gateway.model.csvcell import disarmed
from gateway.model.query import Selection

MOST_ROWS = 500_000
"""Of one answer: six days of a reading a second, 100 MB on its way."""
_SECOND = 10**9
_NOTES = {"tier": "raw"}


def answer(shelf: Shelf, asked: Values) -> Found:
    """Raises QuestionRefused, Corrupt, sqlite3.Error."""
    sources = shelf.named(shelf.wanted(Selection(asked.device, resource=asked.resource)))
    if not sources and not asked.value_type:
        raise shapes.nothing_known(asked)
    kind, units = asked.value_type, ""
    if sources:
        properties = sources[-1].resources[sources[-1].names.index(asked.resource)].properties
        kind, units = properties.value_type.value, properties.units
    names, columns = _bucketed(shelf, asked) if asked.bucket else _every(shelf, asked)
    times = columns[0]
    if asked.form == "csv":
        return Found(MEDIA["csv"], _csv(names, columns), rows=len(times), notes=_NOTES)
    body = shapes.head(asked, kind, units) | {"tier": "raw", "rows": len(times)}
    body |= {name: column for name, column in zip(names, columns, strict=True) if name != "quality" or any(column)}
    if "gaps" in asked.of and asked.bucket:
        body["gaps"] = shapes.gaps(times, columns[-1], asked)
        body.pop(_READINGS)
    return Found(MEDIA["json"], shapes.encode(body), rows=len(times), notes=_NOTES)


Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Names, and as many columns; the first is the time."""


def _every(shelf: Shelf, asked: Values) -> Table:
    found = []
    for one in shelf.readings(asked.device, asked.resource, asked.start, asked.end):
        found.append(one)
        shapes.check_rows(len(found), MOST_ROWS)
    found.sort(key=lambda one: one[:2])
    columns = [[one[at] for one in found] for at in (0, 2)]
    return (TIME_COLUMN, "value", "quality"), [*columns, [one[3] or None for one in found]]


_READINGS = "readings"


@dataclass(slots=True)
class _Bucket:
    """What is known of the readings of a stretch of time; numbers of those that are not bad."""

    count: int = 0
    good: int = 0
    weight: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    first: tuple[int, int, float] = (0, 0, 0.0)
    last: tuple[int, int, float] = (0, 0, 0.0)

    def add(self, at: tuple[int, int], value: object, quality: str) -> None:
        self.count += 1
        self.good += not quality
        if not isinstance(value, int | float) or is_bad(quality) or not math.isfinite(value):
            return
        told = (*at, float(value))
        self.first = min(self.first, told) if self.weight else told
        self.last = max(self.last, told) if self.weight else told
        self.weight += 1
        self.total += value
        self.low, self.high = min(self.low, told[2]), max(self.high, told[2])

    def of(self, name: str) -> float | None:
        if name in ("count", _READINGS):
            return self.count
        if name == "good":
            return 100 * self.good / self.count if self.count else None
        if not self.weight:
            return None
        numbers = {"mean": self.total / self.weight, "min": self.low, "max": self.high}
        return numbers[name] if name in numbers else (self.first if name == "first" else self.last)[2]


def _bucketed(shelf: Shelf, asked: Values) -> Table:
    shapes.check_buckets(asked, MOST_ROWS)
    width = asked.bucket
    found: dict[int, _Bucket] = {}
    for own, offset, value, quality in shelf.readings(asked.device, asked.resource, asked.start, asked.end):
        stamp = own // width * width
        bucket = found.get(stamp)
        if bucket is None:
            bucket = found[stamp] = _Bucket()
        bucket.add((own, offset), value, quality)
    if "gaps" in asked.of:
        for stamp in range(asked.start // width * width, asked.end, width):
            found.setdefault(stamp, _Bucket())
    names = [name for name in asked.of if name != "gaps"]
    shown = [*names, _READINGS] if "gaps" in asked.of and asked.form == "json" else names
    stamps = sorted(found)
    return (TIME_COLUMN, *shown), [stamps, *([found[stamp].of(name) for stamp in stamps] for name in shown)]


def _csv(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for at, *cells in zip(*columns, strict=True):
        writer.writerow([_iso(at), *_cells(cells)])
    return file.getvalue().encode("utf-8", "replace")


def _cells(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if value is None:
            yield ""
        elif isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, int | float):
            yield repr(value) if math.isfinite(value) else disarmed(spelled(value))
        else:
            yield disarmed(text(value))


def _iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at // _SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{at % _SECOND:09d}Z"
