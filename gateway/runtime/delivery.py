"""One exporter's sends: what is wanted of a batch, what was refused, what is refused for good."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from gateway.model.contracts import Exporter, Store
from gateway.model.errors import NotConnected, PartialSend, StoreFailed
from gateway.model.letter import DeadLetters
from gateway.model.reading import Batch, Event, Record

log = logging.getLogger(__name__)

Select = Callable[[Record], Record | None]
"""What of a record is wanted; None: nothing."""
_NAMED = 10
"""Records set aside that the log names at a time."""


class Delivery:
    """Sends batches of one consumer and acknowledges what was taken."""

    def __init__(self, store: Store, exporter: Exporter, name: str, tries: int, select: Select | None = None) -> None:
        self.sent = 0
        self.set_aside = 0
        self._store = store
        self._exporter = exporter
        self._name = name
        self._most = tries
        self._select = select
        self._letters: DeadLetters | None = None
        self._tries: Counter[int] = Counter()

    def remember(self, letters: DeadLetters) -> None:
        """Where records that were set aside are kept."""
        self._letters = letters
        self.set_aside = letters.ever(self._name)

    async def send(self, first: int, records: Batch) -> bool:
        """Sends a batch and acknowledges, from `first` to its last record, what was taken; returns whether there was
        anything to send. Raises NotConnected."""
        wanted, places = self._wanted(records)
        refused = {places[at]: why for at, why in (await self._deliver(wanted)).items()} if wanted else {}
        self.sent += len(wanted) - len(refused)
        why = {records[at].offset: text for at, text in refused.items()}
        self._acknowledge(first, records, why)
        if self._tries:  # of those taken this time nothing is to be remembered
            for offset in {record.offset for record in records}.difference(why):
                self._tries.pop(offset, None)
        if why:
            await self._judge([(records[at], text) for at, text in refused.items()])
        return len(wanted) > len(refused)

    async def again(self, records: Batch) -> dict[int, str]:
        """Sends records that are acknowledged already; returns those refused, by their place, and why. Raises
        NotConnected."""
        wanted, places = self._wanted(records)
        refused = await self._deliver(wanted) if wanted else {}
        self.sent += len(wanted) - len(refused)
        return {places[at]: why for at, why in refused.items()}

    def _wanted(self, records: Batch) -> tuple[Batch, Sequence[int]]:
        """What is wanted, and where in `records` it is."""
        if self._select is None:
            return records, range(len(records))
        chosen = [(place, one) for place, record in enumerate(records) if (one := self._select(record)) is not None]
        return [one for _, one in chosen], [place for place, _ in chosen]

    async def _deliver(self, records: Batch) -> dict[int, str]:
        """Places of what was refused, and why. Raises NotConnected."""
        try:
            await self._exporter.send(records)
        except NotConnected:
            raise
        except PartialSend as error:
            return {place: error.reasons[place] for place in error.indices}
        except Exception as error:
            log.exception("%s: a bug of ours while sending %d records", self._name, len(records))
            if len(records) == 1:
                return {0: f"internal error: {error}"}
            refused: dict[int, str] = {}
            for place, record in enumerate(records):
                refused.update((place, why) for why in (await self._deliver([record])).values())
            return refused
        return {}

    def _acknowledge(self, first: int, records: Batch, refused: dict[int, str]) -> None:
        for offset in (record.offset for record in records if record.offset in refused):
            if offset > first:
                self._store.ack(self._name, first, offset - 1)
            first = offset + 1
        if first <= records[-1].offset:
            self._store.ack(self._name, first, records[-1].offset)

    async def _judge(self, refused: Sequence[tuple[Record, str]]) -> None:
        """What was refused too often is set aside; the rest stays in the backlog. Whatever the disk says, the rest goes
        on: a record that cannot be kept is named in the log."""
        final: list[tuple[Record, str]] = []
        for record, why in refused:
            self._tries[record.offset] += 1
            if self._tries[record.offset] >= self._most:
                final.append((record, why))
        if not final:
            return
        await self._write_down(final)
        for record, _ in final:
            del self._tries[record.offset]
            self._store.ack(self._name, record.offset, record.offset)
        self.set_aside += len(final)

    async def _write_down(self, final: Sequence[tuple[Record, str]]) -> None:
        """Before they are acknowledged: a record is in the journal or among the letters, or both, never in neither."""
        named = "; ".join(f"{_about(record)}: {why}" for record, why in final[:_NAMED])
        more = f"; and {len(final) - _NAMED} more" if len(final) > _NAMED else ""
        log.error("%s: %d records are refused for good and set aside: %s%s", self._name, len(final), named, more)
        if self._letters is None:
            return
        try:
            await self._letters.put(self._name, final)
        except StoreFailed as error:
            log.error("%s: records set aside are not kept: %s", self._name, error)


def _about(record: Record) -> str:
    if isinstance(record, Event):
        return f"{record.source.device} {record.source.name} at {record.origin}"
    return f"{record.device} {record.kind} {record.name} at {record.origin}"
