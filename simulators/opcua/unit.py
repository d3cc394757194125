"""One simulated OPC UA device: what its nodes hold and how that changes. Where it is served is elsewhere.

Values move in steps of `period`; they are worked out when somebody asks or listens, then also for the steps that
nobody saw, as far as the history reaches.
"""

import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from asyncua import ua

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from simulators.behaviour import Behaviour, Echo, toggle
from simulators.defaults import behaviour_of
from simulators.opcua.faults import NONE, Faults, status_code
from simulators.opcua.ids import node_id
from simulators.opcua.made_up import made_up
from simulators.opcua.node import Node, Told, moment, shape_for
from simulators.opcua.points import Place, Point, points_of
from simulators.opcua.types import FLOATS, INTEGERS, Leaf, Shape, empty, from_variant
from simulators.transform import allowed

MOST = 100_000
"""Values that a device remembers altogether: some 50 MB."""


class Unit:
    """A device made from its profile."""

    def __init__(
        self,
        profile: DeviceProfile,
        clock: Clock,
        behaviours: Mapping[str, Behaviour] | None = None,
        *,
        seed: int = 0,
        period: float = 0.2,
        history: int = 0,
    ) -> None:
        """`behaviours` by resource name replace the defaults; `history`: values that each numeric node keeps. Raises
        ConfigError."""
        self.profile = profile
        self.requests = 0
        self.changed: Callable[[Node], None] = lambda _: None
        """Is told of every node that has another value or status."""
        self.rang: Callable[[], None] = lambda: None
        """Is called when an alarm becomes active or normal."""
        self.active: dict[str, bool] = {}
        """By alarm, whether it is active."""
        self.types: dict[str, ua.NodeId] = defaultdict(ua.NodeId)
        """The encodings of structures on the server, by name."""
        self.data_types: dict[str, ua.NodeId] = {}
        """Those structures themselves."""
        self.faults: Faults = NONE
        self.called: dict[str, dict[str, Any]] = {}
        """By method, the arguments that came last."""
        self.results: dict[str, Any] = {}
        """By method, what it gives where that was set."""
        self._clock = clock
        self._start, self._started = clock.monotonic(), clock.now()
        self.period = period
        self._step = 0
        self._history = history and max(1, min(history, MOST // max(1, len(profile.device_resources))))
        try:
            self.points = points_of(profile)
            self.nodes = self._nodes()
        except ValueError as error:
            raise ConfigError(f"profile {profile.name} cannot be simulated: {error}") from None
        self._of = {point: node for node in self.nodes.values() for point in node.points}
        self._live: dict[Point, Behaviour] = {}
        self._rings: dict[str, Behaviour] = {}
        self._begin(behaviours or {}, seed)

    def _nodes(self) -> dict[Place, Node]:
        sharing: dict[Place, list[Point]] = {}
        for point in self.points.values.values():
            sharing.setdefault(point.place, []).append(point)
        return {place: self._node(place, points) for place, points in sharing.items()}

    def _node(self, place: Place, points: list[Point]) -> Node:
        shape = shape_for(points)
        numeric = isinstance(shape, Leaf) and not shape.array and (shape.kind in INTEGERS or shape.kind in FLOATS)
        kept: deque[Told] | None = deque(maxlen=self._history) if numeric and self._history else None
        node = Node(place, tuple(points), shape, self.types, kept, value=empty(shape), since=moment(self._started))
        node.rebuild()
        return node

    def data_type(self, shape: Shape) -> ua.NodeId:
        """On the server."""
        return node_id(shape.kind.value) if isinstance(shape, Leaf) else self.data_types[shape.name]

    @property
    def places(self) -> list[Place]:
        """Of everything that is served."""
        points = self.points
        calls = [place for call in points.calls.values() for place in (call.method, call.object)]
        alarms = [place for alarm in points.alarms.values() for place in (alarm.place, alarm.type)]
        return [*self.nodes, *calls, *alarms]

    # ------------------------------------------------------------------------------------------------------- values

    def set(self, resource: str, value: Any, raw: bool = False) -> None:
        """From now on the device holds this value, as people see it or, with `raw`, as it is on the server. Raises
        ConfigError for an unknown resource, ValueError if the value does not fit. Of a method: what a read of it
        gives. Of an alarm: whether it is active."""
        if resource in self.points.calls:
            self.results[resource] = value
            return
        self.refresh()
        if resource in self.points.alarms:
            self._rings.pop(resource, None)
            self._ring(resource, bool(value))
            return
        point = self._point(resource)
        node = self._of[point]
        self._put(point, value if raw else point.to_wire(value))
        self._hold(node, point)

    def get(self, resource: str, raw: bool = False) -> Any:
        """What the device would answer now. Of a method: the arguments that came last, None before the first."""
        if resource in self.points.calls:
            return self.called.get(resource)
        self.refresh()
        if resource in self.points.alarms:
            return self.active[resource]
        point = self._point(resource)
        wire = self._of[point].get(point.path)
        return wire if raw else point.to_people(wire)

    def behave(self, resource: str, behaviour: Behaviour) -> None:
        """Gives a resource another behaviour from now on."""
        self.refresh()
        if resource in self.points.alarms:
            self._rings[resource] = behaviour
            self._ring(resource, bool(behaviour(self._step * self.period)))
            return
        point = self._point(resource)
        self._live[point] = behaviour
        self._move(point, behaviour, self._step)

    def write(self, node: Node, variant: ua.Variant) -> int:
        """A client writes; the status code that it gets (Part 4, 5.11.4)."""
        try:
            value = from_variant(variant, node.shape)
        except ValueError:
            return ua.StatusCodes.BadTypeMismatch
        for point in node.points:
            found: Any = value
            for part in point.path:
                found = found[part]
            if not allowed(point.to_people(found), point.resource.properties):
                return ua.StatusCodes.BadOutOfRange
        node.take(value, variant, self._clock.now())
        self._hold(node)
        self.changed(node)
        return ua.StatusCodes.Good

    def _point(self, resource: str) -> Point:
        found = self.points.values.get(resource)
        if found is None:
            known = ", ".join(self.points.values)
            raise ConfigError(f"{self.profile.name} has no resource {resource!r} with a value; it has {known}")
        return found

    def _hold(self, node: Node, only: Point | None = None) -> None:
        for point in node.points:
            if only is None or point.path == only.path or not (point.path and only.path):
                self._live.pop(point, None)

    # ---------------------------------------------------------------------------------------------------------- faults

    @property
    def deleted(self) -> frozenset[Node]:
        """Nodes that are not there."""
        return frozenset(self._of[self.points.values[name]] for name in self.faults.deleted)

    def suffer(self, faults: Faults) -> None:
        """From now on. Raises ConfigError for a resource that is not there."""
        bad = {self._of[self._point(name)]: status_code(code) for name, code in faults.bad.items()}
        for name in faults.deleted:
            self._point(name)
        touched = self.deleted
        self.faults = faults
        for node in self.nodes.values():
            code = bad.get(node, 0)
            if code != node.status or node in touched ^ self.deleted:
                node.status = code
                self.changed(node)

    # ------------------------------------------------------------------------------------------------------ behaviour

    def _begin(self, behaviours: Mapping[str, Behaviour], seed: int) -> None:
        """The first resource that names a node, or a field of it, moves it; further ones only show it."""
        for name in behaviours:
            if name not in self.points.alarms:
                self._point(name)
        for name in self.points.alarms:
            own = zlib.crc32(name.encode()) + seed
            self.behave(name, behaviours.get(name) or toggle(40.0 + own % 20, 0.5 + (own % 97) / 200))
        taken: set[tuple[Place, tuple[str, ...]]] = set()
        for name, point in sorted(self.points.values.items(), key=lambda item: item[0] not in behaviours):
            whole = not point.path and any(other.path for other in self._of[point].points)
            if (point.place, point.path) in taken or (whole and name not in behaviours):
                continue
            taken.add((point.place, point.path))
            try:
                self.behave(name, behaviours.get(name) or self._usual(point, seed))
            except (ValueError, TypeError, ArithmeticError) as error:
                raise ConfigError(f"{name}: no value of its behaviour or default fits: {error}") from None
        for node in self.nodes.values():
            if node.history is not None and not node.history:
                node.history.append(node.told())
        self._live = {point: behaviour for point, behaviour in self._live.items() if not isinstance(behaviour, Echo)}

    def _usual(self, point: Point, seed: int) -> Behaviour:
        if point.kind == "Other" or (point.shape.array and point.kind == "String"):
            return made_up(point, self._started)
        return behaviour_of(self.profile, point.resource, point, seed)

    def refresh(self) -> None:
        """Works out what has become of the values since the last time."""
        step = int((self._clock.monotonic() - self._start) / self.period)
        if step == self._step:
            return
        for one in range(max(self._step + 1, step - self._history), step + 1):
            for point, behaviour in self._live.items():
                self._move(point, behaviour, one)
        self._step = step
        for name, behaviour in self._rings.items():
            self._ring(name, bool(behaviour(step * self.period)))

    def _ring(self, name: str, active: bool) -> None:
        if self.active.get(name) != active:
            self.active[name] = active
            self.rang()

    @property
    def rest(self) -> float:
        """Seconds to the next step."""
        return self.period - (self._clock.monotonic() - self._start) % self.period

    def _move(self, point: Point, behaviour: Behaviour, step: int) -> None:
        seconds = step * self.period
        wire = point.clamp(point.to_wire(behaviour(seconds)))
        self._put(point, wire, self._started + round(seconds * 1e9))

    def _put(self, point: Point, wire: Any, now: int | None = None) -> None:
        node = self._of[point]
        if node.put(point.path, wire, self._clock.now() if now is None else now):
            self.changed(node)
