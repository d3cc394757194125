"""An OPC UA server for the mapper suite: asyncua's own, whose side of the wire shares no code with our codec."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asyncua import Server, ua

from gateway.model.device import Device
from gateway.model.profile import DeviceProfile, DeviceResource
from tests.contract.rig import Rig
from tests.support.opcua import plain_server
from tests.support.ports import free_port

URI = "urn:southgate:tests"


@asynccontextmanager
async def server(port: int) -> AsyncIterator[tuple[Server, int]]:
    """An empty one without security, and the index of its namespace."""
    made = plain_server()
    await made.init()
    made.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    made.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await made.register_namespace(URI)
    await made.start()
    try:
        yield made, index
    finally:
        await made.stop()


async def add(made: Server, index: int, name: str, value: Any, kind: ua.VariantType, *, writable: bool = False) -> None:
    """A variable `ns=INDEX;s=NAME` below Objects."""
    node_id = ua.NodeId(name, index)
    node = await made.nodes.objects.add_variable(node_id, ua.QualifiedName(name, index), value, kind)
    if writable:
        await node.set_writable()


def resource(name: str, value_type: str, read_write: str = "R", **attributes: Any) -> DeviceResource:
    """At `nsu=URI;s=NAME` unless attributes say otherwise."""
    properties = {"valueType": value_type, "readWrite": read_write}
    attributes = attributes or {"nodeId": f"nsu={URI};s={name}"}
    return DeviceResource.model_validate({"name": name, "properties": properties, "attributes": attributes})


def device(port: int, **properties: Any) -> Device:
    """Without security."""
    given = {"Endpoint": f"opc.tcp://127.0.0.1:{port}", "SecurityPolicy": "None", "AllowNone": True, **properties}
    return Device.model_validate({"name": "peer", "profileName": "peer", "protocols": {"opcua": given}})


V = ua.VariantType
READABLE = {"in0": (11, V.Int32, "Int32"), "in1": (2.5, V.Double, "Float64"), "in2": ("grün", V.String, "String")}
WRITABLE = {
    "word": (0, 0xBEEF, V.UInt16, "Uint16"),
    "big": (0, -(2**62) - 1, V.Int64, "Int64"),
    "real": (0.0, 0.25, V.Float, "Float32"),
    "text": ("", "grün", V.String, "String"),
    "flag": (False, True, V.Boolean, "Bool"),
    "many": ([1, 2, 3], [7, 8, 9], V.UInt16, "Uint16Array"),
}


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """The suite's device."""
    port = free_port()
    async with server(port) as (running, index):
        for name, (value, kind, _) in READABLE.items():
            await add(running, index, name, value, kind)
        for name, (value, _, kind, _) in WRITABLE.items():
            await add(running, index, name, value, kind, writable=True)
        resources = [
            *(resource(name, value_type) for name, (_, _, value_type) in reversed(READABLE.items())),
            *(resource(name, value_type, "RW") for name, (_, _, _, value_type) in WRITABLE.items()),
            resource("hole", "Uint16", "RW"),
        ]
        yield Rig(
            device=device(port),
            profile=DeviceProfile.model_validate({"name": "peer", "deviceResources": resources}),
            readable={name: READABLE[name][0] for name in reversed(READABLE)},
            writable={name: value for name, (_, value, _, _) in WRITABLE.items()},
            refused="hole",
            cut=running.stop,
        )
