"""A session with an OPC UA server: connection, namespaces, node ids, limits, and whatever is asked over it."""

from mappers.opcua.session.session import Session

__all__ = ["Session"]
