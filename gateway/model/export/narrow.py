"""Which records an exporter gets, and under which names: `only` and `rename` of its settings."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from gateway.model.export.settings import Only
from gateway.model.reading import Event, Record, Source

LabelsOf = Callable[[str], Collection[str]]
"""Labels of a device, by its name."""
_REMEMBERED = 20_000


class _View(NamedTuple):
    """What is wanted of a source."""

    of: Source
    source: Source | None
    """With other names; None: nothing is wanted."""
    indexes: frozenset[int] | None
    """Only these resources; None: all."""


class Selector:
    """The part of a record that is wanted."""

    def __init__(self, only: Only, rename: Mapping[str, str], labels: LabelsOf = lambda _: ()) -> None:
        self._only = only
        self._rename = rename
        self._labels = labels
        self._views: dict[int, _View] = {}

    def __call__(self, record: Record) -> Record | None:
        """The record, or what is left of it; None: nothing."""
        if not isinstance(record, Event):
            return record if record.kind in self._only.messages and self._device(record.device) else None
        view = self._views.get(id(record.source)) or self._look(record.source)
        if view.source is None or (self._only.labels and not self._labelled(record.source.device)):
            return None
        return _seen(record, view)

    def _device(self, device: str) -> bool:
        return _fits(device, self._only.devices) and (not self._only.labels or self._labelled(device))

    def _labelled(self, device: str) -> bool:
        return any(_fits(label, self._only.labels) for label in self._labels(device))

    def _look(self, source: Source) -> _View:
        if len(self._views) >= _REMEMBERED:
            self._views.clear()
        view = self._views[id(source)] = self._view(source)
        return view

    def _view(self, source: Source) -> _View:
        only = self._only
        if not (only.readings and _fits(source.device, only.devices) and _fits(source.name, only.sources)):
            return _View(source, None, None)
        wanted = frozenset(i for i, name in enumerate(source.names) if _fits(name, only.resources))
        if not wanted:
            return _View(source, None, None)
        return _View(source, self._renamed(source), None if len(wanted) == len(source.names) else wanted)

    def _renamed(self, source: Source) -> Source:
        if not self._rename.keys() & set(source.names):
            return source
        resources = [
            one.model_copy(update={"name": self._rename[one.name]}) if one.name in self._rename else one
            for one in source.resources
        ]
        return replace(source, resources=tuple(resources))


def _fits(name: str, patterns: Collection[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _seen(event: Event, view: _View) -> Event | None:
    """An event through a view; the very event where the view changes nothing."""
    assert view.source is not None
    if view.indexes is None:
        return event if view.source is view.of else replace(event, source=view.source)
    which = event.which if event.which is not None else range(len(event.values))
    kept = [at for at, index in enumerate(which) if index in view.indexes]
    if not kept:
        return None
    places = {at: new for new, at in enumerate(kept)}
    return replace(
        event,
        source=view.source,
        values=[event.values[at] for at in kept],
        which=tuple(which[at] for at in kept),
        quality={places[at]: q for at, q in (event.quality or {}).items() if at in places} or None,
        times={new: event.times[at] for at, new in places.items() if at in event.times} if event.times else None,
        raw=None,
    )
