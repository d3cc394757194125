"""Sources, events and messages to fill a journal with."""

from collections.abc import Sequence
from typing import Any

from gateway.model.profile import DeviceResource, ReadWrite, ResourceProperties, ValueType
from gateway.model.reading import Event, Message, Source

ORIGIN = 1_763_635_200_000_000_000


def resource(name: str, kind: ValueType = ValueType.UINT16, **attributes: Any) -> DeviceResource:
    properties = ResourceProperties(value_type=kind, read_write=ReadWrite.R)
    return DeviceResource(name=name, attributes=attributes, properties=properties)


def source(device: str = "meter", names: Sequence[str] = ("Voltage", "Current"), name: str = "all") -> Source:
    resources = tuple(resource(one, startingAddress=position) for position, one in enumerate(names))
    return Source("device-modbus", "meter-profile", device, name, resources)


def event(of: Source, number: int, values: list[Any] | None = None) -> Event:
    """The event of second `number`."""
    return Event(of, ORIGIN + number * 10**9, values or [number % 65536] * len(of.names))


def message(number: int, device: str = "meter") -> Message:
    return Message("alarm", device, "Hot", ORIGIN + number * 10**9, {"id": f"alarm-{number}", "state": "raised"})
