"""When profiles and devices were created and modified, and the hash of a configuration."""

import hashlib
import logging
from typing import Any

from gateway.model.configuration import Configuration, Difference
from gateway.model.contracts import Clock, State
from gateway.model.device import Device
from gateway.model.errors import StoreFailed

TABLE = "stamps"

log = logging.getLogger(__name__)


class Stamps:
    """Kept in the store, beside a hash of the content: a file changed while the gateway was off counts as modified."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._known: dict[str, list[Any]] = dict(state.all(TABLE))
        self._hashes: dict[int, tuple[Any, str]] = {}

    def of(self, kind: str, name: str) -> tuple[int, int]:
        """created and modified, ms since the epoch; (0, 0) when unknown."""
        created, modified, _ = self._known.get(f"{kind}/{name}", (0, 0, ""))
        return int(created), int(modified)

    def changed_meanwhile(self, device: Device) -> bool:
        """Whether its file was another when it was last in force."""
        known = self._known.get(f"device/{device.name}")
        return known is not None and known[2] != self._hash(device)

    async def note(self, configuration: Configuration, difference: Difference) -> None:
        """Stamps what was added, changed or removed; profiles shipped with the gateway have no stamps."""
        now = self._clock.now() // 1_000_000
        entries: dict[str, list[Any]] = {}
        gone = [f"profile/{n}" for n in difference.removed_profiles]
        gone += [f"device/{n}" for n in difference.removed_devices]
        for kind, names, items in (
            ("profile", (*difference.added_profiles, *difference.changed_profiles), configuration.profiles),
            ("device", (*difference.added_devices, *difference.changed_devices), configuration.devices),
        ):
            for name in names:
                key = f"{kind}/{name}"
                if kind == "profile" and name not in configuration.profiles.own:
                    gone.append(key)
                    continue
                digest = self._hash(items[name])
                created, modified, before = self._known.get(key, (now, now, digest))
                entries[key] = [created, modified if before == digest else now, digest]
        await self._save(
            {k: v for k, v in entries.items() if self._known.get(k) != v}, [k for k in gone if k in self._known]
        )

    async def _save(self, entries: dict[str, list[Any]], gone: list[str]) -> None:
        self._known.update(entries)
        for key in gone:
            self._known.pop(key, None)
        try:
            if entries:
                await self._state.put(TABLE, entries)
            if gone:
                await self._state.remove(TABLE, gone)
        except StoreFailed as error:
            log.error("Stamps of profiles and devices cannot be written: %s", error)

    def digest(self, configuration: Configuration) -> str:
        """SHA-256 of the devices, their profiles and all own ones, by name."""
        profiles = configuration.profiles
        used = {device.profile_name for device in configuration.devices.values()} & profiles.keys()
        counted = {name: profiles[name] for name in used | profiles.own.keys()}
        whole = hashlib.sha256()
        kept: dict[int, tuple[Any, str]] = {}
        for kind, items in (("profile", counted), ("device", configuration.devices)):
            for name in sorted(items):
                item: Any = items[name]
                kept[id(item)] = item, self._hash(item)
                whole.update(f"{kind}\n{name}\n{kept[id(item)][1]}\n".encode())
        self._hashes = kept
        return whole.hexdigest()

    def _hash(self, item: Any) -> str:
        known = self._hashes.get(id(item))
        if known is not None and known[0] is item:
            return known[1]
        found = hashlib.sha256(item.model_dump_json(by_alias=True, exclude_defaults=True).encode()).hexdigest()
        self._hashes[id(item)] = item, found
        return found
