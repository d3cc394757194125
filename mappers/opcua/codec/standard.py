"""Structures and other data types of namespace 0, which every server has alike: taken from asyncua's own classes, so no
server need be asked. asyncua decodes their bodies itself."""

import typing
from dataclasses import fields, is_dataclass
from enum import Enum, IntFlag
from functools import cache
from typing import Any

from asyncua import ua
from asyncua.ua.object_ids import ObjectIdNames, ObjectIds
from asyncua.ua.ua_binary import get_safe_type_hints

from mappers.opcua.codec.structure import Field, Kind, Structure

V = ua.VariantType
BUILT_IN = 25
"""The highest number of a builtin type (Part 6, 5.1.2)."""
_ABSTRACT: dict[int, Kind] = {
    24: V.Variant,
    26: V.Variant,
    27: V.Variant,
    28: V.Variant,
    29: V.Int32,
    22: V.ExtensionObject,
}
"""BaseDataType, Number, Integer and UInteger are whatever somebody writes (Part 5, 12.2); an Enumeration is an Int32, a
structure of any type an ExtensionObject."""


_BASES = frozenset(
    {
        ObjectIds.Union, ObjectIds.Vector, ObjectIds.CartesianCoordinates, ObjectIds.Orientation, ObjectIds.Frame,
        ObjectIds.BaseConfigurationDataType, ObjectIds.BaseConfigurationRecordDataType, ObjectIds.DataTypeSchemaHeader,
        ObjectIds.DataTypeDescription, ObjectIds.PublishedDataSetSourceDataType,
        ObjectIds.DataSetWriterTransportDataType, ObjectIds.DataSetWriterMessageDataType,
        ObjectIds.PubSubGroupDataType, ObjectIds.WriterGroupTransportDataType, ObjectIds.WriterGroupMessageDataType,
        ObjectIds.ConnectionTransportDataType, ObjectIds.NetworkAddressDataType,
        ObjectIds.ReaderGroupTransportDataType, ObjectIds.ReaderGroupMessageDataType,
        ObjectIds.DataSetReaderTransportDataType, ObjectIds.DataSetReaderMessageDataType,
        ObjectIds.SubscribedDataSetDataType, ObjectIds.QosDataType, ObjectIds.TransmitQosDataType,
        ObjectIds.ReceiveQosDataType, ObjectIds.DataTypeDefinition, ObjectIds.UserIdentityToken,
        ObjectIds.FilterOperand, ObjectIds.HistoryReadDetails, ObjectIds.HistoryUpdateDetails,
    }
)  # fmt: skip
"""Abstract structures: what stands there is one of their subtypes, which it names (Part 6, 5.2.2.15). OptionSet, too,
is abstract, but its subtypes only name its bits."""


def kind_of(data_type: ua.NodeId) -> Kind | None:
    """What a data type of namespace 0 is; None: it has to be looked up on the server."""
    number = data_type.Identifier
    if data_type.NamespaceIndex or not isinstance(number, int):
        return None
    if number in _ABSTRACT:
        return _ABSTRACT[number]
    if 0 < number <= BUILT_IN:
        return V(number)
    if number in _BASES:
        return V.ExtensionObject
    known = _registered().get(data_type)
    if known is not None:
        return structure_of(known)
    cls = getattr(ua, ObjectIdNames.get(number, ""), None)
    return None if not isinstance(cls, type) or is_dataclass(cls) else _kind(cls)


@cache
def _registered() -> dict[ua.NodeId, ua.NodeId]:
    """The binary encoding of every structure of namespace 0, by its data type."""
    known = ua.extension_objects_by_typeid.items()
    return {cls.data_type: encoding for encoding, cls in known if encoding.NamespaceIndex == 0}  # type: ignore[attr-defined]


def structure_of(encoding: ua.NodeId) -> Structure | None:
    """By the id of the binary encoding."""
    cls = ua.extension_objects_by_typeid.get(encoding) if encoding.NamespaceIndex == 0 else None
    return None if cls is None else _structure(cls, encoding)


@cache
def _structure(cls: type, encoding: ua.NodeId) -> Structure | None:
    """None for the few that say their types in ways of their own."""
    found = Structure(cls.__name__, encoding)
    try:
        hints = get_safe_type_hints(cls, {"ua": ua})
        members = [_field(one.name, hints[one.name]) for one in fields(cls)]
    except (TypeError, AttributeError, KeyError, NameError):
        return None
    if any(member is None for member in members):
        return None
    found.fields = tuple(member for member in members if member is not None)
    return found


def _field(name: str, hint: Any) -> Field | None:
    rank = -1
    if typing.get_origin(hint) is list:
        (hint,) = typing.get_args(hint)
        rank = 1
    kind = _kind(hint) if isinstance(hint, type) and name != "Encoding" else None
    return None if kind is None else Field(name, kind, rank)


def _kind(cls: type) -> Kind | None:
    if issubclass(cls, Enum):
        width = cls.datatype() if issubclass(cls, IntFlag) and hasattr(cls, "datatype") else "Int32"
        return V.__members__.get(width)
    if cls.__name__ in V.__members__:
        return V.__members__[cls.__name__]
    if cls.__name__ == "CharArray":
        return V.String
    encoding = _registered().get(cls.data_type) if is_dataclass(cls) and hasattr(cls, "data_type") else None
    return None if encoding is None else structure_of(encoding)
