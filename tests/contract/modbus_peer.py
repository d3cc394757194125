"""A Modbus device for the mapper suite: pymodbus's own server, which shares no code with our codec."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.model.device import Device
from gateway.model.profile import DeviceProfile, DeviceResource
from tests.contract.rig import Rig
from tests.support.ports import free_port


def blocks(registers: int = 100) -> Any:
    """Coils, discrete inputs, holding and input registers from address 0; everything above is refused."""
    bits = [SimData(0, values=False, count=160, datatype=DataType.BITS)]
    holding = [SimData(0, values=list(range(registers)), datatype=DataType.REGISTERS)]
    inputs = [SimData(0, values=list(range(1000, 1000 + registers)), datatype=DataType.REGISTERS)]
    return (bits, bits, holding, inputs)


@asynccontextmanager
async def server(port: int, **devices: Any) -> AsyncIterator[ModbusTcpServer]:
    """Unit 1 on `port` until the end."""
    made = ModbusTcpServer(SimDevice(1, simdata=blocks(), **devices), address=("127.0.0.1", port))
    await made.serve_forever(background=True)
    try:
        yield made
    finally:
        await made.shutdown()


def _resource(
    name: str, value_type: str, address: Any, table: str = "HOLDING_REGISTERS", **more: Any
) -> DeviceResource:
    direction = "RW" if table in ("HOLDING_REGISTERS", "COILS") else "R"
    properties = {"valueType": value_type, "readWrite": direction}
    attributes = {"primaryTable": table, "startingAddress": address, **more}
    return DeviceResource.model_validate({"name": name, "properties": properties, "attributes": attributes})


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    """The suite's device."""
    port = free_port()
    readable = [_resource(f"in{i}", "Uint16", i, "INPUT_REGISTERS") for i in (2, 0, 1)]
    writable = [
        (_resource("word", "Uint16", 10), 0xBEEF),
        (_resource("big", "Int64", 11, byteOrder="CDAB"), -(2**62) - 1),
        (_resource("real", "Float32", 15), 0.25),
        (_resource("text", "String", 17, stringRegisterSize=4), "grün"),
        (_resource("coil", "Bool", 3, "COILS"), True),
        (_resource("bit", "Bool", "22.7"), True),
        (_resource("many", "Uint16Array", 23, arrayLength=3), [7, 8, 9]),
        (_resource("coils", "BoolArray", 8, "COILS", arrayLength=9), [True] * 8 + [False]),
    ]
    refused = _resource("hole", "Uint16", 5000)
    everything = [*readable, *(r for r, _ in writable), refused]
    async with server(port) as running:
        yield Rig(
            device=_device(port),
            profile=DeviceProfile.model_validate({"name": "peer", "deviceResources": everything}),
            readable={r.name: 1000 + i for r, i in zip(readable, (2, 0, 1), strict=True)},
            writable={r.name: value for r, value in writable},
            refused="hole",
            cut=running.shutdown,
        )


def _device(port: int) -> Device:
    protocols = {"modbus-tcp": {"Address": "127.0.0.1", "Port": port, "UnitID": 1}}
    return Device.model_validate({"name": "peer", "profileName": "peer", "protocols": protocols})
