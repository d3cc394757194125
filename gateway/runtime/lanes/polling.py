"""One poll of one device as it runs: what its answers become, what is counted."""

from collections.abc import Callable, Collection
from typing import Literal

from gateway.model.health import FlowReport
from gateway.model.plan import Poll
from gateway.model.profile import Compat
from gateway.model.reading import Event, Quality, Source
from gateway.runtime.lanes.change import Change, change_of
from gateway.runtime.lanes.last import Last
from gateway.runtime.lanes.measure import Pace
from gateway.runtime.lanes.schedule import Beat
from gateway.runtime.transform.compiled import Transform, compile_transform

PATIENT = 2
"""Intervals in which a device that tells by itself tells what somebody has read of it meanwhile."""


class Polling:
    """State of one poll. `ready` is called when it is due and the one before is done."""

    __slots__ = (
        "_held", "_lasts", "_listen", "_mode", "_pace", "_rules", "active", "beat", "failures", "last_good", "overruns",
        "pending", "poll", "reads", "ready", "told",
    )  # fmt: skip

    def __init__(self, poll: Poll, compat: Compat, ready: "Callable[[Polling], bool]") -> None:
        """`ready` takes it into the line and says True, or says False where it cannot be read now."""
        self.poll, self.ready = poll, ready
        self.active = True
        self.beat: Beat | None = None
        self.pending = False
        """Waits in the line or is being read."""
        self.told: Quality | None = None
        """What was said about all its values instead of values."""
        self.reads = self.failures = self.overruns = 0
        self.last_good = 0
        self._pace = Pace()
        self._mode: Literal["read", "subscribed"] = "read"
        self._listen: Callable[[Polling], None] | None = None
        self._lasts: dict[Source, Last] = {}
        self._held: frozenset[Source] = frozenset()
        """Of which a faster poll heard something since the last beat."""
        found = {
            source: (compile_transform(source, compat), change_of(source, rule))
            for source, rule in zip(poll.sources, poll.auto_events, strict=True)
        }
        self._rules = {source: rules for source, rules in found.items() if rules != (None, None)}

    @property
    def answer_s(self) -> float | None:
        """Seconds from request to answer, median of the last ones."""
        return self._pace.answer_s

    def due(self, missed: int = 0) -> None:
        """It is time. A poll that is not done is not queued twice: that is an overrun."""
        if self._listen is not None:
            self._listen(self)
            return
        self.overruns += missed
        if self.pending:
            self.overruns += 1
        elif self.ready(self):
            self.pending = True

    def take(self, events: list[Event], now: float, took: float) -> list[Event]:
        """What was read, as people see it. `now` is monotonic; `took` the seconds it took."""
        self.reads += 1
        ruled = self._rules or self._lasts
        batch = [one for event in events for one in self.hear(event, now)] if ruled else events
        good = next((event.origin for event in batch if has_good(event)), 0)
        self._note(good, now, took / (len(self.poll.plan.requests) or 1))
        return batch

    def _note(self, good: int, now: float, answer_s: float | None) -> None:
        """`good`: origin of what came; 0: nothing good."""
        self.told = None
        if not good:
            self.failures += 1
            return
        self.last_good = good
        self._pace.note(now, answer_s)

    def hear(self, event: Event, now: float) -> list[Event]:
        """What came of one of its sources, as people see it. `now` is monotonic."""
        transform, change = self._rules.get(event.source, _NO_RULES)
        if transform is not None:
            transform.apply(event)
        if self._lasts:
            self._lasts[event.source].take(event)
        return [event] if change is None else change.judge(event, now)

    # ------------------------------------------------------------------------------------- while its device tells

    @property
    def listens(self) -> bool:
        """It is not read: its device tells by itself."""
        return self._listen is not None

    def listen(self, beat: "Callable[[Polling], None]") -> None:
        """From now on `beat` is called when it is due. Nothing changes for one that listens already."""
        if self._listen is None:
            self.remember()
        self._listen, self._mode = beat, "subscribed"

    def stop_listening(self, to_be_read: bool = False) -> None:
        """Its connection is gone, or it is `to_be_read`."""
        self._listen = None
        if to_be_read:
            self._mode = "read"

    def remember(self) -> None:
        """From now on what comes last is remembered, and nothing of before."""
        self._lasts = {source: Last(source) for source in self.poll.sources}
        self._held = frozenset()

    def hold(self, event: Event) -> None:
        """What a faster poll of this source heard, as people see it: the newest of it is said at the next beat."""
        self._lasts[event.source].take(event)
        self._held |= {event.source}

    def stamps(self, source: Source) -> dict[int, int]:
        """By index, the source times of what came last; see `Last.stamps`."""
        last = self._lasts.get(source)
        return last.stamps() if last is not None else {}

    def remembered(self, event: Event) -> Event:
        """What its device remembered of one of its sources, as people see it; no rule holds it back."""
        transform, _ = self._rules.get(event.source, _NO_RULES)
        if transform is not None:
            transform.apply(event)
        event.historical = True
        return event

    def read_apart(self, names: Collection[str], now: float) -> None:
        """Somebody read these resources of its device; see `Last.read_apart`."""
        for last in self._lasts.values():
            last.read_apart(names, now + PATIENT * self.poll.interval)

    def count(self, good: int, now: float) -> None:
        """One notification with something of it. `good`: origin of what has a good value; 0: nothing has."""
        self.reads += 1
        self._note(good, now, None)

    def again(self, origin: int, now: float) -> list[Event]:
        """What holds still of its sources that were not told since the last time; and what was held."""
        self.told = None
        found, news, held = [], [], self._held
        self._held = frozenset()
        for source, last in self._lasts.items():
            event = last.news(origin) if source in held else last.again(origin, now)
            change = self._rules.get(source, _NO_RULES)[1]
            if event is None:
                continue
            if source in held:
                news.append(event)
                found += [event] if change is None else change.judge(event, now)
            elif change is not None:
                found += change.remind(event, now)
            else:
                event.repeat = True
                found.append(event)
        if news:
            self.count(origin if any(map(has_good, news)) else 0, now)
        return found

    # ----------------------------------------------------------------------------------------------- what goes wrong

    def fail(self) -> None:
        """It was tried and nothing came."""
        self.reads += 1
        self.failures += 1

    def tell(self, quality: Quality, origin: int) -> list[Event]:
        """Says once that all its values are bad, until values come again."""
        if self.told == quality:
            return []
        self.told = quality
        self._pace.restart()
        for _, change in self._rules.values():
            if change is not None:
                change.forget()
        return [all_bad(source, quality, origin) for source in self.poll.sources]

    def report(self) -> FlowReport:
        return FlowReport(
            device=self.poll.device,
            sources=tuple(source.name for source in self.poll.sources),
            requested_s=self.poll.interval,
            achieved_s=self._pace.period,
            last_good=self.last_good,
            reads=self.reads,
            failures=self.failures,
            overruns=self.overruns,
            answer_ms=None if self.answer_s is None else 1000 * self.answer_s,
            mode=self._mode,
        )


_NO_RULES: tuple[Transform | None, Change | None] = (None, None)


def has_good(event: Event) -> bool:
    """At least one of its values is good."""
    return not event.quality or len(event.quality) < len(event.values)


def all_bad(source: Source, quality: Quality, origin: int) -> Event:
    """An event without any value."""
    count = len(source.resources)
    return Event(source, origin, [None] * count, quality=dict.fromkeys(range(count), quality))
