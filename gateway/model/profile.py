"""EdgeX device profiles (v3, as in EdgeX 3.1 to 4.x) with the extensions of our own names.

The same types take YAML (scalars keep their literal text, see `scalar.Plain`) and JSON (strict types). The rules are
those of the EdgeX contract, sections 0 and 1: a YAML scalar of any type becomes text in a text field; a number field
wants a plain number. Files and request bodies come in through `load`, which also drops nulls and reports unknown keys.
Fields stand in the order in which EdgeX writes them.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.model.device import AutoEvent, Device, at_least_1ms
from gateway.model.expression import MARK
from gateway.model.extensions import Extensions, extensions
from gateway.model.fields import (
    EdgeXModel,
    Flag,
    FreeMap,
    FreeValue,
    Integer,
    Name,
    Number,
    Optional,
    Parametric,
    StringMap,
    Text,
    Unsigned,
    Uuid,
)


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
        return "R" in self

    @property
    def writable(self) -> bool:
        return "W" in self


class ResourceProperties(EdgeXModel):
    """What a value is: type, direction, units, limits, transform."""

    always = frozenset({"valueType", "readWrite"})

    value_type: ValueType
    """Type of the value, in any case: `uint16` is `Uint16`."""
    read_write: ReadWrite
    """What may be done: `R`, `W`, `RW` (or `WR`)."""
    units: Text = ""
    """Unit of the value, for people and exporters."""
    minimum: Annotated[Number, Parametric] | None = None
    """Lowest value that may be written."""
    maximum: Annotated[Number, Parametric] | None = None
    """Highest value that may be written."""
    default_value: Text = ""
    """Written when a command brings no value."""
    mask: Annotated[Unsigned, Parametric] | None = None
    """Bits of an integer that count, applied first; 0 is off."""
    shift: Annotated[Integer, Parametric] | None = None
    """Bits an integer is shifted to the right (to the left when negative), after the mask."""
    scale: Annotated[Number, Parametric] | None = None
    """Factor, after base."""
    offset: Annotated[Number, Parametric] | None = None
    """Added last."""
    base: Annotated[Number, Parametric] | None = None
    """The value becomes the power of this base, after the shift."""
    assertion: Text = ""
    """Text the value must equal; otherwise the read fails and the device is DOWN. Empty is off."""
    media_type: Text = ""
    """Kind of content of a Binary value, such as image/jpeg."""
    optional: Optional = Field(default_factory=dict)
    """Free-form, with keys of our own: twin, reapply, tolerance, minInterval, maxInterval."""

    @cached_property
    def extensions(self) -> Extensions:
        """Our own keys of `optional`, typed."""
        return extensions(self.optional)


class DeviceResource(EdgeXModel):
    """One value of a device. `attributes` say where it is on the wire and belong to the protocol."""

    always = frozenset({"name", "isHidden", "properties"})

    description: Text = ""
    """For people."""
    name: Name
    """Unique in the profile."""
    is_hidden: Flag = False
    """Left out of listings of commands."""
    properties: ResourceProperties
    """What the value is."""
    attributes: FreeMap = Field(default_factory=dict)
    """Where it is on the wire: keys of the protocol."""
    tags: FreeMap = Field(default_factory=dict)
    """Free-form; copied to every reading."""


class ResourceOperation(EdgeXModel):
    """A resource as part of a command: its default when written, its texts for values."""

    always = frozenset({"deviceResource"})

    device_resource: Name
    """Name of a resource of this profile."""
    default_value: Text = ""
    """Written when a command brings no value; before the resource's own."""
    mappings: StringMap = Field(default_factory=dict)
    """Texts for raw values, such as {0: "off", 1: "on"}."""


class DeviceCommand(EdgeXModel):
    """Several resources read or written together."""

    always = frozenset({"name", "isHidden", "readWrite", "resourceOperations"})

    name: Name
    """Unique among commands; may equal a resource, and then wins."""
    is_hidden: Flag = False
    """Left out of listings of commands."""
    read_write: ReadWrite
    """What may be done: `R`, `W`, `RW` (or `WR`)."""
    resource_operations: list[ResourceOperation] = Field(min_length=1)
    """The resources, in the order in which they are written."""
    tags: FreeMap = Field(default_factory=dict)
    """Free-form; copied to every event."""


class Compat(StrEnum):
    """Whose behaviour where EdgeX is plainly wrong."""

    NONE = "none"
    EDGEX = "edgex"

    def __or__(self, other: "Compat") -> "Compat":
        """Of the gateway and of a profile: EdgeX's where either says so."""
        return Compat.EDGEX if Compat.EDGEX in (self, other) else Compat.NONE


def _single(value_type: ValueType) -> ValueType:
    if value_type in (ValueType.BOOL, ValueType.STRING) or value_type.is_integer or value_type.is_float:
        return value_type
    raise ValueError(f"a parameter is a single value: Bool, String, or a type of numbers, not {value_type}")


class Parameter(EdgeXModel):
    """What devices of the profile may differ in. `$(name)` stands for it in attributes, in properties except valueType
    and readWrite, in tags, in commands' defaults and mappings, in intervals of `autoEvents`, also in a sum such as
    `$(base + 100 * circuit)`; `$$(` is a plain `$(`. A device gives it under `properties.parameters`."""

    always = frozenset({"valueType"})

    value_type: Annotated[ValueType, AfterValidator(_single)]
    """Bool, String or a type of numbers, which says the range, too."""
    default_value: FreeValue = None
    """For devices that do not give it; without one, every device must."""
    minimum: Number | None = None
    """Lowest value that is taken."""
    maximum: Number | None = None
    """Highest value that is taken."""
    choices: list[FreeValue] = Field(default_factory=list)
    """The only values that are taken."""
    units: Text = ""
    """Unit of the value, for people."""
    description: Text = ""
    """For people."""


def _interval(text: str) -> str:
    return text if MARK in text else at_least_1ms(text)


class ProfileEvent(AutoEvent):
    """One source to be read every `interval`, of each device that has no `autoEvents` of its own."""

    always = AutoEvent.always - {"retention"}

    interval: Annotated[Text, AfterValidator(_interval)]
    """How often it is read: a duration such as 500ms, 10s or 1h30m, or in a profile with parameters `$(fast)`: a class
    of rates whose value each device may give."""


class DeviceProfile(EdgeXModel):
    """A kind of device: its single values, and the commands that read or write several of them together."""

    always = frozenset({"apiVersion", "name", "deviceResources", "deviceCommands"})
    unread = frozenset({"$schema", "created", "modified", "dbTimestamp", "linkedDeviceCount"})

    api_version: Text = "v3"
    """EdgeX writes v3."""
    id: Uuid = ""
    """A UUID; better left out."""
    name: Name
    """What devices refer to."""
    manufacturer: Text = ""
    """Who makes the device."""
    description: Text = ""
    """For people."""
    model: Text = ""
    """The maker's name of the device."""
    labels: list[Text] = Field(default_factory=list)
    """For searching."""
    compat: Compat = Compat.NONE
    """`edgex`: upstream's quirks for this profile."""
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    """By name, what devices of this profile may differ in."""
    device_resources: list[DeviceResource] = Field(default_factory=list)
    """Single values."""
    device_commands: list[DeviceCommand] = Field(default_factory=list)
    """Values read or written together."""
    auto_events: list[ProfileEvent] = Field(default_factory=list)
    """What is read of devices that have no `autoEvents` of their own, and how often."""

    def events_of(self, device: Device) -> Sequence[AutoEvent]:
        """The autoEvents that count for a device: its own, even if it has an empty list of them; else the profile's."""
        return self.auto_events if device.auto_events is None else device.auto_events
