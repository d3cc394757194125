"""The address space of a simulated server, from the units that it serves."""

from collections.abc import Iterator, Sequence
from typing import Any

from asyncua import Server, ua
from asyncua.ua.object_ids import ObjectIds

from gateway.model.errors import ConfigError
from mappers.opcua.address import NodeRef, Step
from simulators.opcua.alarms import GENERAL, OFF_NORMAL, Condition
from simulators.opcua.ids import node_id
from simulators.opcua.methods import answering, arguments
from simulators.opcua.namespaces import Namespaces
from simulators.opcua.node import Node
from simulators.opcua.points import Alarm, Call, Place, Point
from simulators.opcua.space import Space
from simulators.opcua.types import Shape, Structure
from simulators.opcua.unit import Unit
from simulators.opcua.units import engineering_unit


class Builder:
    """Adds the nodes of units to a server that has not been started."""

    def __init__(self, server: Server, namespaces: Namespaces) -> None:
        self._space = Space(server.iserver.aspace, server.iserver.node_mgt_service)
        self._namespaces = namespaces
        self.variables: dict[ua.NodeId, tuple[Unit, Node]] = {}
        """What is served, by id."""
        self.conditions: list[Condition] = []

    def add(self, name: str, unit: Unit) -> None:
        """Raises ConfigError if a node is there already."""
        home = self._space.object(
            node_id(ObjectIds.ObjectsFolder), ua.QualifiedName(name, 1), node_id(f"device {name}", 1)
        )
        for structure in _structures(unit):
            unit.types[structure.name] = self._type(f"{name} {structure.name}", structure, unit)
        for node in sorted(unit.nodes.values(), key=_depth):
            node.rebuild()
            self._variable(home, unit, node)
        for call in unit.points.calls.values():
            self._method(home, unit, call)
        self.conditions += [self._alarm(home, unit, alarm) for alarm in unit.points.alarms.values()]

    def _variable(self, home: ua.NodeId, unit: Unit, node: Node) -> None:
        parent, name, id_ = self._where(home, node.place, node.name)
        if id_ in self.variables:
            other = self.variables[id_][1].name
            raise ConfigError(f"{node.name} and {other} of two devices are one node of one server, {id_.to_string()}")
        if id_ not in self._space:
            self._space.add(parent, id_, name, ua.NodeClass.Variable, _attributes(node, unit), _kind(node))
            self._properties(id_, node.points[0])
        self._space.change(id_, ua.AttributeIds.Value, node.told())
        self.variables[id_] = unit, node

    def _method(self, home: ua.NodeId, unit: Unit, call: Call) -> None:
        place = call.object
        parent, name, on = self._where(home, place, place.identifier if isinstance(place, NodeRef) else "")
        if on not in self._space:
            self._space.object(parent, name, on)
        parent, name, id_ = self._where(on, call.method, call.name)
        if id_ not in self._space:
            attributes = ua.MethodAttributes()
            attributes.DisplayName = ua.LocalizedText(call.resource.name)
            attributes.Description = ua.LocalizedText(call.resource.description)
            attributes.Executable = attributes.UserExecutable = True
            self._space.add(parent, id_, name, ua.NodeClass.Method, attributes)
            for key, shapes in (("InputArguments", call.inputs), ("OutputArguments", call.outputs)):
                if shapes:
                    self._space.property(id_, key, arguments(shapes, unit), ObjectIds.Argument)
        self._space.nodes.add_method_callback(id_, answering(call, unit))

    def _alarm(self, home: ua.NodeId, unit: Unit, alarm: Alarm) -> Condition:
        """The object that tells of it, and the condition itself."""
        name = alarm.resource.name
        parent, browse, source = self._where(home, alarm.place, name)
        if source not in self._space:
            self._space.object(parent, browse, source)
        listened = ua.DataValue(ua.Variant(ua.EventNotifier.SubscribeToEvents.mask, ua.VariantType.Byte))
        for of in (source, node_id(ObjectIds.Server)):
            self._space.change(of, ua.AttributeIds.EventNotifier, listened)
        kind = self._event_type(alarm)
        id_ = node_id(f"{home.to_string()} condition {name}", 1)
        attributes = ua.ObjectAttributes()
        attributes.DisplayName = ua.LocalizedText(name)
        self._space.add(
            source, id_, ua.QualifiedName(name, 1), ua.NodeClass.Object, attributes, None, ObjectIds.HasCondition
        )
        return Condition(alarm, unit, id_, source, kind, frozenset(self._above(kind)))

    def _event_type(self, alarm: Alarm) -> ua.NodeId:
        """Of its alarms: one that is not standard is made a kind of alarm."""
        wanted = self._namespaces.node(alarm.type)
        if wanted in map(node_id, GENERAL):
            return OFF_NORMAL
        if wanted not in self._space:
            attributes = ua.ObjectTypeAttributes()
            attributes.DisplayName = ua.LocalizedText(f"{alarm.resource.name}Type")
            name = ua.QualifiedName(f"{alarm.resource.name}Type", wanted.NamespaceIndex)
            self._space.add(OFF_NORMAL, wanted, name, ua.NodeClass.ObjectType, attributes, None, ObjectIds.HasSubtype)
        return wanted

    def _above(self, type_: ua.NodeId) -> Iterator[ua.NodeId]:
        """The type and those it is a kind of."""
        yield type_
        for reference in self._space.nodes[type_].references:
            if reference.ReferenceTypeId == node_id(ObjectIds.HasSubtype) and not reference.IsForward:
                yield from self._above(reference.NodeId)

    def _where(self, home: ua.NodeId, place: Place, name: str) -> tuple[ua.NodeId, ua.QualifiedName, ua.NodeId]:
        """Parent, browse name and id of a node."""
        if isinstance(place, NodeRef):
            id_ = self._namespaces.node(place)
            return home, ua.QualifiedName(name, id_.NamespaceIndex), id_
        parent = node_id(ObjectIds.ObjectsFolder)
        for depth in range(1, len(place)):
            found = self._space.child(parent, self._namespaces.name(place[depth - 1]))
            parent = found or self._space.object(parent, *self._named(place[:depth]))
        found = self._space.child(parent, self._namespaces.name(place[-1]))
        return parent, *(self._named(place) if found is None else (self._namespaces.name(place[-1]), found))

    def _named(self, path: Sequence[Step]) -> tuple[ua.QualifiedName, ua.NodeId]:
        name = self._namespaces.name(path[-1])
        return name, node_id("/".join(step.name for step in path), name.NamespaceIndex or 1)

    def _type(self, key: str, structure: Structure, unit: Unit) -> ua.NodeId:
        """The DataType with its definition, and its binary encoding (Part 3, 8.48 and 5.8.4); the latter's id."""
        type_, encoding = node_id(f"type {key}", 1), node_id(f"encoding {key}", 1)
        unit.data_types[structure.name] = type_
        definition = ua.StructureDefinition()
        definition.DefaultEncodingId = encoding
        definition.BaseDataType = node_id(ObjectIds.Structure)
        definition.StructureType = ua.StructureType.Structure
        definition.Fields = [_field(name, shape, unit) for name, shape in structure.fields.items()]
        attributes: Any = ua.DataTypeAttributes()
        attributes.DisplayName = ua.LocalizedText(structure.name)
        attributes.IsAbstract = False  # the library's default is True
        attributes.DataTypeDefinition = definition
        attributes.SpecifiedAttributes |= ua.NodeAttributesMask.DataTypeDefinition
        name = ua.QualifiedName(structure.name, 1)
        self._space.add(
            node_id(ObjectIds.Structure), type_, name, ua.NodeClass.DataType, attributes, None, ObjectIds.HasSubtype
        )
        binary = ua.ObjectAttributes()
        binary.DisplayName = ua.LocalizedText("Default Binary")
        name = ua.QualifiedName("Default Binary", 0)
        kind = ObjectIds.DataTypeEncodingType
        return self._space.add(type_, encoding, name, ua.NodeClass.Object, binary, kind, ObjectIds.HasEncoding)

    def _properties(self, id_: ua.NodeId, point: Point) -> None:
        """Range and unit of an analog item (Part 8, 5.3.2.3)."""
        p = point.resource.properties
        if p.minimum is not None and p.maximum is not None and point.kind == "Number" and not point.path:
            low, high = sorted((float(point.to_wire(p.minimum)), float(point.to_wire(p.maximum))))
            self._space.property(id_, "EURange", ua.Range(low, high), ObjectIds.Range)
        if p.units and point.kind == "Number" and not point.path:
            self._space.property(id_, "EngineeringUnits", engineering_unit(p.units), ObjectIds.EUInformation)


def _depth(node: Node) -> int:
    """Parents come before what hangs below them."""
    return 0 if isinstance(node.place, NodeRef) else len(node.place)


def _structures(unit: Unit) -> list[Structure]:
    """Inner ones first."""
    found: dict[str, Structure] = {}

    def visit(shape: Shape) -> None:
        if isinstance(shape, Structure):
            for field in shape.fields.values():
                visit(field)
            found[shape.name] = shape

    shapes = [node.shape for node in unit.nodes.values()]
    for shape in shapes + [shape for call in unit.points.calls.values() for shape in call.outputs.values()]:
        visit(shape)
    return list(found.values())


def _field(name: str, shape: Shape, unit: Unit) -> ua.StructureField:
    found = ua.StructureField()
    found.Name = name
    found.DataType = unit.data_type(shape)
    found.ValueRank = ua.ValueRank.OneDimension if shape.array else ua.ValueRank.Scalar
    return found


def _kind(node: Node) -> int:
    p = node.points[0].resource.properties
    analog = p.minimum is not None and p.maximum is not None and node.points[0].kind == "Number"
    return ObjectIds.AnalogItemType if analog and not node.points[0].path else ObjectIds.BaseDataVariableType


def _attributes(node: Node, unit: Unit) -> ua.VariableAttributes:
    attributes = ua.VariableAttributes()
    attributes.DisplayName = ua.LocalizedText(node.name)
    attributes.Description = ua.LocalizedText(node.points[0].resource.description)
    attributes.DataType = unit.data_type(node.shape)
    attributes.ValueRank = ua.ValueRank.OneDimension if node.shape.array else ua.ValueRank.Scalar
    attributes.Value = node.variant
    attributes.AccessLevel = attributes.UserAccessLevel = access(node)
    attributes.Historizing = node.history is not None
    attributes.MinimumSamplingInterval = 1000.0 * unit.period
    attributes.SpecifiedAttributes |= ua.NodeAttributesMask.MinimumSamplingInterval
    return attributes


def access(node: Node) -> int:
    """Bits of the access level (Part 3, 8.57)."""
    found = ua.AccessLevel.CurrentRead.mask if any(point.readable for point in node.points) else 0
    found |= ua.AccessLevel.CurrentWrite.mask if any(point.writable for point in node.points) else 0
    return int(found | (ua.AccessLevel.HistoryRead.mask if node.history is not None else 0))
