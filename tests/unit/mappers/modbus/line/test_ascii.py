"""ASCII frames on a line that garbles: what is no frame is passed over, and never raises in the event loop."""

import pytest

from mappers.modbus.line.ascii import SafeAscii
from mappers.modbus.line.frames import Decoder
from tests.fuzz.frames import framed

GOOD = framed("ascii", 5, b"\x03\x02\x12\x34")


def decode(data: bytes) -> tuple[int, int, bytes]:
    used, unit, _, pdu = SafeAscii(Decoder(False)).decode(data)
    return used, unit, pdu


@pytest.mark.parametrize(
    "before",
    [
        b"", b"noise", b":", b":\r\n", b":0\r\n", b":;\xe8030212\r\n", b":+5030212344B\r\n", b": 5030212344B\r\n",
        b":0503021234FF\r\n", b":050302\r\n", b":0503:", b"::", b":050302123\r\n", b"\r\n\r\n",
    ],
)  # fmt: skip
def test_a_frame_behind_garbage_is_found(before: bytes) -> None:
    assert decode(before + GOOD) == (len(before + GOOD), 5, b"\x03\x02\x12\x34")
    assert decode(before + GOOD.lower())[2] == b"\x03\x02\x12\x34"


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_a_beginning_waits_for_its_end(cut: int) -> None:
    used, _, pdu = decode(b"noise" + GOOD[:cut])
    assert (used, pdu) == (5, b"")
    assert decode((b"noise" + GOOD[:cut])[used:] + GOOD[cut:])[2] == b"\x03\x02\x12\x34"


def test_garbage_without_a_beginning_is_not_kept() -> None:
    assert decode(b"\xff" * 600) == (600, 0, b"")


def test_a_wrong_check_sum_is_no_frame() -> None:
    assert decode(GOOD.replace(b"1234", b"1235")) == (len(GOOD), 0, b"")
