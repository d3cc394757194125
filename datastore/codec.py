"""A record ↔ the bytes of its row. Columns of one number type are packed as such; anything else is MessagePack.

A row's body is a MessagePack array: column, values, and only where there is something to say: which, quality, times,
historical. Source, origin and offset are columns of the row itself.
"""

from array import array
from collections.abc import Mapping
from struct import Struct
from typing import Any

import msgspec

from gateway.model.reading import Event, Message, OneTime, Quality, Record, Source

MESSAGE = 0
"""What a row says in place of a source's number when it is a message."""

PLAIN = 0x92
"""First byte of the body of an event of which nothing is said beside its values: all of its source came, all good, all
at its origin."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_INTEGERS = "Hiq"
_COLUMNS = {"H": 1, "i": 2, "q": 3, "f": 4, "d": 5}
"""How a packed column is told in the row; 0: plain MessagePack. Little-endian machines only, as all we run on."""
_CODES = {number: code for code, number in _COLUMNS.items()}
_PICK = {number: Struct(f"<{code}") for number, code in _CODES.items()}


def encode(record: Record) -> bytes:
    """The body of a record's row."""
    if isinstance(record, Message):
        return _encode(
            (
                record.kind,
                record.device,
                record.name,
                record.body,
                record.reply_to,
                record.correlation,
                record.historical,
            )
        )
    column, values = _pack(record.values)
    if record.which is None and not record.quality and not record.times and not record.historical:
        return _encode((column, values))
    return _encode((column, values, record.which, _qualities(record), _times(record), record.historical))


def decode(source: Source, offset: int, origin: int, body: bytes) -> Event:
    """The event of a row."""
    column, values, *rest = _decode(body)
    if column:
        values = array(_CODES[column], values).tolist()
    event = Event(source, origin, values, offset=offset)
    if rest:
        which, qualities, times, event.historical = rest
        event.which = None if which is None else tuple(which)
        event.quality = _quality_map(qualities, len(values))
        event.times = _time_map(times, origin, len(values))
    return event


def decode_message(offset: int, origin: int, body: bytes) -> Message:
    """The message of a row."""
    kind, device, name, said, reply_to, correlation, historical = _decode(body)
    return Message(kind, device, name, origin, said, reply_to, correlation, historical, offset)


def carries(body: bytes, index: int) -> bool:
    """Whether the event of a row has a value for the resource at `index` of its source."""
    which = carried(body)
    return which is None or index in which


def carried(body: bytes) -> list[int] | None:
    """For which resources of its source the event of a row has values; None: for all."""
    _, _, *rest = _decode(body)
    return rest[0] if rest else None


def value_at(body: bytes, index: int) -> Any:
    """The value of the resource at `index` of the source, of a PLAIN body."""
    column, values = _decode(body)
    return _PICK[column].unpack_from(values, _PICK[column].size * index)[0] if column else values[index]


def plain_values(body: bytes) -> "array[Any] | list[Any]":
    """All values of a PLAIN body."""
    column, values = _decode(body)
    return array(_CODES[column], values) if column else values


def _pack(values: list[Any]) -> tuple[int, Any]:
    kinds = set(map(type, values))
    if kinds == {int}:
        for code in _INTEGERS:
            try:
                return _COLUMNS[code], array(code, values).tobytes()
            except OverflowError:
                continue
    elif kinds == {float}:
        single = array("f", values)
        if single.tolist() == values:
            return _COLUMNS["f"], single.tobytes()
        return _COLUMNS["d"], array("d", values).tobytes()
    return 0, values


def _qualities(event: Event) -> list[Any] | None:
    """Grouped, since many values of one event usually share what is wrong; no positions: all of them."""
    if not event.quality:
        return None
    groups: dict[Quality, list[int]] = {}
    for position, quality in event.quality.items():
        groups.setdefault(quality, []).append(position)
    return [[*quality, [] if len(rows) == len(event.values) else rows] for quality, rows in groups.items()]


def _quality_map(groups: list[Any] | None, count: int) -> dict[int, Quality] | None:
    if groups is None:
        return None
    return {
        position: quality
        for level, reason, code, rows in groups
        for quality in (Quality(level, reason, code),)
        for position in rows or range(count)
    }


def _times(event: Event) -> dict[int, int] | int | None:
    """Distances from the origin; one where all values share it: a device that tells by itself stamps them together."""
    if not event.times:
        return None
    if isinstance(event.times, OneTime):
        return event.times.time - event.origin
    return {position: at - event.origin for position, at in event.times.items()}


def _time_map(times: dict[int, int] | int | None, origin: int, count: int) -> Mapping[int, int] | None:
    if isinstance(times, int):
        return OneTime(count, origin + times)
    return {position: origin + delta for position, delta in times.items()} if times else None
