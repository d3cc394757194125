"""Reads a recording again: the same plans, mapper and transforms, on a clock that does not wait."""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from gateway.model.contracts import Protocols, Tape
from gateway.model.errors import ConfigError, DeviceError, EndOfRecording, NoAnswer, NotConnected, Problem
from gateway.model.plan import Facts, PlannedDevice, Poll
from gateway.model.profile import DeviceProfile
from gateway.model.reading import DISCONNECTED, TIMEOUT, Event, Source, refused
from gateway.model.recording import Frame, Recording
from gateway.runtime.configuration.planning import Planner
from gateway.runtime.lanes.polling import all_bad
from gateway.runtime.transform.compiled import compile_transform

BEFORE_S = 3600.0
"""The replay begins so long before the recording: time to connect, and for the rests a device wants before requests."""


@dataclass(slots=True)
class Replayed:
    """What came of a recording."""

    events: list[Event] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Requests that this version asks and that were never recorded."""
    silent: list[str] = field(default_factory=list)
    """Polls of which nothing was recorded, in words."""
    left: list[str] = field(default_factory=list)
    """Recorded requests that belong to no poll: reads and writes by people, probes of silent devices, and the rest of
    the poll in which the recording begins."""
    cut: list[str] = field(default_factory=list)
    """Polls, before the last, that asked more than was recorded."""


def replay(recording: Recording, protocols: Protocols, shipped: Callable[[str], DeviceProfile]) -> Replayed:
    """Every poll that was recorded, in its order. `shipped` gives the profiles that are not in the recording. Runs an
    event loop of its own. Raises ConfigError."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(_Replay(recording, protocols, shipped).run())


class _Leap(selectors.DefaultSelector):
    """Does not wait for what it would have to wait for: it is then."""

    at = -BEFORE_S

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("a replay waits for something that no recording brings")
        self.at += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.at


class TapeClock:
    """Implements `Clock`: nought is the start of the recording; the wall clock goes along with it."""

    def __init__(self, started: int) -> None:
        self._started = started

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> int:
        """In microseconds, as the recording."""
        return self._started + round(self.monotonic() * 1e6) * 1000

    def trusted(self) -> bool:
        return True

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        return asyncio.timeout(seconds)


class _Numberless:
    """Stands where the planner has the journal."""

    def number(self, source: Source) -> Source:
        return source


class _Replay:
    """The polls of a recording, one after another."""

    def __init__(self, recording: Recording, protocols: Protocols, shipped: Callable[[str], DeviceProfile]) -> None:
        self._recording = recording
        nowhere: Any = _Numberless()
        self._planner = Planner(protocols, nowhere, recording.compat)
        self._planned = {one.device.name: one for one in _planned(recording, self._planner, shipped)}
        self._clock = TapeClock(recording.started)
        first = next(iter(self._planned.values()))
        frames = [frame for frame in recording.frames if frame.kind not in ("facts", "end")]
        protocol = protocols.by_service(first.connection.service)
        self._tape: Tape[Any] = protocol.replay(first.connection, self._clock, frames)
        self._told = deque(frame for frame in recording.frames if frame.kind == "facts")
        self._run: set[tuple[str, int]] = set()
        self._found = Replayed()

    async def run(self) -> Replayed:
        cut: list[str] = []
        while (turn := self._next()) is not None:
            device, place = turn
            self._run.add(turn)
            try:
                events = await self._events(self._planned[device].polls[place])
            except EndOfRecording as end:
                cut.append(f"{device}: {end}")
            else:
                self._found.events += self._as_seen(events, device)
                self._found.cut += cut
                cut.clear()
            self._tape.found.clear()
        await self._tape.close()
        self._found.missing, self._found.left = list(self._tape.missing), list(self._tape.left)
        self._found.silent = list(self._silent())
        return self._found

    def _next(self) -> tuple[str, int] | None:
        """Whose poll comes next; what was learned before it holds by then."""
        while True:
            turns = [
                (at, name, place)
                for name, place, poll in self._polls()
                if (at := self._tape.next(poll.plan)) is not None
            ]
            if not turns and not self._told:
                return None
            at, name, place = min(turns, default=(float("inf"), "", 0))
            if not self._told or self._told[0].at > at:
                return name, place
            self._learn(self._told.popleft())

    def _polls(self) -> Iterator[tuple[str, int, Poll]]:
        for name, planned in self._planned.items():
            for place, poll in enumerate(planned.polls):
                yield name, place, poll

    def _learn(self, told: Frame) -> None:
        for name, facts in told.value.items():
            if name in self._planned:
                self._planned[name] = _again(self._planner, self._planned[name], facts)

    async def _events(self, poll: Poll) -> list[Event]:
        """What the lane makes of a poll: values, or that there are none. Raises EndOfRecording."""
        try:
            return await self._tape.read(poll.plan)
        except NoAnswer:
            quality = TIMEOUT
        except NotConnected:
            quality = DISCONNECTED
        except DeviceError as error:
            quality = refused(error.code)
        return [all_bad(source, quality, self._clock.now()) for source in poll.sources]

    def _as_seen(self, events: Iterable[Event], device: str) -> Iterator[Event]:
        compat = self._recording.compat | self._planned[device].profile.compat
        for event in events:
            transform = compile_transform(event.source, compat)
            if transform is not None:
                transform.apply(event)
            yield event

    def _silent(self) -> Iterator[str]:
        for name, place, poll in self._polls():
            if (name, place) not in self._run:
                asked = ", ".join(request.text for request in poll.plan.requests)
                yield f"{name}, every {poll.interval:g} s: {asked}"


def _planned(
    recording: Recording, planner: Planner, shipped: Callable[[str], DeviceProfile]
) -> Sequence[PlannedDevice]:
    """Raises ConfigError: a device that cannot be planned, none at all, or two connections."""
    profiles = {profile.name: profile for profile in recording.profiles}
    found: list[PlannedDevice] = []
    for recorded in recording.devices:
        if not recorded.profile_name:
            continue
        # its gateway may have had another name for the service
        device = recorded.model_copy(update={"service_name": recording.service})
        profile = profiles.get(device.profile_name) or shipped(device.profile_name)
        profiles[profile.name] = profile
        planned, _ = planner.plan(device, planner.instance(profile, device), {})
        facts = recording.facts.get(device.name)
        found.append(_again(planner, planned, facts) if facts else planned)
    places = {(one.connection.service, one.connection.key) for one in found}
    if len(places) != 1:
        keys = ", ".join(sorted(key for _, key in places)) or "none"
        raise ConfigError(f"a recording is of one connection with devices that have profiles; here is: {keys}")
    return found


def _again(planner: Planner, planned: PlannedDevice, facts: Facts) -> PlannedDevice:
    """With plans that know these facts. Raises ConfigError: they are no facts."""
    try:
        return planner.again(planned, facts)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        raise ConfigError(
            [Problem("facts", f"{planned.device.name}: these are no facts of its protocol: {error}")]
        ) from None
