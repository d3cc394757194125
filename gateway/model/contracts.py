"""The seams of the house. Rooms on one floor meet only here; `gateway.app` joins them.

Unless said otherwise everything is called on the event loop's thread. Times are ns UTC (`int`) where they are stamps
and seconds (`float`) where they are durations.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from gateway.model.command import Command, CommandResult, Desired
from gateway.model.configuration import Configuration, Difference
from gateway.model.device import Device, DeviceState
from gateway.model.errors import Problem
from gateway.model.health import ConsumerReport, FlowReport, JournalReport, LaneReport
from gateway.model.plan import Connection, Facts, Plan, PlannedDevice
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.query import Selection
from gateway.model.reading import Batch, Event, Record, Source
from gateway.model.recording import Frame, Tap

P = TypeVar("P", bound=Plan)
P_contra = TypeVar("P_contra", contravariant=True)

Publish = Callable[[Batch], None]
"""Hands a batch to the bus. Never blocks, never raises."""


class Clock(Protocol):
    """Time is an argument. `gateway.runtime.clock` is the only implementation in the product."""

    def monotonic(self) -> float: ...
    def now(self) -> int:
        """Wall time, ns UTC."""
        ...

    def trusted(self) -> bool:
        """False while wall time is known to be wrong or has just been stepped."""
        ...

    async def sleep(self, seconds: float) -> None: ...
    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        """Like `asyncio.timeout`: raises TimeoutError at the block's end."""
        ...


# ------------------------------------------------------------------------------------------------------------- south


class Mapper(Protocol[P_contra]):
    """Speaks one protocol over one connection. Never retries, sleeps, logs failures, starts tasks of its own or keeps
    values, unless the device's file names such a quirk; the library's own reconnecting is switched off. Calls do not
    overlap."""

    @property
    def found(self) -> dict[str, Facts]:
        """What reads have found out about devices, by name; whoever takes it empties it."""
        ...

    @property
    def rest_after(self) -> float | None:
        """Seconds without work after which the Lane calls `rest`; None: never."""
        ...

    async def connect(self) -> None:
        """Once up it stays up until read or write raises NotConnected. May be called again. Raises NotConnected."""
        ...

    async def read(self, plan: P_contra, patience: float | None = None) -> list[Event]:
        """One Event per source of the plan, raw values (before transforms). A value the device refused is None with
        BAD quality and a reason. `patience`: seconds to wait for each answer, where that is shorter than what the
        device's file says. Raises NotConnected, NoAnswer (nothing of this unit was answered)."""
        ...

    async def write(self, plan: P_contra, values: Mapping[str, Any]) -> Event | None:
        """Raw values by resource name. Returns when the device accepted; outputs of a method come back as an Event.
        Raises NotConnected, NoAnswer, DeviceError."""
        ...

    async def rest(self) -> None:
        """Closes the connection until the next read or write, which opens it again by itself. Never raises."""
        ...

    async def close(self) -> None:
        """Idempotent, never raises; ends whatever the library started."""
        ...


class Tape(Mapper[P_contra], Protocol[P_contra]):
    """A mapper that is answered what was recorded: to each request, in order, the next answer that it had then, with
    the times between. Its clock must be one that does not wait."""

    @property
    def missing(self) -> Sequence[str]:
        """Requests that were never recorded, in words; they are as not answered."""
        ...

    @property
    def left(self) -> Sequence[str]:
        """Requests of the recording that nobody has asked, in words."""
        ...

    def next(self, plan: P_contra) -> float | None:
        """When the next request not yet asked was sent that this plan begins with, in seconds after the start; None:
        there is none left. `read` raises EndOfRecording when the recording ends in the middle of it."""
        ...


class DeviceProtocol(Protocol[P]):
    """A mapper package's face: everything that needs no connection. One device service each."""

    service: str
    """`device-modbus`."""
    keys: Sequence[str]
    """Keys under a device's `protocols` that mean this protocol: `modbus-tcp`, `modbus-rtu`, …"""
    codes: Mapping[str, str]
    """What devices say when they refuse to be read, by `Quality.code`: its name, and what to try. By another reason
    (`timeout`), what to try when it is that of some values only."""

    def recognises(self, profile: DeviceProfile) -> bool:
        """Whether the attributes of a profile are this protocol's: asked when no device tells."""
        ...

    def check(self, profile: DeviceProfile, device: Device | None = None) -> list[Problem]:
        """Everything wrong with the attributes of a profile and the protocol properties of a device; looks at nothing
        beside them but whether files that the device names are there."""
        ...

    def connection(self, device: Device, compat: Compat = Compat.NONE) -> Connection:
        """`compat`: of the gateway or the device's profile. Raises ConfigError."""
        ...

    def mute(self, device: Device) -> str:
        """Why nobody ever answers for this device (it stands for all units of a line), in words; empty: somebody does.
        Such a device is only written to, and no write is confirmed. Raises ConfigError."""
        ...

    def plan(self, device: Device, sources: Sequence[Source], facts: Facts) -> P:
        """Pure: the fewest requests and a decode table for reading all `sources` together, or for writing one.
        Raises ConfigError."""
        ...

    def advice(self, planned: PlannedDevice) -> list[str]:
        """What its files may say, so that what was learned about a device need not be learned again."""
        ...

    def open(self, connection: Connection, clock: Clock) -> Mapper[P]:
        """Builds the mapper; connects nothing."""
        ...

    def tap(self, connection: Connection, tap: Tap | None) -> None:
        """From now on `tap` is told what goes over a connection, whoever opened it; None: nobody is, and it costs
        nothing. Raises ConfigError, also for None, where this protocol's connections are not recorded."""
        ...

    def replay(self, connection: Connection, clock: Clock, frames: Sequence[Frame]) -> "Tape[P]":
        """As `open`, for a wire on which happens what was recorded. Raises ConfigError."""
        ...


class Protocols(Protocol):
    """The protocols in use; loads a mapper package on first need."""

    def of(self, device: Device) -> DeviceProtocol[Any]:
        """By serviceName (or alias), else by the key under `protocols`. Raises ConfigError listing the choices."""
        ...

    def by_service(self, service: str) -> DeviceProtocol[Any]:
        """Raises ConfigError."""
        ...

    def services(self) -> Sequence[str]:
        """Names of all device services this gateway can host."""
        ...

    def check(self, profile: DeviceProfile) -> list[Problem]:
        """Of a profile that no device uses: what the protocol that recognises it says; a note if none does."""
        ...


class Devices(Protocol):
    """The way to a device, for the command road: whoever calls waits in the lane before the next poll. Values are
    transformed (what people see); polls of the same lane go on between commands."""

    async def read(self, source: Source) -> Event:
        """Reads now and publishes what it read. Raises NotConnected, NoAnswer."""
        ...

    async def write(
        self, source: Source, values: Mapping[str, Any], check: Callable[[], None] = lambda: None
    ) -> Event | None:
        """Values as people see them, already checked, by resource name. `check` is called when its turn has come, right
        before the wire; what it raises is raised, and nothing is written. Raises NotConnected, NoAnswer, DeviceError;
        CommandRejected for a value that the protocol cannot carry."""
        ...


# ------------------------------------------------------------------------------------------------------------ memory


class Store(Protocol):
    """The journal: durable, append-only, with offsets; consumers are cursors over it."""

    @property
    def head(self) -> int:
        """Offset of the newest record; 0 when there is none."""
        ...

    def number(self, source: Source) -> Source:
        """The same source with its number; equal content gives an equal number, for ever."""
        ...

    def append(self, batch: Batch) -> int:
        """Gives every record its offset and puts it in the in-memory tail; on disk within the commit interval (at once
        if the batch has a Message). Never blocks and never raises: when the disk refuses, the drop policy applies and
        is counted. Returns the new head."""
        ...

    async def commit(self) -> None:
        """Returns when everything appended so far is on disk. Raises StoreFailed."""
        ...

    async def wait(self, after: int) -> int:
        """Until there is a record above `after`; returns head."""
        ...

    async def read(self, after: int, limit: int, upto: int | None = None) -> Sequence[Record]:
        """At most `limit` records above `after` and not above `upto`, in order; from the tail, else from disk."""
        ...

    def pending(self, consumer: str) -> list[tuple[int, int]]:
        """Unacknowledged ranges (first, last), oldest first, up to the head. A consumer never heard of has one range
        over all that is kept."""
        ...

    def ack(self, consumer: str, first: int, last: int) -> None:
        """The range needs no more sending; persisted with the next commit (after a crash it may be sent again)."""
        ...

    async def events(self, selection: Selection) -> tuple[Sequence[Event], int]:
        """Events of a selection and how many there are without paging. Includes what is not committed yet."""
        ...

    def report(self) -> JournalReport: ...

    async def delete(self, selection: Selection) -> int:
        """Removes from people's queries, never what a consumer has not acknowledged. Returns how many."""
        ...


class State(Protocol):
    """Small durable facts as JSON values in named tables: command ledger, twins, learned facts, created/modified."""

    def get(self, table: str, key: str) -> Any | None: ...
    def all(self, table: str) -> dict[str, Any]: ...
    async def put(self, table: str, entries: Mapping[str, Any], expires_at: int | None = None) -> None:
        """On disk (synchronous FULL) when it returns. Raises StoreFailed. Expired entries vanish by themselves."""
        ...

    async def remove(self, table: str, keys: Iterable[str]) -> None: ...


# ------------------------------------------------------------------------------------------------------------- north


class Exporter(Protocol):
    """Carries batches to one place. The forwarder owns retry, back-off and acknowledgement."""

    name: str

    async def connect(self) -> None:
        """Raises NotConnected."""
        ...

    async def send(self, batch: Batch) -> None:
        """Returns when the other side has taken all of it. May be called for live and backlog at the same time.
        Raises NotConnected (nothing is lost, it will be sent again; NotTaken: the other side is there), PartialSend."""
        ...

    async def lost(self) -> str:
        """Waits while connected; returns why when the connection is gone, also while nothing is sent."""
        ...

    async def close(self) -> None:
        """Idempotent, never raises."""
        ...


class Twins(Protocol):
    """Last reported, desired, how fresh; never asks a device. What a cloud reads."""

    def devices(self) -> Sequence[str]: ...
    def state(self, device: str) -> DeviceState: ...
    def version(self, device: str) -> int:
        """Reported version; only grows, also over restarts."""
        ...

    def document(self, device: str) -> dict[str, Any]:
        """`{version, ts, properties, quality}` of everything that belongs in the twin."""
        ...

    def patch(self, device: str, base: int) -> dict[str, Any] | None:
        """`{version, base, ts, properties, quality}` of what changed after version `base`; None if nothing did."""
        ...


class Commands(Protocol):
    """The one road down, for REST, command line and cloud."""

    async def run(self, command: Command) -> CommandResult:
        """Checks, writes, reads back, records; the result is on disk and in the journal when it returns. Never raises
        for what the device or the caller did: that is an outcome. A command without an id gets one (it stands in the
        result) and is forgotten once told, since nobody can ask for it again."""
        ...

    async def accept(self, command: Command) -> None:
        """Returns once the command is on disk (so the broker may be told); its result leaves through the journal.
        A repeated id whose first is under way is not recorded again: after kill -9 it is the first that is answered.
        Raises StoreFailed: then it is not carried out."""
        ...

    async def read(self, device: str, name: str, regex: bool = True) -> Event:
        """Read now. Raises CommandRejected, NotConnected, NoAnswer."""
        ...

    async def desire(self, desired: Desired) -> None:
        """Returns once on disk, or in memory while the disk refuses: whoever wishes keeps the document. The
        acknowledgement leaves through the journal."""
        ...

    def desired_of(self, device: str) -> dict[str, Any] | None:
        """`{epoch, version, ts, expires_at, properties, results}` of what is wanted of a device, for people; a result
        is `{status, code, value, ts, tries, reason}`. None: nothing is wanted."""
        ...


# ------------------------------------------------------------------------------------------------------------- inside


class Registry(Protocol):
    """The one writer of configuration. Files, REST and cloud all come through here."""

    @property
    def current(self) -> Configuration: ...
    @property
    def planned(self) -> Mapping[str, PlannedDevice]:
        """Every device in force that has a profile, by name."""
        ...

    @property
    def digest(self) -> str:
        """Hash of the configuration in force."""
        ...

    def stamps(self, kind: str, name: str) -> tuple[int, int]:
        """created and modified, ms since the epoch, of a `device` or `profile`; (0, 0) if shipped or unknown."""
        ...

    async def reload(self, dry_run: bool = False) -> Difference:
        """Reads the files again and applies what changed. Raises ConfigError; the running set stays as it is."""
        ...

    async def change(self, edit: Callable[[Configuration], Configuration], dry_run: bool = False) -> Difference:
        """Applies an edit to what is in force and writes the files, atomically; edits wait for each other. Raises
        ConfigError (or what `edit` raises); then nothing changed."""
        ...

    async def make(self, made: Configuration) -> None:
        """Devices and profiles that are in no file but beside them: what rules make. Raises ConfigError."""
        ...

    async def learned(self, device: str, facts: Facts) -> None:
        """These facts are known about a device from now on; it is planned anew where they change its requests."""
        ...


class Lanes(Devices, Protocol):
    """Every open connection."""

    async def apply(self, planned: Mapping[str, PlannedDevice]) -> None:
        """Makes the running lanes be these devices: opens, closes, replans; a device whose object is the same as
        before is not touched and misses no poll."""
        ...

    def lane(self, device: str) -> LaneReport | None:
        """The connection a device is on; None while it does not run."""
        ...

    def lanes(self) -> Sequence[LaneReport]: ...
    def flows(self) -> Sequence[FlowReport]: ...


class Forwards(Protocol):
    """The forwarders, for reports, and to have records sent out of turn."""

    def report(self) -> Sequence[ConsumerReport]: ...
    async def deliver(self, consumer: str, records: Batch) -> Mapping[int, str]:
        """Sends records again, after what is live; returns those refused, by their place in `records`, and why. Raises
        NotConnected: they may have been taken or not; KeyError: there is no such consumer."""
        ...
