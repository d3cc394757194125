"""Asks every place whether a device is there, politely: so many connections and requests a second and no more, one
connection to a place at a time. What is found is kept as it comes, so that whoever interrupts still has it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.model.contracts import Clock
from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.profile import DeviceProfile
from mappers.modbus.discovery.discover import Job, Place
from mappers.modbus.discovery.identify import FUNCTION, Identification, Talk, identify
from mappers.modbus.discovery.suggest import Suggestion, fit
from mappers.modbus.discovery.sunspec import Chain, walk
from mappers.modbus.line.connection import Serial
from mappers.modbus.line.wire import Wire
from mappers.modbus.refusal import EXCEPTIONS, NOT_THERE

T = TypeVar("T")
PROBE = bytes((3, 0, 0, 0, 1))
"""One holding register: whatever it answers, somebody is there."""
SUNSPEC_UNIT = 126
"""The first unit id at which inverters of SMA speak SunSpec (SMA, STP60 SunSpec Modbus Profile, edition 1.2, 5.3)."""
MOST_LOST = 3
"""Connections lost one after another, without an answer between, before a place is given up."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How much a scan may ask of a network and of its devices."""

    connects: float = 20.0
    """New connections a second."""
    requests: float = 20.0
    """Requests a second, all places together."""
    at_once: int = 16
    """Places asked at the same time."""
    timeout: float = 0.5
    """Seconds to wait for an answer."""
    connect_timeout: float = 1.0
    """Seconds to wait for a connection."""


@dataclass(slots=True, eq=False)
class Found:
    """A unit that answered."""

    place: Place
    unit: int
    answer: str
    """What it said to the first request."""
    identification: Identification | None = None
    chain: Chain | None = None
    suggestions: list[Suggestion] = field(default_factory=list)
    complete: bool = False
    """Everything was asked; otherwise the scan or the connection ended before."""

    @property
    def maker(self) -> str:
        said = self.identification["vendor"] if self.identification else ""
        return said or (self.chain.common("Mn") if self.chain else "")

    @property
    def names(self) -> tuple[str, ...]:
        """Texts that may name the product."""
        said = self.identification.names if self.identification else ()
        model = self.chain.common("Md") if self.chain else ""
        return tuple(dict.fromkeys((*said, *([model] if model else []))))


class Turns:
    """At most so many a second, evenly spread."""

    def __init__(self, clock: Clock, a_second: float) -> None:
        self._clock = clock
        self._gap = 1.0 / a_second
        self._next = 0.0

    async def turn(self) -> None:
        """Returns when it is the caller's turn."""
        now = self._clock.monotonic()
        mine = max(now, self._next)
        self._next = mine + self._gap
        if mine > now:
            await self._clock.sleep(mine - now)


class Scan:
    """One scan. `heard` is called with every device once all is known about it."""

    def __init__(
        self,
        manners: Manners,
        clock: Clock,
        profiles: Sequence[DeviceProfile] = (),
        heard: Callable[[Found], None] = lambda _: None,
    ) -> None:
        self.manners = manners
        self.clock = clock
        self.profiles = profiles
        self.found: list[Found] = []
        self.unreachable: dict[str, str] = {}
        """Place → why it was not, or no longer, reached."""
        self.silent: list[str] = []
        """Places that could be reached and where nobody answered."""
        self.gateways: dict[str, int] = {}
        """Places where a gateway says that units are not there → how many."""
        self.asked = 0
        """Units that were asked, or need not be any more."""
        self.connects = Turns(clock, manners.connects)
        self.requests = Turns(clock, manners.requests)
        self._heard = heard

    async def run(self, jobs: Iterable[Job], every: bool = False) -> None:
        """All of it. With `every`, the other settings of a serial line are tried even when one had answers."""
        waiting = iter(jobs)

        async def worker() -> None:
            for job in waiting:
                await self._job(job, every)

        async with asyncio.TaskGroup() as group:
            for _ in range(self.manners.at_once):
                group.create_task(worker())

    async def _job(self, job: Job, every: bool) -> None:
        there = False
        for place in job:
            known = place.shown in self.unreachable or place.shown in self.gateways  # of an endpoint in other frames
            if (there and not every) or known:
                self.asked += len(place.units)
            else:
                there = await self._place(place) or there

    async def _place(self, place: Place) -> bool:
        """Whether somebody answered."""
        line = _Line(self, place)
        count = asked = 0
        try:
            await line.connect()
            for unit in place.units:
                count += await self._unit(line, unit)
                asked, self.asked = asked + 1, self.asked + 1
                if count and place.first_only:
                    await self._elsewhere(line)
                    break
        except NotConnected as error:
            self.unreachable[place.shown] = str(error)
        finally:
            line.close()
        self.asked += len(place.units) - asked
        self._note(place.shown, count > 0)
        return count > 0

    def _note(self, shown: str, answered: bool) -> None:
        """An endpoint may have been silent in another framing before."""
        if answered:
            self.silent = [other for other in self.silent if other != shown]
        elif shown not in self.gateways and shown not in self.unreachable and shown not in self.silent:
            self.silent.append(shown)

    async def _unit(self, line: "_Line", unit: int) -> bool:
        answer = await line.ask(unit, PROBE)
        if answer is None:
            return False
        if answer[0] & 0x80 and len(answer) > 1 and answer[1] in NOT_THERE:
            shown = line.place.shown
            self.gateways[shown] = self.gateways.get(shown, 0) + 1
            return False
        await self._inspect(line, Found(line.place, unit, _said(answer)))
        return True

    async def _inspect(self, line: "_Line", found: Found) -> None:
        """Asks a unit that is there for everything else."""
        self.found.append(found)
        try:
            found.identification = await line.talk(found.unit, identify())
            found.chain = found.chain or await line.talk(found.unit, walk())
            talk = fit(self.profiles, found.maker, found.names, found.chain is not None)
            found.suggestions = await line.talk(found.unit, talk)
            found.complete = True
        finally:
            self._heard(found)

    async def _elsewhere(self, line: "_Line") -> None:
        """Some inverters answer to the likelier unit ids, too, and speak SunSpec at one of their own only."""
        one = next(found for found in self.found if found.place is line.place)
        if one.chain is None and one.unit != SUNSPEC_UNIT:
            chain = await line.talk(SUNSPEC_UNIT, walk())
            if chain is not None:
                await self._inspect(line, Found(line.place, SUNSPEC_UNIT, "registers", chain=chain))


def _said(answer: bytes) -> str:
    if not answer[0] & 0x80:
        return "registers"
    code = answer[1] if len(answer) > 1 else 0
    return f"exception {code} {EXCEPTIONS.get(code, '')}".rstrip()


class _Line:
    """The connection to one place."""

    def __init__(self, scan: Scan, place: Place) -> None:
        self.place = place
        self._scan = scan
        self._wire = Wire(place.connection, scan.clock)
        self._lost = 0

    async def connect(self) -> None:
        """Raises NotConnected."""
        await self._scan.connects.turn()
        limit = self._scan.manners.connect_timeout
        try:
            async with self._scan.clock.timeout(limit):
                await self._wire.connect()
        except TimeoutError:
            raise NotConnected(f"{self.place.shown}: no connection within {limit:g} s") from None

    async def ask(self, unit: int, pdu: bytes) -> bytes | None:
        """The answer; None: silence, or the connection was lost over it. Raises NotConnected when it is gone."""
        if not self._wire.up:
            await self.connect()
        await self._scan.requests.turn()
        try:
            answer = await self._wire.ask(unit, pdu, self._scan.manners.timeout + self._travel(pdu))
        except NoAnswer:
            return None
        except NotConnected:
            self._lost += 1
            if self._lost >= MOST_LOST:
                raise
            return None
        self._lost = 0
        return answer or None

    def _travel(self, pdu: bytes) -> float:
        """Seconds that request and answer spend on a serial line: at 1200 baud a long one takes two."""
        line = self.place.connection.settings
        if not isinstance(line, Serial):
            return 0.0
        answer = 256 if pdu[0] == FUNCTION else 5 + 2 * int.from_bytes(pdu[3:5])
        return (len(pdu) + 3 + answer) * line.char_s

    async def talk(self, unit: int, talk: Talk[T]) -> T:
        """Carries a talk to its end."""
        try:
            request = next(talk)
            while True:
                request = talk.send(await self.ask(unit, request))
        except StopIteration as end:
            found: T = end.value
            return found

    def close(self) -> None:
        self._wire.close()
