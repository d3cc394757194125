"""Recordings made without a gateway: some polls of one device, what they gave, and what went over the wire."""

from collections.abc import Sequence
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.device import Device
from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.plan import PlannedDevice
from gateway.model.profile import DeviceProfile
from gateway.model.reading import DISCONNECTED, TIMEOUT, Event, Source
from gateway.model.recording import Frame, Kind, Recording, frame_text, head_text, load_recording
from gateway.runtime.configuration.planning import Planner
from gateway.runtime.lanes.polling import all_bad
from gateway.runtime.transform.compiled import compile_transform
from mappers import Switchboard


class _Journal:
    def number(self, source: Source) -> Source:
        return source


def planned(device: Device, profile: DeviceProfile) -> PlannedDevice:
    journal: Any = _Journal()
    planner = Planner(Switchboard(), journal)
    return planner.plan(device, planner.instance(profile, device), {})[0]


async def recorded(
    device: Device, profile: DeviceProfile, clock: Clock, cycles: int = 1, embed: bool = True
) -> tuple[Recording, list[Event]]:
    """All polls of a device, `cycles` times, as a lane makes them. `embed`: with the profile."""
    one = planned(device, profile)
    protocol = Switchboard().of(device)
    started, began = clock.now(), clock.monotonic()
    frames: list[Frame] = []
    events: list[Event] = []

    def tap(kind: Kind, value: bytes | str) -> None:
        frames.append(Frame(clock.monotonic() - began, kind, value))

    mapper = protocol.open(one.connection, clock)
    protocol.tap(one.connection, tap)
    try:
        await mapper.connect()
        for _ in range(cycles):
            for poll in one.polls:
                try:
                    events += await mapper.read(poll.plan)
                except NoAnswer:
                    events += [all_bad(source, TIMEOUT, clock.now()) for source in poll.sources]
                except NotConnected:
                    events += [all_bad(source, DISCONNECTED, clock.now()) for source in poll.sources]
                    await mapper.connect()
                mapper.found.clear()
    finally:
        protocol.tap(one.connection, None)
        await mapper.close()
    for event in events:
        transform = compile_transform(event.source)
        if transform is not None:
            transform.apply(event)
    profiles = [profile] if embed else []
    made = Recording(started, "device-modbus", [device], profiles, version="test", frames=frames)
    return made, events


def text_of(recording: Recording) -> str:
    return head_text(recording) + "".join(map(frame_text, recording.frames))


def through_a_file(recording: Recording) -> Recording:
    """As it comes out of the file that it is written to."""
    return load_recording(text_of(recording).encode(), "line.jsonl")


def rows(events: Sequence[Event]) -> list[Any]:
    """What of events does not depend on when they were made."""
    return [(event.source.name, event.values, event.quality) for event in events]
