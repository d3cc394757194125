"""Nodes put into a server's address space, thousands in a second: asyncua's own service looks at all children
of a parent for each new one."""

from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData, NodeManagementService
from asyncua.ua.object_ids import ObjectIds

from gateway.model.errors import ConfigError
from simulators.opcua.ids import node_id


class Space:
    """Of a server that has not been started."""

    def __init__(self, nodes: AddressSpace, service: NodeManagementService) -> None:
        self.nodes = nodes
        self._service = service
        self._children: dict[ua.NodeId, dict[tuple[int, str], ua.NodeId]] = {}

    def __contains__(self, id_: ua.NodeId) -> bool:
        return id_ in self.nodes

    def child(self, parent: ua.NodeId, name: ua.QualifiedName) -> ua.NodeId | None:
        """The node of this browse name below another."""
        if parent not in self._children:
            forward = [reference for reference in self.nodes[parent].references if reference.IsForward]
            self._children[parent] = {_key(one.BrowseName): one.NodeId for one in forward}
        return self._children[parent].get(_key(name))

    def add(
        self, parent: ua.NodeId, id_: ua.NodeId, name: ua.QualifiedName, cls: ua.NodeClass, attributes: Any,
        kind: int | None = None, reference: int = ObjectIds.HasComponent,
    ) -> ua.NodeId:  # fmt: skip
        """`kind`: its type. Returns the id. Raises ConfigError if it is taken."""
        if id_ in self.nodes:
            raise ConfigError(f"{name.Name} cannot be served as {id_.to_string()}: that is another node already")
        item = ua.AddNodesItem(RequestedNewNodeId=id_, BrowseName=name, NodeClass=cls, NodeAttributes=attributes)
        for _ in self._service.try_add_nodes(
            [item], check=False
        ):  # of no parent: asyncua would go through its children
            raise ConfigError(f"asyncua does not serve {name.Name} as {id_.to_string()}")
        data = self.nodes[id_]
        type_ = None if kind is None else node_id(kind)
        of_parent = self.nodes[parent]
        down = _reference(reference, data, type_, forward=True)
        of_parent.references.append(down)
        data.references.append(_reference(reference, of_parent, None, forward=False))
        if type_ is not None:
            data.references.append(_reference(ObjectIds.HasTypeDefinition, self.nodes[type_], None, forward=True))
        if parent in self._children:
            self._children[parent][_key(name)] = id_
        return id_

    def object(self, parent: ua.NodeId, name: ua.QualifiedName, id_: ua.NodeId) -> ua.NodeId:
        """A plain one."""
        attributes = ua.ObjectAttributes()
        attributes.DisplayName = ua.LocalizedText(name.Name)
        kind, reference = ObjectIds.BaseObjectType, ObjectIds.Organizes
        return self.add(parent, id_, name, ua.NodeClass.Object, attributes, kind, reference)

    def property(self, of: ua.NodeId, name: str, value: Any, kind: int) -> None:
        """A structure, or a list of structures, of the standard type `kind`."""
        attributes = ua.VariableAttributes()
        attributes.DisplayName = ua.LocalizedText(name)
        attributes.DataType = node_id(kind)
        attributes.ValueRank = ua.ValueRank.OneDimension if isinstance(value, list) else ua.ValueRank.Scalar
        attributes.Value = ua.Variant(value, ua.VariantType.ExtensionObject)
        attributes.AccessLevel = attributes.UserAccessLevel = ua.AccessLevel.CurrentRead.mask
        id_ = node_id(f"{of.to_string()} {name}", 1)
        browse, type_, reference = ua.QualifiedName(name, 0), ObjectIds.PropertyType, ObjectIds.HasProperty
        self.add(of, id_, browse, ua.NodeClass.Variable, attributes, type_, reference)

    def change(self, id_: ua.NodeId, attribute: ua.AttributeIds, value: ua.DataValue) -> None:
        """Of a node that is there."""
        self.nodes[id_].attributes[attribute] = AttributeValue(value)


def _key(name: ua.QualifiedName) -> tuple[int, str]:
    return name.NamespaceIndex, name.Name


def _reference(kind: int, to: NodeData, type_: ua.NodeId | None, *, forward: bool) -> Any:
    found: Any = ua.ReferenceDescription()
    found.ReferenceTypeId, found.IsForward, found.NodeId = node_id(kind), forward, to.nodeid
    found.BrowseName = _value(to, ua.AttributeIds.BrowseName)
    found.DisplayName = _value(to, ua.AttributeIds.DisplayName)
    found.NodeClass = _value(to, ua.AttributeIds.NodeClass)
    if type_ is not None:
        found.TypeDefinition = type_
    return found


def _value(of: NodeData, attribute: ua.AttributeIds) -> Any:
    held = of.attributes[attribute].value
    return held.Value.Value if held is not None and held.Value is not None else None
