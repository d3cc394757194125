"""What was recorded is answered again: the same values, qualities and times, whatever the device did wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.model.device import AutoEvent, Device
from gateway.model.errors import ConfigError
from gateway.model.profile import DeviceProfile
from gateway.model.recording import Frame, Recording
from gateway.runtime.clock import SystemClock
from gateway.runtime.replay import Replayed, replay
from mappers import Switchboard
from mappers.modbus import Modbus
from mappers.modbus.tape import Exchanges, words
from tests.support.recordings import planned, recorded, rows, text_of, through_a_file
from tests.unit.mappers.modbus.build import device, resource, serial_device
from tests.unit.mappers.modbus.line.test_framing import converter
from tests.unit.mappers.modbus.line.test_rtu import Line, framed, held
from tests.unit.mappers.modbus.peer import frame, peer, registers

Pieces = list[bytes | float]
SILENCE: Pieces = []
PROFILE = DeviceProfile.model_validate(
    {"name": "p", "deviceResources": [resource(f"r{i}", "Uint16", i) for i in (0, 1, 2, 1000)]}
)


def polled(port: int, **properties: Any) -> Device:
    """One poll of two requests: registers 0 to 2, and 1000."""
    names = ["r0", "r1", "r2", "r1000"]
    events = [AutoEvent(interval="1s", source_name=name) for name in names]
    return device(port, **{"Timeout": "200ms", **properties}).model_copy(update={"auto_events": events})


def replayed(recording: Recording) -> Replayed:
    return replay(through_a_file(recording), Switchboard(), lambda name: PROFILE)


async def replayed_beside(recording: Recording) -> Replayed:
    """It runs a loop of its own."""
    return await asyncio.to_thread(replayed, recording)


TCP_FAULTS: dict[str, Callable[[bytes], Pieces]] = {
    "silence": lambda asked: SILENCE,
    "late": lambda asked: [0.21, registers(asked, 0xDEAD)],
    "exception 4": lambda asked: [frame(asked, bytes((asked[7] | 0x80, 4)))],
    "exception 2, and smaller requests": lambda asked: [frame(asked, bytes((asked[7] | 0x80, 2)))],
    "gateway says that nobody is there": lambda asked: [frame(asked, bytes((asked[7] | 0x80, 11)))],
    "in three pieces": lambda asked: [registers(asked)[:5], 0.02, registers(asked)[5:9], 0.02, registers(asked)[9:]],
    "garbage": lambda asked: [b"\xff\xfe garbage, no frame at all"],
    "half a frame": lambda asked: [registers(asked)[:7]],
    "another transaction": lambda asked: [frame(asked, b"\x03\x02\xde\xad", transaction=999), 0.01, registers(asked)],
    "another unit": lambda asked: [frame(asked, b"\x03\x02\xde\xad", unit=9)],
    "wrong length": lambda asked: [frame(asked, b"\x03\x02\xde\xad")],
    "twice": lambda asked: [registers(asked), registers(asked)],
}


@pytest.mark.parametrize("fault", TCP_FAULTS)
@pytest.mark.parametrize("hit", [2, 3], ids=["first request of a poll", "second request"])
async def test_a_fault_gives_the_same_again(fault: str, hit: int) -> None:
    """T45: errors in a recording are errors of its replay, byte for byte the same each time."""
    count = 0

    def answer(asked: bytes) -> Pieces:
        nonlocal count
        count += 1
        return TCP_FAULTS[fault](asked) if count == hit + 1 else [registers(asked)]

    async with peer(answer) as there:  # type: ignore[arg-type]
        recording, events = await recorded(polled(there.port), PROFILE, SystemClock(), cycles=3)
    again = await replayed_beside(recording)
    assert rows(again.events) == rows(events)
    assert again.missing == []
    assert again.events[0].values[0] == 0
    twice = await replayed_beside(recording)
    assert [event.origin for event in twice.events] == [event.origin for event in again.events]


def test_origins_are_those_of_the_recording() -> None:
    """A value is as old as the last answer of its poll; silence as old as the end of the wait for it."""
    asked = [bytes.fromhex(text) for text in ("000100000006010300000003", "000200000006010303e80001")]
    answers = [registers(request) for request in asked]
    ours = polled(502, ConnectDelay="30s", RequestDelay="1s")
    frames = [
        Frame(10.0, "sent", asked[0]),
        Frame(10.125, "heard", answers[0]),
        Frame(11.5, "sent", asked[1]),
        Frame(11.625001, "heard", answers[1]),
        Frame(20.0, "sent", b"\0\3" + asked[0][2:]),
        Frame(20.3, "gave_up", ""),
        Frame(86399.5, "sent", b"\0\4" + asked[0][2:]),
        Frame(86399.625, "heard", b"\0\4" + answers[0][2:]),
        Frame(86399.75, "sent", asked[1]),
        Frame(86399.875, "heard", answers[1]),
    ]
    started = 1_763_635_200_000_000_000
    found = replayed(Recording(started, "device-modbus", [ours], [PROFILE], frames=frames))
    origins = [(event.origin - started) / 1e9 for event in found.events]
    assert origins == [11.625001] * 4 + [20.2] * 4 + [86400.75] * 4  # the last poll rests as its device wants
    assert [event.values for event in found.events[8:]] == [[0], [1], [2], [1000]]


def test_the_late_answer_to_a_short_probe_is_nobodys_value_either() -> None:
    """A probe of a silent unit waits shorter than the device's file says; the recording knows how long."""
    asked = [bytes.fromhex(text) for text in ("000100000006010300000003", "000200000006010303e80001")]
    frames = [
        Frame(1.0, "sent", asked[0]),
        Frame(1.1, "gave_up", ""),
        Frame(1.15, "heard", registers(asked[0], 0xDEAD)),
        Frame(2.0, "sent", b"\0\3" + asked[0][2:]),
        Frame(2.1, "heard", registers(b"\0\3" + asked[0][2:], 7)),
        Frame(2.2, "sent", asked[1]),
        Frame(2.3, "heard", registers(asked[1], 8)),
    ]
    found = replayed(Recording(0, "device-modbus", [polled(502)], [PROFILE], frames=frames))
    assert [event.values for event in found.events] == [[None]] * 4 + [[7], [7], [7], [8]]
    assert {event.origin for event in found.events} == {1_100_000_000, 2_300_000_000}


async def test_a_connection_that_is_cut_is_cut_again() -> None:
    async with peer(lambda asked: [registers(asked)]) as there:

        def answer(asked: bytes) -> Pieces:
            there.reset = len(there.requests) == 3
            return [] if there.reset else [registers(asked)]

        there.answer = answer  # type: ignore[assignment]
        recording, events = await recorded(polled(there.port), PROFILE, SystemClock(), cycles=3)
    assert [frame.kind for frame in recording.frames].count("framing") == 2
    assert rows((await replayed_beside(recording)).events) == rows(events)
    assert any(event.quality for event in events)


async def test_a_late_answer_on_rtu_is_nobodys_value_in_the_replay_either() -> None:
    """The answer comes at time-out + 10 ms with other data, T45."""
    answers: list[Pieces] = []

    async with converter(lambda unit, pdu: answers.pop(0) if answers else [framed(unit, held(pdu, 7))]) as (_, port):
        ours = polled(port, Framing="rtu", Timeout="150ms")
        first = bytes.fromhex("03 00 00 00 03")
        answers[:] = [[0.16, framed(1, held(first, 0xDEAD))]]
        recording, events = await recorded(ours, PROFILE, SystemClock(), cycles=2)
    assert "dead" in text_of(recording)
    again = await replayed_beside(recording)
    assert rows(again.events) == rows(events)
    assert again.events[-1].values == [7]
    assert not any(0xDEAD in event.values for event in again.events)


async def test_framing_found_on_first_contact_is_found_again() -> None:
    async with converter(lambda unit, pdu: [framed(unit, held(pdu, 7))]) as (_, port):
        ours = polled(port, Framing="auto", Timeout="100ms")
        recording, events = await recorded(ours, PROFILE, SystemClock(), cycles=2)
    assert [frame.value for frame in recording.frames if frame.kind == "framing"] == ["tcp", "rtu"]
    again = await replayed_beside(recording)
    assert rows(again.events) == rows(events)
    assert again.left == []


async def test_a_gateway_that_was_late_itself_does_not_make_a_time_out() -> None:
    async with peer(lambda asked: [registers(asked)]) as there:
        recording, events = await recorded(polled(there.port), PROFILE, SystemClock())
    late = [
        Frame(frame.at + (5.0 if index >= 2 else 0.0), frame.kind, frame.value)
        for index, frame in enumerate(recording.frames)
    ]
    assert late[2].kind == "heard"
    again = await replayed_beside(Recording(**{**_fields(recording), "frames": late}))
    assert rows(again.events) == rows(events)


async def test_a_request_that_was_never_recorded_is_named_and_the_others_are_read() -> None:
    async with peer(lambda asked: [registers(asked)]) as there:
        recording, _ = await recorded(polled(there.port), PROFILE, SystemClock(), cycles=2)
    other = [resource(f"r{i}", "Uint16", i) for i in (0, 1, 2)] + [resource("r1000", "Uint32", 1000)]
    profile = DeviceProfile.model_validate({"name": "p", "deviceResources": other})
    again = await replayed_beside(Recording(**{**_fields(recording), "profiles": [profile]}))
    assert again.missing == ["unit 1, FC3 holding registers 1000-1001"]
    assert [event.values for event in again.events[:4]] == [[0], [1], [2], [None]]
    assert again.left == ["unit 1, FC3 holding registers 1000"] * 2


async def test_a_poll_that_asks_otherwise_from_its_first_request_on_is_named() -> None:
    async with peer(lambda asked: [registers(asked)]) as there:
        recording, _ = await recorded(polled(there.port), PROFILE, SystemClock())
    other = [resource(f"r{i}", "Uint16", 7 if i == 0 else i) for i in (0, 1, 2, 1000)]
    profile = DeviceProfile.model_validate({"name": "p", "deviceResources": other})
    again = await replayed_beside(Recording(**{**_fields(recording), "profiles": [profile]}))
    assert again.events == []
    assert again.silent == ["d, every 1 s: FC3 holding registers 1-7, FC3 holding registers 1000"]
    assert len(again.left) == 2


async def test_a_recording_that_begins_in_the_middle_of_a_poll_shifts_no_answer_to_the_next() -> None:
    count = 0

    def answer(asked: bytes) -> bytes:
        nonlocal count
        count += 1
        return registers(asked, count)

    async with peer(answer) as there:
        recording, events = await recorded(polled(there.port), PROFILE, SystemClock(), cycles=3)
    assert [event.values for event in events[4:8]] == [[3], [3], [3], [4]]
    framing, _sent, heard, *rest = recording.frames
    for begun in ([framing, heard, *rest], [framing, *rest]):
        again = await replayed_beside(Recording(**{**_fields(recording), "frames": begun}))
        assert rows(again.events) == rows(events)[4:]
        assert (again.left, again.cut) == (["unit 1, FC3 holding registers 1000"], [])


def test_polls_that_ask_more_than_was_recorded_are_told() -> None:
    more = [*PROFILE.device_resources, resource("r7", "Uint16", 5000)]
    profile = DeviceProfile.model_validate({"name": "p", "deviceResources": more})
    ours = polled(502)
    ours = ours.model_copy(update={"auto_events": [*ours.auto_events, AutoEvent(interval="2s", source_name="r7")]})
    asked = [bytes.fromhex(f"00010000000601{pdu}") for pdu in ("0300000003", "0303e80001", "0313880001")]
    frames = [
        Frame(number + late, kind, data)
        for number, request in enumerate(asked[at] for at in (0, 1, 0, 2))
        for late, kind, data in ((0.0, "sent", request), (0.1, "heard", registers(request)))
    ]
    found = replayed(Recording(1, "device-modbus", [ours], [profile], frames=frames))  # type: ignore[arg-type]
    assert [event.values for event in found.events] == [[0], [1], [2], [1000], [5000]]
    assert found.cut == ["d: unit 1, FC3 holding registers 1000: the recording has no more answers to it"]
    assert (found.missing, found.left) == ([], [])


async def test_a_recording_that_ends_in_the_middle_of_a_poll_ends_before_it() -> None:
    async with peer(lambda asked: [registers(asked)]) as there:
        recording, events = await recorded(polled(there.port), PROFILE, SystemClock(), cycles=2)
    whole = [frame for frame in recording.frames if frame.kind != "closed"]
    for cut in (1, 2, 3):  # without its last answer, its last request, the answer to its first
        again = await replayed_beside(Recording(**{**_fields(recording), "frames": whole[:-cut]}))
        assert rows(again.events) == rows(events)[:4]
        assert again.missing == []


async def test_a_serial_line_needs_no_port_to_be_replayed() -> None:
    line = Line(lambda unit, pdu: [framed(unit, held(pdu, 7))])
    line.start()
    try:
        names = [AutoEvent(interval="1s", source_name=f"r{i}") for i in (0, 1, 2, 1000)]
        ours = serial_device(line.path, Timeout="1s", RequestDelay="20ms", ConnectDelay="50ms")
        ours = ours.model_copy(update={"auto_events": names})
        recording, events = await recorded(ours, PROFILE, SystemClock(), cycles=2)
    finally:
        await line.stop()
    again = await replayed_beside(recording)
    assert rows(again.events) == rows(events) == rows(again.events[:4]) * 2


async def test_what_a_mapper_remembers_of_refusals_is_asked_again_for_the_recording() -> None:
    """Otherwise its first poll would ask what nothing in the recording explains."""

    def answer(asked: bytes) -> Pieces:
        refused = asked[7:12] in (bytes.fromhex("03 00 00 00 03"), bytes.fromhex("03 00 00 00 02"))
        return [frame(asked, b"\x83\x02") if refused else registers(asked)]

    async with peer(answer) as there:  # type: ignore[arg-type]
        protocol, ours = Modbus(), polled(there.port)
        one = planned(ours, PROFILE)
        mapper = protocol.open(one.connection, SystemClock())
        frames: list[Frame] = []
        await mapper.connect()
        plan: Any = one.polls[0].plan
        await mapper.read(plan)
        protocol.tap(one.connection, lambda kind, value: frames.append(Frame(len(frames) / 100, kind, value)))
        events = await mapper.read(plan)
        protocol.tap(one.connection, None)
        await mapper.close()
    recording = Recording(1, "device-modbus", [ours], [PROFILE], frames=frames)
    again = await replayed_beside(recording)
    assert (rows(again.events), again.missing, again.left) == (rows(events), [], [])


async def test_while_nobody_records_nothing_is_in_the_way() -> None:
    async with peer(lambda asked: [registers(asked)]) as there:
        protocol, ours = Modbus(), polled(there.port)
        one = planned(ours, PROFILE)
        mapper: Any = protocol.open(one.connection, SystemClock())
        await mapper.connect()
        ctx = mapper._wire._client.ctx
        plan: Any = one.polls[0].plan
        told: list[str] = []
        for round_ in range(3):
            protocol.tap(one.connection, lambda kind, _: told.append(kind))
            await mapper.read(plan)
            assert "datagram_received" in vars(ctx)
            protocol.tap(one.connection, None)
            for _ in range(2):
                await mapper.read(plan)
            assert "datagram_received" not in vars(ctx)
            assert told == ["framing", "sent", "heard", "sent", "heard"] * (round_ + 1)
        await mapper.close()


def test_requests_in_words() -> None:
    assert words((7, bytes.fromhex("01 00 0a 00 08"))) == "unit 7, FC1 coils 10-17"
    assert words((7, bytes.fromhex("06 00 0a 00 08"))) == "unit 7, FC6 00 0a 00 08"
    assert words((7, bytes.fromhex("2b 0e 01 00"))) == "unit 7, FC43 0e 01 00"


def test_ascii_frames_are_taken_apart() -> None:
    sent = Frame(0.0, "sent", b":110300000003E9\r\n", 2)
    assert Exchanges([sent], "ascii").left == ["unit 17, FC3 holding registers 0-2"]


@pytest.mark.parametrize(
    ("framing", "data"),
    [(framing, data) for framing in ("tcp", "rtu", "ascii", "telex") for data in (b"", b"\x01", b"\x01\x02\x03")]
    + [("tcp", bytes(6)), ("tcp", bytes(7)), ("ascii", b":zz\r\n"), ("ascii", b":11\r\n"), ("ascii", b"\xff" * 9)],
)
def test_what_is_no_frame_of_ours_is_refused_with_its_line(framing: str, data: bytes) -> None:
    with pytest.raises(ConfigError, match="line 12: "):
        Exchanges([Frame(0.0, "sent", data, 12)], framing)


def _fields(recording: Recording) -> dict[str, Any]:
    return {name: getattr(recording, name) for name in recording.__dataclass_fields__}
