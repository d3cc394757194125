"""Golden recordings: of every shipped Modbus profile one cycle against its simulator, and the readings that it gave.

    python -m tests.profiles.golden NAME …      makes those of a profile anew, on purpose; no name: of all
    git diff tests/profiles/golden              shows what that changes

`NAME.jsonl` is what went over the wire, `NAME.readings.jsonl` what the gateway made of it. Neither depends on the day
or the machine. The profile is not in the recording: the shipped one is meant.
"""

import asyncio
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.cli.replay import readings
from gateway.model.device import Device
from gateway.model.load import load_devices
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Event
from gateway.model.recording import Recording
from gateway.runtime.clock import SystemClock
from gateway.runtime.replay import Replayed, replay
from mappers import Switchboard
from simulators.library import shipped
from simulators.modbus.encode import limits
from simulators.modbus.points import Point
from simulators.world import Running, World, serve
from tests.support.clock import MovingClock
from tests.support.recordings import recorded, rows, text_of

FOLDER = Path(__file__).parent / "golden"
NAMES = [entry.name.removesuffix(".yaml") for entry in shipped("modbus")]
STARTED = 1_763_635_200_000_000_000
STEP_S = 0.001
"""Between two frames."""


def recording_of(name: str) -> Path:
    return FOLDER / f"{name}.jsonl"


def readings_of(name: str) -> Path:
    return FOLDER / f"{name}.readings.jsonl"


def make(name: str) -> None:
    """Both files of one profile. Fails when the replay is not what was read from the simulator."""
    recording, events, profile = asyncio.run(_one_cycle(name))
    found = replay(recording, Switchboard(), lambda _: profile)
    assert rows(found.events) == rows(events), name
    assert not any(event.quality for event in events), name
    FOLDER.mkdir(exist_ok=True)
    recording_of(name).write_text(text_of(recording), "utf-8")
    readings_of(name).write_text(as_text(found), "utf-8")


def as_text(found: Replayed) -> str:
    return "".join(f"{line}\n" for line in readings(found.events))


async def _one_cycle(name: str) -> tuple[Recording, list[Event], DeviceProfile]:
    async with serve(World.from_profiles([name], unit=3), MovingClock(STARTED)) as running:
        profile = running.devices[name].profile
        _show_something(running, name)
        (device,) = load_devices(running.device_list(), "devices.yaml", strict=True).value
        made, events = await recorded(device, profile, SystemClock(), embed=False)
    frames = [
        replace(frame, at=index * STEP_S) for index, frame in enumerate(f for f in made.frames if f.kind != "closed")
    ]
    return replace(made, started=STARTED, version="", devices=[_anywhere(device)], frames=frames), events, profile


def _anywhere(device: Device) -> Device:
    """Not at the port that happened to be free."""
    properties = {**device.protocols["modbus-tcp"], "Port": 502}
    return device.model_copy(update={"protocols": {"modbus-tcp": properties}})


def _show_something(running: Running, name: str) -> None:
    """A value that is nought by default says little of how it was read: it becomes one that its register can hold; of
    bits some are set."""
    for point in running.devices[name].unit.points.values():
        if not point.resource.properties.read_write.readable:
            continue  # it may share its register with what reads it
        value = running.get(name, point.resource.name, raw=True)
        if not value or point.kind == "Bool":
            running.set(name, point.resource.name, _something(point), raw=True)


def _something(point: Point) -> Any:
    mark = zlib.crc32(point.resource.name.encode())
    if point.kind == "Bool":
        return bool(mark & 1)
    if point.kind == "String":
        return point.resource.name[: 2 * point.count]
    if point.kind.startswith("Float"):
        return (mark % 2_000_001 - 1_000_000) / 64
    low, high = (int(limit) for limit in limits(point.kind, point.count))
    return low + mark % (high - low + 1)


def main(arguments: Sequence[str]) -> int:
    unknown = [name for name in arguments if name not in NAMES]
    if unknown:
        sys.stderr.write(f"no shipped profile is called {', '.join(unknown)}\n")
        return 2
    for name in arguments or NAMES:
        make(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
