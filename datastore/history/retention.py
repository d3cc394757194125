"""What goes: by age, by bytes, by the retention of an autoEvent."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from datastore.history.catalog import LINGER_S, NAME, Catalog, File, Tombstone
from datastore.history.parquet import Engine
from datastore.history.settings import HistorySettings
from datastore.history.spans import FIRST, HOUR, LAST, SECOND, Tier
from datastore.sqlite import size

TIERS: tuple[Tier, ...] = ("raw", "minute", "messages", "hour")
"""In the order in which they go when there is no room."""
RAW_SHARE = 4
"""Readings go first until they are down to this part of the bound."""
SPARE = 16
"""So small a part of the bound stays free for the next batch."""


@dataclass(frozen=True, slots=True)
class Retained:
    """EdgeX's `retention` of an autoEvent (core-data 4): of a device's source."""

    device: str
    source: str
    max_cap: int
    """Above 0: nothing goes while there are fewer events than this."""
    min_cap: int
    """So many always stay."""
    duration_ns: int
    """What is older goes; 0: all but the `min_cap` newest."""


class Retention:
    """Raises sqlite3.Error, duckdb.Error."""

    def __init__(self, catalog: Catalog, engine: Engine, settings: HistorySettings, dropped: list[File]) -> None:
        self._catalog = catalog
        self._engine = engine
        self._settings = settings
        self._dropped = dropped
        self._lingering: list[tuple[int, File]] = []
        """Files that count no more, and when they go."""
        self.autoevents: Sequence[Retained] = ()
        self._looked = 0

    @property
    def bytes(self) -> int:
        """All that is on the disk of the history."""
        lingering = [file for _, file in self._lingering] + self._dropped
        return sum(file.bytes for file in (*self._catalog.files(), *lingering)) + size(self._catalog.folder / NAME)

    def unlink(self, now: int, all_: bool = False) -> None:
        """Deletes files that were swapped out a while ago. A clock that went back keeps none for ever."""
        self._lingering += [(now + LINGER_S * SECOND, file) for file in self._dropped]
        self._dropped.clear()
        latest = now + LINGER_S * SECOND
        due = [file for at, file in self._lingering if all_ or at <= now or at > latest]
        self._lingering = [(at, file) for at, file in self._lingering if file not in due]
        for file in due:
            with suppress(OSError):
                self._catalog.path(file).unlink()

    def by_age(self, now: int) -> None:
        old = [
            file
            for tier in TIERS
            for file in self._catalog.files(tier, FIRST, now - self._settings.age_ns(tier) + 1)
            if file.end <= now - self._settings.age_ns(tier)
        ]
        self._drop(old, now)
        if old:
            with self._catalog.change():
                self._catalog.forget_moments(now - self._settings.age_ns("raw"))

    def by_bytes(self, now: int, need: int = 0) -> None:
        """Makes room for `need` more below the bound, and for the next batch."""
        if not self.is_over(need):
            return
        self.unlink(now, all_=True)
        over = self._over(need)
        going: list[File] = []
        for file in self._in_order():
            if over <= 0:
                break
            going.append(file)
            over -= file.bytes
        self._drop(going, now)
        self.unlink(now, all_=bool(going))

    def _in_order(self) -> Iterator[File]:
        """As they go for want of room. Sums must not take the room of what they are still to be made of."""
        raw = self._catalog.files("raw")
        left = sum(file.bytes for file in raw)
        while raw and left - raw[0].bytes >= self._settings.bytes_max // RAW_SHARE:
            left -= raw[0].bytes
            yield raw.pop(0)
        for tier in TIERS[1:]:
            yield from self._catalog.files(tier)
        yield from raw

    def is_over(self, need: int = 0) -> bool:
        """Whether by_bytes would do anything."""
        return self._over(need) > 0

    def _over(self, need: int) -> int:
        bound = self._settings.bytes_max
        return self.bytes + need - (bound - bound // SPARE)

    def _drop(self, files: Sequence[File], now: int) -> None:
        if not files:
            return
        raw = [file.end if file.end <= now else min(file.newest + 1, now) for file in files if file.tier == "raw"]
        with self._catalog.change():
            self._catalog.drop(files)
            if raw:
                self._catalog.note("raw_from", max(self._catalog.state("raw_from", FIRST), *raw))
        self._dropped += files

    # ------------------------------------------------------------------------------------------------ autoEvents

    def of_autoevents(self, now: int) -> Iterator[None]:
        """Once an hour: what their retention takes is gone for whoever asks; its rows go with the next merge. A step
        for each, since all that is kept of a source is looked at."""
        if now - HOUR < self._looked <= now:
            return
        sources = self._catalog.series_by_source()
        graves: list[Tombstone] = []
        for one in self.autoevents:
            graves += self._graves(one, sources, now)
            yield
        standing = [one for one in self._catalog.tombstones() if one.standing]
        if {_place(one) for one in standing} != {_place(one) for one in graves}:
            with self._catalog.change():
                self._catalog.unbury(standing)
                self._catalog.bury(graves)
        self._looked = now

    def _graves(
        self, retained: Retained, sources: Mapping[tuple[str, str], list[tuple[int, int]]], now: int
    ) -> list[Tombstone]:
        ranges = sources.get((retained.device, retained.source), [])
        files = [
            f for f in self._catalog.files("raw") if any(a <= f.last_series and b >= f.first_series for a, b in ranges)
        ]
        if not files:
            return []
        end = now - retained.duration_ns if retained.duration_ns > 0 else LAST
        among = " OR ".join(f"series BETWEEN {first} AND {last}" for first, last in ranges)
        source = self._engine.reading(files)
        events = f'SELECT DISTINCT "offset", coalesce(event, origin) AS came FROM {source} WHERE {among}'  # noqa: S608
        if retained.max_cap > 0:
            count = self._engine.rows(f'SELECT count(DISTINCT "offset") FROM ({events})')[0][0]  # noqa: S608
            if count < retained.max_cap:
                return []
        if retained.min_cap > 0:
            sql = f"SELECT came FROM ({events}) ORDER BY came DESC LIMIT 1 OFFSET {retained.min_cap - 1}"  # noqa: S608
            newest = self._engine.rows(sql)
            if not newest:
                return []
            end = min(end, newest[0][0] - 1)
        return [Tombstone(0, first, last, FIRST, end, standing=True) for first, last in ranges]


def _place(tombstone: Tombstone) -> tuple[int, int, int]:
    return tombstone.first_series, tombstone.last_series, tombstone.end
