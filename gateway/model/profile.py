"""EdgeX device profiles (v3, as in EdgeX 3.1 to 4.x) with the extensions of our own names.

The same types take YAML (scalars keep their literal text, see `yaml.Scalar`) and JSON (strict types). The rules are
those of the EdgeX contract, sections 0 and 1: a YAML scalar of any type becomes text in a text field; a number field
wants a plain number.
"""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class EdgeXModel(BaseModel):
    """camelCase outside, snake_case inside; frozen; unknown keys are kept aside for a warning, never an error here."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


Text = str
Name = str
Flag = bool
Number = float
GoDuration = str
FreeMap = dict[str, Any]
StringMap = dict[str, str]


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

    @property
    def is_integer(self) -> bool:
        """A scalar integer type."""
        return self in INTEGER_RANGE

    @property
    def is_float(self) -> bool:
        """Float32 or Float64."""
        return self in (ValueType.FLOAT32, ValueType.FLOAT64)


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

    value_type: ValueType
    read_write: ReadWrite
    units: Text = ""
    minimum: Number | None = None
    maximum: Number | None = None
    default_value: Text = ""
    mask: int | None = None
    shift: int | None = None
    scale: Number | None = None
    offset: Number | None = None
    base: Number | None = None
    assertion: Text = ""
    media_type: Text = ""
    optional: FreeMap = {}


class DeviceResource(EdgeXModel):
    """One value of a device. `attributes` say where it is on the wire and belong to the protocol."""

    name: Name
    description: Text = ""
    is_hidden: Flag = False
    tags: FreeMap = {}
    attributes: FreeMap = {}
    properties: ResourceProperties


class ResourceOperation(EdgeXModel):
    device_resource: Name
    default_value: Text = ""
    mappings: StringMap = {}


class DeviceCommand(EdgeXModel):
    """Several resources read or written together."""

    name: Name
    is_hidden: Flag = False
    read_write: ReadWrite
    tags: FreeMap = {}
    resource_operations: list[ResourceOperation] = Field(min_length=1)


class Compat(StrEnum):
    NONE = "none"
    EDGEX = "edgex"


class DeviceProfile(EdgeXModel):
    """A kind of device."""

    api_version: Text = "v3"
    id: Text = ""
    name: Name
    manufacturer: Text = ""
    model: Text = ""
    description: Text = ""
    labels: list[Text] = []
    compat: Compat = Compat.NONE
    """`edgex`: upstream's quirks for this profile."""
    device_resources: list[DeviceResource] = []
    device_commands: list[DeviceCommand] = []
