"""The house as the API sees it: contracts kept in memory, real words."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from gateway.api.parts import Health, Parts
from gateway.model.asking import Answer, Answers, Question
from gateway.model.command import Command, CommandResult, Desired, Outcome
from gateway.model.configuration import Configuration, Difference
from gateway.model.device import Device, DeviceState, Flow
from gateway.model.errors import CommandRejected, ConfigError, Problem
from gateway.model.health import ConsumerReport, FlowReport, JournalReport, LaneReport
from gateway.model.plan import Connection, Facts, PlannedDevice, Poll, Request
from gateway.model.profile import DeviceProfile
from gateway.model.query import Selection
from gateway.model.reading import GOOD, Batch, Event, Record, Source
from gateway.runtime.twin.lastvalues import Row
from tests.support.clock import MovingClock

SERVICE = "device-modbus"


@dataclass(eq=False)
class FakePlan:
    device: str
    sources: Sequence[Source]
    unit: int = 1
    requests: Sequence[Request] = (Request("FC3 holding registers 0-1", bytes.fromhex("0300000002"), 12, 13, 0.0),)


class FakeProtocol:
    service = SERVICE
    keys = ("modbus-tcp",)
    codes: Mapping[str, str] = MappingProxyType({})

    def mute(self, device: Device) -> str:
        return ""

    def advice(self, planned: PlannedDevice) -> list[str]:
        return [f"write {planned.facts} down"]


class FakeProtocols:
    def of(self, device: Device) -> Any:
        return self.by_service(device.service_name or next(iter(device.protocols)).replace("modbus-tcp", SERVICE))

    def by_service(self, service: str) -> Any:
        if service in (SERVICE, "my-modbus"):
            return FakeProtocol()
        raise ConfigError(f"there is no device service {service!r}; there is {SERVICE}")

    def services(self) -> Sequence[str]:
        return [SERVICE]

    def check(self, profile: DeviceProfile) -> list[Problem]:
        return []


class FakeRegistry:
    """Refuses devices whose protocols say `Refuse`, whole sets at a time, as the real one does."""

    def __init__(self) -> None:
        self.current = Configuration()
        self.changes = 0
        self.taught: list[tuple[str, Facts]] = []

    @property
    def planned(self) -> Mapping[str, PlannedDevice]:
        return {
            d.name: plan_device(d, self.current.profiles[d.profile_name])
            for d in self.current.devices.values()
            if d.profile_name in self.current.profiles
        }

    @property
    def digest(self) -> str:
        return f"sha256:{self.changes}"

    async def learned(self, device: str, facts: Facts) -> None:
        self.taught.append((device, facts))

    def stamps(self, kind: str, name: str) -> tuple[int, int]:
        return (1_763_635_200_000, 1_763_635_200_001) if kind == "device" else (0, 0)

    async def reload(self, dry_run: bool = False) -> Difference:
        if not dry_run:
            self.changes += 1
        return Difference(changed_devices=("boiler",))

    async def change(self, edit: Callable[[Configuration], Configuration], dry_run: bool = False) -> Difference:
        wanted = edit(self.current)
        wrong = [d.name for d in wanted.devices.values() if d.protocols.get("modbus-tcp", {}).get("Refuse")]
        if wrong:
            raise ConfigError(
                [Problem("protocols.modbus-tcp.Address", f"{n}: no such address", "x.yaml", 3) for n in wrong]
            )
        added = tuple(wanted.devices.keys() - self.current.devices.keys())
        removed = tuple(self.current.devices.keys() - wanted.devices.keys())
        if not dry_run:
            self.current = wanted
            self.changes += 1
        return Difference(added_devices=added, removed_devices=removed)


def plan_device(device: Device, profile: DeviceProfile) -> PlannedDevice:
    resources = {r.name: r for r in profile.device_resources}
    sources = {r.name: Source(SERVICE, profile.name, device.name, r.name, (r,)) for r in profile.device_resources}
    for c in profile.device_commands:
        group = tuple(resources[op.device_resource] for op in c.resource_operations)
        sources[c.name] = Source(SERVICE, profile.name, device.name, c.name, group, tags=c.tags)
    polls = tuple(
        Poll(device.name, 1.0, (sources[a.source_name],), (a,), FakePlan(device.name, [sources[a.source_name]]))
        for a in device.auto_events or ()
    )
    return PlannedDevice(device, profile, Connection(SERVICE, "127.0.0.1:502", ()), sources, polls, {"answer_ms": 4.0})


class FakeStore:
    """A list of events, and what was asked to be deleted."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.deleted: list[Selection] = []

    @property
    def head(self) -> int:
        return len(self.kept)

    def number(self, source: Source) -> Source:
        return source

    def append(self, batch: Batch) -> int:
        for record in batch:
            assert isinstance(record, Event)
            record.offset = len(self.kept) + 1
            self.kept.append(record)
        return self.head

    async def commit(self) -> None: ...

    async def wait(self, after: int) -> int:
        return self.head

    async def read(self, after: int, limit: int, upto: int | None = None) -> Sequence[Record]:
        return self.kept[after : after + limit]

    def pending(self, consumer: str) -> list[tuple[int, int]]:
        return []

    def ack(self, consumer: str, first: int, last: int) -> None: ...

    async def events(self, selection: Selection) -> tuple[Sequence[Event], int]:
        found = [e for e in self.kept if _selected(e, selection)]
        found.sort(key=lambda e: (e.origin, e.offset), reverse=selection.newest_first)
        end = None if selection.limit == -1 else selection.offset + selection.limit
        return found[selection.offset : end], len(found)

    def report(self) -> JournalReport:
        return JournalReport("ok", self.head, self.head, self.head, 4096, 2**31, 0, {"full": 2})

    async def delete(self, selection: Selection) -> int:
        self.deleted.append(selection)
        before = len(self.kept)
        self.kept = [e for e in self.kept if not _selected(e, selection)]
        return before - len(self.kept)


def _selected(event: Event, s: Selection) -> bool:
    return (
        (not s.device or event.source.device == s.device)
        and (not s.source or event.source.name == s.source)
        and (not s.resource or s.resource in event.names())
        and s.start <= event.origin <= s.end
        and (not s.event or event.offset == s.event)
    )


class FakeTwins:
    def __init__(self, registry: FakeRegistry) -> None:
        self._registry = registry

    def devices(self) -> Sequence[str]:
        return list(self._registry.current.devices)

    def state(self, device: str) -> DeviceState:
        return DeviceState(Flow.ONLINE, "", 1_763_635_200_000_000_000)

    def version(self, device: str) -> int:
        return 7

    def document(self, device: str) -> dict[str, Any]:
        return {"version": 7, "ts": 1, "properties": {"Setpoint": 21.5}, "quality": {}}

    def patch(self, device: str, base: int) -> dict[str, Any] | None:
        return None


@dataclass
class FakeCommands:
    """Answers with what the test put in; remembers what it was asked."""

    registry: FakeRegistry
    ran: list[Command] = field(default_factory=list)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    result: Callable[[Command], CommandResult] | None = None
    event: Event | Exception | None = None

    async def run(self, command: Command) -> CommandResult:
        self.ran.append(command)
        return self.result(command) if self.result else outcome(command, Outcome.CONFIRMED, 200)

    async def accept(self, command: Command) -> None:
        self.ran.append(command)

    async def read(self, device: str, name: str, regex: bool = True) -> Event:
        self.asked.append((device, name, regex))
        if isinstance(self.event, Exception):
            raise self.event
        if self.event:
            return self.event
        planned = self.registry.planned.get(device)
        if planned is None or name not in planned.sources:
            raise CommandRejected(404, f"DeviceResource {name} not found")
        return Event(planned.sources[name], 1_763_635_200_000_000_005, [1.5] * len(planned.sources[name].resources))

    async def desire(self, desired: Desired) -> None: ...

    def desired_of(self, device: str) -> dict[str, Any] | None:
        result = {"status": "pending", "code": 503, "value": None, "ts": 1, "tries": 2, "reason": "it does not answer"}
        return {"epoch": "e", "version": 3, "properties": {"Setpoint": 22.0}, "results": {"Setpoint": result}}


def outcome(command: Command, how: Outcome, code: int, error: str = "", **more: Any) -> CommandResult:
    return CommandResult(command.id, command.device, command.name, how, code, 1, 2, error, **more)


class FakeLanes:
    async def read(self, source: Source) -> Event:
        return Event(source, 1, [])

    async def write(
        self, source: Source, values: Mapping[str, Any], check: Callable[[], None] = lambda: None
    ) -> Event | None:
        return None

    async def apply(self, planned: Mapping[str, PlannedDevice]) -> None: ...

    def lanes(self) -> Sequence[LaneReport]:
        return [
            LaneReport(
                SERVICE,
                "127.0.0.1:502",
                "connected",
                "",
                1,
                None,
                ("boiler",),
                {"b": 2.0},
                12,
                {"no_answer": 3},
                1,
                0.25,
                0,
                skew_s=-3600.0,
                filled=7,
            )
        ]

    def flows(self) -> Sequence[FlowReport]:
        return [FlowReport("boiler", ("Both",), 1.0, 1.01, 1_763_635_200_000_000_000, 60, 1, 0, 4.5)]


class FakeForwards:
    def report(self) -> Sequence[ConsumerReport]:
        return [ConsumerReport("mqtt", True, "", 5, 1_763_635_200_000_000_000, 100, 0)]


class NoAnswers:
    """Answers everything with an empty object."""

    async def ask(self, question: Question) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"{}"

        return Answer("application/json", 2, chunks())

    async def delete(self, selection: Selection) -> None: ...


@dataclass
class House:
    """The fakes one by one, and as `Parts`."""

    clock: MovingClock = field(default_factory=MovingClock)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    store: Any = field(default_factory=FakeStore)
    answers: Answers = field(default_factory=NoAnswers)
    problems: tuple[str, ...] = ()
    published: list[Record] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=lambda: {"api": {"listen": "127.0.0.1:8080"}})

    def __post_init__(self) -> None:
        self.commands = FakeCommands(self.registry)
        self.parts = Parts(
            registry=self.registry,
            protocols=FakeProtocols(),
            commands=self.commands,
            twins=FakeTwins(self.registry),
            store=self.store,
            lanes=FakeLanes(),
            forwards=FakeForwards(),
            clock=self.clock,
            answers=self.answers,
            publish=self.publish,
            last=self.rows,
            health=lambda: Health(self.problems),
            name="plant-7",
            version="0.1.0",
            settings=lambda: self.settings,
            metrics=lambda: {"loop_lag_seconds": 0.002},
            cloud=lambda: {"commands": 3},
        )

    def publish(self, batch: Batch) -> None:
        self.published += batch
        self.store.append(batch)

    def rows(self, device: str) -> Iterable[Row]:
        return [Row("Temperature", 21.5, GOOD, 1_763_635_200_000_000_000, 0.25, "fresh", 1.0, 21.5)]

    def put(self, profile: DeviceProfile, *devices: Device) -> None:
        self.registry.current = self.registry.current.with_profiles([profile]).with_devices(devices)

    def event(self, device: str, source: str, values: list[Any], origin: int, **more: Any) -> Event:
        """Appends an event of a planned source."""
        event = Event(self.registry.planned[device].sources[source], origin, values, **more)
        self.store.append([event])
        return event

    def with_compat(self, parts_change: Mapping[str, Any]) -> Parts:
        return replace(self.parts, **parts_change)
