"""asyncua's own encoder of structures, which shares nothing with ours: it makes Python classes of definitions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from asyncua import ua
from asyncua.common.structures104 import make_enum, make_structure
from asyncua.ua.ua_binary import struct_to_binary

NAMESPACE = 2
REGISTERS = (
    ua.extension_objects_by_datatype,
    ua.extension_objects_by_typeid,
    ua.datatype_by_extension_object,
    ua.typeid_by_extension_objects,
    ua.enums_by_datatype,
    ua.enums_datatypes,
)


def field(name: str, data_type: ua.NodeId, rank: int = -1, optional: bool = False) -> ua.StructureField:
    return ua.StructureField(name, ua.LocalizedText(), data_type, rank, [], 0, optional)


def builtin(kind: ua.VariantType) -> ua.NodeId:
    return ua.NodeId(kind.value)


@contextmanager
def classes(
    structures: Mapping[ua.NodeId, tuple[str, ua.StructureDefinition]],
    enums: Mapping[ua.NodeId, tuple[str, ua.EnumDefinition]] | None = None,
) -> Iterator[dict[ua.NodeId, type]]:
    """Python classes for definitions, in their order (those inside others first); forgotten at the end, so that asyncua
    leaves alone the bodies of these structures."""
    before = [dict(register) for register in REGISTERS]
    names = set(vars(ua))
    made: dict[ua.NodeId, type] = {}
    try:
        for node, (name, definition) in (enums or {}).items():
            made[node] = make_enum(name, definition, False)[name]
            ua.register_enum(name, node, made[node])
        for node, (name, definition) in structures.items():
            made[node] = make_structure(node, name, definition)[name]
            ua.register_extension_object(name, definition.DefaultEncodingId, made[node], node)
        yield made
    finally:
        for register, old in zip(REGISTERS, before, strict=True):
            register.clear()
            register.update(old)
        for name in set(vars(ua)) - names:
            delattr(ua, name)


def body(instance: Any) -> bytes:
    """By asyncua."""
    return struct_to_binary(instance)


def definition(
    number: int, fields: list[ua.StructureField], kind: ua.StructureType = ua.StructureType.Structure
) -> ua.StructureDefinition:
    return ua.StructureDefinition(ua.NodeId(5000 + number, NAMESPACE), ua.NodeId(22), kind, fields)
