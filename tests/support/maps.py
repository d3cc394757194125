"""Random register maps with gaps, as devices have them: of all tables and types, with barriers, holes and limits."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.model.device import Device
from gateway.model.profile import DeviceResource
from gateway.model.reading import Source
from tests.support.exhaustive import Rules, Span

REGISTERS = {
    "Uint16": 1, "Int16": 1, "Bool": 1, "Uint32": 2, "Float32": 2, "Int64": 4, "Float64": 4,
}  # fmt: skip
"""Registers of each type."""
GAPS = (0, 0, 0, 0, 0, 1, 2, 3, 5, 9, 20, 48, 55, 90)
"""Between a value and the next: mostly none, some worth bridging, some not."""
TCP_GAP = 50
"""What is bridged on Modbus TCP where the device file does not say (docs/reference/devices.md)."""


@dataclass(slots=True)
class Map:
    """One device."""

    device: Device
    facts: dict[str, Any]
    resources: list[DeviceResource] = field(default_factory=list)
    tables: dict[str, tuple[list[Span], Rules]] = field(default_factory=dict)
    """By table: where its values are, and what a request of it may be."""

    @property
    def source(self) -> Source:
        """All of it, read together."""
        return Source("device-modbus", "map", self.device.name, "all", tuple(self.resources))


def random_map(rng: random.Random, most: int = 10, serial: bool = False) -> Map:
    """`most`: places with values in each table. On a serial line the gap is left to the planner: no rule limits it."""
    limits = {"MaxRegisters": rng.choice([24, 32, 48, 125]), "MaxBits": rng.choice([64, 128, 500, 2000])}
    gap = None if serial else rng.choice([None, 0, 4, 10, 50])
    made = Map(_device(serial, limits, gap), {})
    if rng.random() < 0.3:
        made.facts["max_registers"] = limits["MaxRegisters"] - rng.randrange(4)
    for table in ("COILS", "DISCRETES_INPUT", "HOLDING_REGISTERS", "INPUT_REGISTERS"):
        _table(made, rng, table, rng.randrange(most + 1), limits, gap)
    return made


def _device(serial: bool, limits: dict[str, int], gap: int | None) -> Device:
    given: dict[str, Any] = {"UnitID": 1, **limits, **({} if gap is None else {"MaxGap": gap})}
    if serial:
        given |= {"Address": "/dev/ttyS9", "BaudRate": 9600, "Parity": "N"}
    else:
        given |= {"Address": "127.0.0.1", "Port": 502}
    key = "modbus-rtu" if serial else "modbus-tcp"
    return Device.model_validate({"name": "d", "profileName": "map", "protocols": {key: given}})


def _table(made: Map, rng: random.Random, table: str, count: int, limits: dict[str, int], gap: int | None) -> None:
    bits = table in ("COILS", "DISCRETES_INPUT")
    spans: list[Span] = []
    begins: list[int] = []
    address = rng.randrange(200)
    for _ in range(count):
        barrier = rng.random() < 0.1
        here = list(_values(rng, bits))
        for value_type, size, more in here:
            _add(made, table, value_type, f"{address}{more.pop('bit', '')}", more | {"barrier": barrier})
            spans.append((address, address + size))
        begins += [address] if barrier else []
        address += max(size for _, size, _ in here) + rng.choice(GAPS) * (16 if bits else 1)
    learned = "DISCRETE_INPUTS" if table == "DISCRETES_INPUT" else table
    if len(spans) > 2 and rng.random() < 0.3:
        hole = rng.choice(spans)[0]
        made.facts.setdefault("apart", {})[learned] = [hole]
        begins.append(hole)
    most = limits["MaxBits"] if bits else made.facts.get("max_registers", limits["MaxRegisters"])
    bridged = (
        10**9 if made.device.protocols.get("modbus-rtu") else gap if gap is not None else TCP_GAP * (bits * 15 + 1)
    )
    if spans:
        made.tables[learned] = spans, Rules(most, bridged, tuple(begins))


def _values(rng: random.Random, bits: bool) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Type, size and attributes of what lies at one place: sometimes two things do."""
    if bits:
        length = rng.choice([1, 1, 1, 8, 40])
        yield ("Bool", 1, {}) if length == 1 else ("BoolArray", length, {"arrayLength": length})
        return
    kind = rng.choice([*REGISTERS, "String", "Uint16Array", "bits", "twice"])
    size = rng.randrange(2, 20)
    if kind == "String":
        yield "String", size, {"stringRegisterSize": size}
    elif kind == "Uint16Array":
        yield "Uint16Array", size, {"arrayLength": size}
    elif kind == "bits":
        for bit in sorted(rng.sample(range(16), 3)):
            yield "Bool", 1, {"bit": f".{bit}"}
    elif kind == "twice":
        yield "Uint16", 1, {}
        yield "Uint32", 2, {}
    else:
        yield kind, REGISTERS[kind], {}


def _add(made: Map, table: str, value_type: str, address: str, attributes: dict[str, Any]) -> None:
    resource = {
        "name": f"R{len(made.resources)}",
        "properties": {"valueType": value_type, "readWrite": "R"},
        "attributes": {"primaryTable": table, "startingAddress": address, **attributes},
    }
    made.resources.append(DeviceResource.model_validate(resource))
