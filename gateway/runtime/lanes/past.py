"""What was missed while nothing came from devices that remember: asked for afterwards, a page at a time, when nobody
else wants the line."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.model.abilities import Backfills, Gaps
from gateway.model.errors import DeviceError, NoAnswer
from gateway.model.reading import Batch, Event, Source
from gateway.runtime.lanes.polling import Polling

MOST = 50
"""Gaps of one source that wait, where a connection comes and goes; the oldest is given up for one more."""
PATIENCE = 3
"""Pages in a row that were not answered, after which a source waits for the next connection …"""
EMPTY = 10
"""… and that brought nothing, after which nothing more is expected."""
SHOWN = 3
"""Sources that a note names."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Open:
    """A source of which something is missed, and it is not known yet up to where."""

    polling: Polling
    since: dict[int, int]
    """By index, the source time of what came last."""
    again: set[int] = field(default_factory=set)
    """Indexes of what came since, and was old itself: from there to what comes next there may be more."""


@dataclass(slots=True, eq=False)
class _Gap:
    left: dict[str, tuple[int, int]]
    """Still to be asked, by resource."""


@dataclass(slots=True, eq=False)
class Missing:
    """What was missed of one source."""

    polling: Polling
    source: Source
    gaps: list[_Gap] = field(default_factory=list)
    """Oldest first; asked for is the newest first."""
    unanswered: int = 0
    empty: int = 0
    """Pages in a row."""


class Past:
    """Of one lane, over all its connections."""

    def __init__(self) -> None:
        self._open: dict[Source, _Open] = {}
        self._began = 0
        """When the connection was made, ns."""
        self._missing: dict[Source, Missing] = {}
        """Whose turn it is comes first."""
        self._without: dict[Source, str] = {}
        """Why there is no history, on this connection."""
        self._fetched = 0
        """Values since there was nothing to ask for."""
        self.filled = 0
        """Values that were missed and then fetched, ever."""

    # ---------------------------------------------------------------------------------------------- what was missed

    def connected(self, now: int) -> None:
        """Again or for the first time: who had no history may have one."""
        self._began, self._without = now, {}

    def lost(self, pollings: Iterable[Polling]) -> None:
        """From what came last of these until what will come next, everything is missed."""
        self._open = {source: known for source, known in self._open.items() if known.polling.active}
        for polling in pollings:
            self.missed(polling, polling.poll.sources)

    def missed(self, polling: Polling, sources: Iterable[Source]) -> None:
        """As `lost`, of some sources."""
        for source in sources:
            stamps = polling.stamps(source)
            if stamps:
                known = self._open.get(source)
                self._open[source] = _Open(polling, stamps | (known.since if known is not None else {}))

    @property
    def waits(self) -> bool:
        """Something is missed, and it is not known yet up to where."""
        return bool(self._open)

    def heard(self, batch: Batch, skew_s: float) -> bool:
        """Live values: where something is missed before them, that ends here. True: there may be more to ask for.
        `skew_s`: so much their clock is behind ours."""
        old = self._began - round(skew_s * 1e9)
        for event in batch:
            known = self._open.get(event.source) if isinstance(event, Event) else None
            if isinstance(event, Event) and known is not None:
                self._add(known.polling, event.source, self._ends(event, known, old))
                if not known.since:
                    del self._open[event.source]
        return bool(self._missing)

    def _ends(self, event: Event, known: _Open, old: int) -> dict[str, tuple[int, int]]:
        """By resource. A server may tell first what it had before we came, and only then what is: from what changed in
        our absence and is older than the connection to the next value is a gap once more, most likely an empty one."""
        quality, times, since = event.quality or {}, event.times or {}, known.since
        gap = {}
        for position, index in enumerate(range(len(event.values)) if event.which is None else event.which):
            bad = position in quality and quality[position].level == "bad"
            after, before = since.get(index), times.get(position, event.origin)
            if after is None or bad:
                continue
            if after < before:
                gap[event.source.names[index]] = after, before
            if after < before < old and index not in known.again:
                since[index] = before
                known.again.add(index)
            else:
                del since[index]
        return gap

    def _add(self, polling: Polling, source: Source, gap: dict[str, tuple[int, int]]) -> None:
        if gap and (source in self._missing or source not in self._without):
            missing = self._missing.setdefault(source, Missing(polling, source))
            missing.gaps = [*missing.gaps[1 - MOST :], _Gap(gap)]

    # ------------------------------------------------------------------------------------------------- asking for it

    def next(self) -> Missing | None:
        """Whose turn it is to be asked for; None: nothing is missed, or nobody remembers."""
        for source, missing in list(self._missing.items()):
            if not missing.polling.active:
                del self._missing[source]
            elif source not in self._without:
                return missing
        return None

    async def page(self, mapper: Backfills[Any], missing: Missing) -> list[Event]:
        """Some of what was missed, as people see it. Raises NotConnected, NoAnswer."""
        source, gap = missing.source, missing.gaps[-1]
        self._missing[source] = self._missing.pop(source)
        try:
            events, left = await mapper.history(missing.polling.poll.plan, source, gap.left)
        except NoAnswer as error:
            missing.unanswered += 1
            if missing.unanswered >= PATIENCE:
                missing.unanswered, self._without[source] = 0, str(error) or "no answer"
            raise
        except DeviceError as error:
            self._without[source] = str(error)
            self._missing.pop(source, None)
            return []
        self._asked(missing, gap, bool(events), left)
        self._count(events)
        return [missing.polling.remembered(event) for event in events]

    def _asked(self, missing: Missing, gap: _Gap, came: bool, left: Gaps) -> None:
        missing.unanswered = 0
        missing.empty = 0 if came or left != gap.left else missing.empty + 1
        gap.left = dict(left)
        if not left or missing.empty >= EMPTY:
            missing.empty, missing.gaps = 0, [other for other in missing.gaps if other is not gap]
        if not missing.gaps:
            self._missing.pop(missing.source, None)

    def _count(self, events: list[Event]) -> None:
        fetched = sum(len(event.values) for event in events)
        self.filled += fetched
        self._fetched += fetched
        if self._fetched and not self._missing:
            log.info("%d values that had been missed came from the devices' own memory", self._fetched)
            self._fetched = 0

    def notes(self) -> list[str]:
        """Sources without a history, in words."""
        by_reason: dict[str, list[str]] = {}
        for source, reason in self._without.items():
            by_reason.setdefault(reason, []).append(f"{source.device} {source.name}")
        return [f"what was missed of {_some(names)} cannot be fetched: {why}" for why, names in by_reason.items()]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
