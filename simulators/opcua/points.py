"""Where the resources of a profile lie on a simulated OPC UA server, and which type a node has that several share."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncua.ua import VariantType as V

from gateway.model.profile import DeviceProfile, DeviceResource, ValueType
from mappers.opcua.address import Attributes, NodeRef, Step, attributes
from simulators.opcua.types import AS_TEXT, EDGEX, FLOATS, INTEGERS, Leaf, Shape, Structure, like, shape_of
from simulators.transform import to_people, to_wire

HINT = "dataType"
"""A key of a resource's `optional`: the type on the server where the valueType does not say enough."""
SOMETHING: Mapping[str, Shape] = {"Low": Leaf(V.Double), "High": Leaf(V.Double)}
"""Fields of a structure of which nothing is known."""
RESULT = "Result"
Place = NodeRef | tuple[Step, ...]
"""A node by its id, or by its browse path."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One resource whose value a node has."""

    resource: DeviceResource
    place: Place
    path: tuple[str, ...]
    """Which field of the node's structure; empty: all of it."""
    shape: Shape

    @property
    def kind(self) -> str:
        """`Bool`, `String`, `Number` or, for what no behaviour is made for, `Other`."""
        if isinstance(self.shape, Structure):
            return "Other"
        if self.shape.kind in INTEGERS or self.shape.kind in FLOATS:
            return "Number"
        return {V.Boolean: "Bool", V.String: "String", V.LocalizedText: "String"}.get(self.shape.kind, "Other")

    @property
    def length(self) -> int | None:
        """Elements of an array until somebody writes another number of them."""
        return 4 if self.shape.array else None

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest number on the wire."""
        assert isinstance(self.shape, Leaf)
        high = FLOATS.get(self.shape.kind)
        return (-high, high) if high is not None else INTEGERS[self.shape.kind]

    @property
    def longest(self) -> int:
        """Bytes of the longest text that the simulator makes up."""
        return 256

    @property
    def readable(self) -> bool:
        return self.resource.properties.read_write.readable

    @property
    def writable(self) -> bool:
        return self.resource.properties.read_write.writable

    def to_wire(self, value: Any) -> Any:
        """The value on the server for one as people see it. Raises ValueError."""
        if self.kind != "Number" or isinstance(value, bool | str | list | dict):
            return value
        assert isinstance(self.shape, Leaf)
        return to_wire(value, self.resource.properties, floating=self.shape.kind in FLOATS)

    def to_people(self, wire: Any) -> Any:
        """The value as people see it."""
        if self.kind != "Number" or isinstance(wire, bool | str | list | dict) or wire is None:
            return wire
        return to_people(wire, self.resource.properties)

    def clamp(self, wire: Any) -> Any:
        """The nearest number that the type can carry."""
        if self.kind != "Number" or isinstance(wire, bool | str | list | dict):
            return wire
        low, high = self.range
        return min(max(wire, low), high)


@dataclass(frozen=True, slots=True)
class Call:
    """One resource that is a method."""

    resource: DeviceResource
    method: Place
    object: Place
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    """The inputs, as they came; of a method that is read the value of the resource first."""
    result: str | None
    """Name of the output that is the value of the resource."""
    name: str
    """Under which it is browsed, where `method` is an id."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One resource that is the events of an object."""

    resource: DeviceResource
    place: Place
    type: NodeRef
    severity: int


@dataclass(slots=True)
class Points:
    """What a profile has."""

    values: dict[str, Point] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)


def points_of(profile: DeviceProfile) -> Points:
    """By resource name. Raises ValueError saying which resource and what is wrong."""
    found = Points()
    for resource in profile.device_resources:
        given, problems = attributes(resource.attributes)
        if given is None:
            wrong = "; ".join(f"{p.where} {p.what}" for p in problems if p.severity == "error")
            raise ValueError(f"{resource.name}: {wrong}")
        try:
            _add(found, resource, given)
        except ValueError as error:
            raise ValueError(f"{resource.name}: {error}") from None
    return found


def _add(found: Points, resource: DeviceResource, given: Attributes) -> None:
    place = given.node_id or given.browse_path
    if given.method_id is not None and given.object_id is not None:
        found.calls[resource.name] = _call(resource, given, given.method_id, given.object_id)
    elif place is None:
        return  # what is said to an alarm has no node of its own
    elif given.event_type is not None:
        found.alarms[resource.name] = Alarm(resource, place, given.event_type, given.severity)
    else:
        found.values[resource.name] = Point(resource, place, given.field, _shape(resource))


def _shape(resource: DeviceResource) -> Shape:
    kind = resource.properties.value_type
    hint = resource.properties.optional.get(HINT)
    if hint is not None:
        found = shape_of(hint, resource.name)
        _fits(found, kind)
        return found
    if kind not in (ValueType.OBJECT, ValueType.OBJECT_ARRAY):
        return _plain(resource)
    text = resource.properties.default_value
    shape = like(_json(text), resource.name) if text else Structure(resource.name, SOMETHING)
    if not isinstance(shape, Structure):
        raise ValueError(f'the default value {text!r} is not an object such as {{"Low": 1}}')
    return Structure(shape.name, shape.fields, array=kind is ValueType.OBJECT_ARRAY)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"the default value {text!r} is not JSON") from None


def _fits(shape: Shape, kind: ValueType) -> None:
    """Whether the type on the server can be of this valueType."""
    name = kind.value.removesuffix("Array")
    structure = name == "Object"
    if structure != isinstance(shape, Structure) or shape.array != kind.value.endswith("Array"):
        raise ValueError(f"{HINT} does not fit valueType {kind}")
    if isinstance(shape, Leaf) and shape.kind in AS_TEXT and name != "String":
        raise ValueError(f"{HINT} {shape.kind.name} is a String, not {kind}")


def _method(method: Place | Step, on: Place) -> Place:
    """One that is named on its object stands below it."""
    if not isinstance(method, Step):
        return method
    return (
        NodeRef(method.namespace, "s", f"{on.identifier}.{method.name}") if isinstance(on, NodeRef) else (*on, method)
    )


def _call(resource: DeviceResource, given: Attributes, method: Place | Step, on: Place) -> Call:
    inputs = _inputs(resource, given)
    name = method.name if isinstance(method, Step) else resource.name
    place = _method(method, on)
    if not resource.properties.read_write.readable:
        return Call(resource, place, on, inputs, inputs, None, name)
    return Call(resource, place, on, inputs, {RESULT: _plain(resource), **inputs}, RESULT, name)


def _inputs(resource: DeviceResource, given: Attributes) -> Mapping[str, Shape]:
    """Of the hint; else of a method that is read what its `inputMap` looks like; of one that is written one of the
    valueType, none where that is Bool."""
    hint = resource.properties.optional.get(HINT)
    if isinstance(hint, Mapping):
        return {str(name): shape_of(kind, str(name)) for name, kind in hint.items()}
    if resource.properties.read_write.readable:
        return {f"Input{n + 1}": like(_guess(text), "") for n, text in enumerate(given.input_map)}
    kind = resource.properties.value_type
    if kind is ValueType.OBJECT:
        text = resource.properties.default_value
        shape = like(_json(text), "") if text else None
        return shape.fields if isinstance(shape, Structure) else {}
    return {} if kind is ValueType.BOOL else {"Value": _plain(resource)}


def _plain(resource: DeviceResource) -> Shape:
    kind = resource.properties.value_type.value
    scalar = EDGEX.get(kind.removesuffix("Array"))
    if scalar is None:
        raise ValueError(f"what a method takes and gives is single values and arrays; {kind} wants a {HINT}")
    return Leaf(scalar, array=kind.endswith("Array"))


def _guess(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, bool | int | float) else text
