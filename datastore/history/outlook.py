"""How long what there is room for lasts, in words: from what was taken of late."""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.model.amount import bytes_words, time_words
from gateway.model.health import HistoryReport, TierReport

WINDOW_S = 3600.0
"""The rate is that of the last hour."""
YEAR_S = 365 * 86400.0
WATCHED_S = 60.0
"""What was written in less time tells nothing of a year."""
GUESS = 100.0
"""Readings in a record, before the first was seen."""


class Outlook:
    """Rates, and what follows from them."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._batches: deque[tuple[float, int]] = deque()
        """When it was taken (monotonic) and how many readings it held."""
        self._records = 0
        self._readings = 0
        self._seconds = 0.0
        """Time that taking these took."""

    @property
    def per_record(self) -> float:
        """Readings in a record of late."""
        return self._readings / self._records if self._records else GUESS

    def took(self, records: int, readings: int, seconds: float, now: float) -> None:
        """A batch; counts halve now and then, so that what was long ago fades."""
        if self._records > 1_000_000:
            self._records, self._readings, self._seconds = self._records // 2, self._readings // 2, self._seconds / 2
        self._records += records
        self._readings += readings
        self._seconds += seconds
        self._batches.append((now, readings))
        while self._batches[0][0] < now - WINDOW_S:
            self._batches.popleft()

    @property
    def rate(self) -> float:
        """Readings per second; of the last hour, or since the start if that is shorter. 0: not known yet."""
        if len(self._batches) < 2:
            return 0.0
        first, last = self._batches[0][0], self._batches[-1][0]
        return sum(count for _, count in list(self._batches)[1:]) / max(last - first, 1e-3)

    def report(self, state: str, behind: int, told: Mapping[str, Any], ages: Mapping[str, float]) -> HistoryReport:
        """`told`: the keeper's own report, empty before the first; `ages` in seconds, by tier."""
        tiers = {
            name: TierReport(one["files"], one["rows"], one["bytes"], one["oldest"], one["newest"])
            for name, one in told.get("tiers", {}).items()
        }
        seconds = self._capacity_s(tiers, told.get("taken", {}))
        drain = behind * self._seconds / self._records if self._records else None
        wear = self._wear(told)
        watched = told.get("watched_s", 0.0)
        return HistoryReport(
            state=state,
            behind=behind,
            bytes=told.get("bytes", 0),
            max_bytes=self._bytes_max,
            tiers=tiers,
            readings_per_s=self.rate,
            taken=dict(told.get("taken", {})),
            moved_aside=told.get("moved_aside", ""),
            capacity_s=seconds,
            drain_s=drain,
            written_per_year=wear,
            words=self._words(seconds, ages["raw"], behind, drain) + _wear_words(wear, watched),
        )

    def _capacity_s(self, tiers: Mapping[str, TierReport], taken: Mapping[str, int]) -> float | None:
        """How long raw readings last until the bytes are used up, at this rate and with what rules keep of it."""
        raw = tiers.get("raw")
        rate = self.rate * (taken["kept"] / taken["readings"] if taken.get("readings") else 1)
        if raw is None or not raw.rows or not rate:
            return None
        room = self._bytes_max - sum(tier.bytes for name, tier in tiers.items() if name != "raw")
        return max(room, 0) / (rate * raw.bytes / raw.rows)

    def _wear(self, told: Mapping[str, Any]) -> float | None:
        """Bytes a year that gateway and keeper together send to the disk, as the kernel counts them."""
        seconds = told.get("watched_s", 0.0)
        return told["written"] / seconds * YEAR_S if seconds >= WATCHED_S else None

    def _words(self, capacity: float | None, age: float, behind: int, drain: float | None) -> list[str]:
        said = []
        if capacity is None:
            said.append("how long the room lasts is told after the first two batches")
        elif capacity < age:
            said.append(
                f"room for {time_words(capacity)} of readings at this rate; max_bytes is reached before their age"
            )
        else:
            said.append(
                f"readings are kept for {time_words(age)}; there is room for {time_words(capacity)} at this rate"
            )
        if behind and drain is not None:
            said.append(f"{behind} records wait to be taken, which takes {time_words(drain)}")
        return said


def _wear_words(wear: float | None, watched: float) -> list[str]:
    if wear is None:
        return []
    days = "the last weeks" if watched >= 14 * 86400 else f"{time_words(watched)} of work"
    return [f"gateway and history write about {bytes_words(wear)} a year to the disk, going by {days}"]


def written_bytes() -> int:
    """What this process has sent to the disk since it started, as the kernel counts it; 0 where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/io").read_text("ascii").splitlines():
            name, _, count = line.partition(": ")
            if name == "write_bytes":
                return int(count)
    return 0
