"""A protocol whose wires live in memory and do what a test says: the contracts `DeviceProtocol` and `Mapper`.

    world = World(clock)
    protocols = OneProtocol(ScriptedProtocol(world))
    world.line("L1").unit(3).values["Voltage"] = 230
    world.line("L1").unit(3).silent = True

Devices say where they are: `protocols: {scripted: {Line: L1, Unit: 3}}`. Time on the wire passes on the test's clock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gateway.model.contracts import Clock, DeviceProtocol
from gateway.model.contracts import Mapper as MapperContract
from gateway.model.device import Device
from gateway.model.errors import ConfigError, DeviceError, NoAnswer, NotConnected, Problem
from gateway.model.plan import Connection, Facts, Request
from gateway.model.profile import Compat, DeviceProfile, ValueType
from gateway.model.reading import Event, Quality, Source, refused

SERVICE = "device-scripted"
KEY = "scripted"


@dataclass(eq=False)
class Unit:
    """One device on a line, as the test wants it to be."""

    values: dict[str, Any] = field(default_factory=dict)
    """Raw value by resource; what is not here reads as 0, false or empty."""
    silent: bool = False
    answer_s: float | None = None
    """From request to answer, if not the line's."""
    told_s: float | None = None
    """What stands between says after so long that the unit is silent."""
    refuses: set[str] = field(default_factory=set)
    """Resources it says no to."""
    bug: Exception | None = None
    """Raised by read and write as if our own code were wrong."""
    reads: list[float] = field(default_factory=list)
    """Monotonic time of every read that reached it, answered or not."""
    read_names: list[tuple[str, ...]] = field(default_factory=list)
    writes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Line:
    """One wire."""

    up: bool = True
    answer_s: float = 0.0
    """From request to answer."""
    timeout_s: float = 1.0
    """What waiting for a silent unit costs."""
    connect_s: float = 0.0
    units: dict[int, Unit] = field(default_factory=dict)
    connects: list[float] = field(default_factory=list)
    """Monotonic time of every attempt."""
    closes: int = 0
    open: int = 0
    """Connections open now; never above 1."""
    rest_after: float | None = None
    """See `Mapper.rest_after`."""
    held: bool = False
    """What stands between waits for a silent unit as long as the time-out says, whoever has given up before."""
    held_until: float = 0.0
    busy: int = 0
    """Calls in flight now; never above 1."""
    mapper: "Callable[[Any, Clock], ScriptedMapper] | None" = None
    """Makes its mappers, if they can do more."""
    log: list[str] = field(default_factory=list)
    """`read 3 Voltage`, `write 3 Relay`, in the order in which they went out."""

    def unit(self, number: int) -> Unit:
        return self.units.setdefault(number, Unit())


class World:
    """All lines, by name."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lines: dict[str, Line] = {}

    def line(self, name: str) -> Line:
        return self.lines.setdefault(name, Line())


@dataclass(frozen=True, slots=True, eq=False)
class ScriptedPlan:
    """One request per plan."""

    device: str
    unit: int
    sources: tuple[Source, ...]
    requests: tuple[Request, ...]


class ScriptedProtocol:
    """Implements `DeviceProtocol`. A resource with the attribute `impossible` cannot be planned."""

    service = SERVICE
    keys: Sequence[str] = (KEY,)
    codes: Mapping[str, str] = MappingProxyType({})

    def __init__(self, world: World, service: str = SERVICE) -> None:
        self.world, self.service = world, service
        self.plans = 0
        self.mappers: list[ScriptedMapper] = []

    def mute(self, device: Device) -> str:
        return str(device.protocols.get(KEY, {}).get("Mute", ""))

    def recognises(self, profile: DeviceProfile) -> bool:
        return any("impossible" in resource.attributes for resource in profile.device_resources)

    def check(self, profile: DeviceProfile, device: Device | None = None) -> list[Problem]:
        found = [
            Problem(f"deviceResources[{i}].attributes.impossible", "this cannot be read")
            for i, resource in enumerate(profile.device_resources)
            if resource.attributes.get("impossible")
        ]
        if device is not None and "Line" not in device.protocols.get(KEY, {}):
            found.append(Problem(f"protocols.{KEY}.Line", "the line is missing"))
        return found

    def connection(self, device: Device, compat: Compat = Compat.NONE) -> Connection:
        properties = device.protocols.get(KEY)
        if not properties or "Line" not in properties:
            raise ConfigError(f"device {device.name} has no protocols.{KEY}.Line")
        return Connection(self.service, str(properties["Line"]), properties.get("Settings"))

    def plan(self, device: Device, sources: Sequence[Source], facts: Facts) -> ScriptedPlan:
        for source in sources:
            for resource in source.resources:
                if resource.attributes.get("impossible"):
                    raise ConfigError(f"{resource.name} cannot be read")
        self.plans += 1
        holes = facts.get("holes", ())
        names = ", ".join(name for source in sources for name in source.names if name not in holes)
        request = Request(f"ask for {names}", names.encode(), len(names), len(names))
        return ScriptedPlan(device.name, int(device.protocols[KEY].get("Unit", 1)), tuple(sources), (request,))

    def open(self, connection: Connection, clock: Clock) -> "ScriptedMapper":
        line = self.world.line(connection.key)
        mapper = (line.mapper or ScriptedMapper)(line, clock)
        self.mappers.append(mapper)
        return mapper


class ScriptedMapper:
    """Implements `Mapper`."""

    def __init__(self, line: Line, clock: Clock) -> None:
        self.line, self.clock = line, clock
        self._connected = False
        self.found: dict[str, Facts] = {}

    async def connect(self) -> None:
        line = self.line
        line.connects.append(self.clock.monotonic())
        if line.connect_s:
            await self.clock.sleep(line.connect_s)
        if not line.up:
            raise NotConnected("connection refused")
        if not self._connected:
            self._connected = True
            line.open += 1
            assert line.open == 1, "two connections share one wire"

    async def read(self, plan: ScriptedPlan, patience: float | None = None) -> list[Event]:
        names = tuple(name for source in plan.sources for name in source.names)
        unit = self.line.unit(plan.unit)
        unit.reads.append(self.clock.monotonic())
        unit.read_names.append(names)
        self.line.log.append(f"read {plan.unit} {' '.join(names)}")
        await self.exchange(unit, patience)
        return [self.event(source, unit) for source in plan.sources]

    async def write(self, plan: ScriptedPlan, values: Mapping[str, Any]) -> Event | None:
        unit = self.line.unit(plan.unit)
        self.line.log.append(f"write {plan.unit} {' '.join(values)}")
        await self.exchange(unit)
        if unit.refuses & values.keys():
            raise DeviceError("2", "illegal data address", "write")
        unit.writes.append(dict(values))
        unit.values.update(values)
        return None

    @property
    def rest_after(self) -> float | None:
        return self.line.rest_after

    async def rest(self) -> None:
        await self.close()

    async def close(self) -> None:
        if self._connected:
            self._connected = False
            self.line.open -= 1
            self.line.closes += 1

    async def exchange(self, unit: Unit, patience: float | None = None) -> None:
        line = self.line
        assert line.busy == 0, "calls on one mapper overlap"
        line.busy += 1
        try:
            if not self._connected and line.rest_after is not None:
                await self.connect()
            self._check_up()
            if unit.bug is not None:
                raise type(unit.bug)(*unit.bug.args)
            wait = min(line.timeout_s, patience or line.timeout_s)
            answer_s = line.answer_s if unit.answer_s is None else unit.answer_s
            if unit.told_s is not None and unit.told_s <= wait:
                await self._pass(unit.told_s)
                raise NoAnswer("the gateway says that it is silent", told=True)
            if unit.silent or answer_s > max(wait, line.answer_s):
                line.held_until = self.clock.monotonic() + line.timeout_s * line.held
                await self._pass(wait)
                raise NoAnswer(f"no answer within {wait} s")
            await self._pass(answer_s + max(0.0, line.held_until - self.clock.monotonic()))
        finally:
            line.busy -= 1

    async def _pass(self, seconds: float) -> None:
        if seconds:
            await self.clock.sleep(seconds)
            self._check_up()

    def _check_up(self) -> None:
        if not (self.line.up and self._connected):
            raise NotConnected("the connection was closed by the other side")

    def event(self, source: Source, unit: Unit) -> Event:
        values: list[Any] = []
        quality: dict[int, Quality] = {}
        for position, resource in enumerate(source.resources):
            if resource.name in unit.refuses:
                quality[position] = refused("2")
                values.append(None)
            else:
                values.append(unit.values.get(resource.name, _nothing(resource.properties.value_type)))
        return Event(source, self.clock.now(), values, quality=quality or None)


def _nothing(kind: ValueType) -> Any:
    if kind is ValueType.BOOL:
        return False
    if kind is ValueType.STRING:
        return ""
    return 0.0 if kind.is_float else 0


class OneProtocol:
    """Implements `Protocols` for tests with one (or a few) of them."""

    def __init__(self, *protocols: ScriptedProtocol) -> None:
        self._protocols = {protocol.service: protocol for protocol in protocols}

    def of(self, device: Device) -> DeviceProtocol[ScriptedPlan]:
        return self.by_service(device.service_name or next(iter(self._protocols)))

    def by_service(self, service: str) -> DeviceProtocol[ScriptedPlan]:
        if service not in self._protocols:
            raise ConfigError(f"no device service {service}; there is {', '.join(self._protocols)}")
        return self._protocols[service]

    def services(self) -> Sequence[str]:
        return list(self._protocols)

    def check(self, profile: DeviceProfile) -> list[Problem]:
        for protocol in self._protocols.values():
            if protocol.recognises(profile):
                return protocol.check(profile)
        return [Problem("", f"profile {profile.name} is of a protocol that is not spoken here", severity="note")]


def _types(protocol: ScriptedProtocol, mapper: ScriptedMapper) -> tuple[DeviceProtocol[Any], MapperContract[Any]]:
    """The type checker proves that the contracts are met."""
    return protocol, mapper
