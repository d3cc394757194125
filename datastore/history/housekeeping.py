"""What is to be done with the files now, in order: remove what is too old or too much, merge what is whole, apply what
people deleted."""

import logging
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from datastore.history.catalog import Catalog, File, gone
from datastore.history.keeping import Keeping
from datastore.history.merging import SUMMED, Merging
from datastore.history.parquet import Engine
from datastore.history.retention import Retention
from datastore.history.settings import HistorySettings
from datastore.history.spans import BUCKET, DAILY, DAY, FLUSHED, HOUR, HOURLY, MINUTE, MONTHLY, Span, Tier, span

log = logging.getLogger(__name__)

GRACE = 5 * MINUTE
"""After its end, how long an hour or day waits for rows that come late."""
MANY = 64
"""So many files of one span become one before it is over, if that makes the largest at least twice as large."""
SUM_BYTES = 40
"""A row of a minute or an hour takes so many at most."""
LATE_SHARE = 20
"""An hour or day that is whole is made anew when a twentieth more has come, or after as long as it is itself."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is, and whether that can be believed."""

    now: int
    trusted: bool


class Housekeeping:
    """`steps` is a generator that ends when there is nothing more to do just now. Raises duckdb.Error, OSError,
    sqlite3.Error."""

    def __init__(self, catalog: Catalog, engine: Engine, keeping: Keeping, settings: HistorySettings) -> None:
        self._catalog = catalog
        self._engine = engine
        self._keeping = keeping
        self._bytes_max = settings.bytes_max
        self.merging = Merging(catalog, engine, keeping)
        self.retention = Retention(catalog, engine, settings, self.merging.dropped)
        self._looked_at: dict[int, int] = {}
        """File → when it was last looked at for what tombstones take of it."""

    def steps(self, at: Moment) -> Iterator[None]:
        self.retention.unlink(at.now)
        if at.trusted:
            self.retention.by_age(at.now)
        self.retention.by_bytes(at.now)
        yield
        if not at.trusted:
            return
        yield from self.retention.of_autoevents(at.now)
        for tier in ("raw", "messages"):
            yield from self._hours_and_days(tier, at.now)
        yield from self._gather("minute", DAILY, at.now)
        yield from self._gather("hour", MONTHLY, at.now)
        yield from self._gather("messages", MONTHLY, at.now)
        yield from self._sweep(at.now)
        self._forget_tombstones()

    # ---------------------------------------------------------------------------------------------------- merge

    def _hours_and_days(self, tier: Tier, now: int) -> Iterator[None]:
        days = _by_span(self._catalog.files(tier), DAILY)
        for day, files in sorted(days.items()):
            whole, fresh = _parted(files, DAILY)
            if not fresh:
                continue
            due = self._is_over(day, fresh, now) and _is_worth(fresh, whole, now, DAY)
            if due and (yield from self._merge(tier, day, DAILY, files, now)):
                continue
            yield from self._outgrown(tier, day, [file for file in fresh if file.end - file.start > HOUR], now)
            if tier == "raw" and not whole:
                yield from self._hours(files, now)

    def _hours(self, files: list[File], now: int) -> Iterator[None]:
        short = [file for file in files if file.end - file.start == HOUR]
        for hour, some in sorted(_by_span(short, HOURLY).items()):
            whole, fresh = _parted(some, HOURLY)
            if not fresh or now - min(file.made for file in fresh) < GRACE:
                continue
            if self._is_over(hour, fresh, now) and _is_worth(fresh, whole, now, HOUR):
                yield from self._merge("raw", hour, HOURLY, some, now)
            else:
                yield from self._outgrown("raw", hour, fresh, now)

    def _outgrown(self, tier: Tier, of: Span, fresh: list[File], now: int) -> Iterator[None]:
        """Of a span that is not over, many small files become one, which is as fresh as they are."""
        if len(fresh) >= MANY and _rows(fresh) >= 2 * max(file.rows for file in fresh):
            yield from self._merge(tier, of, FLUSHED, fresh, now)

    def _is_over(self, of: Span, fresh: list[File], now: int) -> bool:
        """What a device with a wrong clock told of days to come will not be waited for."""
        ahead = of[0] > now + DAY and now - min(file.made for file in fresh) >= of[1] - of[0]
        return ahead or of[1] + GRACE + self._keeping.patience <= now

    def _merge(self, tier: Tier, of: Span, level: int, files: list[File], now: int) -> Generator[None, None, bool]:
        """If there is room for both old and new; else raw files are only summed up, or stay as they are: False."""
        summing = tier == "raw" and level > FLUSHED
        sums = self._bytes_of_sums(of, files) if summing else 0
        need, most = sums + sum(file.bytes for file in files), self._bytes_max // 4
        rewrite = need <= most
        if not rewrite and not (summing and sums <= most):
            log.debug("history: %d bytes of %s are too many to be merged under this max_bytes", need, tier)
            return False
        self.retention.by_bytes(now, need if rewrite else sums)
        left = [file for file in self._catalog.files(tier, *of) if file in files]
        if summing and left:
            yield from self.merging.raw(of, level, now, rewrite)
        elif left:
            yield from self.merging.gather(tier, of, level, now, left)
        return True

    def _bytes_of_sums(self, of: Span, files: list[File]) -> int:
        """What minutes and hours of a span take at most, while the old ones are there as well."""
        series = max(file.last_series for file in files) - min(file.first_series for file in files) + 1
        time = max(file.newest for file in files) - min(file.oldest for file in files)
        rows = sum(min(_rows(files), series * (time // bucket + 2)) for bucket in BUCKET.values())
        old = sum(file.bytes for tier in SUMMED for file in self._catalog.files(tier, *of))
        return rows * SUM_BYTES + 2 * old

    def _gather(self, tier: Tier, level: int, now: int) -> Iterator[None]:
        """Of days and months that are long over, what merging left in several files."""
        for of, files in sorted(_by_span(self._catalog.files(tier), level).items()):
            if of[1] + 2 * DAY <= now and sum(file.level < level for file in files) > 1:
                yield from self._merge(tier, of, level, files, now)

    # ---------------------------------------------------------------------------------------------------- deleted

    def _sweep(self, now: int) -> Iterator[None]:
        """Files that are whole and have rows which tombstones take are made anew, each once a day at most."""
        snapshot = self._catalog.snapshot()
        self._looked_at = {f.id: self._looked_at[f.id] for f in snapshot.files if f.id in self._looked_at}
        for file in snapshot.files:
            due = now - max(self._looked_at.get(file.id, 0), file.made) >= DAY
            hidden = snapshot.hidden(file)
            of = file.start, file.end
            if file.level == FLUSHED or not hidden or not due or file.tier == "messages":
                continue
            if file not in self._catalog.files(file.tier, *of):
                continue  # it has just been merged
            self._looked_at[file.id] = now
            sql = f"SELECT count(*) FROM {self._engine.reading([file])} WHERE {gone(hidden, file.tier)}"  # noqa: S608
            if self._engine.rows(sql)[0][0]:
                yield from self._merge(file.tier, of, file.level, self._catalog.files(file.tier, *of), now)
            else:
                with self._catalog.change():
                    self._catalog.cleaned(file, max(one.id for one in hidden))
            yield

    def _forget_tombstones(self) -> None:
        snapshot = self._catalog.snapshot()
        over = [
            one
            for one in snapshot.tombstones
            if not one.standing
            and snapshot.cursor >= one.last_offset
            and not any(one.applies(file) for file in snapshot.files)
        ]
        if over:
            with self._catalog.change():
                self._catalog.unbury(over)


def _by_span(files: list[File], level: int) -> Mapping[Span, list[File]]:
    found: dict[Span, list[File]] = {}
    for file in files:
        of = span(file.start, level)
        if file.end <= of[1]:
            found.setdefault(of, []).append(file)
    return found


def _parted(files: list[File], level: int) -> tuple[list[File], list[File]]:
    """Those that are merged already, and the others."""
    return [file for file in files if file.level >= level], [file for file in files if file.level < level]


def _is_worth(fresh: list[File], whole: list[File], now: int, patience: int) -> bool:
    """Whether what came late is enough, or has waited for so long, that what is whole is made anew."""
    if not whole:
        return True
    return now - min(file.made for file in fresh) >= patience or _rows(fresh) * LATE_SHARE >= _rows(whole)


def _rows(files: list[File]) -> int:
    return sum(file.rows for file in files)
