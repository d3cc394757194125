"""Resources, sources and devices of OPC UA tests."""

from typing import Any

from gateway.model.device import Device
from gateway.model.profile import DeviceResource
from gateway.model.reading import Source


def resource(name: str = "r", value_type: str = "Int32", read_write: str = "R", **attributes: Any) -> DeviceResource:
    """At `ns=2;s=NAME` unless attributes say otherwise."""
    properties = {"valueType": value_type, "readWrite": read_write}
    given = attributes or {"nodeId": f"ns=2;s={name}"}
    return DeviceResource.model_validate({"name": name, "properties": properties, "attributes": given})


def source(*resources: DeviceResource, name: str = "s") -> Source:
    return Source("device-opcua", "p", "d", name, resources)


def device(**properties: Any) -> Device:
    given = {"Endpoint": "opc.tcp://127.0.0.1:4840", **properties}
    return Device.model_validate({"name": "d", "profileName": "p", "protocols": {"opcua": given}})
