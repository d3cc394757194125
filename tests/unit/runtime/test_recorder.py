"""What is written down of a connection, for how long, and what ends it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.model.configuration import Configuration, Profiles
from gateway.model.device import Device
from gateway.model.errors import CommandRejected
from gateway.model.plan import Connection, PlannedDevice
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.recording import Tap, load_recording
from gateway.runtime import recorder
from gateway.runtime.recorder import Recordings
from tests.support.clock import MovingClock, settle

LINE, OTHER = (Connection("s", key, None) for key in ("/dev/ttyUSB0", "10.0.0.9:502"))
PROFILE = DeviceProfile.model_validate({"name": "p"})


class Protocol:
    """Who listens to which connection."""

    def __init__(self) -> None:
        self.taps: dict[str, Tap] = {}

    def tap(self, connection: Connection, tap: Tap | None) -> None:
        if tap is None:
            self.taps.pop(connection.key, None)
        else:
            self.taps[connection.key] = tap


class House:
    """Three devices on two connections."""

    def __init__(self) -> None:
        self.clock, self.protocol = MovingClock(), Protocol()
        self.current = Configuration(Profiles({"p": PROFILE}), {})
        self.force = {
            name: PlannedDevice(Device(name=name, profile_name="p"), PROFILE, connection, {}, facts={"answer_ms": 4})
            for name, connection in {"a": LINE, "b": LINE, "c": OTHER}.items()
        }
        self.recordings = Recordings(self, self, self.clock, Compat.NONE, "9.9")  # type: ignore[arg-type]

    @property
    def planned(self) -> dict[str, PlannedDevice]:
        return self.force

    def by_service(self, service: str) -> Protocol:
        assert service == "s"
        return self.protocol

    @asynccontextmanager
    async def taking(self, name: str, seconds: float = 10.0) -> AsyncIterator["Taker"]:
        taker = Taker(self, name, seconds)
        await taker.begun.wait()
        await settle()
        try:
            yield taker
        finally:
            await taker.stop()


class Taker:
    """Somebody who takes what is recorded."""

    def __init__(self, house: House, name: str, seconds: float) -> None:
        self.house = house
        self.parts: list[str] = []
        self.begun = asyncio.Event()
        self.task = asyncio.create_task(self._take(house.recordings.of(name, seconds)))

    async def _take(self, one: recorder.Recorder) -> None:
        async with aclosing(one.lines()) as lines:
            async for part in lines:
                self.parts.append(part)
                self.begun.set()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    def say(self, kind: Any, value: bytes | str, key: str = LINE.key) -> None:
        self.house.protocol.taps[key](kind, value)

    @property
    def lines(self) -> list[Any]:
        """Behind the head."""
        return [json.loads(line) for line in "".join(self.parts[1:]).splitlines() if line]

    @property
    def end(self) -> str:
        return str(self.lines[-1]["end"])


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("name", ["a", "b", "/dev/ttyUSB0"])
async def test_of_a_device_or_of_a_connection(name: str, house: House) -> None:
    async with house.taking(name) as taker:
        head = load_recording(taker.parts[0].encode(), "f")
        assert [device.name for device in head.devices] == ["a", "b"]
        assert (head.version, head.facts["b"], len(head.profiles)) == ("9.9", {"answer_ms": 4}, 1)
        assert list(house.protocol.taps) == [LINE.key]


async def test_frames_come_with_their_times_and_the_end_says_why(house: House) -> None:
    async with house.taking("a", 3.0) as taker:
        await house.clock.advance(0.25)
        taker.say("framing", "rtu")
        taker.say("sent", b"\x01\x03")
        await house.clock.advance(0.5)
        taker.say("heard", b"\xff")
        await settle()
        assert taker.lines == [
            {"at": 0.25, "framing": "rtu"},
            {"at": 0.25, "sent": "0103"},
            {"at": 0.75, "heard": "ff"},
        ]
        await house.clock.advance(3.0)
        assert taker.lines[3:] == [{"at": 3.0, "end": "it is time"}]
        assert taker.task.done()
    assert house.protocol.taps == {}
    assert house.recordings.running == {}


async def test_when_nothing_is_said_an_empty_line_says_that_it_goes_on(house: House) -> None:
    async with house.taking("a", 12.0) as taker:
        for count in (2, 3):
            await house.clock.advance(recorder.ALIVE_S)
            assert taker.parts[1:] == ["\n"] * (count - 1)
        await house.clock.advance(3.0)
        assert taker.end == "it is time"


async def test_whoever_hangs_up_ends_it(house: House) -> None:
    async with house.taking("a") as taker:
        taker.say("sent", b"\x01")
    assert house.protocol.taps == {}
    assert house.recordings.running == {}
    async with house.taking("a"):
        """And it can be recorded again."""


async def test_one_at_a_time_of_a_connection_and_few_in_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_AT_ONCE", 2)
    house.force["d"] = replace(house.force["c"], connection=Connection("s", "third", None))
    async with house.taking("a"):
        with pytest.raises(CommandRejected, match="/dev/ttyUSB0 is being recorded already") as raised:
            house.recordings.of("b", 1.0)
        assert raised.value.code == 409
        async with house.taking("c"):
            with pytest.raises(CommandRejected, match="2 connections are being recorded") as raised:
                house.recordings.of("d", 1.0)
            assert raised.value.code == 429


async def test_two_that_were_let_in_together_are_one(house: House) -> None:
    first, second = house.recordings.of("a", 1.0), house.recordings.of("a", 1.0)
    async with aclosing(first.lines()) as lines:
        assert await anext(lines)
        assert [line async for line in second.lines()] == []
        assert list(house.recordings.running.values()) == [first]


@pytest.mark.parametrize(("name", "seconds", "code"), [("z", 1.0, 404), ("a", 0.0, 400), ("a", 1e9, 400)])
def test_what_cannot_be_recorded(name: str, seconds: float, code: int, house: House) -> None:
    with pytest.raises(CommandRejected) as raised:
        house.recordings.of(name, seconds)
    assert raised.value.code == code


async def test_it_has_an_end_in_bytes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_BYTES", 2**20)
    async with house.taking("a") as taker:
        while house.protocol.taps:
            taker.say("heard", bytes(100_000))
            await settle()
        assert taker.end == "it has 1 MiB"
        assert sum(map(len, taker.parts)) < 2**20 + 300_000
        assert taker.task.done()


async def test_who_does_not_take_what_comes_is_told_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_HELD", 1000)
    async with house.taking("a") as taker:
        while house.protocol.taps:
            taker.say("heard", bytes(40))
        await settle()
        assert taker.end == "whoever takes it is too slow"
        assert len(taker.lines) < 20


async def test_who_takes_nothing_any_more_holds_the_connection_no_longer_than_was_said(house: House) -> None:
    """A peer that went away without a word, or that reads nothing: its answer may hang for very long."""
    async with aclosing(house.recordings.of("a", 3.0).lines()) as lines:
        await anext(lines)
        begun = asyncio.create_task(anext(lines))  # type: ignore[arg-type]
        await settle()
        house.protocol.taps[LINE.key]("sent", b"\x01")
        assert '"sent":"01"' in await begun
        await house.clock.advance(2.5)
        with pytest.raises(CommandRejected, match="is being recorded already"):
            house.recordings.of("a", 1.0)
        await house.clock.advance(1.0)
        async with house.taking("a") as other:
            assert [json.loads(line) async for line in lines] == [{"at": 3.5, "end": "it is time"}]
            other.say("sent", b"\x03")
            assert list(house.protocol.taps) == [LINE.key], "the end of the first is not that of the second"


async def test_one_that_ended_before_its_head_was_taken_listens_no_more(house: House) -> None:
    async with aclosing(house.recordings.of("a", 3.0).lines()) as lines:
        await anext(lines)
        house.recordings.end("the gateway stops")
        assert [json.loads(line) async for line in lines] == [{"at": 0.0, "end": "the gateway stops"}]
    assert (house.protocol.taps, house.recordings.running) == ({}, {})


async def test_the_end_of_the_longest_is_read(house: House) -> None:
    """A busy gateway notices a little late that it is time."""
    async with aclosing(house.recordings.of("a", recorder.MOST_SECONDS).lines()) as lines:
        parts = [await anext(lines)]
        await house.clock.advance(recorder.MOST_SECONDS + 0.01)
        parts += [part async for part in lines]
        found = load_recording("".join(parts).encode(), "f")
        assert found.frames[-1].value == "it is time"


async def test_what_is_learned_meanwhile_stands_before_the_requests_that_know_it(house: House) -> None:
    async with house.taking("a") as taker:
        taker.say("sent", b"\x01")
        house.force = {**house.force, "b": replace(house.force["b"], facts={"max_registers": 8})}
        taker.say("heard", b"\x02")
        taker.say("sent", b"\x03")
        await settle()
        assert [next(key for key in line if key != "at") for line in taker.lines] == ["sent", "heard", "facts", "sent"]
        assert taker.lines[2]["facts"] == {"b": {"max_registers": 8}}


async def test_other_connections_may_change_but_not_this_one(house: House) -> None:
    async with house.taking("a") as taker:
        house.force = {name: one for name, one in house.force.items() if name != "c"}
        taker.say("sent", b"\x01")
        house.force = {**house.force, "b": replace(house.force["b"], device=Device(name="b", profile_name="p"))}
        taker.say("sent", b"\x02")
        await settle()
        assert [line.get("sent") for line in taker.lines] == ["01", None]
        assert taker.end == recorder.CHANGED


async def test_the_gateway_stops(house: House) -> None:
    async with house.taking("a") as taker:
        house.recordings.end("the gateway stops")
        await settle()
        assert (taker.end, taker.task.done()) == ("the gateway stops", True)
