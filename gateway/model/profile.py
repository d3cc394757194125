"""EdgeX device profiles (v3, as in EdgeX 3.1 to 4.x) with the extensions of our own names.

The same types take YAML (scalars keep their literal text, see `scalar.Plain`) and JSON (strict types). The rules are
those of the EdgeX contract, sections 0 and 1: a YAML scalar of any type becomes text in a text field; a number field
wants a plain number. Files and request bodies come in through `load`, which also drops nulls and reports unknown keys.
Fields stand in the order in which EdgeX writes them.
"""

from enum import StrEnum
from functools import cached_property

from pydantic import Field

from gateway.model.extensions import Extensions, extensions
from gateway.model.fields import (
    EdgeXModel,
    Flag,
    FreeMap,
    FreeValue,
    GoDuration,
    Integer,
    Name,
    Number,
    Optional,
    StringMap,
    Text,
    Unsigned,
    Uuid,
)

__all__ = [
    "INTEGER_RANGE",
    "Compat",
    "DeviceCommand",
    "DeviceProfile",
    "DeviceResource",
    "EdgeXModel",
    "Flag",
    "FreeMap",
    "FreeValue",
    "GoDuration",
    "Name",
    "Number",
    "ReadWrite",
    "ResourceOperation",
    "ResourceProperties",
    "StringMap",
    "Text",
    "ValueType",
]


class ValueType(StrEnum):
    """EdgeX's value types; matched case-insensitively, kept in this spelling."""

    BOOL = "Bool"
    STRING = "String"
    UINT8 = "Uint8"
    UINT16 = "Uint16"
    UINT32 = "Uint32"
    UINT64 = "Uint64"
    INT8 = "Int8"
    INT16 = "Int16"
    INT32 = "Int32"
    INT64 = "Int64"
    FLOAT32 = "Float32"
    FLOAT64 = "Float64"
    BINARY = "Binary"
    OBJECT = "Object"
    OBJECT_ARRAY = "ObjectArray"
    BOOL_ARRAY = "BoolArray"
    STRING_ARRAY = "StringArray"
    UINT8_ARRAY = "Uint8Array"
    UINT16_ARRAY = "Uint16Array"
    UINT32_ARRAY = "Uint32Array"
    UINT64_ARRAY = "Uint64Array"
    INT8_ARRAY = "Int8Array"
    INT16_ARRAY = "Int16Array"
    INT32_ARRAY = "Int32Array"
    INT64_ARRAY = "Int64Array"
    FLOAT32_ARRAY = "Float32Array"
    FLOAT64_ARRAY = "Float64Array"

    @classmethod
    def _missing_(cls, value: object) -> "ValueType | None":
        return _BY_LOWER_CASE.get(value.lower()) if isinstance(value, str) else None

    @property
    def is_integer(self) -> bool:
        """A scalar integer type."""
        return self in INTEGER_RANGE

    @property
    def is_float(self) -> bool:
        """Float32 or Float64."""
        return self in (ValueType.FLOAT32, ValueType.FLOAT64)


_BY_LOWER_CASE = {member.value.lower(): member for member in ValueType}

INTEGER_RANGE: dict[ValueType, tuple[int, int]] = {
    **{ValueType(f"Uint{bits}"): (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{ValueType(f"Int{bits}"): (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
"""Lowest and highest value of each scalar integer type."""


class ReadWrite(StrEnum):
    """Direction of a resource or command; `WR` means the same as `RW`."""

    R = "R"
    W = "W"
    RW = "RW"
    WR = "WR"

    @property
    def readable(self) -> bool:
        return "R" in self.value

    @property
    def writable(self) -> bool:
        return "W" in self.value


class ResourceProperties(EdgeXModel):
    """What a value is: type, direction, units, limits, transform."""

    always = frozenset({"valueType", "readWrite"})

    value_type: ValueType
    read_write: ReadWrite
    units: Text = ""
    minimum: Number | None = None
    maximum: Number | None = None
    default_value: Text = ""
    mask: Unsigned | None = None
    shift: Integer | None = None
    scale: Number | None = None
    offset: Number | None = None
    base: Number | None = None
    assertion: Text = ""
    media_type: Text = ""
    optional: Optional = Field(default_factory=dict)

    @cached_property
    def extensions(self) -> Extensions:
        """Our own keys of `optional`, typed."""
        return extensions(self.optional)


class DeviceResource(EdgeXModel):
    """One value of a device. `attributes` say where it is on the wire and belong to the protocol."""

    always = frozenset({"name", "isHidden", "properties"})

    description: Text = ""
    name: Name
    is_hidden: Flag = False
    properties: ResourceProperties
    attributes: FreeMap = Field(default_factory=dict)
    tags: FreeMap = Field(default_factory=dict)


class ResourceOperation(EdgeXModel):
    """A resource as part of a command: its default when written, its texts for values."""

    always = frozenset({"deviceResource"})

    device_resource: Name
    default_value: Text = ""
    mappings: StringMap = Field(default_factory=dict)


class DeviceCommand(EdgeXModel):
    """Several resources read or written together."""

    always = frozenset({"name", "isHidden", "readWrite", "resourceOperations"})

    name: Name
    is_hidden: Flag = False
    read_write: ReadWrite
    resource_operations: list[ResourceOperation] = Field(min_length=1)
    tags: FreeMap = Field(default_factory=dict)


class Compat(StrEnum):
    """Whose behaviour where EdgeX is plainly wrong."""

    NONE = "none"
    EDGEX = "edgex"


class DeviceProfile(EdgeXModel):
    """A kind of device. `inconsistencies` checks what its parts say about each other."""

    always = frozenset({"apiVersion", "name", "deviceResources", "deviceCommands"})
    unread = frozenset({"$schema", "created", "modified", "dbTimestamp", "linkedDeviceCount"})

    api_version: Text = "v3"
    id: Uuid = ""
    name: Name
    manufacturer: Text = ""
    description: Text = ""
    model: Text = ""
    labels: list[Text] = Field(default_factory=list)
    compat: Compat = Compat.NONE
    """`edgex`: upstream's quirks for this profile."""
    device_resources: list[DeviceResource] = Field(default_factory=list)
    device_commands: list[DeviceCommand] = Field(default_factory=list)
