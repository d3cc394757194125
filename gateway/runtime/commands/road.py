"""The one road down: check, record, write, read back, record, tell. For REST, command line and cloud."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from ulid import ULID

from gateway.model.command import SENT, Command, CommandResult, Desired, Outcome
from gateway.model.errors import CommandRejected, StoreFailed
from gateway.model.plan import PlannedDevice
from gateway.model.reading import Event, Source
from gateway.runtime.alarms import Subject
from gateway.runtime.commands.actuation import Happened, actuate, read_back, refused, unheard
from gateway.runtime.commands.desired import DesiredRoad
from gateway.runtime.commands.ledger import Entry, Ledger, result_message
from gateway.runtime.commands.lookup import Wanted, arguments, device_of, to_read, to_write
from gateway.runtime.commands.surroundings import Surroundings

IN_LINE = 32
"""Commands of one device that may wait or run; more are refused with 429."""
RESOLVE_TRIES = 30
RESOLVE_PAUSE_S = 2.0
CLOSE_S = 10.0
UNCONFIRMED: Final = "write-unconfirmed"

Accepted = asyncio.Future[None]
Work = Callable[[Accepted], Coroutine[Any, Any, CommandResult]]

log = logging.getLogger(__name__)
audit = logging.getLogger("southgate.audit")


@dataclass(slots=True, eq=False)
class _Line:
    """Commands of one device, one after another."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


_NOBODY = _Line()


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    accepted: Accepted
    task: asyncio.Task[CommandResult]
    repeats: list[Command] = field(default_factory=list)
    """The same id, that came meanwhile from somebody who waits for a result of his own."""


class CommandRoad:
    """Implements `gateway.model.contracts.Commands`."""

    def __init__(self, around: Surroundings) -> None:
        self._around, self._clock = around, around.clock
        self._ledger = Ledger(around.state, around.clock)
        self._lines: dict[str, _Line] = {}
        self._running: dict[tuple[str, str], _Running] = {}
        self._closing = asyncio.Event()
        self.outcomes: Counter[str] = Counter()
        """How many commands ended how, since start."""
        self.desired = DesiredRoad(around, self.run, self.read, self._ledger.forget)

    # ------------------------------------------------------------------------------------------------- the contract

    async def run(self, command: Command) -> CommandResult:
        """Checks, writes, reads back, records; on disk and in the journal when it returns. A caller that is cancelled
        meanwhile does not stop the act. Without an id it gets one that nobody can ask for again."""
        own = not command.id
        if own:
            command = replace(command, id=str(ULID.from_timestamp(self._clock.now() / 1e9)))
        while first := self._running.get((command.device, command.id)):
            await asyncio.wait([first.task])
        return await asyncio.shield(self._launch(command, lambda _: self._carry(command, None, own)).task)

    async def accept(self, command: Command) -> None:
        """Returns once the command is on disk, or was already; the result leaves through the journal. Raises
        StoreFailed: who cannot be reached while waiting must not be told that it is safe."""
        running = self._running.get((command.device, command.id))
        if running is None:
            running = self._launch_accepted(command)
        else:
            running.repeats.append(command)
        await asyncio.shield(running.accepted)

    async def read(self, device: str, name: str, regex: bool = True) -> Event:
        """Read now, by EdgeX's lookup rules; the Event also goes up. Raises CommandRejected, NotConnected, NoAnswer."""
        planned = device_of(self._around.registry, device)
        return await self._around.lanes.read(to_read(planned, name, regex, self._around.compat))

    async def desire(self, desired: Desired) -> None:
        """Returns once on disk; the acknowledgement leaves through the journal."""
        await self.desired.desire(desired)

    def desired_of(self, device: str) -> dict[str, Any] | None:
        """What is wanted of a device and how far that has come; None: nothing is."""
        return self.desired.view(device)

    # --------------------------------------------------------------------------------------------------- life cycle

    async def start(self) -> None:
        """Takes up what a stop or kill -9 left: results nobody may have been told are told, what was accepted is done
        unless it is too late, what was started is read back and never done again."""
        for entry in self._ledger.unfinished():
            if entry.result is not None:
                await self._tell(entry, entry.result)
            else:
                taken = self._launch(entry.command, lambda _, entry=entry: self._take_up(entry))  # type: ignore[misc]
                taken.accepted.set_result(None)  # on disk it is: who sends it again need not wait for its end
        for about in self._around.alarms.raised(UNCONFIRMED):
            if about.device not in self._around.registry.current.devices:
                self._around.alarms.tell(UNCONFIRMED, "cleared", "the device is no longer configured", about=about)
        self.desired.start()

    async def close(self) -> None:
        """Lets what is on the wire end and be recorded; what takes too long is resolved at the next start, and what
        still comes is turned away."""
        self._closing.set()
        await self.desired.close()
        with suppress(TimeoutError):
            async with self._clock.timeout(CLOSE_S):
                while tasks := [running.task for running in self._running.values()]:
                    await asyncio.gather(*tasks, return_exceptions=True)
        await self._ledger.close()

    # --------------------------------------------------------------------------------------------------- one command

    def _launch(self, command: Command, work: Work) -> _Running:
        key = command.device, command.id
        accepted: Accepted = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(work(accepted), name=f"command {command.id}")
        running = self._running[key] = _Running(accepted, task)

        def end(done: asyncio.Task[CommandResult]) -> None:
            del self._running[key]
            error = None if done.cancelled() else done.exception()
            if isinstance(error, StoreFailed) and not accepted.done():
                accepted.set_exception(error)
                return
            if error is not None:
                log.error("Command %s ended by our own fault", command.id, exc_info=error)
            if not accepted.done():
                accepted.set_result(None)
            if running.repeats and not done.cancelled():
                first, *others = running.repeats
                self._launch_accepted(first).repeats.extend(others)

        task.add_done_callback(end)
        return running

    async def _take_up(self, entry: Entry) -> CommandResult:
        return await (self._resolve(entry) if entry.started else self._carry(entry.command, None))

    def _launch_accepted(self, command: Command) -> _Running:
        return self._launch(command, lambda accepted: self._carry(command, accepted))

    async def _carry(self, command: Command, accepted: Accepted | None, own: bool = False) -> CommandResult:
        """`own`: the id was made here."""
        entry = self._ledger.find(command.device, command.id)
        if entry is not None and entry.result is not None:
            return await self._repeat(entry, entry.result, command, tell=accepted is not None)
        if entry is not None and entry.started:
            if accepted is not None:
                accepted.set_result(None)
            return await self._resolve(entry)
        if self._closing.is_set():
            return await self._turn_away(command, 503, "the gateway is stopping; try again when it is back")
        if entry is None and self._lines.get(command.device, _NOBODY).length >= IN_LINE:
            error = f"{IN_LINE} commands of {command.device} are waiting already; try again later"
            return await self._turn_away(command, 429, error)
        with self._in_line(command.device) as line:
            left = entry is not None
            entry = entry or await self._enter(Entry(command, own=own), accepted)
            async with line.lock:
                return await self._execute(entry, left)

    @contextmanager
    def _in_line(self, device: str) -> Iterator[_Line]:
        line = self._lines.setdefault(device, _Line())
        line.length += 1
        try:
            yield line
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[device]

    async def _enter(self, entry: Entry, accepted: Accepted | None) -> Entry:
        if accepted is not None:
            await self._ledger.enter(entry)
            accepted.set_result(None)
        return entry

    async def _execute(self, entry: Entry, left: bool) -> CommandResult:
        """`left`: it was accepted before a restart."""
        entry.started = self._clock.now()
        try:
            if left and entry.command.expires_at is None:
                raise CommandRejected(410, "accepted before a restart, and without an expiry nobody can tell its age")
            planned, wanted = self._check(entry.command)
            entry.old = self._reported(wanted)
        except CommandRejected as error:
            return await self._conclude(entry, refused(error))
        await self._ledger.record(entry)
        return await self._conclude(entry, await self._act(entry, planned, wanted), wanted)

    async def _act(self, entry: Entry, planned: PlannedDevice, wanted: Wanted) -> Happened:
        try:
            back = self._back(planned, wanted)
            check = partial(self._check_again, entry.command, planned)
            happened = await actuate(self._around.lanes, wanted, back, check)
            return unheard(happened, planned.mute) if planned.mute else happened
        except Exception:
            log.exception("Command %s to %s of %s failed by our own fault", *_who(entry.command))
            return Happened(Outcome.FAILED, 500, "an internal error; the gateway's log has the details")

    async def _conclude(self, entry: Entry, happened: Happened, wanted: Wanted | None = None) -> CommandResult:
        command = entry.command
        entry.result = CommandResult(
            id=command.id,
            device=command.device,
            name=command.name,
            outcome=happened.outcome,
            code=happened.code,
            started=entry.started,
            finished=max(self._clock.now(), entry.started),
            error=happened.error,
            wanted=dict(wanted.values) if wanted else dict(command.args),
            readback=happened.readback,
            outputs=happened.outputs,
            event=happened.event,
        )
        await self._ledger.record(entry)
        self.outcomes[happened.outcome] += 1
        _audit(entry, entry.result)
        await self._tell(entry, entry.result)
        return entry.result

    async def _repeat(self, entry: Entry, result: CommandResult, command: Command, tell: bool) -> CommandResult:
        """The same id again: the first result, and nothing is done."""
        entry.repeats += 1
        await self._ledger.record(entry)
        result = replace(result, attempt=1 + entry.repeats)
        if tell:
            await self._around.tell(result_message(replace(entry, command=command), result))
        return result

    async def _turn_away(self, command: Command, code: int, error: str) -> CommandResult:
        """Not recorded: the same id may come again later."""
        now = self._clock.now()
        result = CommandResult(
            command.id, command.device, command.name, Outcome.REJECTED, code, now, now, error, wanted=command.args
        )
        self.outcomes[Outcome.REJECTED] += 1
        await self._around.tell(result_message(Entry(command), result))
        return result

    async def _resolve(self, entry: Entry) -> CommandResult:
        """Started before a restart, outcome unknown: reading back decides; it is never written again."""
        command = entry.command
        wanted, happened = None, Happened(Outcome.UNCONFIRMED, 409, "the device is no longer configured")
        for attempt in range(RESOLVE_TRIES):
            if attempt:
                await self._pause()
            try:
                planned = device_of(self._around.registry, command.device)
                source = to_write(planned, command.name)
                wanted = arguments(planned, source, command.args, self._around.compat)
            except CommandRejected as error:
                happened = Happened(Outcome.UNCONFIRMED, 409, str(error))
                break
            back = self._back(planned, wanted)
            if back is None:
                happened = Happened(Outcome.UNCONFIRMED, 409, "nothing of it can be read back")
                break
            with self._in_line(command.device) as line:
                async with line.lock:
                    happened = await read_back(self._around.lanes, wanted, back)
            if happened.event is not None:
                break
        if happened.outcome is Outcome.UNCONFIRMED:
            happened = replace(happened, error=f"the gateway stopped while writing; {happened.error}")
        return await self._conclude(entry, happened, wanted)

    async def _pause(self) -> None:
        """Between two tries to read back. A stop ends it all: the next start tries again."""
        with suppress(TimeoutError):
            async with self._clock.timeout(RESOLVE_PAUSE_S):
                await self._closing.wait()
                raise asyncio.CancelledError

    # -------------------------------------------------------------------------------------------------------- checks

    def _check(self, command: Command) -> tuple[PlannedDevice, Wanted]:
        """Everything that can be refused before the wire, in the order of the contract. Raises CommandRejected."""
        planned = device_of(self._around.registry, command.device)
        wanted = arguments(planned, to_write(planned, command.name), command.args, self._around.compat)
        version = self._around.twins.version(command.device)
        if command.if_version is not None and command.if_version != version:
            raise CommandRejected(409, f"the twin is at version {version}, not {command.if_version}")
        self._check_time(command)
        lane = self._around.lanes.lane(command.device)
        if lane is not None and lane.state in ("waiting", "connecting"):
            raise CommandRejected(503, f"{lane.connection} is not connected: {lane.reason or lane.state}")
        return planned, wanted

    def _check_again(self, command: Command, planned: PlannedDevice) -> None:
        """Its turn has come: what was checked when it got in line may hold no longer. A device that was planned anew
        with other sources may have another address or other registers. Raises CommandRejected."""
        if device_of(self._around.registry, command.device).sources is not planned.sources:
            raise CommandRejected(503, f"{command.device} was configured anew meanwhile; try again")
        self._check_time(command)

    def _check_time(self, command: Command) -> None:
        if command.expires_at is None:
            return
        if not self._clock.trusted():
            raise CommandRejected(412, "the gateway's clock is not to be trusted now, so an expiry cannot be kept")
        if self._clock.now() >= command.expires_at:
            raise CommandRejected(410, "expired before it could be carried out")

    # ------------------------------------------------------------------------------------------------------- telling

    async def _tell(self, entry: Entry, result: CommandResult) -> None:
        message = result_message(entry, result)
        self._alarm(result)
        await self._around.tell(message)
        self._ledger.told(entry)

    def _alarm(self, result: CommandResult) -> None:
        """Nobody knows what an output does whose write was not confirmed, until one is, or ever, where none can be."""
        alarms = self._around.alarms
        for about in (Subject(result.device, resource) for resource in result.wanted):
            if result.code == SENT:
                if alarms.is_raised(UNCONFIRMED, about):
                    alarms.tell(UNCONFIRMED, "cleared", "it was sent again; nobody can confirm it", about=about)
            elif result.outcome is Outcome.UNCONFIRMED:
                alarms.tell(UNCONFIRMED, "raised", result.error, about=about)
            elif result.outcome is Outcome.CONFIRMED and alarms.is_raised(UNCONFIRMED, about):
                alarms.tell(UNCONFIRMED, "cleared", "a write was confirmed", about=about)

    def _reported(self, wanted: Wanted) -> dict[str, Any]:
        rows = {name: self._around.twins.value(wanted.source.device, name) for name in wanted.source.names}
        return {name: row.last_good if row else None for name, row in rows.items()}

    def _back(self, planned: PlannedDevice, wanted: Wanted) -> Source | None:
        readable = None if planned.mute else wanted.readable()
        return None if readable is None else self._around.store.number(readable)


def _who(command: Command) -> tuple[str, str, str]:
    return command.id, command.name, command.device


def _audit(entry: Entry, result: CommandResult) -> None:
    """Once, when it has happened: what is told again after a restart is not done again."""
    audit.info(
        "%s: %s of %s by %s: %s -> %s: %s %d %s",
        *(result.id, result.name, result.device, entry.command.actor, dict(entry.old), dict(result.wanted)),
        *(result.outcome, result.code, result.error),
    )
