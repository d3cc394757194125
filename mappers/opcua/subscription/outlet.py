"""A whole notification at once: one pass over its changes, then one Event per source.

This is the hot road of the protocol. What is the same for many values is looked at in columns, by C code of the
interpreter; only a column with something unusual in it is taken value by value.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeGuard

from asyncua import ua

from gateway.model.reading import Event, OneTime, Quality, Source


class Data(Protocol):
    """A `ua.DataValue` as the library decodes it: of a missing value and status it makes Null and Good."""

    @property
    def Value(self) -> ua.Variant: ...  # noqa: N802
    @property
    def StatusCode(self) -> ua.StatusCode: ...  # noqa: N802
    @property
    def SourceTimestamp(self) -> datetime | None: ...  # noqa: N802


Decode = Callable[[Data], tuple[Any, Quality | None]]
"""A raw value, and its quality where it is not good."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2262, 1, 1, tzinfo=UTC)
"""What is later does not go into 64 bits of nanoseconds."""
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


class Reader(NamedTuple):
    """How the values of one resource are taken from what the server sends."""

    passes: frozenset[ua.VariantType]
    """Types of single values that are the resource's own as they stand."""
    decode: Decode
    """For everything else."""


class Outlet:
    """The source that some monitored items belong to. `bucket` holds what a notification brought for it, by index."""

    __slots__ = ("_order", "_readers", "_source_times", "_usual", "bucket", "source")

    def __init__(self, source: Source, readers: Sequence[Reader], source_times: bool) -> None:
        self.source = source
        self.bucket: dict[int, Data] = {}
        self._readers = readers
        self._usual: list[ua.VariantType | None] = [None] * len(readers)
        """By index, the type of values that came before and pass; most come in one type for ever."""
        self._order = list(range(len(readers)))
        self._source_times = source_times

    def take(self, origin: int) -> Event:
        """What is in the bucket, as an Event that came at `origin` (ns); the bucket is empty then."""
        bucket, which = self.bucket, None
        if len(bucket) == 1:
            return self._single(*bucket.popitem(), origin)
        if len(bucket) < len(self._order):
            which = tuple(bucket)
            got = list(bucket.values())
        elif list(bucket) == self._order:
            got = list(bucket.values())
        else:
            got = [bucket[index] for index in self._order]
        bucket.clear()
        usual = self._usual if which is None else [self._usual[index] for index in which]
        variants = [data.Value for data in got]
        event = Event(self.source, origin, [variant.Value for variant in variants], which)
        if (
            [variant.VariantType for variant in variants] != usual
            or True in [variant.is_array for variant in variants]
            or any([data.StatusCode.value for data in got])  # noqa: C419  a list is faster
        ):
            self._refine(event, got)
        if self._source_times:
            event.times = _times([data.SourceTimestamp for data in got])
        return event

    def one(self, index: int, value: Any, origin: int, stamp: datetime | None) -> Event:
        """A value that is ready, with its time."""
        which = None if len(self._order) == 1 else (index,)
        return Event(self.source, origin, [value], which, times=_times([stamp]) if self._source_times else None)

    def _single(self, index: int, data: Data, origin: int) -> Event:
        """The same for one value, which is most of what a source of one resource ever gets."""
        value, quality = self._value(index, data)
        which = None if len(self._order) == 1 else (index,)
        stamp = data.SourceTimestamp if self._source_times else None
        times = {0: ns(stamp)} if is_time(stamp) else None
        return Event(self.source, origin, [value], which, {0: quality} if quality is not None else None, times)

    def _refine(self, event: Event, got: list[Data]) -> None:
        """Value by value, where a column is not as usual."""
        quality: dict[int, Quality] = {}
        for position, data in enumerate(got):
            index = position if event.which is None else event.which[position]
            event.values[position], found = self._value(index, data)
            if found is not None:
                quality[position] = found
        event.quality = quality or None

    def _value(self, index: int, data: Data) -> tuple[Any, Quality | None]:
        variant, reader = data.Value, self._readers[index]
        if variant.VariantType not in reader.passes or variant.is_array or data.StatusCode.value:
            return reader.decode(data)
        self._usual[index] = variant.VariantType
        return variant.Value, None


Target = tuple[Outlet, dict[int, Data], int]
"""Where a change goes: an outlet, its bucket (one look-up less) and the index of the resource."""
Targets = Mapping[int, tuple[Target, ...]]
"""By client handle; several where resources share a monitored item."""
Change = tuple[int, Data]
"""A client handle and what it has now."""


def events(changes: Iterable[Change], targets: Targets, origin: int) -> list[Event]:
    """One Event per source. A source of which an item came k times gives k Events, in order. What nobody asked for is
    left out."""
    touched, again = _sort(changes, targets)
    found = [outlet.take(origin) for outlet in touched]
    for part in _rounds(again):
        found += [outlet.take(origin) for outlet in _fill(part)]
    return found


def _sort(changes: Iterable[Change], targets: Targets) -> tuple[list[Outlet], list[tuple[Target, Data]]]:
    """Fills the buckets. Returns who got something, and what came for a place that had something already."""
    touched: list[Outlet] = []
    again: list[tuple[Target, Data]] = []
    find = targets.get
    for handle, data in changes:
        for target in find(handle, ()):
            outlet, bucket, index = target
            if index in bucket:
                again.append((target, data))
                continue
            if not bucket:
                touched.append(outlet)
            bucket[index] = data
    return touched, again


def _rounds(again: Iterable[tuple[Target, Data]]) -> list[list[tuple[Target, Data]]]:
    """In one pass, whatever their number: what came a second time for its place, then a third, and so on."""
    rounds: list[list[tuple[Target, Data]]] = []
    came: Counter[tuple[int, int]] = Counter()
    for target, data in again:
        place = id(target[1]), target[2]
        if came[place] == len(rounds):
            rounds.append([])
        rounds[came[place]].append((target, data))
        came[place] += 1
    return rounds


def _fill(part: Iterable[tuple[Target, Data]]) -> list[Outlet]:
    """Fills the buckets with what has a place of its own. Returns who got something."""
    touched = []
    for (outlet, bucket, index), data in part:
        if not bucket:
            touched.append(outlet)
        bucket[index] = data
    return touched


def ns(stamp: datetime) -> int:
    """Of a time of asyncua (UTC, microseconds)."""
    return (stamp - _EPOCH) // _MICROSECOND * 1000


def _times(stamps: list[datetime | None]) -> Mapping[int, int] | None:
    """Source times by position. Most servers stamp many values alike, or within a second."""
    first = stamps[0]
    if is_time(first) and stamps.count(first) == len(stamps):
        return OneTime(len(stamps), ns(first))
    if None in stamps or (least := min(stamps)) <= _EPOCH or (most := max(stamps)) >= _END:  # type: ignore[type-var, operator]
        return {position: ns(stamp) for position, stamp in enumerate(stamps) if is_time(stamp)} or None
    if most - least < _SECOND:  # type: ignore[operator]
        base = ns(least)  # type: ignore[arg-type]
        return {at: base + (stamp - least).microseconds * 1000 for at, stamp in enumerate(stamps)}  # type: ignore[operator]
    return {position: ns(stamp) for position, stamp in enumerate(stamps)}  # type: ignore[arg-type]


def is_time(stamp: datetime | None) -> TypeGuard[datetime]:
    """Servers that know no time send none, or the year 1601, or 9999 (Part 6, 5.2.2.5)."""
    return stamp is not None and _EPOCH < stamp < _END
