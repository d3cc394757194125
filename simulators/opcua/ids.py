"""asyncua's ids and status codes from plain numbers and texts, which is what it takes, whatever its annotations say."""

from typing import Any

from asyncua import ua


def node_id(identifier: int | str, namespace: int = 0) -> ua.NodeId:
    """Numeric or of text."""
    plain: Any = identifier
    index: Any = namespace
    return ua.NodeId(plain, index)


def status(code: int) -> ua.StatusCode:
    """One of `ua.StatusCodes`."""
    plain: Any = code
    return ua.StatusCode(plain)
