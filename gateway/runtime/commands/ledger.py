"""The command ledger: (device, id) is on disk before the wire is touched, the result after.

A repeated id finds the first result, also after kill -9; what was started and has no result is resolved by reading
back, never by doing it again. An id that nobody can repeat, because the gateway itself made it, is kept only until its
result is told."""

import asyncio
import base64
import logging
import math
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.contracts import Clock, State
from gateway.model.errors import StoreFailed
from gateway.model.reading import Message

TABLE = "commands"
KEPT_NS = 24 * 3600 * 10**9
"""How long after its expiry (or its coming) an id is remembered."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    """What is known of one command."""

    command: Command
    started: int = 0
    """ns UTC at which the wire was about to be touched; 0: not yet."""
    old: Mapping[str, Any] = field(default_factory=dict)
    """Values before, as last reported."""
    result: CommandResult | None = None
    told: bool = False
    """The result is in the journal."""
    repeats: int = 0
    own: bool = False
    """The gateway itself made the id: nobody can ask again with it."""


class Ledger:
    """Remembers commands. While the disk refuses, it remembers in memory and says so: local commands go on."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._memory: dict[str, dict[str, Any]] = {}
        self._told: dict[str, tuple[dict[str, Any], int | None]] = {}
        self._spent: set[str] = set()
        """Keys of entries that nobody will ask for any more."""

    def find(self, device: str, command: str) -> Entry | None:
        """What is remembered of this id."""
        key = _key(device, command)
        told = self._told.get(key)
        stored = told[0] if told else self._memory.get(key) or self._state.get(TABLE, key)
        return _entry(stored) if stored else None

    async def record(self, entry: Entry) -> None:
        """On disk when it returns (or in memory, when the disk refuses)."""
        try:
            await self.enter(entry)
        except StoreFailed as error:
            log.error("The command ledger cannot be written (%s); ids are remembered in memory only", error)
            self._memory[_key(entry.command.device, entry.command.id)] = _stored(entry)
            while len(self._memory) > MAX_UNWRITTEN:
                del self._memory[next(iter(self._memory))]

    async def enter(self, entry: Entry) -> None:
        """On disk when it returns. Raises StoreFailed."""
        key, expires = _key(entry.command.device, entry.command.id), self._expires(entry.command)
        self._told.pop(key, None)
        self._spent.discard(key)
        refused, told = dict(self._memory), dict(self._told)
        changes = [self._state.put(TABLE, refused, self._kept_until(0))] if refused else []
        try:  # what the disk refused before, and what was told, goes along in the same transaction
            await asyncio.gather(*changes, *self._left(), self._state.put(TABLE, {key: _stored(entry)}, expires))
        except StoreFailed:
            self._told = told | self._told
            raise
        self._memory = {k: v for k, v in self._memory.items() if k != key and refused.get(k) is not v}

    def told(self, entry: Entry) -> None:
        """The result is safely in the journal; written with the next record, since telling twice does no harm."""
        entry.told = True
        if entry.own:
            self.forget(entry.command.device, [entry.command.id])
            return
        key = _key(entry.command.device, entry.command.id)
        self._told[key] = _stored(entry), self._expires(entry.command)
        if len(self._told) > MAX_UNWRITTEN:
            self._told.pop(next(iter(self._told)))

    def forget(self, device: str, commands: Iterable[str]) -> None:
        """Nobody will ask for these ids again: a gateway that writes every second keeps no day of them. Written with
        the next record."""
        keys = {_key(device, command) for command in commands}
        for key in keys:
            self._told.pop(key, None)
            self._memory.pop(key, None)
        if len(self._spent) < MAX_UNWRITTEN:  # else they vanish when they expire
            self._spent |= keys

    async def close(self) -> None:
        """Writes what is still to be written."""
        with suppress(StoreFailed):
            await asyncio.gather(*self._left())

    def unfinished(self) -> Iterator[Entry]:
        """After a start: without a result, or with one that nobody may have been told. Oldest first."""
        entries = map(_entry, self._state.all(TABLE).values())
        left = [e for e in entries if e is not None and not (e.result and e.told)]
        return iter(sorted(left, key=lambda e: e.command.received))

    def _left(self) -> list[Coroutine[Any, Any, None]]:
        """What is still to be written of entries that have been told."""
        told, self._told = self._told, {}
        spent, self._spent = self._spent, set()
        by_expiry: dict[int | None, dict[str, Any]] = {}
        for key, (stored, expires) in told.items():
            by_expiry.setdefault(expires, {})[key] = stored
        changes = [self._state.put(TABLE, entries, expires) for expires, entries in by_expiry.items()]
        if spent:
            changes.append(self._state.remove(TABLE, spent))
        return changes

    def _expires(self, command: Command) -> int | None:
        return self._kept_until(max(command.expires_at or 0, command.received))

    def _kept_until(self, least: int) -> int | None:
        # While the wall clock is wrong, "24 hours from now" may be long over as soon as it is set.
        return max(least, self._clock.now()) + KEPT_NS if self._clock.trusted() else None


MAX_UNWRITTEN = 1024


def plain(value: Any) -> Any:
    """A value as JSON can carry it: bytes as base64, what is no finite number as text."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _key(device: str, command: str) -> str:
    return f"{device}\n{command}"


def _stored(entry: Entry) -> dict[str, Any]:
    command = asdict(replace(entry.command, args=plain(entry.command.args)))
    command["correlation"] = entry.command.correlation.hex()
    result = None
    if entry.result is not None:
        result = {k: v for k, v in asdict(replace(entry.result, event=None)).items() if k not in ("event", "attempt")}
    return {
        "command": command,
        "started": entry.started,
        "old": plain(entry.old),
        "result": plain(result),
        "told": entry.told,
        "repeats": entry.repeats,
        "own": entry.own,
    }


def _entry(stored: Any) -> Entry | None:
    try:
        command = Command(**{**stored["command"], "correlation": bytes.fromhex(stored["command"]["correlation"])})
        result = stored["result"]
        if result is not None:
            result = CommandResult(**{**result, "outcome": Outcome(result["outcome"])})
        own = stored.get("own", False)
        return Entry(command, stored["started"], stored["old"], result, stored["told"], stored["repeats"], own)
    except (KeyError, TypeError, ValueError):
        log.error("An entry of the command ledger cannot be read and is passed over")
        return None


def result_message(entry: Entry, result: CommandResult) -> Message:
    """`{id, status, code, result or error, started, finished, attempt, readback}` and, for the record, who asked, what
    was wanted and what was there before."""
    command = entry.command
    said: dict[str, Any] = {"error": result.error}
    if not result.error:
        said = {"result": plain(result.outputs or result.readback)}
    body = {
        "id": result.id,
        "status": str(result.outcome),
        "code": result.code,
        **said,
        "started": result.started,
        "finished": result.finished,
        "attempt": result.attempt,
        "readback": plain(result.readback),
        "actor": command.actor,
        "wanted": plain(result.wanted),
        "old": plain(entry.old),
    }
    return Message("result", result.device, result.name, result.finished, body, command.reply_to, command.correlation)
