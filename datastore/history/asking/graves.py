"""What people delete, as tombstones for the keeper."""

import sqlite3
from contextlib import closing
from pathlib import Path

from datastore import sqlite
from datastore.history.catalog import NAME, Tombstone
from gateway.model.query import Selection

_SPANS = """SELECT DISTINCT sources.first_series, sources.first_series + sources.count - 1
    FROM sources JOIN series USING (number) WHERE ? IN ('', device) AND ? IN ('', source)"""


def graves(history: Path, selection: Selection, head: int) -> list[Tombstone]:
    """Of the events of a selection that are older than the journal's `head`: a device, a source, a span of time, one
    event. Raises sqlite3.Error, Corrupt."""
    first, last = (selection.event, selection.event) if selection.event else (0, head)
    spans = [(0, 2**31 - 1)]
    if selection.device or selection.source:
        try:
            with sqlite.reading(history / NAME), closing(sqlite.open_reader(history / NAME)) as db:
                spans = db.execute(_SPANS, (selection.device, selection.source)).fetchall()
        except sqlite3.OperationalError:  # nothing was taken from the journal yet
            return []
    return [
        Tombstone(
            first_series=low,
            last_series=high,
            start=selection.start,
            end=selection.end,
            first_offset=first,
            last_offset=last,
        )
        for low, high in spans
    ]
