"""What ten rules, one of each kind, cost the loop: of what they read, and of everything else that goes by."""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

from datastore.analysis.engine import Analysis
from datastore.analysis.loading import rule_of
from datastore.analysis.place import Surroundings
from datastore.analysis.refs import SERVICE
from datastore.analysis.settings import AnyRule
from datastore.analysis.virtual import virtual_devices
from gateway.model.configuration import Configuration
from gateway.model.device import Device
from gateway.model.plan import Connection, PlannedDevice
from gateway.model.profile import DeviceProfile, DeviceResource, ReadWrite, ResourceProperties, ValueType
from gateway.model.reading import Batch, Event
from gateway.runtime.alarms import Alarms
from gateway.runtime.clock import SystemClock
from gateway.runtime.sources import sources_of
from tests.bench.rig import Figure
from tests.support.state import MemoryState

DEVICES, VALUES, ROUNDS = 100, 100, 100
RULES: list[dict[str, Any]] = [
    {"kind": "threshold", "of": "d0/R0", "above": 2000, "hysteresis": 5, "for": "1s"},
    {"kind": "rate", "of": "d0/R1", "above": 5000},
    {"kind": "rolling", "of": "d0/R2", "stat": "mean", "over": "10m", "into": "v/mean"},
    {"kind": "rolling", "of": "d0/R3", "stat": "max", "over": "10m", "into": "v/max"},
    {"kind": "rolling", "of": "d0/R4", "stat": "std", "over": "10m", "into": "v/std"},
    {"kind": "zscore", "of": "d0/R5", "limit": 100},
    {"kind": "rollover", "of": "d0/R6", "modulo": 65536, "into": "v/total"},
    {"kind": "stuck", "of": "d0/R7", "for": "1h"},
    {"kind": "missing", "of": "d0/R8", "for": "1h"},
    {"kind": "formula", "of": {"u": "d0/R9", "i": "d0/R0"}, "value": "u * i / 1000", "into": "v/p"},
]


def cost() -> Iterator[Figure]:
    """`rules.us_per_reading` over all that goes by, `rules.us_per_reading_of_ten` of those that rules read."""
    devices = {f"d{number}": _device(f"d{number}") for number in range(DEVICES)} | _virtual()
    load = f"{len(RULES)} rules, one of each kind; {DEVICES} devices x {VALUES} values an event"
    everything = asyncio.run(_measure(devices, [name for name in devices if name != "v"]))
    alone = asyncio.run(_measure(devices, ["d0"]))
    yield Figure("rules.us_per_reading", everything / VALUES, "us", f"{load}; CPU of the tap, mean over all readings")
    yield Figure(
        "rules.us_per_event_of_ten", alone, "us", f"{load}; CPU of one event that all ten read, publishing too"
    )


def _device(name: str) -> PlannedDevice:
    properties = ResourceProperties(value_type=ValueType.FLOAT64, read_write=ReadWrite.R)
    profile = DeviceProfile(name="bench", device_resources=[])
    resources = tuple(DeviceResource(name=f"R{n}", properties=properties) for n in range(VALUES))
    profile = profile.model_copy(update={"device_resources": list(resources)})
    sources = sources_of(Device(name=name), profile, "device-modbus")
    first = next(iter(sources.values()))
    everything = type(first)(first.service, first.profile, name, "all", resources)
    return PlannedDevice(
        Device(name=name), profile, Connection("device-modbus", "x", ()), {**sources, "all": everything}
    )


def _rules() -> list[AnyRule]:
    return [rule_of({"name": f"rule-{number}", **rule}) for number, rule in enumerate(RULES)]


def _virtual() -> dict[str, PlannedDevice]:
    made = virtual_devices(_rules())
    device, profile = made.devices["v"], made.profiles["virtual-v"]
    return {"v": PlannedDevice(device, profile, Connection(SERVICE, "", ()), sources_of(device, profile, SERVICE))}


async def _measure(devices: Mapping[str, PlannedDevice], fed: list[str]) -> float:
    """CPU µs per event."""
    clock, state, made = SystemClock(), MemoryState(), []

    def publish(batch: Batch) -> None:
        made.append(len(batch))

    async def make(configuration: Configuration) -> None:
        """Virtual devices are not looked at here."""

    alarms = Alarms(publish, clock)
    engine = Analysis(Surroundings(publish, clock, alarms, lambda: devices, make, state))
    engine.put(_rules())
    engine.start()
    now = clock.now()
    spent = 0.0
    for number in range(ROUNDS * (1 if len(fed) > 1 else DEVICES)):
        values = [1000 + random.random() * 10 for _ in range(VALUES)]
        batch = [Event(devices[name].sources["all"], now + number * 10**8, values) for name in fed]
        began = time.process_time()
        engine.tap(batch)
        await asyncio.sleep(0)
        spent += time.process_time() - began
    await engine.close()
    return spent * 1e6 / (ROUNDS * DEVICES)
