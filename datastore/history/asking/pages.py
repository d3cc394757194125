"""Pages of records on their way through the pipe; no DuckDB here, since the gateway unpacks them."""

from collections.abc import Sequence

import msgspec

from datastore.codec import MESSAGE, decode, decode_message, encode
from datastore.sources import SourceRow, Sources
from gateway.model.asking import KeptPage
from gateway.model.reading import Event, Record


class Page(msgspec.Struct, array_like=True):
    """As it goes through the pipe."""

    last: tuple[int, int] | None
    sources: list[tuple[int, bytes, bytes, bytes]]
    """Number in this page, fingerprint, resources, about: see `SourceRow`."""
    definitions: dict[bytes, bytes]
    rows: list[tuple[int, int, int, bytes]]
    """Source's number (MESSAGE: none), offset, origin, body."""


def packed(last: tuple[int, int] | None, records: Sequence[Record]) -> bytes:
    """A page, with the sources of its events."""
    sources = Sources()
    told: dict[int, SourceRow] = {}
    page = Page(last, [], {}, [])
    for record in records:
        number = MESSAGE
        if isinstance(record, Event):
            number = sources.number(record.source).number
            if number not in told:
                told[number], page.definitions[told[number].resources] = sources.row(number)
        page.rows.append((number, record.offset, record.origin, encode(record)))
    page.sources = [(row.number, row.fingerprint, row.resources, row.about) for row in told.values()]
    return msgspec.msgpack.encode(page)


class Unpacker:
    """Pages → records; a source that was seen is not made again."""

    def __init__(self) -> None:
        self._sources = Sources()
        self._numbers: dict[bytes, int] = {}
        self._decoder = msgspec.msgpack.Decoder(Page)

    def page(self, body: bytes) -> KeptPage:
        """Not on the loop's thread."""
        found = self._decoder.decode(body)
        ours = {number: self._numbers.setdefault(of, len(self._numbers) + 1) for number, of, _, _ in found.sources}
        self._sources.load((SourceRow(ours[number], *rest) for number, *rest in found.sources), found.definitions)
        records: list[Record] = [
            decode_message(offset, origin, body)
            if number == MESSAGE
            else decode(self._sources.get(ours[number]), offset, origin, body)
            for number, offset, origin, body in found.rows
        ]
        return KeptPage(records, found.last)
