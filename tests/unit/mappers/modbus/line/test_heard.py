"""What came instead of an answer is told apart, and the sentence says what to try."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.ascii import FramerAscii
from pymodbus.framer.rtu import FramerRTU

from mappers.modbus.line.connection import Serial, Tcp
from mappers.modbus.line.frames import Decoder
from mappers.modbus.line.heard import Heard, frames_in
from tests.unit.mappers.modbus.line.test_rtu import framed, held

LINE = Serial("/dev/ttyUSB0", 9600, 8, 1, "N")
HOST = Tcp("10.0.0.1", 502)
READ = bytes.fromhex("03 0000 0003")
WRITE = bytes.fromhex("10 0000 0002 04 0001 0002")
ANSWER = held(READ, 7)


def mbap(unit: int, pdu: bytes, transaction: int = 1) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def heard(came: bytes, settings: Serial | Tcp = LINE, answered: tuple[int, ...] = (), uninvited: bytes = b"") -> Heard:
    """Of a question to unit 1; what comes is heard in two pieces."""
    made = Heard(settings)
    made.hears(uninvited, False)
    made.asks(framed(1, READ))
    for unit in answered:
        made.answer(unit)
    for buffer in (came[: len(came) // 2], came):
        if buffer:
            made.hears(buffer, True)
    return made


@pytest.mark.parametrize(
    ("came", "says"),
    [
        (b"", "nothing at all was heard: look at the unit id, at baud rate and parity, and at the wires"),
        (b"\xf8\x00\xe7\x1c" * 9, "what came is no frame: wrong baud rate, parity or stop bits"),
        (framed(1, ANSWER)[:-1] + b"\0", "what came is no frame"),
        (framed(7, ANSWER), "unit 7 answered in its place"),
        (framed(7, b"\x83\x02"), "unit 7 answered in its place"),
        (framed(7, READ) + framed(7, ANSWER), "another master is on the line, it asks unit 7"),
        (framed(9, WRITE), "another master is on the line, it asks unit 9"),
        (b"\0\xff" + framed(7, READ), "another master is on the line, it asks unit 7"),
        (framed(1, READ), "only our own request came back: the adapter echoes"),
        (framed(1, READ) + framed(7, ANSWER), "unit 7 answered in its place"),
        (FramerAscii(Decoder(False)).encode(ANSWER, 1, 0), "write modbus-ascii instead of modbus-rtu"),
    ],
)
def test_on_a_serial_line(came: bytes, says: str) -> None:
    assert says in heard(came).why(1, "rtu")


def test_who_answers_well_rules_causes_out() -> None:
    assert "it answered before: look at its power" in heard(b"", answered=(1,)).why(1, "rtu")
    assert "others here answer: look at the unit id" in heard(b"", answered=(2,)).why(1, "rtu")
    noise = b"\xf8\x00\xe7\x1c" * 9
    assert "while" not in heard(noise, answered=(1,)).why(1, "rtu")
    assert "its baud rate or parity is another, or two devices have this unit id" in heard(noise, answered=(2,)).why(
        1, "rtu"
    )


def test_requests_that_nobody_here_sent_betray_another_master() -> None:
    garbled = b"\xf8\x00\xe7\x1c"
    assert "another master is on the line, it asks unit 5" in heard(garbled, uninvited=framed(5, READ)).why(1, "rtu")
    assert "another master" not in heard(garbled, uninvited=b"\0\0").why(1, "rtu")


@pytest.mark.parametrize(
    ("came", "framing", "written", "says"),
    [
        (b"", "tcp", "tcp", "a plain serial server wants Framing: rtu"),
        (b"", "rtu", "rtu", "or it wants Framing: tcp"),
        (framed(1, ANSWER), "tcp", "tcp", "it answers in RTU frames: write Framing: rtu"),
        (mbap(1, ANSWER), "rtu", "rtu", "it answers in Modbus TCP frames: leave Framing: rtu out"),
        (mbap(7, ANSWER), "tcp", "tcp", "unit 7 answered in its place"),
        (mbap(1, ANSWER, 9), "tcp", "tcp", "an answer to an earlier request came: its Timeout is too short"),
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            "tcp",
            "tcp",
            "it says 'HTTP/1.1 400 Bad Req': this may not be the port for Modbus",
        ),
        (b"\0" * 5, "tcp", "tcp", "no whole Modbus TCP frame: this may not be the port for Modbus"),
        (mbap(1, ANSWER)[:-1], "tcp", "tcp", "no whole Modbus TCP frame: this may not be the port for Modbus"),
    ],
)
def test_over_tcp(came: bytes, framing: str, written: str, says: str) -> None:
    assert says in heard(came, Tcp("10.0.0.1", 502, framing=written)).why(1, framing)


def test_how_a_connection_ends_tells_the_quirk_that_would_help() -> None:
    host = Tcp("10.0.0.1", 502)
    assert (
        "before any answer: this may not be the port for Modbus, or it serves another program already"
        in heard(b"", host).hung_up()
    )
    assert "ConnectDelay: 1s" in heard(b"", host).hung_up()
    often = heard(b"", host, answered=(1, 1)).hung_up()
    assert often.startswith("the connection was lost after 2 answers: ")
    assert "RequestDelay: 50ms" in often
    assert "IdleTimeout: 5s" in often
    assert heard(b"", host, answered=(1,) * 21).hung_up() == "the connection was lost after 21 answers"
    assert heard(b"", answered=(1,)).hung_up() == "the connection was lost", "a port that is unplugged"


def test_a_device_that_is_silent_at_first_or_when_asked_again_is_told_the_quirk() -> None:
    assert "ConnectDelay: 1s" in heard(b"", Tcp("10.0.0.1", 502)).why(1, "tcp")
    assert "ConnectDelay" not in heard(b"", Tcp("10.0.0.1", 502, connect_delay=2.0)).why(1, "tcp")
    assert "RequestDelay: 50ms" in heard(b"", Tcp("10.0.0.1", 502), answered=(1,)).why(1, "tcp")


def test_framing_that_is_tried_both_ways_is_not_advised() -> None:
    assert "Framing" not in heard(b"", Tcp("10.0.0.1", 502, framing="auto")).why(1, "tcp")


def test_rtu_on_an_ascii_line() -> None:
    line = Serial("/dev/ttyUSB0", 9600, 7, 1, "E", framing="ascii")
    assert "write modbus-rtu instead of modbus-ascii" in heard(framed(1, ANSWER), line).why(1, "ascii")


@given(st.lists(st.one_of(st.binary(max_size=3), st.sampled_from([framed(3, ANSWER), framed(4, READ)]))))
def test_frames_are_found_among_noise(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert {frame.unit for frame in frames_in(data)} >= {part[0] for part in parts if len(part) > 3}


@given(st.binary(max_size=600), st.sampled_from(["rtu", "ascii", "tcp"]))
def test_whatever_comes_there_is_a_sentence(data: bytes, framing: str) -> None:
    for settings in (LINE, HOST):
        assert heard(data, settings).why(1, framing)


def test_a_check_sum_is_looked_at() -> None:
    assert frames_in(framed(1, READ)[:-1] + b"\0") == []
    assert FramerRTU.compute_CRC(framed(1, READ)[:-2]).to_bytes(2) == framed(1, READ)[-2:]
