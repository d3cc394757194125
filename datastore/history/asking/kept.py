"""Answers to `Kept`: records as the journal had them, a page at a time, for whoever sends them once more."""

from collections.abc import Sequence
from typing import NamedTuple

import duckdb
import msgspec

from datastore.history.asking.archive import Archive
from datastore.history.asking.found import Found
from datastore.history.asking.pages import packed
from datastore.history.asking.rebuild import events, told_in
from datastore.history.catalog import File
from datastore.history.spans import DAY, SECOND, Tier
from gateway.model.asking import Kept
from gateway.model.reading import Event, Message, Record

RECORDS = 2000
READINGS = 100_000
"""Of a page, at most."""
TEXT = 100
"""So much of texts and binaries takes the place of another reading."""
MEDIA = "application/msgpack"
_AT = "coalesce(event, origin)"


class _Key(NamedTuple):
    origin: int
    offset: int
    series: int
    """One of its series; 0: a message."""
    readings: int
    """How many, or what its texts take the place of."""


def answer(con: duckdb.DuckDBPyConnection, archive: Archive, asked: Kept) -> Found:
    """What only the journal has is not looked at. Raises duckdb.Error."""
    look = _Look(con, archive, asked)
    keys = look.keys()
    found = {event.offset: event for event in look.events([key for key in keys if key.series])}
    records: dict[int, Record] = {**found, **look.messages([key.offset for key in keys if not key.series])}
    last = (keys[-1].origin, keys[-1].offset) if keys else None
    return Found(MEDIA, packed(last, [records[key.offset] for key in keys if key.offset in records]))


class _Look:
    """One page of them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, archive: Archive, asked: Kept) -> None:
        self._con = con
        self._archive = archive
        self._asked = asked
        self._raw = self._files("raw")
        self._messages = self._files("messages")

    def _files(self, tier: Tier) -> list[File]:
        asked = self._asked
        files = told_in(self._archive.snapshot.of(tier), max(asked.start, asked.after[0]), asked.end)
        return [file for file in files if file.last_offset > asked.above and file.first_offset <= asked.upto]

    def keys(self) -> list[_Key]:
        """Looks on in steps that grow where there is nothing."""
        asked = self._asked
        start = max(asked.start, asked.after[0])
        width = self._guess(start)
        while start < asked.end:
            ahead = [file.first_event for file in (*self._raw, *self._messages) if file.last_event >= start]
            if not ahead:
                break
            start = max(start, min(ahead))
            end = min(asked.end - 1, start + width)
            if found := self._within(start, end):
                return found
            start, width = end + 1, width * 8
        return []

    def _guess(self, start: int) -> int:
        """ns that a page probably takes, by the fullest of the files that come first: another may have but a few values
        that were told long after their time."""
        begin = max(start, min((file.first_event for file in self._raw), default=start))
        near = [file for file in self._raw if file.first_event <= begin + DAY]
        first = max(near, key=lambda file: file.rows, default=None)
        return DAY if first is None else READINGS * (first.newest - first.oldest + SECOND) // max(first.rows, 1) + 1

    def _within(self, start: int, end: int) -> list[_Key]:
        at, offset = self._asked.after
        page = f'HAVING made > {at} OR "offset" > {offset} ORDER BY made, "offset" LIMIT {RECORDS}'
        size = f"(count(*) + coalesce(sum(length(exact)), 0) // {TEXT})::BIGINT"
        count = f'SELECT {_AT} AS made, "offset", min(series), {size} FROM ({self._rows(start, end)})'
        found = self._con.execute(f"{count} GROUP BY 1, 2 {page}").fetchall()
        said = self._said(f"origin BETWEEN {start} AND {end}")
        page = page.replace("HAVING", "WHERE")
        found += self._con.execute(f'SELECT origin AS made, "offset", 0, 1 FROM ({said}) {page}').fetchall()
        keys = sorted(_Key(*row) for row in found)[:RECORDS]
        readings = 0
        for number, key in enumerate(keys):
            readings += key.readings
            if readings > READINGS and number:
                return keys[:number]
        return keys

    def _rows(self, start: int, end: int, where: str = "true") -> str:
        wanted = f'{where} AND "offset" BETWEEN {self._asked.above + 1} AND {self._asked.upto}'
        own = [file for file in self._raw if file.oldest <= end and file.newest >= start]
        near = told_in(self._raw, start, end)
        usual = self._archive.rows("raw", own, f"event IS NULL AND origin BETWEEN {start} AND {end} AND {wanted}")
        return f"{usual} UNION ALL {self._archive.rows('raw', near, f'event BETWEEN {start} AND {end} AND {wanted}')}"

    def _said(self, where: str) -> str:
        wanted = f'{where} AND "offset" BETWEEN {self._asked.above + 1} AND {self._asked.upto}'
        return self._archive.rows("messages", self._messages, wanted)

    def events(self, keys: Sequence[_Key]) -> list[Event]:
        return events(self._con, self._archive, self._rows, [(key.offset, key.origin, key.series) for key in keys])

    def messages(self, offsets: Sequence[int]) -> dict[int, Message]:
        if not offsets:
            return {}
        rows = self._con.execute(self._said(f'"offset" IN ({", ".join(map(str, offsets))})')).fetchall()
        return {
            offset: Message(kind, device, name, origin, msgspec.json.decode(body), offset=offset)
            for offset, origin, kind, device, name, body in rows
        }
