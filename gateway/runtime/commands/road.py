"""The one road down: check, record, write, read back, record, tell. For REST, command line and cloud."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.model.command import Command, CommandResult, Desired, Outcome
from gateway.model.errors import CommandRejected, StoreFailed
from gateway.model.reading import Event
from gateway.runtime.alarms import Subject
from gateway.runtime.commands.actuation import Happened, actuate, read_back, refused
from gateway.runtime.commands.desired import DesiredRoad
from gateway.runtime.commands.ledger import Entry, Ledger, result_message
from gateway.runtime.commands.lookup import Wanted, arguments, device_of, to_read, to_write
from gateway.runtime.commands.surroundings import Surroundings
from gateway.runtime.twin.flow import lane_of

IN_LINE = 32
"""Commands of one device that may wait or run; more are refused with 429."""
RESOLVE_TRIES = 30
RESOLVE_PAUSE_S = 2.0
CLOSE_S = 10.0
UNCONFIRMED = "write-unconfirmed"

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
        self._closed = False
        self.outcomes: Counter[str] = Counter()
        """How many commands ended how, since start."""
        self.desired = DesiredRoad(around, self.run, self.read)

    # ------------------------------------------------------------------------------------------------- the contract

    async def run(self, command: Command) -> CommandResult:
        """Checks, writes, reads back, records; on disk and in the journal when it returns. A caller that is cancelled
        meanwhile does not stop the act."""
        while first := self._running.get((command.device, command.id)):
            await asyncio.wait([first.task])
        return await asyncio.shield(self._launch(command, lambda _: self._carry(command, None)).task)

    async def accept(self, command: Command) -> None:
        """Returns once the command is on disk; the result leaves through the journal. Raises StoreFailed: who cannot
        be reached while waiting must not be told that it is safe."""
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

    # --------------------------------------------------------------------------------------------------- life cycle

    async def start(self) -> None:
        """Takes up what a stop or kill -9 left: results nobody may have been told are told, what was accepted is done
        unless it is too late, what was started is read back and never done again."""
        for entry in self._ledger.unfinished():
            if entry.result is not None:
                await self._tell(entry, entry.result)
            elif entry.started:
                self._launch(entry.command, lambda _, entry=entry: self._resolve(entry))  # type: ignore[misc]
            else:
                self._launch(entry.command, lambda _, entry=entry: self._carry(entry.command, None))  # type: ignore[misc]
        self.desired.start()

    async def close(self) -> None:
        """Lets what is on the wire end and be recorded; what takes too long is resolved at the next start, and what
        still comes is turned away."""
        self._closed = True
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

    def _launch_accepted(self, command: Command) -> _Running:
        return self._launch(command, lambda accepted: self._carry(command, accepted))

    async def _carry(self, command: Command, accepted: Accepted | None) -> CommandResult:
        entry = self._ledger.find(command.device, command.id)
        if entry is not None and entry.result is not None:
            return await self._repeat(entry, entry.result, command, tell=accepted is not None)
        if entry is not None and entry.started:
            return await self._resolve(entry)
        if self._closed:
            return await self._turn_away(command, 503, "the gateway is stopping; try again when it is back")
        if entry is None and self._lines.get(command.device, _NOBODY).length >= IN_LINE:
            error = f"{IN_LINE} commands of {command.device} are waiting already; try again later"
            return await self._turn_away(command, 429, error)
        with self._in_line(command.device) as line:
            left = entry is not None
            entry = entry or await self._enter(command, accepted)
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

    async def _enter(self, command: Command, accepted: Accepted | None) -> Entry:
        entry = Entry(command)
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
            wanted = self._check(entry.command)
            entry.old = self._reported(wanted)
        except CommandRejected as error:
            return await self._conclude(entry, refused(error))
        await self._ledger.record(entry)
        return await self._conclude(entry, await self._act(entry, wanted), wanted)

    async def _act(self, entry: Entry, wanted: Wanted) -> Happened:
        try:
            back = self._back(wanted)
            return await actuate(self._around.lanes, wanted, back, lambda: self._check_time(entry.command))
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
            event=happened.event,
        )
        await self._ledger.record(entry)
        self.outcomes[happened.outcome] += 1
        self._alarm(entry.result)
        await self._tell(entry, entry.result, happened)
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
            await self._clock.sleep(RESOLVE_PAUSE_S if attempt else 0)
            try:
                planned = device_of(self._around.registry, command.device)
                source = to_write(planned, command.name)
                wanted = arguments(planned, source, command.args, self._around.compat)
            except CommandRejected as error:
                happened = Happened(Outcome.UNCONFIRMED, 409, str(error))
                break
            back = self._back(wanted)
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

    # -------------------------------------------------------------------------------------------------------- checks

    def _check(self, command: Command) -> Wanted:
        """Everything that can be refused before the wire, in the order of the contract. Raises CommandRejected."""
        planned = device_of(self._around.registry, command.device)
        wanted = arguments(planned, to_write(planned, command.name), command.args, self._around.compat)
        version = self._around.twins.version(command.device)
        if command.if_version is not None and command.if_version != version:
            raise CommandRejected(409, f"the twin is at version {version}, not {command.if_version}")
        self._check_time(command)
        lane = lane_of(command.device, self._around.lanes.lanes())
        if lane is not None and lane.state in ("waiting", "connecting"):
            raise CommandRejected(503, f"{lane.connection} is not connected: {lane.reason or lane.state}")
        return wanted

    def _check_time(self, command: Command) -> None:
        if command.expires_at is None:
            return
        if not self._clock.trusted():
            raise CommandRejected(412, "the gateway's clock is not to be trusted now, so an expiry cannot be kept")
        if self._clock.now() >= command.expires_at:
            raise CommandRejected(410, "expired before it could be carried out")

    # ------------------------------------------------------------------------------------------------------- telling

    async def _tell(self, entry: Entry, result: CommandResult, happened: Happened | None = None) -> None:
        message = result_message(entry, result, happened.outputs if happened else None)
        audit.info(
            "%s: %s of %s by %s: %s -> %s: %s %d %s",
            *(result.id, result.name, result.device, entry.command.actor, dict(entry.old), dict(result.wanted)),
            *(result.outcome, result.code, result.error),
        )
        await self._around.tell(message)
        self._ledger.told(entry)

    def _alarm(self, result: CommandResult) -> None:
        """Nobody knows what an output does whose write was not confirmed, until one is."""
        about = Subject(result.device, result.name)
        if result.outcome is Outcome.UNCONFIRMED:
            self._around.alarms.tell(UNCONFIRMED, "raised", result.error, about=about)
        elif result.outcome is Outcome.CONFIRMED and self._around.alarms.is_raised(UNCONFIRMED, about):
            self._around.alarms.tell(UNCONFIRMED, "cleared", "a write was confirmed", about=about)

    def _reported(self, wanted: Wanted) -> dict[str, Any]:
        rows = {row.resource: row.last_good for row in self._around.twins.last(wanted.source.device)}
        return {name: rows.get(name) for name in wanted.source.names}

    def _back(self, wanted: Wanted) -> Any:
        readable = wanted.readable()
        return None if readable is None else self._around.store.number(readable)


def _who(command: Command) -> tuple[str, str, str]:
    return command.id, command.name, command.device
