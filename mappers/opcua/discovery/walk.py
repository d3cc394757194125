"""Goes through the address space of a server: every node once, in batches, within bounds, whatever the server says.

Followed are the hierarchical references (Part 3, 7.3), forward, to objects, variables and methods. What is there is
kept as it is found, so that whoever stops it has what it found until then.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from gateway.model.contracts import Clock
from gateway.model.errors import GatewayError
from mappers.opcua.discovery.asks import Asks
from mappers.opcua.discovery.glob import Globs, Places
from mappers.opcua.discovery.ids import plain

MOST_NAME = 512
"""Characters of a browse name (Part 3, 8.3)."""
MOST_ID = 4096
"""Characters or bytes of a node id's identifier (Part 3, 8.2.4)."""
MOST_TEXT = 64_000_000
"""Characters of names and ids that are kept."""
AT_ONCE = 100
"""Nodes of one call."""
PAGE = 1000
"""References of a node in one answer."""
AGAIN = 20
"""References looked at for each node that may be found; a server that says more repeats itself."""
OBJECT, VARIABLE, METHOD = ua.NodeClass.Object.value, ua.NodeClass.Variable.value, ua.NodeClass.Method.value
KINDS = OBJECT | VARIABLE | METHOD
OBJECTS = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
_HIERARCHY = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
_HAS_PROPERTY = ObjectIds.HasProperty
_TOLD = 1 | 2 | 4 | 8 | 16  # reference type, direction, node class, browse name, display name
ABOUT = frozenset(
    ("EURange", "EngineeringUnits", "EnumStrings", "EnumValues", "TrueState", "FalseState", "InputArguments",
     "OutputArguments")
)  # fmt: skip
"""Properties that say something of a variable or a method and are no values of their own (Part 8, 5.3; Part 3, 5.7)."""

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a walk goes."""

    nodes: int = 50_000
    depth: int = 20
    seconds: float = 600.0


@dataclass(slots=True, eq=False)
class Found:
    """A node."""

    id: ua.NodeId
    kind: int
    """Its node class: `OBJECT`, `VARIABLE` or `METHOD`."""
    index: int
    """Of its browse name's namespace."""
    name: str
    display: str
    parent: "Found | None" = None
    about: dict[str, ua.NodeId] = field(default_factory=dict)
    """Its properties in `ABOUT`."""
    is_property: bool = False
    wanted: bool = False

    @property
    def path(self) -> list["Found"]:
        """From the first node below the start to itself."""
        found, at = list[Found](), self
        while at.parent is not None:
            found.append(at)
            at = at.parent
        return found[::-1]


@dataclass(slots=True, eq=False)
class _Step:
    """A node to be browsed."""

    node: Found
    depth: int
    places: Places


class Walk:
    """One walk; what it has found can be taken while it runs."""

    def __init__(self, server: Asks, namespaces: Sequence[str], globs: Globs, limits: Limits, clock: Clock) -> None:
        self.found = 0
        """Variables and methods that are wanted."""
        self.said: list[str] = []
        """Why it did not see everything, in words."""
        self.refused: Counter[str] = Counter()
        """Nodes that could not be looked into or at, by what is wrong."""
        self.browsed = 0
        """Nodes that were looked into."""
        self._server, self._namespaces, self._globs = server, namespaces, globs
        self._limits, self._clock = limits, clock
        self._seen: dict[Key, Places] = {}
        self._wanted: set[Key] = set()
        self._ready: list[Found] = []
        self._waiting: dict[int, Found] = {}
        """Wanted, and not looked into yet."""
        self._queue: deque[_Step] = deque()
        self._text = self._references = self._deep = 0
        self._end = 0.0

    @property
    def seen(self) -> int:
        """Nodes that were seen."""
        return len(self._seen)

    def take(self) -> list[Found]:
        """Of those that are wanted and are known with their properties, those that were not taken before."""
        taken, self._ready = self._ready, []
        return taken

    async def run(self, start: Found, each: Callable[[], Awaitable[None]]) -> None:
        """From a node down, until there is nothing more or a bound is reached; `said` has what went wrong on the way.
        `each` is called after every batch. Raises GatewayError only when nothing was seen."""
        self._end = self._clock.monotonic() + self._limits.seconds
        places = self._globs.start
        self._seen[_key(start.id)] = places
        self._want(start, _key(start.id), places)
        self._queue.append(_Step(start, 0, places))
        try:
            while self._queue and not self._over():
                await self._some()
                await each()
        except GatewayError as error:
            if not self.browsed:
                raise
            self.said.append(f"the server or the connection failed on the way: {error}")
        self._ready += self._waiting.values()
        if self._deep:
            self.said.append(f"{self._deep} nodes at depth {self._limits.depth} were not looked into; see --depth")

    def _over(self) -> bool:
        """Whether a bound is reached; says which."""
        limits, why = self._limits, ""
        if len(self._seen) >= limits.nodes:
            why = f"at {limits.nodes:,} nodes; narrow it with --path or --node, or raise --max"
        elif self._clock.monotonic() >= self._end:
            why = f"after {limits.seconds:g} s; narrow it with --path or --node, or raise --time"
        elif self._references > AGAIN * (limits.nodes + PAGE):
            why = f"after {self._references:,} references to {len(self._seen):,} nodes: the server repeats itself"
        elif self._text > MOST_TEXT:
            why = f"after {self._text:,} characters of names and ids; narrow it with --path or --node"
        if why and not (self.said and self.said[-1].startswith("stopped ")):
            self.said.append(f"stopped {why}")
        return bool(why)

    async def _some(self) -> None:
        """Browses one batch to its end."""
        steps = [self._queue.popleft() for _ in range(min(len(self._queue), AT_ONCE))]
        results = await self._server.browse([_description(step.node.id) for step in steps], PAGE)
        self.browsed += len(steps)
        going = self._pages(zip(steps, results, strict=True), first=True)
        while going:
            points = [point for _, point in going]
            if self._over():
                await self._server.release(points)
                return
            results = await self._server.browse_next(points)
            going = self._pages(zip((step for step, _ in going), results, strict=True), first=False)

    def _pages(
        self, pages: Iterable[tuple[_Step, ua.BrowseResult]], first: bool
    ) -> list[tuple[_Step, ua.ContinuationPoint]]:
        """Takes what came; gives what goes on."""
        going = []
        for position, (step, result) in enumerate(pages):
            code = result.StatusCode.value
            if code == StatusCodes.BadNoContinuationPoints and first and position:
                self._queue.appendleft(step)  # those before it took all that the server has
                continue
            self._references += 1
            bad = bool(code & 0x8000_0000)
            self.refused.update([result.StatusCode.name] * bad)
            for reference in (() if bad else result.References) or ():
                self._reference(step, reference)
            if result.ContinuationPoint and not bad:
                going.append((step, result.ContinuationPoint))
            else:
                self._known(step.node)
        return going

    def _reference(self, step: _Step, reference: ua.ReferenceDescription) -> None:
        self._references += 1
        kind, name = int(reference.NodeClass), reference.BrowseName.Name
        id_ = plain(reference.NodeId, self._namespaces)
        if id_ is None or not kind & KINDS or not reference.IsForward or len(self._seen) >= self._limits.nodes:
            return
        if not name or len(name) > MOST_NAME or _long(id_.Identifier):
            self.refused["its name or node id is empty or too long"] += 1
            return
        is_property = reference.ReferenceTypeId.Identifier == _HAS_PROPERTY
        if is_property and step.node.kind != OBJECT:
            if name in ABOUT:
                step.node.about[name] = id_
            return
        self._node(step, reference, id_, is_property and kind == VARIABLE)

    def _node(self, step: _Step, reference: ua.ReferenceDescription, id_: ua.NodeId, is_property: bool) -> None:
        """A node, unless it was seen on a way that leads as far."""
        kind, index, name = int(reference.NodeClass), reference.BrowseName.NamespaceIndex, reference.BrowseName.Name
        uri = self._namespaces[index] if index < len(self._namespaces) else ""
        if step.node.id == OBJECTS and id_.NamespaceIndex == 0 and not self._globs.named(step.places, uri, index, name):
            return  # the server itself, and what else the standard puts here
        places = self._globs.step(step.places, uri, index, name)
        key = _key(id_) if kind != METHOD else (*_key(id_), *_key(step.node.id))
        before = self._seen.get(key)
        if not places or (before is not None and places <= before):
            return
        self._seen[key] = places if before is None else before | places
        display = (reference.DisplayName.Text or "")[:MOST_NAME]
        self._text += len(name) + len(display) + _length(id_.Identifier)
        node = Found(id_, kind, index, name, display, step.node, is_property=is_property)
        self._want(node, key, places)
        if is_property:
            self._known(node)
            return
        if not (node.wanted or self._globs.further(places)):
            return
        deep = step.depth + 1 >= self._limits.depth
        self._deep += deep and kind == OBJECT
        if kind != OBJECT or not deep:  # what a variable at the end is like is still asked
            self._queue.append(_Step(node, step.depth + 1, frozenset() if deep else places))

    def _want(self, node: Found, key: Key, places: Places) -> None:
        """It is one of those that are wanted, on the first way on which it is."""
        if node.kind != OBJECT and key not in self._wanted and self._globs.matches(places):
            self._wanted.add(key)
            self.found += 1
            node.wanted = True
            self._waiting[id(node)] = node

    def _known(self, node: Found) -> None:
        """All of it has been seen."""
        if self._waiting.pop(id(node), None) is not None:
            self._ready.append(node)


def _description(id_: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=id_,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=_HIERARCHY,
        IncludeSubtypes=True,
        NodeClassMask=ua.UInt32(KINDS),
        ResultMask=ua.UInt32(_TOLD),
    )


def _key(id_: ua.NodeId) -> Key:
    return id_.NamespaceIndex, id_.Identifier


def _length(identifier: object) -> int:
    return len(identifier) if isinstance(identifier, str | bytes) else 0


def _long(identifier: object) -> bool:
    return _length(identifier) > MOST_ID
