"""Rows of history → events, as the journal had them."""

import base64
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, cast

import duckdb

from datastore.history.asking import forms
from datastore.history.asking.archive import Archive
from datastore.history.catalog import File
from gateway.model.profile import Compat, ValueType
from gateway.model.reading import GOOD, Event, Level, Quality, Reason, Source

Key = tuple[int, int, int]
"""Offset, origin, and one of its series."""
Rows = Callable[[int, int, str], str]
"""SQL for the rows of events from one origin to another for which something holds."""


def told_in(files: Sequence[File], start: int, end: int) -> list[File]:
    """Those that may have rows of events from `start` to `end`, both included, whatever time the rows are of."""
    return [file for file in files if file.first_event <= end and file.last_event >= start]


def events(con: duckdb.DuckDBPyConnection, archive: Archive, rows: Rows, keys: Sequence[Key]) -> list[Event]:
    """The events of these keys, whole, in their order."""
    if not keys:
        return []
    sources = sorted(archive.sources({key[2] for key in keys}), key=lambda pair: pair[0])
    firsts = [first for first, _ in sources]
    low, high = min(key[1] for key in keys), max(key[1] for key in keys)
    spans = [f"series BETWEEN {first} AND {first + len(source.resources) - 1}" for first, source in sources]
    select = 'SELECT "offset", series, origin, event, value, exact, quality'
    offsets = ", ".join(str(key[0]) for key in keys)
    wanted = f'"offset" IN ({offsets}) AND ({" OR ".join(spans)})'
    sql = f"{select} FROM ({rows(low, high, wanted)})"
    found: dict[int, list[Any]] = {}
    for offset, *row in con.execute(f'{sql} ORDER BY "offset", series').fetchall():
        found.setdefault(offset, []).append(row)
    made = []
    for offset, origin, series in keys:
        first, source = sources[bisect_right(firsts, series) - 1]
        if offset in found:  # else retention was quicker
            made.append(_event(source, first, (offset, origin), found[offset]))
    return made


def _event(source: Source, first: int, key: tuple[int, int], rows: Sequence[Any]) -> Event:
    offset, origin = key
    which = tuple(row[0] - first for row in rows)
    whole = which == tuple(range(len(source.resources)))
    kinds = [_kind(source, at) for at in which]
    values = [_value(row[3], row[4], kind) for row, kind in zip(rows, kinds, strict=True)]
    event = Event(source, origin, values, None if whole else which, offset=offset)
    event.times = {at: row[1] for at, row in enumerate(rows) if row[1] != origin} or None
    event.quality = {at: _quality(row[5]) for at, row in enumerate(rows) if row[5]} or None
    return event


def _kind(source: Source, at: int) -> str:
    """An integer that the profile makes a fraction is one also where it is whole."""
    p = source.resources[at].properties
    fractional = not all(float(number or 0).is_integer() for number in (p.scale, p.offset, p.base))
    if p.value_type.is_integer and fractional and source.compat is Compat.NONE:
        return ValueType.FLOAT64.value
    return p.value_type.value


def _value(number: float | None, exact: str | None, kind: str) -> Any:
    if exact is not None and kind == "Binary":
        return base64.b64decode(exact)
    return forms.value(number, exact, kind)


def _quality(text: str) -> Quality:
    level, _, rest = text.partition(" ")
    reason, _, code = rest.partition(" ")
    return Quality(cast("Level", level), cast("Reason", reason), code) if level else GOOD
