"""Node ids of one server, as people and profiles write them: by the URI of their namespace, never by its index."""

import base64
import uuid
from collections.abc import Sequence

from asyncua import ua

from mappers.opcua.address import NodeRef


def plain(id_: ua.NodeId, namespaces: Sequence[str]) -> ua.NodeId | None:
    """A node of this server; None: it is on another, or of a namespace that this one does not have."""
    if not isinstance(id_, ua.ExpandedNodeId):
        return id_
    if id_.ServerIndex:
        return None
    if not id_.NamespaceUri:
        return ua.NodeId(id_.Identifier, id_.NamespaceIndex, id_.NodeIdType)
    if id_.NamespaceUri not in namespaces:
        return None
    return ua.NodeId(id_.Identifier, ua.Int16(namespaces.index(id_.NamespaceUri)), id_.NodeIdType)


def text(id_: ua.NodeId, namespaces: Sequence[str]) -> str:
    """`nsu=urn:acme:press;s=Speed`; `i=2258` in namespace 0; an index where the server does not say its URI."""
    index, given = id_.NamespaceIndex, id_.Identifier
    uri = namespaces[index] if 0 < index < len(namespaces) else ""
    namespace = uri if uri and ";" not in uri else index
    if isinstance(given, str):
        return str(NodeRef(namespace, "s", given))
    if isinstance(given, bytes):
        return str(NodeRef(namespace, "b", base64.b64encode(given).decode()))
    return str(NodeRef(namespace, "g" if isinstance(given, uuid.UUID) else "i", str(given)))
