"""The loop's side of the history: lets the keeper's process take what is in the journal, and tells the journal what it
need not keep for it any more. History is a consumer of the journal like a cloud, with a cursor of its own."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from datastore.drops import Alarm, untold
from datastore.history.catalog import Tombstone, cursor_of
from datastore.history.outlook import Outlook, written_bytes
from datastore.history.process import Ended, Process, Refused
from datastore.history.settings import HistorySettings, KeepRule
from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError, StoreFailed
from gateway.model.health import HistoryReport

log = logging.getLogger(__name__)

CONSUMER = "history"
"""Its name among the journal's consumers."""
FAILING: Final = "history-failing"
DAMAGED: Final = "history-damaged"
READINGS = 1_000_000
"""So many that wait are taken before their time."""
LOOK_S = 1.0
TEND_S = 60.0
"""Files are looked after so often even when nothing comes."""
BACK_OFF_S = (1.0, 60.0)


class Feeding(Protocol):
    """The part of the journal that is needed."""

    @property
    def head(self) -> int: ...
    def pending(self, consumer: str) -> list[tuple[int, int]]: ...
    def ack(self, consumer: str, first: int, last: int) -> None: ...
    async def commit(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be kept, as far as devices decide it."""

    rules: Sequence[KeepRule] = ()
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By device: its labels and its profile's."""
    retained: Sequence[tuple[str, str, int, int, int]] = ()
    """See `retention.Retained`."""

    def told(self) -> dict[str, Any]:
        rules = [rule.model_dump(mode="json", by_alias=True) for rule in self.rules]
        return {"rules": rules, "labels": dict(self.labels), "retained": list(self.retained)}


class History:
    """`run()` as a task that never ends by itself; `await close()` after it was cancelled."""

    consumer = CONSUMER

    def __init__(
        self,
        data: Path,
        journal: Feeding,
        settings: HistorySettings,
        clock: Clock,
        alarm: Alarm = untold,
    ) -> None:
        self.folder = data / "history"
        self._journal = journal
        self._settings = settings
        self._clock = clock
        self._alarm = alarm
        self.wishes: Callable[[], Wishes] = lambda: Wishes(settings.keep)
        """Asked before every batch, so that rules and labels count as they are now."""
        orders = {
            "history": str(self.folder),
            "journal": str(data / "journal"),
            "settings": settings.model_dump(mode="json", by_alias=True),
        }
        self.process = Process(orders, clock)
        self._told: dict[str, Any] = {}
        self._cursor = 0
        self._taken_at = 0.0
        self._failing: dict[str, str] = {}
        """Why, by what was asked."""
        self._aside = ""
        self._outlook = Outlook(settings.bytes_max)
        self._last: dict[str, Any] = {}
        """What the keeper reported last."""

    def seen(self) -> int:
        """The highest offset of the journal that is in the files; 0 where there are none."""
        return cursor_of(self.folder)

    async def run(self) -> NoReturn:
        """Starts the process again whenever it ends."""
        self._journal.pending(CONSUMER)  # from now on the journal keeps for it what it has not taken
        pause, longest = BACK_OFF_S
        while True:
            since = self._clock.monotonic()
            try:
                await self._live()
            except Ended as error:
                self._fails("process", f"the history's process: {error}; it is started again")
            if self._clock.monotonic() - since > longest:
                pause = BACK_OFF_S[0]
            await self._clock.sleep(pause)
            pause = min(2 * pause, longest)

    async def close(self) -> None:
        """Lets the process end. Idempotent, never raises."""
        await self.process.close()

    # ------------------------------------------------------------------------------------------------------ work

    async def _live(self) -> NoReturn:
        """Raises Ended."""
        said = await self.process.start()
        self._damaged(said["moved_aside"])
        self._told = {}
        self._done(said["cursor"])
        while True:
            await self._doing("take", self._take)
            self._works("process")
            tended, more = self._clock.monotonic(), True
            while not self._due():
                if more:
                    more = await self._doing("tend", self._tend)
                    continue
                await self._clock.sleep(LOOK_S)
                if self._clock.monotonic() - tended >= TEND_S:
                    tended, more = self._clock.monotonic(), True

    def _due(self) -> bool:
        """Whether it is time for the next batch."""
        behind = self._journal.head - self._cursor
        waited = self._clock.monotonic() - self._taken_at
        return behind > 0 and (
            waited >= self._settings.flush_s or (waited >= LOOK_S and behind * self._outlook.per_record >= READINGS)
        )

    async def _doing(self, what: str, work: Callable[[], Any]) -> bool:
        """Whether there is more to do. What the process refuses is tried again at the next time."""
        try:
            more = bool(await work())
        except Refused as error:
            self._fails(what, str(error))
            await self._clock.sleep(BACK_OFF_S[0])
            return False
        self._works(what)
        return more

    async def _take(self) -> None:
        """All that is on the disk now."""
        with suppress(StoreFailed):
            await self._journal.commit()
        wishes = self.wishes().told()
        if wishes != self._told:
            await self.process.ask("keep", **wishes)
            self._told = wishes
        self._taken_at = self._clock.monotonic()
        more = True
        while more:
            said = await self.process.ask("take", now=self._clock.now())
            self._outlook.took(said["records"], said["readings"], said["seconds"], self._clock.monotonic())
            self._done(said["cursor"])
            more = said["more"]
        self._last = await self.process.ask("report", at=self._clock.monotonic(), written=written_bytes())
        self._damaged(self._last["moved_aside"])

    def _done(self, cursor: int) -> None:
        self._cursor = cursor
        self._journal.ack(CONSUMER, 1, cursor)

    async def _tend(self) -> bool:
        said = await self.process.ask("tend", now=self._clock.now(), trusted=self._clock.trusted())
        return bool(said["more"])

    def _damaged(self, aside: str) -> None:
        """`aside`: where the keeper has moved what it could not read; empty: nothing."""
        if aside and aside != self._aside:
            self._alarm(DAMAGED, "raised", f"what was damaged was moved to {aside}; what it held is not shown")
            self._aside = aside

    def _fails(self, what: str, why: str) -> None:
        if not self._failing:
            log.error("history: %s; the journal keeps what comes", why)
            self._alarm(FAILING, "raised", f"the history cannot be written: {why}")
        self._failing[what] = why

    def _works(self, what: str) -> None:
        if self._failing.pop(what, None) is not None and not self._failing:
            log.warning("history: writing again")
            self._alarm(FAILING, "cleared", "the history is written again")

    # ---------------------------------------------------------------------------------------------------- people

    async def bury(self, tombstones: Sequence[Tombstone]) -> None:
        """These rows are gone for whoever asks. Raises StoreFailed."""
        told = [{name: getattr(one, name) for name in Tombstone.__slots__ if name != "id"} for one in tombstones]
        try:
            await self.process.ask("delete", tombstones=told)
        except (Ended, Refused) as error:
            raise StoreFailed(f"the history cannot be changed: {error}") from error

    def report(self) -> HistoryReport:
        why = next(iter(self._failing.values()), "")
        return self._outlook.report(
            state=f"failing: {why}" if why else "ok",
            behind=max(0, self._journal.head - self._cursor),
            told=self._last,
            ages={tier: self._settings.age_ns(tier) / 1e9 for tier in ("raw", "minute", "hour", "messages")},
        )


def check_extra() -> None:
    """Raises ConfigError when what the keeper is made of is not installed."""
    missing = [name for name in ("duckdb", "numpy") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"history: {' and '.join(missing)} must be installed for it: pip install 'southgate[history]', or leave "
            "history out of gateway.yaml"
        )
