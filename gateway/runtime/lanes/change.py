"""Report by exception: whether an event says anything new, by EdgeX's on-change rule and `minInterval`/`maxInterval`.

What is suppressed still goes to the taps, as an event with `repeat`; a change of quality is a change.
"""

from dataclasses import dataclass, replace
from typing import Any

from gateway.model.device import AutoEvent
from gateway.model.reading import Event, Quality, Source

Known = tuple[Any, Quality | None]


@dataclass(slots=True, eq=False)
class _Limits:
    """`minInterval`, `maxInterval` of one resource."""

    least: float
    most: float
    last: float = float("-inf")
    """Monotonic time of the last report."""


class Change:
    """Memory of what was last reported of one source by one autoEvent."""

    __slots__ = ("_known", "_limits", "_on_change", "_quality", "_threshold", "_values")

    def __init__(self, source: Source, rule: AutoEvent) -> None:
        self._on_change, self._threshold = rule.on_change, rule.on_change_threshold
        self._values: list[Any] | None = None
        self._quality: dict[int, Quality] | None = None
        self._limits = _limits(source)
        self._known: dict[int, Known] = {}

    def forget(self) -> None:
        """Something else was said about the source meanwhile: the next event is reported."""
        self._values = None
        self._known.clear()
        for limit in (self._limits or {}).values():
            limit.last = float("-inf")

    def judge(self, event: Event, now: float) -> list[Event]:
        """The event, marked `repeat` where it says nothing new; two where some values are to be reported and others
        not. `now` is monotonic."""
        if self._limits is not None or event.which is not None:
            return self._by_value(event, now)
        if self._on_change and self._values is not None and not self._differs(event):
            event.repeat = True
        else:
            self._values, self._quality = list(event.values), event.quality
        return [event]

    def _differs(self, event: Event) -> bool:
        before, values = self._values, event.values
        assert before is not None
        if (event.quality or None) != (self._quality or None):
            return True
        if before == values:
            return False
        limit = self._threshold
        return not limit or any(_apart(old, new, limit) for old, new in zip(before, values, strict=True))

    # ------------------------------------------------------------------------------------------------ value by value

    def _by_value(self, event: Event, now: float) -> list[Event]:
        indexes = range(len(event.values)) if event.which is None else event.which
        wanted = [position for position, index in enumerate(indexes) if self._wants(event, position, index, now)]
        if not self._limits and wanted:
            wanted = list(range(len(event.values)))
        for position in wanted:
            self._report(event, position, indexes[position], now)
        if len(wanted) == len(event.values):
            return [event]
        if not wanted:
            event.repeat = True
            return [event]
        rest = [position for position in range(len(event.values)) if position not in set(wanted)]
        return [_part(event, wanted), replace(_part(event, rest), repeat=True)]

    def _wants(self, event: Event, position: int, index: int, now: float) -> bool:
        value, quality = event.values[position], (event.quality or {}).get(position)
        pace = self._limits.get(index) if self._limits else None
        known = self._known.get(index)
        if known is None or known[1] != quality:
            return True
        if pace is not None and now - pace.last >= pace.most:
            return True
        if pace is not None and now - pace.last < pace.least:
            return False
        return not self._on_change or _apart(known[0], value, self._threshold)

    def _report(self, event: Event, position: int, index: int, now: float) -> None:
        self._known[index] = event.values[position], (event.quality or {}).get(position)
        if self._limits and index in self._limits:
            self._limits[index].last = now


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


def _part(event: Event, positions: list[int]) -> Event:
    """Some of the values of an event."""
    which = tuple(positions) if event.which is None else tuple(event.which[position] for position in positions)
    return replace(
        event,
        values=[event.values[position] for position in positions],
        which=which,
        quality=_picked(event.quality, positions),
        times=_picked(event.times, positions),
    )


def _picked(by_position: dict[int, Any] | None, positions: list[int]) -> dict[int, Any] | None:
    found = {new: by_position[old] for new, old in enumerate(positions) if old in by_position} if by_position else {}
    return found or None
