"""Device identification: what comes, what comes in pieces, and what lies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from mappers.modbus.discovery.identify import Identification, Page, identify, page, plain
from mappers.modbus.line.frames import Decoder
from tests.unit.mappers.modbus.talk import Unit, talk


def pdu(code: int, objects: list[tuple[int, bytes]], more: int = 0, goes_on: int = 0, level: int = 0x82) -> bytes:
    body = b"".join(bytes((number, len(text))) + text for number, text in objects)
    return bytes((43, 14, code, level, more, goes_on, len(objects))) + body


def unit(pages: dict[tuple[int, int], bytes]) -> Unit:
    return lambda request: pages.get((request[2], request[3]), b"\xab\x02")


def test_basic_and_regular() -> None:
    basic = [(0, b"Acme"), (1, b"X1"), (2, b"V2.1")]
    found, asked = talk(identify(), unit({(1, 0): pdu(1, basic), (2, 0): pdu(2, [*basic, (4, b"Meter"), (5, b"M")])}))
    assert found is not None
    assert dict(found.objects) == {0: "Acme", 1: "X1", 2: "V2.1", 4: "Meter", 5: "M"}
    assert (found["vendor"], found.names, found["url"]) == ("Acme", ("X1", "Meter", "M"), "")
    assert found.text == "Acme X1 V2.1"
    assert asked == [bytes((43, 14, 1, 0)), bytes((43, 14, 2, 0))]


def test_a_basic_unit_is_not_asked_for_more() -> None:
    found, asked = talk(identify(), unit({(1, 0): pdu(1, [(0, b"Acme")], level=1)}))
    assert found == Identification({0: "Acme"})
    assert len(asked) == 1


def test_it_goes_on_where_the_unit_says() -> None:
    pages = {
        (1, 0): pdu(1, [(0, b"Acme")], 0xFF, 1, 1),
        (1, 1): pdu(1, [(1, b"X1")], 0xFF, 2, 1),
        (1, 2): pdu(1, [(2, b"V2")], level=1),
    }
    found, asked = talk(identify(), unit(pages))
    assert found == Identification({0: "Acme", 1: "X1", 2: "V2"})
    assert len(asked) == 3


@pytest.mark.parametrize("goes_on", [0, 1])
def test_a_unit_that_goes_round_is_left(goes_on: int) -> None:
    found, asked = talk(identify(), lambda _: pdu(1, [(0, b"Acme")], 0xFF, goes_on))
    assert found == Identification({0: "Acme"})
    assert len(asked) <= 4


@pytest.mark.parametrize(
    "answer", [None, b"\xab\x01", b"", b"\x2b", b"\x2b\x0d\x01\x81\0\0\0", b"\x03\x02\0\0\0\0\0\0"]
)
def test_who_does_not_identify_itself(answer: bytes | None) -> None:
    assert page(answer) is None
    assert talk(identify(), lambda _: answer) == (None, [bytes((43, 14, 1, 0))])


def test_of_a_truncated_answer_the_whole_objects_count() -> None:
    whole = pdu(1, [(0, b"Acme"), (1, b"X1")], 0xFF, 2)
    for end in range(7, len(whole)):
        got = page(whole[:end])
        assert got is not None
        assert got.goes_on is None
        assert set(got.objects) <= {0}
    assert page(whole) == Page(0x82, {0: b"Acme", 1: b"X1"}, 2)


def test_a_lying_count_and_a_lying_length() -> None:
    assert page(bytes((43, 14, 1, 0x82, 0, 0, 255, 0, 2, 65, 66))) == Page(0x82, {0: b"AB"}, None)
    assert page(bytes((43, 14, 1, 0x82, 0xFF, 1, 1, 0, 200, 65))) == Page(0x82, {}, None)


def test_texts_are_made_harmless() -> None:
    assert plain(b"\x1b[31mEvil\r\n\x00Corp\x07  \xe2\x80\xae") == "[31mEvil Corp"
    assert plain(b"M\xfcller") == "Müller"
    found, _ = talk(identify(), unit({(1, 0): pdu(1, [(0, b"\0\0"), (1, b" ")])}))
    assert found is None


@given(st.binary(max_size=300))
def test_no_answer_raises_or_loops(answer: bytes) -> None:
    talk(identify(), lambda _: answer, most=40)
    talk(identify(), lambda _: b"\x2b\x0e" + answer, most=40)


def test_on_a_serial_line_its_size_is_told_by_its_objects() -> None:
    """Whatever has come so far is either too little or all of it: a frame is never cut short."""
    framer = FramerRTU(Decoder(False))
    for objects in ([], [(0, b"")], [(0, b"Acme"), (1, b"X1"), (2, b"V2.1")], [(0, b"x" * 240)]):
        answer = pdu(1, objects)
        frame = framer.encode(answer, 7, 0)
        for end in range(len(frame)):
            assert framer.decode(frame[:end])[0] == 0
        assert framer.decode(frame) == (len(frame), 7, 0, answer)
