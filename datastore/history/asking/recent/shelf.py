"""The journal's files as a process beside the gateway sees them."""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from datastore import query
from datastore.codec import PLAIN, decode, value_at
from datastore.history.spelling import quality
from datastore.query import Wanted
from datastore.segment import Row, Segment, files
from datastore.sources import Sources
from gateway.model.query import Selection
from gateway.model.reading import Event, Source

log = logging.getLogger(__name__)
DAY = 86_400 * 10**9
Reading = tuple[int, int, object, str]
"""Its own time, the offset, the value, the quality in words (empty: good)."""


class Shelf:
    """`look`, then ask."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.segments: list[Segment] = []
        self.sources = Sources()

    def look(self) -> None:
        """What is there now. Raises ConfigError, Corrupt, sqlite3.Error."""
        self.segments = []
        for path in files(self._folder):
            segment = Segment(path)
            try:
                segment.look(self.sources)
            except sqlite3.OperationalError:
                if path.exists():
                    raise
            else:
                self.segments.append(segment)

    def wanted(self, selection: Selection) -> Wanted:
        return query.wanted(selection, self.sources.all())

    def named(self, want: Wanted) -> Sequence[Source]:
        """The sources that a selection means, the newest definition last."""
        every = self.sources.all()
        return every if want.numbers is None else [one for one in every if one.number in want.numbers]

    def events(self, selection: Selection) -> tuple[list[Event], int]:
        """A page, and how many there are in all."""
        return query.by_selection(self.segments, self.sources, selection, query.EVERYTHING, ())

    def readings(self, device: str, resource: str, start: int, end: int) -> Iterator[Reading]:
        """Of one resource, whose own time is within a span (half open), in no order. A device may tell values long
        after their time, and its clock may be a day ahead."""
        want = self.wanted(Selection(device, resource=resource, start=start - DAY))
        index = {one.number: one.names.index(resource) for one in self.named(want)}
        where = f"(origin < {end:d} OR substr(body, 1, 1) <> x'{PLAIN:02x}')"
        for row in query.rows(self.segments, want, where):
            offset, number, origin, body = row
            if body[0] == PLAIN:
                if start <= origin:
                    yield origin, offset, value_at(body, index[number]), ""
                continue
            event = self.event(row)
            if event is not None:
                at = index[number] if event.which is None else event.which.index(index[number])
                own = (event.times or {}).get(at, origin)
                if start <= own < end:
                    yield own, offset, event.values[at], spelt(event, at)

    def event(self, row: Row) -> Event | None:
        """None: the row is damaged, which is logged."""
        offset, number, origin, body = row
        try:
            return decode(self.sources.get(number), offset, origin, body)
        except Exception as error:  # noqa: BLE001  any: it depends on which bit of the row flipped
            log.error("the row of offset %d is damaged and left out: %s", offset, error)
            return None


def spelt(event: Event, at: int) -> str:
    """The quality of the value at a position, in words; empty: good."""
    found = (event.quality or {}).get(at)
    return quality(*found) if found else ""


def is_bad(told: str) -> bool:
    return told.startswith("bad")
