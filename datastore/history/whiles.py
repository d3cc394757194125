"""`keep: {while: Power > 10}`: what is kept of a device while something holds of its last values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datastore.history.columns import Readings, Words
from datastore.history.conditions import Condition

Known = Mapping[tuple[str, str], tuple[dict[str, Any], set[str]]]
"""By condition and device: the last values, and what nothing has come of."""


@dataclass(slots=True)
class _Watch:
    """A condition as it stands for one device."""

    condition: Condition
    values: dict[str, Any] = field(default_factory=dict)
    """Last values of the resources that it names; none of what is bad."""
    unknown: set[str] = field(default_factory=set)
    """Resources of which nothing has come yet."""
    stale: bool = True
    holds: bool = False

    def now(self) -> bool:
        if self.stale:
            self.holds, self.stale = self.condition.holds(self.values), False
        return self.holds


class Whiles:
    """All conditions of all devices."""

    def __init__(self, before: "Whiles | None" = None) -> None:
        """`before`: whose last values still count."""
        self._known = before.watches if before is not None else {}
        self.watches: dict[tuple[str, str], _Watch] = {}
        self._decides: dict[int, _Watch] = {}
        """By series: whether its readings are kept."""
        self._feeds: dict[int, list[tuple[_Watch, str]]] = {}
        """By series: whose values its readings are."""
        self._fed = np.empty(0, np.int32)

    def add(self, text: str, device: str, series: int) -> None:
        key = (text, device)
        if key not in self.watches:
            condition = Condition(text)
            self.watches[key] = self._known.get(key) or _Watch(condition, unknown=set(condition.names))
        self._decides[series] = self.watches[key]

    def watch(self, known: Iterable[tuple[int, str, str]]) -> None:
        """Series, device and resource of all there are."""
        of_device: dict[str, list[_Watch]] = {}
        for (_, device), watch in self.watches.items():
            of_device.setdefault(device, []).append(watch)
        for series, device, resource in known:
            fed = [(watch, resource) for watch in of_device.get(device, ()) if resource in watch.condition.names]
            if fed:
                self._feeds[series] = fed
        self._fed = np.array(sorted(self._feeds), np.int32)

    def asks(self) -> set[int]:
        """Series of which nothing has come yet and that a condition looks at."""
        return {series for series, fed in self._feeds.items() if any(name in watch.unknown for watch, name in fed)}

    def recall(self, found: Readings, words: Words) -> None:
        """What came before, in order; the newest counts, and only where nothing is known."""
        columns = (found.series, found.value, found.exact, found.quality)
        rows = zip(*[column.tolist()[::-1] for column in columns], strict=True)
        for series, value, exact, quality in rows:
            for watch, name in self._feeds.get(series, ()):
                if name in watch.unknown:
                    self._feed(watch, name, words.all[exact] if value != value else value, words.all[quality])

    def settle(self) -> None:
        """There is nothing more to recall."""
        for watch in self.watches.values():
            watch.unknown.clear()

    def remembered(self) -> Known:
        """What is known now."""
        return {key: (dict(watch.values), set(watch.unknown)) for key, watch in self.watches.items()}

    def forget(self, before: Known) -> None:
        """What came since then."""
        for key, watch in self.watches.items():
            values, unknown = before.get(key, ({}, watch.condition.names))
            watch.values, watch.unknown, watch.stale = dict(values), set(unknown), True

    def heed(self, found: Readings, decided: NDArray[np.bool_], words: Words, keep: NDArray[np.bool_]) -> None:
        """Sets `keep` of the readings that are `decided` here. An event's values count for itself already."""
        if not self._decides:
            return
        rows = np.flatnonzero(decided | np.isin(found.series, self._fed))
        waiting: list[tuple[int, int]] = []
        columns = (found.series, found.offset, found.value, found.exact, found.quality)
        event = -1
        for at, series, offset, value, exact, quality in zip(
            rows.tolist(), *[column[rows].tolist() for column in columns], strict=True
        ):
            if offset != event:
                self._settle(waiting, keep)
                event = offset
            for watch, name in self._feeds.get(series, ()):
                self._feed(watch, name, words.all[exact] if value != value else value, words.all[quality])
            if series in self._decides:
                waiting.append((at, series))
        self._settle(waiting, keep)

    def _settle(self, waiting: list[tuple[int, int]], keep: NDArray[np.bool_]) -> None:
        for at, series in waiting:
            keep[at] = self._decides[series].now()
        waiting.clear()

    @staticmethod
    def _feed(watch: _Watch, name: str, value: Any, quality: str | None) -> None:
        watch.unknown.discard(name)
        if value is None or (quality or "").startswith("bad"):
            watch.stale = watch.values.pop(name, None) is not None or watch.stale
        elif watch.values.get(name) != value:
            watch.values[name] = value
            watch.stale = True
