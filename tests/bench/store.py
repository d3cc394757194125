"""Journal and history together on one core, as fast as they take it; what a reading costs on the disk."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from datastore.analysis.book import RuleBook
from datastore.analysis.engine import Analysis
from datastore.analysis.loading import rule_of
from datastore.analysis.place import Surroundings
from datastore.history.history import CONSUMER, History
from datastore.history.settings import HistorySettings
from datastore.journal import Journal
from datastore.settings import JournalSettings
from gateway.model.configuration import Configuration
from gateway.model.device import Device
from gateway.model.plan import PlannedDevice
from gateway.model.profile import (
    DeviceCommand,
    DeviceProfile,
    DeviceResource,
    ReadWrite,
    ResourceOperation,
    ResourceProperties,
    ValueType,
)
from gateway.model.reading import Event, Source
from gateway.runtime.alarms import Alarms
from gateway.runtime.bus import Bus
from gateway.runtime.clock import SystemClock
from tests.bench.rig import Figure
from tests.support.journals import eventually
from tests.support.rules import planned
from tests.support.state import MemoryState

READINGS = 12_000_000
"""In events of a hundred; of events of one a sixth as many."""
DEVICES = 100
RULES = 10
STEPS = 97
TURN = 1000
"""Events of a hundred appended at once, or ten times as many of one; the loop runs in between."""


@dataclass(frozen=True, slots=True)
class Store:
    """What one run came to."""

    readings_per_s: float
    journal_bytes: float
    history_bytes: float


def store() -> Iterator[Figure]:
    """`store.events100.readings_per_s`, `store.events1.readings_per_s`, and bytes a reading."""
    on = f"journal (FULL, 500 ms), history in its process, {RULES} rules, all on one core, until the history has all"
    many = asyncio.run(_measure(100, READINGS))
    load = f"{READINGS} slowly varying Float64 in events of 100, {DEVICES} devices; {on}"
    yield Figure("store.events100.readings_per_s", many.readings_per_s, "1/s", load)
    yield Figure("store.journal.bytes_per_reading", many.journal_bytes, "bytes", load)
    yield Figure("store.history.bytes_per_reading", many.history_bytes, "bytes", f"{load}; files as they were taken")
    one = asyncio.run(_measure(1, READINGS // 6))
    load = f"{READINGS // 6} slowly varying Float64 in events of one, {DEVICES} devices; {on}"
    yield Figure("store.events1.readings_per_s", one.readings_per_s, "1/s", load)


async def _measure(size: int, readings: int) -> Store:
    with one_core(), tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        clock = SystemClock()
        journal = Journal(Path(folder) / "journal", JournalSettings(), clock)
        await journal.open()
        history = History(Path(folder), journal, HistorySettings(flush="1s"), clock)
        runs = [asyncio.create_task(journal.run()), asyncio.create_task(history.run())]
        await eventually(lambda: bool(history.report().taken), seconds=60)
        devices = {f"device-{n}": _planned(n, size) for n in range(DEVICES)}
        bus = Bus(journal)
        await _rules(bus, clock, devices)
        sources = [one.sources["all" if size > 1 else "R0"] for one in devices.values()]
        start = time.perf_counter()
        await _load(bus, journal, sources, size, readings)
        await eventually(lambda: not journal.pending(CONSUMER), seconds=600)
        took = time.perf_counter() - start
        await asyncio.sleep(0.5)
        raw = history.report().tiers["raw"]
        told = Store(readings / took, journal.report().bytes / readings, raw.bytes / raw.rows)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        await history.close()
        await journal.close()
        return told


async def _load(bus: Bus, journal: Journal, sources: list[Source], size: int, readings: int) -> None:
    """As devices tell: each in turn, its values near those it had before. No faster than the disk takes it."""
    walks = [walk(n, size) for n in range(DEVICES)]
    done, turn = 0, TURN if size > 1 else 10 * TURN
    while done < readings:
        batch = []
        for n in range(turn):
            which = n % DEVICES
            batch.append(Event(sources[which], time.time_ns(), walks[which][(done // turn + n) % STEPS]))
        bus.publish(batch)
        done += turn * size
        await journal.commit()


def walk(number: int, size: int) -> list[list[float]]:
    """What a device tells one after the other: some of its values a tenth up or down."""
    row = [20.0 + (number * 37 + k * 11) % 60 / 10 for k in range(size)]
    walk = []
    for step in range(STEPS):
        for k in range(step % 3, size, 3):
            row[k] = round(row[k] + ((number + step + k) % 5 - 2) / 10, 1)
        walk.append(row.copy())
    return walk


def _planned(number: int, size: int) -> PlannedDevice:
    properties = ResourceProperties(value_type=ValueType.FLOAT64, read_write=ReadWrite.R)
    resources = [DeviceResource(name=f"R{n}", properties=properties) for n in range(size)]
    operations = [ResourceOperation(device_resource=one.name) for one in resources]
    together = DeviceCommand(name="all", read_write=ReadWrite.R, resource_operations=operations)
    profile = DeviceProfile(name="bench", device_resources=resources, device_commands=[together])
    return planned(Device(name=f"device-{number}"), profile, "device-modbus")


async def _rules(bus: Bus, clock: SystemClock, there: Mapping[str, PlannedDevice]) -> None:
    """Thresholds of which none is ever reached, each at a device of its own."""

    async def make(_: Configuration) -> None:
        """They make nothing."""

    state = MemoryState()
    given = Surroundings(bus.publish, clock, Alarms(bus.publish, clock, state), lambda: there, make, state)
    engine = Analysis(given)
    rules = [{"name": f"hot-{n}", "kind": "threshold", "of": f"device-{n}/R0", "above": 1e6} for n in range(RULES)]
    await RuleBook(given, engine).take([rule_of(rule) for rule in rules])
    bus.tap(engine.tap)
    engine.start()


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """This process and those it starts share one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    for figure in store():
        print(f"{figure.name:36} {figure.value:>12,.2f} {figure.unit:12} {figure.conditions}")
