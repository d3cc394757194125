"""Short ways to write resources, devices and sources."""

from typing import Any

from gateway.model.device import Device
from gateway.model.profile import Compat, DeviceResource
from gateway.model.reading import Source
from mappers.modbus.point import Point, locate


def resource(name: str, value_type: str, address: Any, table: str = "HOLDING_REGISTERS", **more: Any) -> DeviceResource:
    """`read_write` among `more` is the direction; everything else is an attribute."""
    direction = more.pop("read_write", "R" if "INPUT" in table else "RW")
    attributes = {"primaryTable": table, "startingAddress": address, **more}
    properties = {"valueType": value_type, "readWrite": direction}
    return DeviceResource.model_validate({"name": name, "properties": properties, "attributes": attributes})


def point(
    value_type: str,
    address: Any = 0,
    table: str = "HOLDING_REGISTERS",
    compat: Compat = Compat.NONE,
    name: str = "v",
    **more: Any,
) -> Point:
    found, problems = locate(resource(name, value_type, address, table, **more), compat)
    assert found is not None, problems
    return found


def device(port: int = 502, unit: int = 1, **properties: Any) -> Device:
    given = {"Address": "127.0.0.1", "Port": port, "UnitID": unit, **properties}
    return Device.model_validate({"name": "d", "profileName": "p", "protocols": {"modbus-tcp": given}})


def serial_device(path: str = "/dev/ttyS9", unit: int = 1, **properties: Any) -> Device:
    given = {"Address": path, "UnitID": unit, "BaudRate": 9600, "Parity": "N", **properties}
    return Device.model_validate({"name": "d", "profileName": "p", "protocols": {"modbus-rtu": given}})


def source(*resources: DeviceResource, name: str = "all", compat: Compat = Compat.NONE) -> Source:
    return Source("device-modbus", "p", "d", name, resources, compat=compat)
