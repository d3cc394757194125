"""What a device reports to the cloud: values of writable resources and of those marked `twin: true`, with versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.model.extensions import extensions
from gateway.model.profile import DeviceProfile, DeviceResource
from gateway.model.reading import GOOD, STALE, Quality
from gateway.runtime.commands.tolerance import same
from gateway.runtime.twin.lastvalues import NEVER, Cell, is_stale


@dataclass(slots=True, eq=False)
class _Property:
    value: Any
    origin: int
    quality: Quality
    version: int
    """The reported version at which this last changed."""
    known: bool
    """There is a value; a property that was only ever bad has a quality and none."""
    gone: bool = False
    """Left the twin; told once as null to whoever is older."""


def in_twin(resource: DeviceResource) -> bool:
    """Writable, or `optional.twin: true`."""
    return resource.properties.read_write.writable or extensions(resource.properties.optional).twin


class Reported:
    """The reported side of one device's twin."""

    def __init__(self, profile: DeviceProfile, first: int) -> None:
        """`first`: versions of this start lie above it."""
        self.first = first
        self.version = first
        self.ts = 0
        self._properties: dict[str, _Property] = {}
        self.names: set[str] = set()
        """Resources in the twin."""
        self.known: set[str] = set()
        """Every resource of the profile."""
        self._tolerances: dict[str, float] = {}
        self.follow(profile)

    def follow(self, profile: DeviceProfile) -> None:
        """Another profile is in force: resources that left the twin become null in patches."""
        resources = {resource.name: resource for resource in profile.device_resources}
        self.known = set(resources)
        self.names = {name for name, resource in resources.items() if in_twin(resource)}
        self._tolerances = {name: extensions(resources[name].properties.optional).tolerance for name in self.names}
        leaving = [p for name, p in self._properties.items() if name not in self.names and not p.gone]
        if leaving:
            self.version += 1
        for gone in leaving:
            gone.gone, gone.version = True, self.version

    def restore(self, remembered: Any) -> dict[str, Cell]:
        """Takes up what `remembered()` gave before the restart: cells whose values are stale until read."""
        values = remembered.get("values", {}) if isinstance(remembered, dict) else {}
        cells = {n: Cell(value=v, origin=o) for n, (v, o) in values.items() if n in self.names}
        for name, cell in cells.items():
            self._properties[name] = _Property(cell.value, cell.origin, STALE, self.version, known=True)
            self.ts = max(self.ts, cell.origin)
        return cells

    def refresh(self, cells: Mapping[str, Cell], periods: Mapping[str, float], monotonic: float, now: int) -> None:
        """Takes up the newest cells; everything that changed since the last time shares one new version."""
        for name, cell in cells.items():
            quality = STALE if is_stale(cell, periods.get(name), monotonic) and cell.quality == GOOD else cell.quality
            old = self._properties.get(name)
            known = cell.origin != 0 or cell.good != NEVER
            if old is None or old.gone or self._differs(name, old, cell, quality, known):
                self._properties[name] = _Property(cell.value, cell.origin, quality, self.version + 1, known)
                self.ts = max(self.ts, min(cell.origin or now, now))
            else:
                old.origin = cell.origin
        if any(p.version > self.version for p in self._properties.values()):
            self.version += 1

    def _differs(self, name: str, old: _Property, cell: Cell, quality: Quality, known: bool) -> bool:
        return old.quality != quality or old.known != known or not same(old.value, cell.value, self._tolerances[name])

    def document(self) -> dict[str, Any]:
        """`{version, ts, properties, quality}`."""
        here = {n: p for n, p in self._properties.items() if not p.gone}
        return {
            "version": self.version,
            "ts": self.ts,
            "properties": {n: p.value for n, p in here.items() if p.known},
            "quality": {n: _words(p.quality) for n, p in here.items() if p.quality != GOOD},
        }

    def patch(self, base: int) -> dict[str, Any] | None:
        """`{version, base, ts, properties, quality}` of what changed after `base`."""
        if base >= self.version:
            return None
        # A base of another start may name changes that were never written down: everything counts as changed.
        changed = {n: p for n, p in self._properties.items() if p.version > base or base < self.first}
        if not changed:
            return None
        return {
            "version": self.version,
            "base": base,
            "ts": self.ts,
            "properties": {n: None if p.gone else p.value for n, p in changed.items() if p.known or p.gone},
            "quality": {n: None if p.gone or p.quality == GOOD else _words(p.quality) for n, p in changed.items()},
        }

    def remembered(self) -> dict[str, Any]:
        """JSON-able, for `restore`."""
        here = {n: p for n, p in self._properties.items() if p.known and not p.gone}
        return {"values": {n: [p.value, p.origin] for n, p in here.items()}}


def _words(quality: Quality) -> list[str]:
    return [word for word in quality if word]
