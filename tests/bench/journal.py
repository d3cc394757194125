"""What the journal writes to disk per byte of data, at 10,000 values a second, and what that costs.

Data is what must be kept and nothing else: the encoded values of each event, its time (8 bytes) and the number of its
source (2 bytes). Written is what this process gave to the block layer by the kernel's count (`write_bytes` of
/proc/self/io) after one second of running in, folding the log in and indexing included, so that no later debt is left.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datastore.codec import encode
from datastore.journal import Journal
from datastore.settings import JournalSettings
from gateway.model.profile import DeviceResource, ReadWrite, ResourceProperties, ValueType
from gateway.model.reading import Event, Source
from gateway.runtime.clock import SystemClock
from tests.bench.rig import Figure

SECONDS = 10
DEVICES = 100
VALUES = 100
SLOTS = 10
"""Devices are polled in so many groups a second, as the scheduler spreads them."""


def written() -> Iterator[Figure]:
    """`journal.written_per_data` with scaled readings (Float64), and the same with bare registers (Uint16)."""
    load = (
        f"{DEVICES} devices x {VALUES} values each second for {SECONDS} s, FULL, commit 500 ms, one consumer keeps up"
    )
    share, rate, cpu, size = asyncio.run(_measure(ValueType.FLOAT64))
    conditions = f"{load}; scaled readings, 8 bytes a value"
    yield Figure("journal.written_per_data", share, "bytes/byte", conditions)
    yield Figure("journal.written_kb_per_s", rate, "kB/s", conditions)
    yield Figure("journal.cpu_us_per_event", cpu, "us", f"{conditions}; whole process, loop included")
    yield Figure("journal.size_per_data", size, "bytes/byte", f"{conditions}; files at the end")
    share, rate, cpu, _ = asyncio.run(_measure(ValueType.UINT16))
    conditions = f"{load}; bare registers, 2 bytes a value"
    yield Figure("journal.written_per_data_uint16", share, "bytes/byte", conditions)
    yield Figure("journal.written_kb_per_s_uint16", rate, "kB/s", conditions)
    yield Figure("journal.cpu_us_per_event_uint16", cpu, "us", f"{conditions}; whole process, loop included")


def _source(number: int, kind: ValueType) -> Source:
    properties = ResourceProperties(value_type=kind, read_write=ReadWrite.R)
    resources = tuple(DeviceResource(name=f"R{n}", properties=properties) for n in range(VALUES))
    return Source("device-modbus", "bench", f"device-{number}", "all", resources)


def _values(kind: ValueType) -> list[Any]:
    """Nothing that compresses, so that no packing flatters the figure."""
    if kind is ValueType.UINT16:
        return [random.randrange(65536) for _ in range(VALUES)]
    return [random.randrange(65536) / 10 for _ in range(VALUES)]


async def _measure(kind: ValueType) -> tuple[float, float, float, float]:
    """Written per data, kB/s written, CPU µs per event, size per data."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        journal = Journal(Path(folder), JournalSettings(), SystemClock())
        await journal.open()
        run = asyncio.create_task(journal.run())
        sources = [journal.number(_source(n, kind)) for n in range(DEVICES)]
        slots = [sources[n::SLOTS] for n in range(SLOTS)]
        rounds = [[[_values(kind) for _ in slot] for slot in slots] for _ in range(SECONDS + 1)]
        await _load(journal, slots, rounds[:1])
        await journal.commit()
        journal._disk.segments[-1].open(1).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before, cpu = _write_bytes(), time.process_time()
        data = await _load(journal, slots, rounds[1:])
        cpu = time.process_time() - cpu
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await journal.commit()
        journal._disk.segments[-1].seal(1)
        size = journal.report().bytes
        await journal.close()
        wrote = _write_bytes() - before
    return wrote / data, wrote / 1000 / SECONDS, cpu * 1e6 / (SECONDS * DEVICES), size / data


async def _load(journal: Journal, slots: list[list[Source]], rounds: list[list[list[list[Any]]]]) -> int:
    """Appends as polls do; returns the bytes of data."""
    start, data, tick = time.monotonic(), 0, 0
    for columns in rounds:
        for slot, group in zip(slots, columns, strict=True):
            events = [Event(source, time.time_ns(), values) for source, values in zip(slot, group, strict=True)]
            journal.append(events)
            journal.ack("cloud", 1, journal.head)
            data += sum(len(encode(event)) + 10 for event in events)
            tick += 1
            await asyncio.sleep(max(0.0, start + tick / SLOTS - time.monotonic()))
    return data


def _write_bytes() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise OSError("/proc/self/io has no write_bytes")


if __name__ == "__main__":
    for figure in written():
        print(f"{figure.name:36} {figure.value:>12,.2f} {figure.unit:12} {figure.conditions}")
