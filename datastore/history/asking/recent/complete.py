"""Answers to `Completeness` out of the journal: every event is looked at."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from datastore import query
from datastore.codec import PLAIN
from datastore.history.asking import shapes
from datastore.history.asking.found import Found
from datastore.history.asking.recent.shelf import Shelf, is_bad, spelt
from gateway.model.asking import MEDIA, Completeness
from gateway.model.query import Selection

_SECOND = 10**9


@dataclass(slots=True)
class _Told:
    """What came of a source."""

    all: "array[int]" = field(default_factory=lambda: array("q"))
    usable: "array[int]" = field(default_factory=lambda: array("q"))
    """Origins of events with a value that is not bad."""
    bad: list[tuple[int, str]] = field(default_factory=list)


def answer(shelf: Shelf, asked: Completeness) -> Found:
    """Raises Corrupt, sqlite3.Error."""
    told = _told(shelf, asked)
    everything = sorted({origin for one in told for origin in one.all})
    counts = {at: (len(one.all), len(one.usable)) for at, one in enumerate(told)}
    gaps = {
        at: _gaps(asked, step, told[at], everything)
        for at, (device, _, step) in enumerate(asked.sources)
        if step and asked.device in ("", device)
    }
    return Found(MEDIA["json"], shapes.completeness(asked, _SECOND, counts, gaps), rows=len(told))


def _told(shelf: Shelf, asked: Completeness) -> list[_Told]:
    told = [_Told() for _ in asked.sources]
    places = {(device, source): at for at, (device, source, _) in enumerate(asked.sources)}
    owners = {one.number: places.get((one.device, one.name)) for one in shelf.sources.all()}
    want = shelf.wanted(Selection(start=asked.start, end=asked.end - 1))
    for offset, number, origin, body in query.rows(shelf.segments, want):
        at = owners[number]
        if at is None:
            continue
        said = ""
        if body[0] != PLAIN:
            event = shelf.event((offset, number, origin, body))
            if event is None:
                continue
            qualities = [spelt(event, position) for position in range(len(event.values))]
            said = qualities[0] if qualities and all(map(is_bad, qualities)) else ""
        told[at].all.append(origin)
        if said:
            told[at].bad.append((origin, said))
        else:
            told[at].usable.append(origin)
    return told


def _gaps(asked: Completeness, step: int, told: _Told, everything: Sequence[int]) -> list[dict[str, Any]]:
    """From when the next was due until one came."""
    marks = [asked.start - step, *sorted(told.usable), asked.end]
    bad = sorted(told.bad)
    found = []
    for before, till in pairwise(marks):
        if till - before > step * shapes.PATIENCE:
            since = before + step
            at = bisect_left(bad, (since - 2 * step, ""))
            quality = bad[at][1] if at < len(bad) and bad[at][0] < till else None
            # when reading begins again, others may come first by less than an interval
            nobody = bisect_left(everything, since) >= bisect_left(everything, till - step)
            found.append(shapes.missing(since, till, quality, nobody))
    return found[: shapes.MOST_GAPS]
