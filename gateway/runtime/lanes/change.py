"""Report by exception: whether an event says anything new, by EdgeX's on-change rule and `minInterval`/`maxInterval`.

What is suppressed still goes to the taps, as an event with `repeat`; a change of quality is a change.
"""

from dataclasses import dataclass, replace
from typing import Any

from gateway.model.device import AutoEvent
from gateway.model.reading import Event, Quality, Source
from gateway.runtime.lanes.columns import part, put

_NEVER = object()
"""Nothing was reported yet, or something else was said meanwhile."""


@dataclass(slots=True, eq=False)
class _Limits:
    """`minInterval`, `maxInterval` of one resource."""

    least: float
    most: float
    last: float = float("-inf")
    """Monotonic time of the last report."""


class Change:
    """Memory of what was last reported of one source by one autoEvent, whole or in parts."""

    __slots__ = ("_limits", "_on_change", "_quality", "_threshold", "_values")

    def __init__(self, source: Source, rule: AutoEvent) -> None:
        self._on_change, self._threshold = rule.on_change, rule.on_change_threshold
        self._values: list[Any] = [_NEVER] * len(source.resources)
        self._quality: dict[int, Quality] = {}
        self._limits = _limits(source)

    def forget(self) -> None:
        """Something else was said about the source meanwhile: the next event is reported."""
        self._values = [_NEVER] * len(self._values)
        self._quality = {}
        for limit in (self._limits or {}).values():
            limit.last = float("-inf")

    def judge(self, event: Event, now: float) -> list[Event]:
        """The event, marked `repeat` where it says nothing new; two where some values are to be reported and others
        not. `now` is monotonic."""
        if self._limits is not None:
            return self._by_value(event, now)
        if self._on_change and not self._differs(event):
            event.repeat = True
        else:
            self._keep(event)
        return [event]

    def remind(self, event: Event, now: float) -> list[Event]:
        """Values that nobody told anew but that hold: a repeat, except for what `minInterval` held back and for what
        `maxInterval` wants to be said again."""
        if self._limits is not None:
            return self._by_value(event, now, held=True)
        event.repeat = True
        return [event]

    def _differs(self, event: Event) -> bool:
        before, quality = self._before(event.which)
        if (event.quality or {}) != quality:
            return True
        if before == event.values:
            return False
        limit = self._threshold
        return not limit or any(_apart(old, new, limit) for old, new in zip(before, event.values, strict=True))

    def _before(self, which: tuple[int, ...] | None) -> tuple[list[Any], dict[int, Quality]]:
        """What was reported of these, by position."""
        if which is None:
            return self._values, self._quality
        known, values = self._quality, self._values
        quality = {at: known[index] for at, index in enumerate(which) if index in known} if known else {}
        return [values[index] for index in which], quality

    def _keep(self, event: Event) -> None:
        if event.which is None:
            self._values, self._quality = list(event.values), dict(event.quality or {})
            return
        values = self._values
        for index, value in zip(event.which, event.values, strict=True):
            values[index] = value
        put(self._quality, event.which, event.quality)

    # ------------------------------------------------------------------------------------------------ value by value

    def _by_value(self, event: Event, now: float, held: bool = False) -> list[Event]:
        indexes = range(len(event.values)) if event.which is None else event.which
        wanted = [at for at, index in enumerate(indexes) if self._wants(event, at, index, now, held)]
        for position in wanted:
            self._report(event, position, indexes[position])
            if self._limits and indexes[position] in self._limits:
                self._limits[indexes[position]].last = now
        if len(wanted) == len(event.values):
            return [event]
        if not wanted:
            event.repeat = True
            return [event]
        rest = sorted(set(range(len(event.values))).difference(wanted))
        return [part(event, wanted), replace(part(event, rest), repeat=True)]

    def _wants(self, event: Event, position: int, index: int, now: float, held: bool) -> bool:
        before = self._values[index]
        pace = self._limits.get(index) if self._limits else None
        if before is _NEVER or self._quality.get(index) != (event.quality or {}).get(position):
            return True
        if pace is not None and now - pace.last >= pace.most:
            return True
        if pace is not None and now - pace.last < pace.least:
            return False
        return not (self._on_change or held) or _apart(before, event.values[position], self._threshold)

    def _report(self, event: Event, position: int, index: int) -> None:
        self._values[index] = event.values[position]
        if event.quality and position in event.quality:
            self._quality[index] = event.quality[position]
        elif self._quality:
            self._quality.pop(index, None)


def change_of(source: Source, rule: AutoEvent) -> Change | None:
    """None where everything is reported."""
    return Change(source, rule) if rule.on_change or _limits(source) else None


# A poll may come a little early or late; that must not cost a whole period.
_SLACK = 0.05


def _limits(source: Source) -> dict[int, _Limits] | None:
    found = {}
    for index, resource in enumerate(source.resources):
        own = resource.properties.extensions
        if own.min_interval is not None or own.max_interval is not None:
            least, most = own.min_interval or 0.0, own.max_interval or float("inf")
            found[index] = _Limits(least * (1 - _SLACK), most * (1 - _SLACK))
    return found or None


def _apart(old: Any, new: Any, threshold: float) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float) and type(old) is not bool:
        return abs(old - new) > threshold
    return bool(old != new)
