"""What the journal has and history not yet: read from its files, beside the gateway that writes them."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from datastore import sqlite
from datastore.codec import MESSAGE, decode_message
from datastore.segment import Row, files
from datastore.sources import SourceRow, Sources
from gateway.model.errors import QuestionRefused
from gateway.model.reading import Message, Source

_AFTER_ALL = 2**63
MOST_BYTES = 150_000_000
"""Of rows that are only in the journal. A million readings that wait are taken at once, so in every day's work they are
fewer."""
ROW_BYTES = 100
"""What a row takes beside its body."""


class Fresh:
    """The journal's files as one process sees them; what it has learned of sources it keeps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources = Sources()
        self._known: set[int] = set()

    def sources(self, above: int) -> Mapping[int, bytes]:
        """Fingerprints by number of the sources there may be records of above this offset."""
        here: dict[int, bytes] = {}
        for db in self._open(above):
            found = dict(db.execute("SELECT number, fingerprint FROM sources").fetchall())
            here |= found
            if found.keys() - self._known:
                rows = [SourceRow(*row) for row in db.execute("SELECT * FROM sources")]
                self._sources.load(rows, dict(db.execute("SELECT hash, body FROM definitions").fetchall()))
                self._known |= found.keys()
        return here

    def source(self, number: int) -> Source:
        """Of a number that `sources` told."""
        return self._sources.get(number)

    def events(self, above: int, numbers: set[int] | None = None) -> list[Row]:
        """Rows of events of some sources (None: all) that people may see."""
        which = "source > 0" if numbers is None else f"source IN ({','.join(map(str, sorted(numbers)))})"
        return list(self._rows(f"offset > {above:d} AND {which}", above))

    def messages(self, above: int) -> list[Message]:
        """Alarms, results and acknowledgements."""
        rows = self._rows(f"offset > {above:d} AND source = {MESSAGE}", above)
        return [decode_message(offset, origin, body) for offset, _, origin, body in rows]

    def _rows(self, where: str, above: int) -> Iterator[Row]:
        """Raises QuestionRefused(503) where they are too many to be held: the history has only begun to take them."""
        held = 0
        for db in self._open(above):
            sql = f"SELECT offset, source, origin, body FROM records WHERE {where} ORDER BY offset"
            for row in db.execute(sql):
                held += ROW_BYTES + len(row[3])
                if held > MOST_BYTES:
                    said = "the history has still to take in much of what the journal has; ask again in some minutes"
                    raise QuestionRefused(503, f"{said}, or for one device")
                yield row

    def _open(self, above: int) -> Iterator[sqlite3.Connection]:
        """The files that may have something above an offset; one that retention takes away meanwhile is left out."""
        paths = list(files(self._folder))
        ends = [*(int(path.stem.rpartition("-")[2]) for path in paths[1:]), _AFTER_ALL]
        for path, end in zip(paths, ends, strict=False):
            if end <= above + 1:
                continue
            try:
                db = sqlite.open_reader(path)
            except sqlite3.OperationalError:
                if path.exists():
                    raise
                continue
            with closing(db):
                if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'records'").fetchone():
                    yield db
