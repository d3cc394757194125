"""What people have done with exporters: dead letters sent again or dropped, and stretches of time sent out of turn.

A stretch is a job with a place, kept on disk: it goes on after a restart, waits while its exporter is not connected,
and lets live values go first. What the journal has no more comes from the history, where one is kept: whatever is older
than the journal's oldest record, by time; then the journal, by offset.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count

from gateway.model.asking import Kept, Remembers
from gateway.model.contracts import Clock, Forwards, State, Store
from gateway.model.errors import ConfigError, NotConnected, QuestionRefused, StoreFailed
from gateway.model.letter import DeadLetters, Letter
from gateway.model.reading import Batch

log = logging.getLogger(__name__)

TABLE = "exports"
PAGE = 500
"""Records at a time."""
SAVE_S = 2.0
WAIT_S = 1.0
"""While the exporter is not connected."""
FORGET_NS = 7 * 86400 * 10**9
"""Jobs that have ended are shown for so long."""
PREFIX = "export-"


@dataclass(frozen=True, slots=True)
class Given:
    """What it works with."""

    store: Store
    forwards: Forwards
    letters: DeadLetters
    state: State
    history: Remembers | None = None
    """None: none is kept."""


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of letters that were sent again."""

    sent: int
    refused: dict[int, str]
    """Number → why."""


@dataclass(frozen=True, slots=True)
class Job:
    """A stretch of time that an exporter is sent again."""

    id: str
    consumer: str
    start: int
    """ns UTC, inclusive."""
    end: int
    """ns UTC, exclusive."""
    upto: int
    """Offset of the newest record when it was asked for."""
    first: int = 0
    """Offset of the oldest record there was; 0: not begun."""
    done: int = 0
    """Offset up to which all is sent or not in the stretch."""
    sent: int = 0
    refused: int = 0
    below: int = 0
    """Records up to this offset are being taken from the history; 0: it is the journal's turn."""
    at: int = 0
    """Origin and offset of the last one that came from there."""
    at_offset: int = 0
    since: int = 0
    """Origin of the first one that came from there; 0: none."""
    till: int = 0
    """About the origin of the last one there."""
    share: float = 0.0
    """Of the whole that comes from there, 0 to 1."""
    state: str = "running"
    """`running`, `waiting` (for the exporter), `done`, `stopped`, `failed`."""
    reason: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ("done", "stopped", "failed")

    @property
    def progress(self) -> float:
        """0 to 1."""
        if self.state == "done" or not self.upto:
            return 1.0
        whole = self.upto - self.first + 1
        journal = _share(self.done - self.first + 1, whole) if self.first else 0.0
        old = _share(self.at - self.since, self.till - self.since) if self.below and not self.first else 1.0
        return self.share * old + (1 - self.share) * journal


def _share(part: int, whole: int) -> float:
    return max(0.0, min(1.0, part / whole)) if whole > 0 else 0.0


class Exports:
    """`run()` does the jobs until cancelled."""

    def __init__(self, given: Given, clock: Clock) -> None:
        store, forwards, letters, state = given.store, given.forwards, given.letters, given.state
        self.letters = letters
        self._history = given.history
        self._store = store
        self._forwards = forwards
        self._state = state
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        for known in state.all(TABLE).values():
            with contextlib.suppress(TypeError):  # of another version
                job = Job(**known)
                self._jobs[job.id] = job
        self._changed = asyncio.Event()
        self._turns = count()

    def consumer(self, name: str) -> str:
        """The consumer of an exporter named as in gateway.yaml, or of itself. Raises ConfigError."""
        names = [report.name for report in self._forwards.report()]
        for known in (f"{PREFIX}{name}", name):
            if known in names:
                return known
        shown = ", ".join(one.removeprefix(PREFIX) for one in names) or "none"
        raise ConfigError(f"there is no exporter {name}; there are: {shown}")

    # ------------------------------------------------------------------------------------------------ dead letters

    async def pick(self, consumer: str, numbers: Sequence[int]) -> list[int]:
        """The numbers meant: those given, else all of a consumer (empty: of every one). Raises StoreFailed."""
        if numbers:
            return [letter.number for letter in await self.letters.get(numbers)]
        found: list[int] = []
        while True:
            page, _ = await self.letters.find(consumer, found[-1] if found else 0, PAGE)
            found += [letter.number for letter in page]
            if len(page) < PAGE:
                return found

    async def retry(self, numbers: Sequence[int]) -> Retried:
        """Sends letters again; those taken are forgotten, the others have the new reason. Raises NotConnected (what
        was taken until then is forgotten), ConfigError for letters of a consumer that is no more, StoreFailed."""
        sent = 0
        refused: dict[int, str] = {}
        for start in range(0, len(numbers), PAGE):
            letters = await self.letters.get(numbers[start : start + PAGE])
            for consumer in dict.fromkeys(letter.consumer for letter in letters):
                own = [letter for letter in letters if letter.consumer == consumer]
                found = await self._again(consumer, own)
                sent += len(own) - len(found)
                refused |= found
        return Retried(sent, refused)

    async def _again(self, consumer: str, letters: Sequence[Letter]) -> dict[int, str]:
        self.consumer(consumer)
        found = await self._forwards.deliver(consumer, [letter.record for letter in letters])
        if found:
            await self.letters.put(consumer, [(letters[at].record, why) for at, why in found.items()])
        await self.letters.drop([letter.number for at, letter in enumerate(letters) if at not in found])
        return {letters[at].number: why for at, why in found.items()}

    # ------------------------------------------------------------------------------------------------------- jobs

    @property
    def jobs(self) -> list[Job]:
        """Oldest first."""
        return list(self._jobs.values())

    async def send(self, name: str, start: int, end: int) -> Job:
        """Has an exporter sent what was read in a stretch of time; the same again is the job there is, which goes on.
        Raises ConfigError, StoreFailed."""
        consumer = self.consumer(name)
        for job in self._jobs.values():
            if (job.consumer, job.start, job.end) == (consumer, start, end) and job.state != "done":
                return await self._keep(replace(job, state="running", reason=""))
        identity = f"{self._clock.now() // 10**6}-{next(self._turns)}"
        return await self._keep(Job(identity, consumer, start, end, self._store.head))

    async def stop(self, identity: str) -> Job:
        """Ends a job; the same asked for again goes on where it was. Raises KeyError, StoreFailed."""
        job = self._jobs[identity]
        return job if job.ended else await self._keep(replace(job, state="stopped"))

    async def _keep(self, job: Job) -> Job:
        self._jobs[job.id] = job
        self._changed.set()
        await self._state.put(TABLE, {job.id: asdict(job)}, self._clock.now() + FORGET_NS if job.ended else None)
        return job

    async def run(self) -> None:
        """One job after another, so that they do not take the disk from one another."""
        while True:
            self._changed.clear()
            waiting = [job for job in self._jobs.values() if not job.ended]
            if not waiting:
                self._forget()
                await self._changed.wait()
                continue
            moved = [await self._advance(job.id) for job in waiting]
            if not any(moved):
                await self._clock.sleep(WAIT_S)

    def _forget(self) -> None:
        kept = self._state.all(TABLE)
        for identity in [one.id for one in self._jobs.values() if one.ended and one.id not in kept]:
            del self._jobs[identity]

    async def _advance(self, identity: str) -> bool:
        """Works on a job for a little; returns whether it got on."""
        began = self._clock.monotonic()
        while not (job := self._jobs[identity]).ended:
            try:
                after = await self._page(job)
            except (NotConnected, QuestionRefused) as error:
                self._note(job, replace(job, state="waiting", reason=str(error)))
                if job.state != "waiting":
                    await self._save(self._jobs[identity])
                return False
            except StoreFailed as error:
                after = replace(job, state="failed", reason=str(error))
            except KeyError:
                gone = job.consumer.removeprefix(PREFIX)
                after = replace(job, state="failed", reason=f"there is no exporter {gone} any more")
            if self._jobs[identity].state == "stopped":
                after = replace(after, state="stopped")
            self._note(job, after)
            if after.ended or self._clock.monotonic() - began > SAVE_S:
                await self._save(after)
                return True
        return True

    async def _save(self, job: Job) -> None:
        try:
            await self._keep(job)
        except StoreFailed as error:
            log.warning("how far an export has come is not written down: %s", error)

    def _note(self, before: Job, after: Job) -> None:
        if after.state == "stopped" or self._jobs[before.id].state != "stopped":
            self._jobs[before.id] = after

    async def _page(self, job: Job) -> Job:
        """Sends the next records of a job. Raises NotConnected, QuestionRefused, StoreFailed, KeyError."""
        if self._history is not None and (job.below or job.done < self._gone(job)):
            return await self._old_page(job, self._history, job.below or self._gone(job))
        records = await self._store.read(job.done, PAGE, job.upto)
        if self._history is not None and job.done < self._gone(job):  # dropped while it was read
            return job
        if not records:
            return replace(job, state="done", done=job.upto, reason="")
        job = await self._sent(job, [one for one in records if job.start <= one.origin < job.end])
        return replace(job, first=job.first or records[0].offset, done=records[-1].offset)

    def _gone(self, job: Job) -> int:
        """Up to this offset the journal has no more all there was."""
        return min(self._store.report().whole_from - 1, job.upto)

    async def _old_page(self, job: Job, history: Remembers, below: int) -> Job:
        """From the history. Once it has no more, the journal's turn is next; what that has dropped meanwhile is the
        history's again."""
        after = (job.at, job.at_offset)
        page = await history.kept(Kept(job.start, job.end, job.done, below, after))
        if page.last is None:
            return replace(job, done=below, below=0, at=0, at_offset=0)
        if not job.since:
            job = self._begun(job, page.last[0] if not page.records else page.records[0].origin)
        job = await self._sent(job, page.records)
        return replace(job, below=below, at=page.last[0], at_offset=page.last[1])

    def _begun(self, job: Job, since: int) -> Job:
        end = min(job.end, self._clock.now())
        till = min(end, self._store.report().oldest or end)
        return replace(job, since=since, till=till, share=_share(till - since, end - since))

    async def _sent(self, job: Job, records: Batch) -> Job:
        refused = await self._forwards.deliver(job.consumer, records) if records else {}
        if refused:
            await self.letters.put(job.consumer, [(records[at], why) for at, why in refused.items()])
        sent = job.sent + len(records) - len(refused)
        return replace(job, sent=sent, refused=job.refused + len(refused), state="running", reason="")
