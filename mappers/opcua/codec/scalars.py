"""Single values, typed or as text, → what asyncua sends for each builtin type. Pure. Raises Unfit."""

import base64
import binascii
import json
import math
import re
import struct
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from gateway.model.profile import INTEGER_RANGE, ValueType
from mappers.opcua.address import node_ref
from mappers.opcua.codec.structure import END
from mappers.opcua.codec.values import INTEGERS

V = ua.VariantType
_INTEGER = re.compile(r"[-+]?[0-9]{1,25}", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_EXPANDED = re.compile(r"(?:svr=(\d+);)?(?:nsu=([^;]*);)?(.*)", re.ASCII | re.DOTALL)
_FIRST = datetime(1601, 1, 1, tzinfo=UTC)
_TRUTH = {
    **dict.fromkeys(("true", "True", "TRUE", "1"), True),
    **dict.fromkeys(("false", "False", "FALSE", "0"), False),
}


class Unfit(Exception):
    """A value that cannot be sent; why, without saying where."""


def shown(value: Any) -> str:
    """For words."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def wanted(kind: ua.VariantType) -> str:
    """What is taken, in words."""
    if kind in INTEGERS:
        low, high = INTEGER_RANGE[ValueType(INTEGERS[kind])]
        return f"a whole number from {low} to {high}"
    return _WANTED.get(kind, f"a {kind.name}")


_WANTED = {
    V.Boolean: "true or false",
    V.Float: "a number",
    V.Double: "a number",
    V.String: "text",
    V.XmlElement: "text",
    V.DateTime: "a time such as 2026-11-21T20:08:05.5Z",
    V.Guid: "a GUID such as 09087e75-8e5e-499b-954f-f2a9603db28a",
    V.ByteString: "base64, or a list of numbers from 0 to 255",
    V.NodeId: "a node id such as ns=2;s=Line1",
    V.ExpandedNodeId: "a node id such as ns=2;s=Line1",
    V.StatusCode: "a status such as Good or BadOutOfRange, or its number",
    V.QualifiedName: "a name such as 2:Speed",
    V.LocalizedText: 'text, or {"Locale": "en", "Text": …}',
    V.ExtensionObject: "an object",
}


def _refuse(kind: ua.VariantType, value: Any) -> Unfit:
    return Unfit(f"expected {wanted(kind)}, got {shown(value)}")


def _boolean(value: Any) -> bool:
    found = _TRUTH.get(value) if isinstance(value, str) else value
    if found is None or found not in (True, False):
        raise _refuse(V.Boolean, value)
    return bool(found)


def _integer(kind: ua.VariantType) -> Callable[[Any], int]:
    low, high = INTEGER_RANGE[ValueType(INTEGERS[kind])]

    def convert(value: Any) -> int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if not whole and not (isinstance(value, str) and _INTEGER.fullmatch(value)):
            raise _refuse(kind, value)
        found = int(value)
        if not low <= found <= high:
            raise Unfit(f"{shown(value)} does not fit {kind.name} ({low} to {high})")
        return found

    return convert


def _number(kind: ua.VariantType) -> Callable[[Any], float]:
    code = "<f" if kind is V.Float else "<d"

    def convert(value: Any) -> float:
        try:
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise _refuse(kind, value)
            found = float(value)
            struct.pack(code, found)
        except ValueError:
            raise _refuse(kind, value) from None
        except OverflowError:
            raise Unfit(f"{shown(value)} does not fit {kind.name}") from None
        if not math.isfinite(found):
            raise _refuse(kind, value)
        return found

    return convert


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if value is None:
        return None
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise _refuse(V.String, value) from None
    return str(value)


def _bytes(value: Any) -> bytes | None:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
        return None if value is None else bytes(value) if isinstance(value, bytes | list) else _no_bytes(value)
    except (binascii.Error, ValueError, TypeError):
        raise _refuse(V.ByteString, value) from None


def _no_bytes(value: Any) -> bytes:
    raise _refuse(V.ByteString, value)


def ticks(value: Any) -> int:
    """Of 100 ns since 1601, of RFC 3339 text; what is before or after OPC UA's time is its first or last."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _refuse(V.DateTime, value)
    day, time, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{time}{'+00:00' if zone in 'Zz' else zone}")
        seconds = (at - _FIRST) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise _refuse(V.DateTime, value) from None
    found_ticks = seconds * 10_000_000 + int((fraction or "0")[:7].ljust(7, "0"))
    return 2**63 - 1 if found_ticks >= END else max(0, found_ticks)


def _time(value: Any) -> datetime:
    return _FIRST + timedelta(microseconds=min(ticks(value), END) // 10)


def _guid(value: Any) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise _refuse(V.Guid, value) from None


def _status(value: Any) -> ua.StatusCode:
    if isinstance(value, dict) and value.keys() == {"Code", "Symbol"}:
        value = value["Code"]
    found = getattr(StatusCodes, value, None) if isinstance(value, str) else value
    if found is None and isinstance(value, str) and re.fullmatch(r"0x[0-9A-Fa-f]{1,8}", value):
        found = int(value, 16)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**32:
        raise _refuse(V.StatusCode, value)
    return ua.StatusCode(ua.UInt32(found))


def _name(value: Any) -> ua.QualifiedName:
    index, name = 0, value
    if isinstance(value, dict) and value.keys() <= {"NamespaceIndex", "Name"}:
        index, name = value.get("NamespaceIndex", 0), value.get("Name", "")
    elif isinstance(value, str) and (found := re.match(r"(\d{1,5}):", value, re.ASCII)):
        index, name = int(found[1]), value[found.end() :]
    if type(index) is not int or not 0 <= index < 2**15 or not isinstance(name, str):  # asyncua's indexes have a sign
        raise _refuse(V.QualifiedName, value)
    return ua.QualifiedName(_text(name), index)


def _localized(value: Any) -> ua.LocalizedText:
    given = value if isinstance(value, dict) else {"Text": value}
    if not given.keys() <= {"Text", "Locale"}:
        raise _refuse(V.LocalizedText, value)
    return ua.LocalizedText(_text(given.get("Text")), _text(given.get("Locale")) or None)


def _xml(value: Any) -> ua.XmlElement:
    return ua.XmlElement(ua.String(_text(value) or ""))


SCALARS: dict[ua.VariantType, Callable[[Any], Any]] = {
    V.Boolean: _boolean,
    **{kind: _integer(kind) for kind in INTEGERS},
    V.Float: _number(V.Float),
    V.Double: _number(V.Double),
    V.String: _text,
    V.DateTime: _time,
    V.Guid: _guid,
    V.ByteString: _bytes,
    V.XmlElement: _xml,
    V.StatusCode: _status,
    V.QualifiedName: _name,
    V.LocalizedText: _localized,
}
"""What needs to know nothing of the server."""


def node_id(value: Any, namespaces: Sequence[str]) -> ua.NodeId:
    """`namespaces`: URIs by index."""
    try:
        ref = node_ref(str(value))
    except ValueError as error:
        raise Unfit(str(error)) from None
    index = ref.namespace
    if isinstance(index, str):
        if index not in namespaces:
            raise Unfit(f"the server has no namespace {index}")
        index = namespaces.index(index)
    read: dict[str, Callable[[str], Any]] = {"i": int, "g": uuid.UUID, "b": base64.b64decode, "s": str}
    return ua.NodeId(read[ref.kind](ref.identifier), ua.Int16(index))


def expanded_id(value: Any, namespaces: Sequence[str]) -> ua.ExpandedNodeId:
    """As `node_id`; also of other servers, and of namespaces that this one has not (Part 6, 5.3.1.11)."""
    found = _EXPANDED.fullmatch(str(value))
    assert found is not None
    server, uri, rest = int(found[1] or 0), found[2], found[3]
    if server >= 2**32:
        raise _refuse(V.ExpandedNodeId, value)
    if uri is not None:
        uri = uri.replace("%3B", ";").replace("%25", "%")
        if uri in namespaces and not server:
            rest, uri = f"ns={namespaces.index(uri)};{rest}", None
    node = node_id(rest, namespaces)
    namespace = None if uri is None else ua.String(uri)
    return ua.ExpandedNodeId(node.Identifier, node.NamespaceIndex, NamespaceUri=namespace, ServerIndex=ua.Int32(server))


def guess(values: Sequence[Any]) -> ua.VariantType:
    """The type that values of JSON are sent as where every type will do."""
    kinds = {_guessed(value) for value in values}
    if kinds == {V.Int64, V.Double}:
        return V.Double
    return kinds.pop() if len(kinds) == 1 else V.Variant


def _guessed(value: Any) -> ua.VariantType:
    if isinstance(value, bool):
        return V.Boolean
    if isinstance(value, int):
        return V.Int64 if value < 2**63 else V.UInt64
    if isinstance(value, dict):
        return V.Variant if value.keys() == {"Type", "Value"} else V.ExtensionObject
    if value is None:
        return V.Variant
    return {float: V.Double, str: V.String, bytes: V.ByteString}.get(type(value), V.Variant)
