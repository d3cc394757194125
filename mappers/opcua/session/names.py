"""Namespaces of a server: URIs and indexes. An index is the server's own and may be another after it started anew.

What an index in a profile means is what it meant when this process first met the server; it is followed by its URI from
then on (Part 3, 8.2.2; Part 5, 6.3.1).
"""

import base64
import uuid
from collections.abc import Sequence
from typing import Any

from asyncua import ua

from gateway.model.reading import Quality
from mappers.opcua.address import Namespace, NodeRef, Step

OWN = 2
"""Below: OPC UA itself, and the server's own URI, which changes with its name but not its place."""

SHOWN = 200
"""Characters of a server's list of namespaces that are shown."""


class Namespaces:
    """Of one connection."""

    def __init__(self, now: Sequence[str], meant: dict[int, str]) -> None:
        """`now`: the server's array. `meant`: what its indexes stood for when they were first seen; what is new is
        added here."""
        self.now = tuple(now)
        self._meant = meant
        known = set(meant.values())
        meant |= {at: uri for at, uri in enumerate(now) if at not in meant and uri not in known}
        self._index = {uri: at for at, uri in reversed(list(enumerate(self.now)))}
        self.moved = {
            at: self._index.get(uri)
            for at, uri in meant.items()
            if at >= OWN and (at >= len(self.now) or self.now[at] != uri)
        }
        """Indexes that mean something else now: where their namespace is; None: nowhere."""

    def index(self, namespace: Namespace) -> int | None:
        """Where a namespace is now; None: the server has none such."""
        if isinstance(namespace, str):
            return self._index.get(namespace)
        return self.moved.get(namespace, namespace)

    def gone(self, namespace: Namespace) -> Quality:
        """What is wrong with a value in a namespace that is not there."""
        uri = namespace if isinstance(namespace, str) else self._meant[namespace]
        here = ", ".join(self.now[OWN:])[:SHOWN] or "none"
        return Quality("bad", "config", f"the server has no namespace {uri}, but {here}")

    def node_id(self, ref: NodeRef) -> ua.NodeId | Quality:
        """The node id on this server now."""
        index = self.index(ref.namespace)
        return self.gone(ref.namespace) if index is None else node_id(_identifier(ref), index)

    def name(self, step: Step) -> ua.QualifiedName | Quality:
        """A name on a browse path."""
        index = self.index(step.namespace)
        return self.gone(step.namespace) if index is None else ua.QualifiedName(step.name, index)


def node_id(identifier: Any, index: Any = 0) -> ua.NodeId:
    """The library's own, whose types are narrower than what it takes."""
    return ua.NodeId(identifier, index)


def _identifier(ref: NodeRef) -> int | str | bytes | uuid.UUID:
    if ref.kind == "i":
        return int(ref.identifier)
    if ref.kind == "g":
        return uuid.UUID(ref.identifier)
    return base64.b64decode(ref.identifier) if ref.kind == "b" else ref.identifier
