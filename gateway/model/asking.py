"""What people may ask of history, and what they get."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gateway.model.query import Selection
from gateway.model.reading import Record

Form = Literal["json", "csv", "arrow"]
MEDIA: Mapping[Form, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
}
COLUMNS = ("mean", "min", "max", "first", "last", "count", "good", "gaps")
"""What a bucket may say: `good` in percent; `gaps`: buckets without a reading have a row, too, and JSON lists them."""
TIME_COLUMN = "time"


@dataclass(frozen=True, slots=True)
class Values:
    """Of one resource over time: every reading, or in buckets of time."""

    device: str
    resource: str
    start: int
    """ns UTC, inclusive."""
    end: int
    """ns UTC, exclusive."""
    bucket: int = 0
    """ns, counted from 1970-01-01 UTC; 0: every reading as it was."""
    of: tuple[str, ...] = ("mean", "min", "max", "count")
    """Which COLUMNS; only with a bucket."""
    form: Form = "json"
    value_type: str = ""
    """As configured now, when it is: then nothing yet is an empty answer, not a refusal."""


@dataclass(frozen=True, slots=True)
class Sql:
    """One SELECT over the views `readings`, `minute`, `hour`, `messages` and `devices`."""

    text: str
    form: Form = "json"


@dataclass(frozen=True, slots=True)
class Records:
    """EdgeX's questions: a page of events or readings, how many there are, or an aggregate; the answer is EdgeX's
    body."""

    kind: Literal["events", "readings"]
    selection: Selection
    """With offset and limit of the page; limit 0: nothing but how many."""
    only: tuple[str, ...] = ()
    """Readings of these resources; empty: all."""
    count: bool = False
    """The answer is EdgeX's count."""
    numeric: bool = False
    """Numbers as numbers, not as text."""
    aggregate: str = ""
    """MIN, MAX, COUNT, SUM, AVG of each resource of each device instead of readings."""
    mark: int = 0
    """The one event of this mark (see `ids`) instead of a list."""
    tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of devices, by name; they stand on each event."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """What should have come of each source, what came, and where nothing did."""

    start: int
    """ns UTC, inclusive."""
    end: int
    """ns UTC, exclusive."""
    sources: tuple[tuple[str, str, int], ...]
    """Of all devices, since it tells whether others were read: device, source, and the ns between two events; 0: nobody
    knows."""
    device: str = ""
    """Only of this one; empty: of all."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Whole records of a stretch of time as they were published, a page of them, in the order of their times."""

    start: int
    """ns UTC, inclusive."""
    end: int
    """ns UTC, exclusive."""
    above: int
    """Of the journal's offsets only those above this."""
    upto: int
    """… and none beyond this."""
    after: tuple[int, int] = (0, 0)
    """`KeptPage.last` of the page before."""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """Some of them."""

    records: Sequence[Record]
    last: tuple[int, int] | None
    """Origin and offset of the last one; None: there is nothing more."""


Question = Values | Sql | Records | Completeness | Kept


@dataclass(slots=True)
class Answer:
    """Bytes, ready to leave."""

    media: str
    size: int
    chunks: AsyncIterator[bytes]
    """To be taken to the end, or closed with `aclose()`."""
    rows: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)
    """How it was found, for the curious: `tier`, `ms`."""


class Answers(Protocol):
    """Of the history, from processes of their own: bytes that are passed on, of which nothing is made here."""

    async def ask(self, question: Question) -> Answer:
        """Includes what the journal has and history not yet. Raises QuestionRefused."""
        ...

    async def delete(self, selection: Selection) -> None:
        """From what people may ask; what is in the journal is the journal's. Raises StoreFailed."""
        ...


class Remembers(Protocol):
    """A history, for whoever sends once more what the journal has no more."""

    async def kept(self, question: Kept) -> KeptPage:
        """Without what only the journal has. Raises QuestionRefused."""
        ...
