"""Every open connection: what is planned becomes what runs, touching only what changed."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.contracts import Clock, DeviceProtocol, Protocols, Publish
from gateway.model.contracts import Mapper as MapperContract
from gateway.model.device import AdminState, OperatingState
from gateway.model.errors import ConfigError, DeviceError, NotConnected
from gateway.model.health import FlowReport, LaneReport
from gateway.model.plan import Connection, Facts, Plan, PlannedDevice
from gateway.model.profile import Compat
from gateway.model.reading import Event, Source
from gateway.runtime.lanes.lane import Hear, Lane
from gateway.runtime.lanes.polling import Polling
from gateway.runtime.lanes.schedule import Beat, Phases, Wheel, work_of
from gateway.runtime.steady import steadily
from gateway.runtime.transform.compiled import ASSERTION, compile_transform, to_wire
from gateway.runtime.turns import Turns


@dataclass(slots=True, eq=False)
class _Device:
    """A device that runs."""

    planned: PlannedDevice
    protocol: DeviceProtocol[Any]
    lane: Lane
    compat: Compat
    pollings: list[Polling]
    beats: list[Beat]


@dataclass(slots=True, eq=False)
class _Running:
    lane: Lane
    task: "asyncio.Task[None] | None" = None


class RunningLanes:
    """Implements `gateway.model.contracts.Lanes`. Nothing runs before `run`; `apply` may come first."""

    def __init__(self, protocols: Protocols, publish: Publish, clock: Clock, compat: Compat = Compat.NONE) -> None:
        """`compat` is the gateway's own setting; a profile's counts as well."""
        self._protocols, self._publish, self._clock, self._compat = protocols, publish, clock, compat
        self._hear = Hear(publish, self._found)
        self._wheel, self._phases = Wheel(clock), Phases()
        self._lanes: dict[tuple[str, str], _Running] = {}
        self._devices: dict[str, _Device] = {}
        self._group: asyncio.TaskGroup | None = None
        self._applying = asyncio.Lock()
        self.on_found: Callable[[str, Facts], None] | None = None
        """Called with a device and what was found out about it; must not block or raise."""

    # ------------------------------------------------------------------------------------------------------ its life

    async def run(self) -> None:
        """Keeps all lanes going until cancelled; then every connection is closed and nothing is left behind."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._wheel.run(), name="timers")
                for running in self._lanes.values():
                    self._start(running)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None

    def _found(self, device: str, facts: Facts) -> None:
        if self.on_found is not None:
            self.on_found(device, facts)

    def _start(self, running: _Running) -> None:
        if self._group is not None:
            key = running.lane.connection.key
            work = steadily(key, running.lane.run, self._clock)
            running.task = self._group.create_task(work, name=f"lane {key}")

    async def apply(self, planned: Mapping[str, PlannedDevice]) -> None:
        """Makes the running lanes be these devices; one that is the same object as before is not touched."""
        async with self._applying:
            wanted = {name: device for name, device in planned.items() if _runs(device)}
            for name in [n for n, d in self._devices.items() if wanted.get(n) is not d.planned]:
                self._remove(name)
            await self._close_unused(wanted)
            turns = Turns(self._clock)
            for name, device in wanted.items():
                if name not in self._devices:
                    self._add(device)
                    await turns.give()

    def _remove(self, name: str) -> None:
        device = self._devices.pop(name)
        for beat in device.beats:
            beat.stop()
            self._phases.give_back(beat.slot)
        device.lane.remove(name)

    async def _close_unused(self, wanted: Mapping[str, PlannedDevice]) -> None:
        """Closes lanes that nobody wants any more, or not with these settings; their wires are free when it returns."""
        needed = {_key(device.connection): device.connection for device in wanted.values()}
        closing = [
            key
            for key, running in self._lanes.items()
            if key not in needed or needed[key].settings != running.lane.connection.settings
        ]
        tasks = []
        for key in closing:
            running = self._lanes.pop(key)
            for name in running.lane.devices:
                self._remove(name)
            if running.task is not None:
                running.task.cancel()
                tasks.append(running.task)
        if tasks:
            await asyncio.wait(tasks)

    def _add(self, planned: PlannedDevice) -> None:
        protocol = self._protocols.by_service(planned.connection.service)
        lane = self._lane(planned.connection, protocol)
        compat = self._compat | planned.profile.compat
        polls = [Polling(poll, compat, lane.ready) for poll in planned.polls]
        probe = _probe(planned, protocol) if polls else None
        unit = polls[0].poll.plan.unit if polls else planned.device.name
        lane.add(planned.device.name, unit, polls, probe)
        beats = [self._beat(lane, polling) for polling in polls]
        self._devices[planned.device.name] = _Device(planned, protocol, lane, compat, polls, beats)

    def _beat(self, lane: Lane, polling: Polling) -> Beat:
        slot = self._phases.take(polling.poll.interval, work_of(polling.poll), lane.phase)
        lane.phase = slot.phase if lane.phase is None else lane.phase
        polling.beat = Beat(self._wheel, self._clock, slot, polling.due)
        return polling.beat

    def _lane(self, connection: Connection, protocol: DeviceProtocol[Any]) -> Lane:
        running = self._lanes.get(_key(connection))
        if running is None:

            def open_() -> MapperContract[Any]:
                return protocol.open(connection, self._clock)

            running = _Running(Lane(connection, open_, self._hear, self._wheel, self._clock))
            self._lanes[_key(connection)] = running
            self._start(running)
        return running.lane

    # -------------------------------------------------------------------------------------------------- the contract

    async def read(self, source: Source) -> Event:
        """Reads now and publishes what it read. Raises NotConnected, NoAnswer; DeviceError when the profile asserts
        something else, as EdgeX does (`compat: edgex`)."""
        device = self._device(source.device)
        plan = self._plan(device, source)
        events = await device.lane.call(source.device, lambda mapper: mapper.read(plan))
        event: Event = events[0]
        transform = compile_transform(event.source, device.compat)
        if transform is not None:
            event.raw = list(event.values)
            transform.apply(event)
        self._publish([event])
        for polling in device.pollings:
            polling.read_apart(event.names(), self._clock.monotonic())
        if device.compat is Compat.EDGEX:
            _raise_refuted(event)
        return event

    async def write(
        self, source: Source, values: Mapping[str, Any], check: Callable[[], None] = lambda: None
    ) -> Event | None:
        """Values as people see them, already checked. Outputs of a method come back as they go up. Raises
        NotConnected, NoAnswer, DeviceError, CommandRejected, and what `check` raises."""
        device = self._device(source.device)
        resources = {resource.name: resource for resource in source.resources}
        raw = {name: to_wire(resources[name], value, device.compat) for name, value in values.items()}
        plan = self._plan(device, source)

        async def act(mapper: MapperContract[Any]) -> Event | None:
            check()
            return await mapper.write(plan, raw)

        event = await device.lane.call(source.device, act)
        if event is not None:
            transform = compile_transform(event.source, device.compat)
            if transform is not None:
                transform.apply(event)
            self._publish([event])
        return event

    def lane(self, device: str) -> LaneReport | None:
        running = self._devices.get(device)
        return running.lane.report() if running is not None else None

    def lanes(self) -> Sequence[LaneReport]:
        return [running.lane.report() for running in self._lanes.values()]

    def flows(self) -> Sequence[FlowReport]:
        return list(itertools.chain.from_iterable(running.lane.flows() for running in self._lanes.values()))

    def _device(self, name: str) -> _Device:
        device = self._devices.get(name)
        if device is None:
            raise NotConnected(f"device {name} is not running; it is unknown, locked or out of operation")
        return device

    def _plan(self, device: _Device, source: Source) -> Plan:
        service = device.planned.connection.service
        if source.service != service:  # a selection of a device whose file names no service, or an alias
            source = replace(source, service=service)
        try:
            plan: Plan = device.protocol.plan(device.planned.device, [source], device.planned.facts)
        except ConfigError as error:
            raise DeviceError("config", str(error)) from None
        return plan


def _key(connection: Connection) -> tuple[str, str]:
    return connection.service, connection.key


def _runs(planned: PlannedDevice) -> bool:
    device = planned.device
    return device.admin_state is AdminState.UNLOCKED and device.operating_state is not OperatingState.DOWN


def _probe(planned: PlannedDevice, protocol: DeviceProtocol[Any]) -> Plan:
    """A plan for one value of what is polled: the cheapest question there is."""
    first = planned.polls[0]
    source = first.sources[0]
    short = replace(source, resources=source.resources[:1], mappings=(), tags={}, number=0)
    with suppress(ConfigError):
        plan: Plan = protocol.plan(planned.device, [short], planned.facts)
        return plan
    return first.plan


def _raise_refuted(event: Event) -> None:
    for quality in (event.quality or {}).values():
        if quality.code.startswith(ASSERTION):
            raise DeviceError("assertion", quality.code)
