"""What one resource is on an OPC UA server: its attributes and its value type, judged together. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.errors import Problem
from gateway.model.profile import DeviceResource, ResourceProperties, ValueType
from mappers.opcua.address import At, Attributes, Deadband, NodeRef, Step, Trigger, attributes, path_text

MONITORING = ("samplingInterval", "queueSize", "deadband", "trigger")
"""Attributes that say how a server watches a node."""


class Kind(StrEnum):
    """What a resource is."""

    VALUE = "value"
    """The value of a variable, or a field of it."""
    METHOD = "method"
    """Called by a read (EdgeX's way, `inputMap`) or, where it is written only, by a write."""
    EVENTS = "events"
    """What an object tells: one reading for each event."""
    CONDITION = "condition"
    """What people say to an alarm."""


@dataclass(frozen=True, slots=True)
class Point:
    """Compiled address of one resource."""

    name: str
    kind: Kind
    at: At | None
    """The node; of a method the object it is called on; of a condition None."""
    value_type: ValueType
    writes: bool
    """May be written."""
    field: tuple[str, ...] = ()
    """Of a structure, from the outside in."""
    subscribe: bool = True
    sampling: float | None = None
    """Seconds; None: the interval of its autoEvent."""
    queue: int | None = None
    deadband: Deadband | None = None
    trigger: Trigger = "value"
    method: At | Step | None = None
    """A name: of the object's own method, or its type's."""
    inputs: tuple[str, ...] = ()
    """Texts of the input arguments of a call by a read."""
    event_type: NodeRef | None = None
    severity: int = 1
    """Events of at least this."""
    condition: str = ""
    """acknowledge, confirm or addComment."""

    @property
    def element(self) -> str:
        """Value type of one element."""
        return self.value_type.removesuffix("Array")

    @property
    def is_array(self) -> bool:
        return self.value_type.endswith("Array")


def at_text(at: At | Step) -> str:
    """As people write it."""
    if isinstance(at, Step):
        return f"./{at}"
    return str(at) if isinstance(at, NodeRef) else path_text(at)


def locate(resource: DeviceResource) -> tuple[Point | None, list[Problem]]:
    """The point (None when there is an error) and everything wrong or doubtful; `where` is relative to the resource."""
    given, problems = attributes(resource.attributes)
    if given is not None:
        problems += _judge(resource, given)
    problems = [Problem(f"attributes.{p.where}", p.what, severity=p.severity) for p in problems]
    if given is not None:
        problems += [Problem(f"properties.{key}", what) for key, what in _wrong_properties(resource.properties, given)]
    if given is None or any(p.severity == "error" for p in problems):
        return None, problems
    return _point(resource, given), problems


def _kind(given: Attributes) -> Kind:
    if given.condition:
        return Kind.CONDITION
    if given.method_id is not None:
        return Kind.METHOD
    return Kind.VALUE if given.event_type is None else Kind.EVENTS


def _point(resource: DeviceResource, given: Attributes) -> Point:
    return Point(
        name=resource.name,
        kind=_kind(given),
        at=given.object_id or given.node_id or given.browse_path,
        value_type=resource.properties.value_type,
        writes=resource.properties.read_write.writable,
        field=given.field,
        subscribe=given.subscribe,
        sampling=given.sampling_interval,
        queue=given.queue_size,
        deadband=given.deadband,
        trigger=given.trigger,
        method=given.method_id,
        inputs=given.input_map,
        event_type=given.event_type,
        severity=given.severity,
        condition=given.condition,
    )


def _judge(resource: DeviceResource, given: Attributes) -> list[Problem]:
    """What attributes mean nothing, or nothing good, for what the resource is."""
    found = [Problem(key, what) for key, what in _wrong(given)]
    return found + [Problem(key, what, severity="warning") for key, what in _doubtful(resource, given)]


def _wrong(given: Attributes) -> Iterator[tuple[str, str]]:
    if given.field and _kind(given) is not Kind.VALUE:
        yield "field", "names a field of a structure that a node holds; here is no such node"
    if _kind(given) is Kind.EVENTS and not given.subscribe:
        yield "subscribe", "events are told by the server and cannot be read; leave it out"


def _doubtful(resource: DeviceResource, given: Attributes) -> Iterator[tuple[str, str]]:
    kind, value_type = _kind(given), resource.properties.value_type
    written = resource.properties.read_write.writable
    if given.deadband is not None and kind is Kind.VALUE and not _is_number(value_type.removesuffix("Array")):
        yield "deadband", f"has no effect on {value_type}: it is for numbers"
    if given.deadband is not None and given.trigger == "status":
        yield "deadband", "has no effect with trigger: status, which does not look at values"
    if kind in (Kind.METHOD, Kind.CONDITION):
        meant = [key for key in MONITORING if key in resource.attributes]
        for key in meant:
            yield key, f"has no effect on a {kind}: only nodes are watched"
    if given.input_map and (kind is not Kind.METHOD or written):
        what = "a method that is written takes its arguments from what is written" if written else "is for methods"
        yield "inputMap", f"has no effect: {what}"
    if "severity" in resource.attributes and kind is not Kind.EVENTS:
        yield "severity", "has no effect without eventType"


def _is_number(element: str) -> bool:
    value_type = ValueType(element)
    return value_type.is_integer or value_type.is_float


def _wrong_properties(properties: ResourceProperties, given: Attributes) -> Iterator[tuple[str, str]]:
    kind = _kind(given)
    both = properties.read_write.readable and properties.read_write.writable
    if kind is Kind.METHOD and both:
        yield (
            "readWrite",
            "a method is called by a read (R, with its arguments in inputMap) or by a write (W): one of them",
        )
    if given.field and properties.read_write.writable:
        what = "one field cannot be written alone: make readWrite R, and write an Object that has all of the node"
        yield "readWrite", what
    if kind is Kind.EVENTS:
        if properties.value_type != ValueType.OBJECT:
            yield "valueType", f"events are Object (their fields by name), not {properties.value_type}"
        if properties.read_write.writable:
            yield "readWrite", "events are told by the server; make readWrite R"
    if kind is Kind.CONDITION:
        if properties.value_type != ValueType.OBJECT:
            what = f"is Object, such as {{EventId: …, Comment: seen}}, not {properties.value_type}"
            yield "valueType", f"what is said to an alarm {what}"
        if properties.read_write.readable:
            yield "readWrite", "what is said to an alarm cannot be read; make readWrite W"
