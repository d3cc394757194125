"""One connection and its one owner: polls and commands one after another, connect, back-off, quarantine of units."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.model.contracts import Clock, Mapper, Publish
from gateway.model.errors import CommandRejected, DeviceError, NoAnswer, NotConnected
from gateway.model.health import FlowReport, LaneReport
from gateway.model.plan import Connection, Facts, Plan
from gateway.model.reading import DISCONNECTED, TIMEOUT, Event, Quality, refused
from gateway.runtime.clock import backoff
from gateway.runtime.lanes.abilities import Abilities
from gateway.runtime.lanes.line import Act, Job, Line, T, Work
from gateway.runtime.lanes.polling import Polling, all_bad
from gateway.runtime.lanes.probing import Probe, Probing
from gateway.runtime.lanes.schedule import EARLY_S, Wheel
from gateway.runtime.lanes.unit import Unit, Units
from gateway.runtime.lanes.wire import FIRST_S, LONGEST_S, Wire, time_of_day

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hear:
    """Who hears of what comes over a connection."""

    publish: Publish
    found: Callable[[str, Facts], None]
    """What was found out about a device, by name."""


class Lane:
    """Owns one connection for as long as `run` runs. Nobody else touches its mapper."""

    def __init__(
        self, connection: Connection, open_: Callable[[], Mapper[Any]], hear: Hear, wheel: Wheel, clock: Clock
    ) -> None:
        self.connection = connection
        self._open, self._hear, self._wheel, self._clock = open_, hear, wheel, clock
        self._publish = hear.publish
        self._wire = Wire(connection.key, clock)
        self._units = Units()
        self._probing = Probing(self._units, clock)
        self.phase: float | None = None
        """Of its polls, in seconds; None before the first."""
        self._up = False
        self._line = Line()
        self._can = Abilities(self._wire, wheel, clock, hear.publish, self._poke)
        self._sleep: asyncio.Future[None] | None = None

    # ----------------------------------------------------------------------------------------------- what it serves

    @property
    def devices(self) -> tuple[str, ...]:
        return self._units.devices

    def add(self, device: str, unit: Hashable, polls: Iterable[Polling], probe: Plan | None) -> None:
        """A device (again, with another plan). `probe` is the cheapest question that it answers."""
        polls = tuple(polls)
        self._units.add(device, unit, polls, probe)
        if self._up:
            self._can.add(polls)

    def remove(self, device: str) -> None:
        """What is in flight for it is not published any more."""
        removed = self._units.remove(device)
        for polling in removed:
            polling.active = False
        self._line.remove()
        self._can.remove(removed)

    def ready(self, polling: Polling) -> bool:
        """A due poll gets in line; not while its unit or the connection is known to be silent."""
        if not self._up or self._units.of(polling.poll.device).quarantined:
            return False
        self._line.polls.append(polling)
        self._poke()
        return True

    async def call(self, device: str, act: Act[T]) -> T:
        """Runs `act` before the next poll. Raises what it raises; NotConnected or NoAnswer at once when it is known
        that nobody would answer."""
        unit = self._units.of(device)
        if self._wire.state in ("waiting", "closed"):
            raise NotConnected(self._wire.refusal())
        if unit.quarantined:
            silence = unit.silence(self._clock.monotonic())
            text = f"{device} on {self.connection.key} has not answered since {time_of_day(silence.since)}"
            reason = self._wire.without_name(silence.reason)
            raise NoAnswer(f"{text}: {reason}; next try in {silence.next_probe_s:.1f} s")
        job = Job(device, act, asyncio.get_running_loop().create_future())
        self._line.commands.append(job)
        self._poke()
        result: T = await job.done
        return result

    # ------------------------------------------------------------------------------------------------------ its life

    async def run(self) -> None:
        """Until cancelled; nothing is left behind then."""
        self._wire.connecting()
        try:
            while True:
                await self._session()
                timer = self._wheel.at(self._wire.next_try, self._poke)
                while self._clock.monotonic() < self._wire.next_try - EARLY_S:
                    await self._idle()
                timer.cancel()
                self._wire.connecting()
        finally:
            self._wire.closed()
            self._drop(NotConnected(f"{self.connection.key} was closed"))

    async def _session(self) -> None:
        """From connecting to the loss of the connection."""
        mapper = self._open()
        try:
            await mapper.connect()
            self._begin(mapper)
            await self._can.during(self._serve(mapper))
        except NotConnected as error:
            self._lose("not_connected", str(error) or "the connection broke")
        except Exception as bug:
            log.exception("%s failed by our own fault; it starts again", self.connection.key)
            self._lose("bug", f"an error of the gateway itself ({type(bug).__name__}); its log has the details")
        finally:
            self._up = False
            await mapper.close()

    def _begin(self, mapper: Mapper[Any]) -> None:
        """Connected: everything is due, except that silent units get their probe first; or subscribed."""
        self._up = True
        told = self._can.begin(mapper, self._units.every_poll())
        for unit in self._units.polled:
            unit.failed_here = False
            if told:  # the server is one unit, and to subscribe is the question to it
                unit.answered()
            elif unit.quarantined and unit.probe is not None:
                self._probe_at(unit, self._clock.monotonic())
            else:
                self._resume(unit)
        if not self._units.polled:
            self._wire.flows()

    def _lose(self, kind: str, reason: str) -> None:
        self._up = False
        self._wire.lost(kind, reason)
        self._drop(NotConnected(self._wire.refusal()))
        self._can.lost(self._units.every_poll())
        self._tell(self._units.every_poll(), DISCONNECTED)

    def _drop(self, error: NotConnected) -> None:
        """Nothing waits in the line any more."""
        self._units.calm()
        self._line.drop(error)

    async def _serve(self, mapper: Mapper[Any]) -> None:
        while True:
            work = self._next() or self._rest
            await work(mapper)

    def _next(self) -> Work | None:
        """Commands first, but after four in a row something else; subscriptions; probes when there is time; polls; and
        what was missed when there is nothing else."""
        job = self._line.command(others=self._can.urgent)
        if job is not None:
            return partial(self._command, job)
        if self._can.urgent:
            return self._can.tend
        probe = self._probing.due(idle=not self._line.polls)
        if probe is not None:
            return partial(self._probe, probe)
        polling = self._line.poll()
        return partial(self._poll, polling) if polling is not None else self._can.leisure()

    async def _idle(self) -> None:
        self._sleep = asyncio.get_running_loop().create_future()
        try:
            await self._sleep
        finally:
            self._sleep = None

    async def _rest(self, mapper: Mapper[Any]) -> None:
        """Until there is work; a connection that is to rest meanwhile is closed when it is time."""
        if mapper.rest_after is None:
            await self._idle()
            return
        try:
            async with self._clock.timeout(mapper.rest_after):
                await self._idle()
        except TimeoutError:
            await mapper.rest()
            self._probing.rests()
            if not (self._line.commands or self._line.polls or self._probing.due(idle=True)):
                await self._idle()

    def _poke(self) -> None:
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)

    # ---------------------------------------------------------------------------------------------------------- work

    async def _poll(self, polling: Polling, mapper: Mapper[Any]) -> None:
        plan, unit = polling.poll.plan, self._units.of(polling.poll.device)
        started = self._clock.monotonic()
        try:
            events = await mapper.read(plan)
        except NoAnswer as error:
            polling.fail()
            self._silent(unit, error, started, [polling])
            return
        except DeviceError as error:
            events = self._refused(plan, error)
        finally:
            polling.pending = False
        self._wire.lacks(events)
        if mapper.found:
            self._pass_on(mapper)
        now = self._wire.used(started, len(plan.requests))
        self._probing.next_took(unit, (now - started) / (len(plan.requests) or 1))
        self._answered(unit)
        if polling.active:
            self._can.came(polling.take(events, now, now - started))

    def _pass_on(self, mapper: Mapper[Any]) -> None:
        while mapper.found:
            self._hear.found(*mapper.found.popitem())

    async def _command(self, job: Job, mapper: Mapper[Any]) -> None:
        if job.done.done():
            return
        unit = self._units.of(job.device)
        started = self._clock.monotonic()
        try:
            result = await job.act(mapper)
        except NoAnswer as error:
            job.fail(error)
            self._silent(unit, error, started, [])
            return
        except CommandRejected as error:
            job.fail(error)
            return
        except DeviceError as error:
            self._wire.errors["device_error"] += 1
            job.fail(error)
        except asyncio.CancelledError:
            job.fail(NotConnected(f"{self.connection.key} was closed meanwhile"))
            raise
        except Exception as error:
            job.fail(error)
            raise
        else:
            if not job.done.done():
                job.done.set_result(result)
        self._wire.used(started, 1)
        self._answered(unit)

    async def _probe(self, probe: Probe, mapper: Mapper[Any]) -> None:
        """One short question; an answer of any kind ends the quarantine."""
        unit = probe.unit
        unit.probing = False
        plan = unit.probe
        assert plan is not None
        started = self._clock.monotonic()
        try:
            await mapper.read(plan, probe.patience)
        except NoAnswer as error:
            self._probing.unanswered(probe)
            self._silent(unit, error, started, unit.polls, probe.patience is None)
            return
        except DeviceError:
            self._wire.errors["device_error"] += 1
        self._wire.used(started, len(plan.requests))
        self._answered(unit)

    def _refused(self, plan: Plan, error: DeviceError) -> list[Event]:
        now = self._clock.now()
        return [all_bad(source, refused(error.code), now) for source in plan.sources]

    # ------------------------------------------------------------------------------------------ who answers, who not

    def _answered(self, unit: Unit) -> None:
        self._wire.flows()
        if not (unit.quarantined and unit.devices):
            return
        log.info("%s on %s answers again", ", ".join(unit.devices), self.connection.key)
        unit.answered()
        self._resume(unit)

    def _resume(self, unit: Unit) -> None:
        for polling in unit.polls:
            if not polling.pending:
                polling.due()

    def _silent(self, unit: Unit, error: NoAnswer, started: float, polls: list[Polling], full: bool = True) -> None:
        """Quarantines a unit; when nobody answers, the connection is as good as lost. `full`: an answer was waited for
        as long as the device's file says; until that is over it is not asked again, so that an answer which comes
        after all meets no other question."""
        now = self._wire.used(started, 1)
        self._wire.errors["no_answer"] += 1
        if self._can.unanswered(error):
            self._tell(polls, TIMEOUT)
            return
        self._line.leave(unit, self._units.of, error)
        if unit.probe is None or not unit.polls:
            return
        unit.silent(error, self._clock.now())
        unit.waited(now, now - started, error, full)
        if self._units.all_silent():
            raise NotConnected(f"no device on it answers: {unit.reason}")
        if unit.attempt == 1:
            names = ", ".join(unit.devices)
            reason = self._wire.without_name(str(error))
            log.warning("%s on %s does not answer: %s. It is asked less often", names, self.connection.key, reason)
        self._probe_at(unit, max(now, started + unit.full_s) + backoff(unit.attempt, FIRST_S, LONGEST_S))
        if self._wire.flowing:
            self._tell(polls, TIMEOUT)

    def _probe_at(self, unit: Unit, when: float) -> None:
        def due() -> None:
            unit.probing = True
            self._poke()

        unit.calm()
        unit.next_probe = when
        unit.timer = self._wheel.at(when, due)

    def _tell(self, polls: Iterable[Polling], quality: Quality) -> None:
        now = self._clock.now()
        events = [event for polling in polls if polling.active for event in polling.tell(quality, now)]
        if events:
            self._publish(events)

    # ------------------------------------------------------------------------------------------------------- reports

    def report(self) -> LaneReport:
        wire, now = self._wire, self._clock.monotonic()
        more = self._can.report()
        return LaneReport(
            service=self.connection.service,
            connection=self.connection.key,
            state=wire.state,
            reason=wire.reason,
            since=wire.since,
            next_try_s=max(0.0, wire.next_try - now) if wire.state == "waiting" else None,
            devices=self._units.devices,
            quarantined=self._units.quarantined(now),
            requests=wire.requests,
            errors=dict(wire.errors),
            connects=wire.connects,
            busy=wire.busy.share(now),
            commands_waiting=len(self._line.commands),
            skew_s=more.skew_s,
            filled=more.filled,
            notes=more.notes,
        )

    def flows(self) -> list[FlowReport]:
        return [polling.report() for polling in self._units.every_poll()]
