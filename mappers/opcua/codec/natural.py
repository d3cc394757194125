"""What asyncua makes of a value → plain Python: bool, int, float, str, bytes, list, dict or None.

Times are RFC 3339 text in UTC with nine digits. asyncua keeps microseconds of the wire's 100 ns; inside structures that
are decoded here (`structure`) nothing is lost.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc

from gateway.model.reading import Quality
from gateway.model.single import shortest
from mappers.opcua.codec import limits

_INDEXED = re.compile(r"\d{1,5}:")
Unpack = Callable[[ua.ExtensionObject, int], Any]
"""Plain Python of a structure that asyncua left alone, at a depth."""


class Misfit(Exception):
    """A value that cannot be had; why."""

    def __init__(self, quality: Quality) -> None:
        self.quality = quality
        super().__init__(quality.code)


def too_much(what: str) -> Misfit:
    """The server sends more than is taken."""
    return Misfit(Quality("bad", "device", what))


def time_text(value: datetime) -> str:
    """`2026-11-21T20:08:05.123456000Z`."""
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return f"{value.isoformat(timespec='microseconds')}000Z"


def status_text(value: int) -> str:
    """`BadNodeIdUnknown`; hexadecimal for what has no name or says more than its name (Part 4, 7.39)."""
    name, _ = get_name_and_doc(value)
    found: str = name if getattr(StatusCodes, name, None) == value else f"0x{value:08X}"
    return found


def clean(text: str) -> str:
    """Text that can be written as UTF-8: asyncua keeps bytes that are none as halves of surrogates."""
    if text.isascii():
        return text
    return text.encode(errors="surrogateescape").decode(errors="replace")


def name_text(name: ua.QualifiedName) -> str:
    """`2:Speed`; in namespace 0 without the index, unless the name itself looks as if it had one."""
    text = clean(name.Name or "")
    return f"{name.NamespaceIndex & 0xFFFF}:{text}" if name.NamespaceIndex or _INDEXED.match(text) else text


def expanded_text(node: ua.ExpandedNodeId) -> str:
    """`svr=1;nsu=urn:acme;i=5` (Part 6, 5.3.1.11)."""
    plain = ua.NodeId(node.Identifier, ua.Int16(0 if node.NamespaceUri else node.NamespaceIndex))
    uri = (node.NamespaceUri or "").replace("%", "%25").replace(";", "%3B")
    server = f"svr={node.ServerIndex};" if node.ServerIndex else ""
    return clean(f"{server}{f'nsu={uri};' if uri else ''}{plain.to_string()}")


def short(value: Any) -> Any:
    """A Float, or lists of them, as its shortest decimal, where nobody transforms it: 26.53, not 26.530000686645508."""
    if isinstance(value, list):
        return [short(one) for one in value]
    return shortest(value) if isinstance(value, float) and value - value == 0 else value


def natural(value: Any, unpack: Unpack, depth: int = 0) -> Any:
    """Plain Python of anything asyncua decodes. `unpack` is asked for structures asyncua does not know. Raises Misfit
    for what is nested too deeply."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if depth > limits.DEPTH:
        raise too_much(f"a value of more than {limits.DEPTH} levels")
    if kind is list:
        return [natural(one, unpack, depth + 1) for one in value]
    convert = _BY_TYPE.get(kind)
    if convert is not None:
        return convert(value)
    if kind is ua.Variant:
        found = natural(value.Value, unpack, depth + 1)
        return short(found) if value.VariantType is ua.VariantType.Float else found
    if kind is ua.ExtensionObject:
        return unpack(value, depth + 1)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float | str | bytes):
        return _base_of(value)
    return _members(value, unpack, depth + 1)


def _base_of(value: Any) -> Any:
    """asyncua's own subclasses of Python's types."""
    if isinstance(value, str):
        return clean(str(value))
    return float(value) if isinstance(value, float) else bytes(value)


def _members(value: Any, unpack: Unpack, depth: int) -> Any:
    """Of a data value, a union or any other structure asyncua knows; what is absent is left out of data values."""
    if isinstance(value, ua.DataValue):
        return _data_value(value, unpack, depth)
    if isinstance(value, tuple):
        return [natural(one, unpack, depth) for one in value]
    if not is_dataclass(value):
        raise Misfit(Quality("bad", "config", f"a {type(value).__name__} cannot be shown"))
    return {
        clean(field.name): natural(getattr(value, field.name), unpack, depth)
        for field in fields(value)
        if field.name != "Encoding"
    }


def _data_value(value: ua.DataValue, unpack: Unpack, depth: int) -> dict[str, Any]:
    found = {"Value": natural(value.Value, unpack, depth)}
    if value.StatusCode is not None and value.StatusCode.value:
        found["StatusCode"] = status_text(value.StatusCode.value)
    for name in ("SourceTimestamp", "ServerTimestamp"):
        stamp = getattr(value, name)
        if stamp is not None:
            found[name] = time_text(stamp)
    return found


_AS_IT_IS = frozenset((int, float, bool, bytes, type(None)))
_NODE_IDS = (
    ua.NodeId,
    ua.TwoByteNodeId,
    ua.FourByteNodeId,
    ua.NumericNodeId,
    ua.StringNodeId,
    ua.GuidNodeId,
    ua.ByteStringNodeId,
)
_BY_TYPE: dict[type, Callable[[Any], Any]] = {
    str: clean,
    datetime: time_text,
    ua.DateTime: time_text,
    uuid.UUID: str,
    **dict.fromkeys(_NODE_IDS, lambda value: clean(value.to_string())),
    ua.ExpandedNodeId: expanded_text,
    ua.StatusCode: lambda value: status_text(value.value),
    ua.QualifiedName: name_text,
    ua.LocalizedText: lambda value: clean(value.Text or ""),
    ua.XmlElement: lambda value: clean(value.Value or ""),
}
