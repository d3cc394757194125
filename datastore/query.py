"""Reading the journal's files: in order for consumers, by selection for people. Runs in threads, with connections of
its own, and meets files that retention takes away meanwhile."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from datastore.codec import MESSAGE, PLAIN, carried, carries, decode, decode_message
from datastore.segment import Row, Segment
from datastore.sources import Sources
from datastore.sqlite import open_reader, reading
from gateway.model.query import Selection
from gateway.model.reading import Event, Record, Source

log = logging.getLogger(__name__)

Key = tuple[int, int]
"""Origin and offset: the order of people's queries."""
EVERYTHING = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A selection with its names resolved."""

    selection: Selection
    numbers: frozenset[int] | None
    """Sources; None: any."""
    indexes: dict[int, int]
    """Per source, where the wanted resource is among its resources; only sources that have others as well."""

    def takes(self, event: Event) -> bool:
        """Whether an event that is not on disk yet belongs to it."""
        picked = self.selection
        if self.numbers is not None and event.source.number not in self.numbers:
            return False
        if picked.event and event.offset != picked.event:
            return False
        return picked.start <= event.origin <= picked.end and (not picked.resource or picked.resource in event.names())


def wanted(selection: Selection, sources: Sequence[Source]) -> Wanted:
    """Which sources a selection means."""
    if not (selection.device or selection.source or selection.resource):
        return Wanted(selection, None, {})
    matching = [
        source
        for source in sources
        if selection.device in ("", source.device)
        and selection.source in ("", source.name)
        and (not selection.resource or selection.resource in source.names)
    ]
    several = [s for s in matching if selection.resource and len(s.names) > 1]
    indexes = {source.number: source.names.index(selection.resource) for source in several}
    return Wanted(selection, frozenset(source.number for source in matching), indexes)


def condition(want: Wanted, segment: Segment, db: sqlite3.Connection) -> str:
    """SQL that is true for the rows of a selection in this file."""
    picked = want.selection
    terms = [f"origin BETWEEN {picked.start:d} AND {picked.end:d}"]
    if want.numbers is None:
        terms.append("source > 0")
    else:
        here = sorted(want.numbers & segment.numbers)
        terms.append(f"source IN ({','.join(map(str, here))})")
    if picked.event:
        terms.append(f"offset = {picked.event:d}")
    if segment.partial and want.indexes:
        indexes = want.indexes
        db.create_function("carried", 2, lambda number, body: number not in indexes or carries(body, indexes[number]))
        terms.append("carried(source, body)")
    return " AND ".join(terms)


def touches(want: Wanted, segment: Segment) -> bool:
    """Whether a file can have anything of a selection."""
    picked = want.selection
    if not segment.count or segment.newest < picked.start or segment.oldest > picked.end:
        return False
    if picked.event and not segment.first <= picked.event <= segment.last:
        return False
    return want.numbers is None or bool(want.numbers & segment.numbers)


def in_order(segments: Sequence[Segment], sources: Sources, after: int, upto: int, limit: int) -> list[Record]:
    """Records above `after` and not above `upto`, for a consumer. Raises Corrupt, sqlite3.Error."""
    found: list[Record] = []
    for segment in segments:
        while len(found) < limit and segment.last > after and segment.first <= upto:
            room = limit - len(found)
            rows = _rows(segment, f"offset > {after:d} AND offset <= {upto:d} ORDER BY offset LIMIT {room:d}")
            found += _records(sources, rows)
            if len(rows) < room:
                break
            after = rows[-1][0]
    return found


def by_selection(
    segments: Sequence[Segment], sources: Sources, picked: Selection, upto: int, waiting: Sequence[Event]
) -> tuple[list[Event], int]:
    """A page of a selection and how many there are in all: of what lies on disk up to offset `upto`, and of `waiting`,
    events that are not there yet. Raises Corrupt, sqlite3.Error."""
    want = wanted(picked, sources.all())
    extra = [event for event in waiting if want.takes(event)]
    need = EVERYTHING if picked.limit < 0 else picked.offset + picked.limit
    keys: list[tuple[Key, Segment | None]] = [((event.origin, event.offset), None) for event in extra]
    total = len(extra)
    touched = [segment for segment in segments if touches(want, segment)]
    touched.sort(key=lambda s: -s.newest if picked.newest_first else s.oldest)
    keys.sort(key=_first, reverse=picked.newest_first)
    for segment in touched:
        visible = segment.visible  # before `last` is looked at: a commit changes them the other way round
        wholly = _wholly(want, segment, upto)
        reaches = need and (len(keys) < need or _reaches(segment, keys[need - 1][0], picked.newest_first))
        if wholly and not reaches:
            total += visible
            continue
        with suppress(_Gone), _open(segment) as db:
            where = f"{condition(want, segment, db)} AND offset <= {upto:d}"
            count = f"SELECT count(*) FROM records WHERE {where}"  # noqa: S608
            total += visible if wholly else db.execute(count).fetchone()[0]
            if reaches:
                keys += [(key, segment) for key in _keys(db, where, need, picked.newest_first)]
                keys.sort(key=_first, reverse=picked.newest_first)
                del keys[need:]
    return _fetch(sources, keys[picked.offset : need], extra), total


def rows(segments: Sequence[Segment], want: Wanted, where: str = "true") -> Iterator[Row]:
    """All rows of a selection for which something more holds, file by file. Raises Corrupt, sqlite3.Error."""
    for segment in segments:
        if touches(want, segment):
            with suppress(_Gone), _open(segment) as db:
                sql = f"SELECT offset, source, origin, body FROM records WHERE {condition(want, segment, db)}"  # noqa: S608
                yield from db.execute(f"{sql} AND {where}")


def count_readings(
    segments: Sequence[Segment], sources: Sequence[Source], want: Wanted, only: frozenset[str] | None
) -> int:
    """How many readings of these resources (None: of all) the events of a selection have. Raises Corrupt,
    sqlite3.Error."""
    known = {one.number: {at for at, name in enumerate(one.names) if only is None or name in only} for one in sources}

    def came(number: int, body: bytes) -> int:
        which = carried(body)
        return len(known[number]) if which is None else len(known[number].intersection(which))

    total = 0
    for segment in segments:
        if touches(want, segment):
            with suppress(_Gone), _open(segment) as db:
                db.create_function("came", 2, came)
                plain = f"substr(body, 1, 1) = x'{PLAIN:02x}'"
                sql = f"SELECT source, sum({plain}), sum(CASE WHEN {plain} THEN 0 ELSE came(source, body) END)"
                sql = f"{sql} FROM records WHERE {condition(want, segment, db)} GROUP BY source"
                total += sum(len(known[number]) * whole + some for number, whole, some in db.execute(sql))
    return total


def _wholly(want: Wanted, segment: Segment, upto: int) -> bool:
    """Whether a selection takes all that people may see in this file."""
    picked = want.selection
    if want.numbers is not None or picked.event or segment.last > upto:
        return False
    return picked.start <= segment.oldest and segment.newest <= picked.end


def _first(pair: tuple[Key, Segment | None]) -> Key:
    return pair[0]


def _reaches(segment: Segment, last: Key, newest_first: bool) -> bool:
    return segment.newest >= last[0] if newest_first else segment.oldest <= last[0]


def _keys(db: sqlite3.Connection, where: str, need: int, newest_first: bool) -> list[Key]:
    way = "DESC" if newest_first else "ASC"
    limit = min(need, 2**62)
    sql = f"SELECT origin, offset FROM records WHERE {where} ORDER BY origin {way}, offset {way} LIMIT {limit:d}"  # noqa: S608
    return db.execute(sql).fetchall()


def _fetch(sources: Sources, page: Sequence[tuple[Key, Segment | None]], extra: Sequence[Event]) -> list[Event]:
    """The events of these keys, in their order. What retention took away in between is left out."""
    found = {event.offset: event for event in extra}
    offsets: dict[str, tuple[Segment, list[int]]] = {}
    for (_, offset), segment in page:
        if segment is not None:
            offsets.setdefault(str(segment.path), (segment, []))[1].append(offset)
    for segment, some in offsets.values():
        rows = _rows(segment, "offset IN (SELECT value FROM json_each(?))", str(some))
        found |= {event.offset: event for event in _records(sources, rows) if isinstance(event, Event)}
    return [found[offset] for (_, offset), _ in page if offset in found]


def _rows(segment: Segment, where: str, *parameters: str) -> list[Row]:
    with suppress(_Gone), _open(segment) as db:
        return db.execute(f"SELECT offset, source, origin, body FROM records WHERE {where}", parameters).fetchall()  # noqa: S608
    return []


class _Gone(Exception):
    """Retention took the file away."""


@contextmanager
def _open(segment: Segment) -> Iterator[sqlite3.Connection]:
    with reading(segment.path):
        try:
            db = open_reader(segment.path)
        except sqlite3.OperationalError:
            if segment.path.exists():
                raise
            raise _Gone from None
        with closing(db):
            yield db


def _records(sources: Sources, rows: Iterable[Row]) -> Iterator[Record]:
    """What can be decoded of them. SQLite does not notice a flipped bit inside a row; one such row must not stop a
    consumer for ever."""
    for row in rows:
        try:
            yield _record(sources, row)
        except Exception as error:  # noqa: BLE001  any: it depends on which bit it is
            log.error("journal: the row of offset %d is damaged and left out: %s", row[0], error)


def _record(sources: Sources, row: Row) -> Record:
    offset, number, origin, body = row
    if number == MESSAGE:
        return decode_message(offset, origin, body)
    return decode(sources.get(abs(number)), offset, origin, body)


Pending = Callable[[int], bool]
"""Whether somebody still waits for this offset."""


def delete(db: sqlite3.Connection, segment: Segment, want: Wanted, pending: Pending) -> tuple[int, int]:
    """Removes a selection from a file inside the caller's transaction; what somebody still waits for is only hidden
    from people. Returns how many were hidden and how many removed. Raises sqlite3.Error."""
    where = condition(want, segment, db)
    db.create_function("pending", 1, pending)
    hidden = db.execute(f"UPDATE records SET source = -source WHERE {where} AND pending(offset)").rowcount  # noqa: S608
    removed = db.execute(f"DELETE FROM records WHERE {where}").rowcount  # noqa: S608
    db.execute("UPDATE summary SET count = count - ?, visible = visible - ?", (removed, hidden + removed))
    return hidden, removed
