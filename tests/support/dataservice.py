"""The real gateway without the wire: devices that nobody polls, whose values a test publishes; with journal, history,
rules and exporters joined as `southgate run` joins them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml

from gateway.app import House, build
from gateway.config import load_settings
from gateway.model.reading import Source
from gateway.runtime.clock import SystemClock


def written(folder: Path, devices: int, resources: int, **parts: Any) -> Path:
    """A gateway.yaml with `parts`, devices `d0`, `d1`, … with Float64 `R0`, `R1`, …, read together as `all`."""
    names = [f"R{n}" for n in range(resources)]
    profile = {
        "name": "meter",
        "deviceResources": [
            {
                "name": name,
                "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 4 * at},
                "properties": {"valueType": "Float64", "readWrite": "R"},
            }
            for at, name in enumerate(names)
        ],
        "deviceCommands": [
            {"name": "all", "readWrite": "R", "resourceOperations": [{"deviceResource": name} for name in names]}
        ],
    }
    told = [
        {
            "name": f"d{n}",
            "profileName": "meter",
            "protocols": {"modbus-tcp": {"Address": "127.0.0.1", "Port": 9, "UnitID": n + 1}},
        }
        for n in range(devices)
    ]
    own = {"name": "plant-7", "profiles": ["profiles/"], "devices": "devices/", "data": "data/"}
    everything = {"gateway": own, "api": {"listen": "127.0.0.1:0"}, **parts}
    for name, content in {
        "profiles/meter": profile,
        "devices/all": {"deviceList": told},
        "gateway": everything,
    }.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content), "utf-8")
    return folder / "gateway.yaml"


@contextlib.asynccontextmanager
async def running(config: Path, clock: SystemClock | None = None) -> AsyncIterator[House]:
    """Up to the end of the block; then it stops in order."""
    async with build(load_settings(config), clock) as house:
        ready = asyncio.Event()
        task = asyncio.create_task(house.run(lambda _: ready.set()))
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield house
        finally:
            waiting.cancel()
            task.cancel()
            await asyncio.gather(task, waiting, return_exceptions=True)


def sources(house: House) -> list[Source]:
    """What the devices are read with."""
    return [one.sources["all"] for name, one in house.registry.planned.items() if name.startswith("d")]


def behind(house: House, consumer: str) -> int:
    """Records that this consumer of the journal has not taken."""
    return sum(last - first + 1 for first, last in house.memory.journal.pending(consumer))
