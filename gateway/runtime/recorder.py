"""Writes down what goes over one connection, as text that somebody takes while it is made."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

from gateway.model.contracts import Clock, Protocols, Registry
from gateway.model.errors import CommandRejected, ConfigError
from gateway.model.plan import PlannedDevice
from gateway.model.profile import Compat
from gateway.model.recording import MOST_BYTES, MOST_SECONDS, Frame, Kind, Recording, frame_text, head_text

MOST_HELD = 2**20
"""Characters that may wait to be taken; whoever is that slow is told no more."""
ALIVE_S = 5.0
"""An empty line comes when nothing else did, so that whoever takes it knows that it goes on."""
MOST_AT_ONCE = 4
IN_TIME = "it is time"
CHANGED = "the devices of the connection were changed"


class Recordings:
    """All that are being made: at most one of a connection."""

    def __init__(self, protocols: Protocols, registry: Registry, clock: Clock, compat: Compat, version: str) -> None:
        self.protocols, self.registry, self.clock = protocols, registry, clock
        self.compat, self.version = compat, version
        self.running: dict[tuple[str, str], Recorder] = {}

    def of(self, name: str, seconds: float) -> "Recorder":
        """Of the connection that a device is on, or that has this name. Raises CommandRejected: 400 too long, 404 there
        is none, 405 its protocol is not recorded, 409 it is being recorded, 429 too many are."""
        if not 0 < seconds <= MOST_SECONDS:
            raise CommandRejected(400, f"a recording takes up to {MOST_SECONDS:g} s, not {seconds:g}")
        for recorder in list(self.running.values()):
            if recorder.left <= 0:  # whoever takes it hangs
                recorder.finish(IN_TIME)
        planned = self.registry.planned
        one = planned.get(name) or next((d for d in planned.values() if d.connection.key == name), None)
        if one is None:
            keys = ", ".join(sorted({device.connection.key for device in planned.values()})[:20]) or "none"
            raise CommandRejected(404, f"there is no device and no connection {name}; connections are {keys}")
        if (one.connection.service, one.connection.key) in self.running:
            raise CommandRejected(409, f"{one.connection.key} is being recorded already")
        if len(self.running) >= MOST_AT_ONCE:
            raise CommandRejected(429, f"{MOST_AT_ONCE} connections are being recorded; no more at once")
        try:
            self.protocols.by_service(one.connection.service).tap(one.connection, None)
        except ConfigError as error:
            raise CommandRejected(405, str(error)) from None
        return Recorder(self, one, seconds)

    def end(self, reason: str) -> None:
        """All of them, soon."""
        for recorder in list(self.running.values()):
            recorder.finish(reason)


class Recorder:
    """One connection for some time. Nothing is recorded before the first line is taken."""

    def __init__(self, house: Recordings, one: PlannedDevice, seconds: float) -> None:
        self.connection = one.connection
        self._house, self._clock, self._seconds = house, house.clock, seconds
        self._place = one.connection.service, one.connection.key
        self._force: Mapping[str, PlannedDevice] = {}
        self._planned = self._now()
        self._lines: list[str] = []
        self._held = self._written = 0
        self._any = asyncio.Event()
        self._ended = False
        self._began = self._clock.monotonic()

    @property
    def devices(self) -> Mapping[str, PlannedDevice]:
        """Everything on the connection."""
        return self._planned

    @property
    def left(self) -> float:
        """Seconds until it is time."""
        return self._began + self._seconds - self._clock.monotonic()

    async def lines(self) -> AsyncGenerator[str, None]:
        """The head first, then lines as they come, several together; the last says why it ends. Nothing when somebody
        else was first."""
        if self._place in self._house.running:
            return
        self._house.running[self._place] = self
        protocol = self._house.protocols.by_service(self.connection.service)
        self._began, recording = self._clock.monotonic(), self._recording()
        try:
            yield await asyncio.to_thread(head_text, recording)  # profiles may be long
            if not self._ended:
                protocol.tap(self.connection, self.take)
            while not self._ended:
                await self._wait()
                yield self._taken() or "\n"
            if self._lines:
                yield self._taken()
        finally:
            self._let_go()

    def take(self, kind: Kind, value: Any) -> None:
        """A `Tap`."""
        if kind == "sent":
            self._look()
        if self._ended:
            return
        self._put(kind, value)
        if self._written > MOST_BYTES:
            self.finish(f"it has {MOST_BYTES >> 20} MiB")
        elif self._held > MOST_HELD:
            self.finish("whoever takes it is too slow")

    def finish(self, reason: str) -> None:
        """The last line is written. The connection is free for another from now on, whether or not somebody comes for
        what is left."""
        if not self._ended:
            self._put("end", reason)
            self._ended = True
            self._let_go()

    def _let_go(self) -> None:
        if self._house.running.get(self._place) is self:
            self._house.protocols.by_service(self.connection.service).tap(self.connection, None)
            del self._house.running[self._place]

    def _put(self, kind: Kind, value: Any) -> None:
        at = min(self._clock.monotonic() - self._began, MOST_SECONDS)
        line = frame_text(Frame(at, kind, value))
        self._lines.append(line)
        self._held += len(line)
        self._written += len(line)
        self._any.set()

    def _taken(self) -> str:
        text = "".join(self._lines)
        self._lines.clear()
        self._held = 0
        self._any.clear()
        return text

    async def _wait(self) -> None:
        """Until there is a line, or it is time to say that there is none."""
        if self.left <= 0:
            self.finish(IN_TIME)
        elif not self._lines:
            with suppress(TimeoutError):
                async with self._clock.timeout(min(self.left, ALIVE_S)):
                    await self._any.wait()

    def _look(self) -> None:
        """Devices that are planned anew ask otherwise from now on."""
        if self._force is self._house.registry.planned:
            return
        now = self._now()
        if now.keys() != self._planned.keys() or any(_another(now[name], old) for name, old in self._planned.items()):
            self.finish(CHANGED)
            return
        learned = {name: dict(one.facts) for name, one in now.items() if one is not self._planned[name]}
        self._planned = now
        if learned:
            self._put("facts", learned)

    def _now(self) -> dict[str, PlannedDevice]:
        self._force = self._house.registry.planned
        return {
            name: one
            for name, one in self._force.items()
            if (one.connection.service, one.connection.key) == self._place
        }

    def _recording(self) -> Recording:
        known = self._house.registry.current.profiles  # with their parameters; the planned ones have them put in
        names = dict.fromkeys(one.device.profile_name for one in self._planned.values())
        return Recording(
            started=self._clock.now(),
            service=self.connection.service,
            devices=[one.device for one in self._planned.values()],
            profiles=[known[name] for name in names if name in known],
            facts={name: dict(one.facts) for name, one in self._planned.items()},
            compat=self._house.compat,
            version=self._house.version,
        )


def _another(now: PlannedDevice, old: PlannedDevice) -> bool:
    return now is not old and (now.device is not old.device or now.profile is not old.profile)
