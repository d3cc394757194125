"""Why values do not flow, in words that say what to try."""

import pytest

from gateway.model.reading import NAN, OVERFLOW, TIMEOUT, Quality, refused
from gateway.runtime.twin.flow import in_words
from mappers.modbus import Modbus


@pytest.mark.parametrize(
    ("quality", "says"),
    [
        (refused("2"), "refused 2; ILLEGAL DATA ADDRESS: there is no such register; look at startingAddress"),
        (refused("1"), "refused 1; ILLEGAL FUNCTION: it does not read this table; look at primaryTable"),
        (refused("3"), "refused 3; ILLEGAL DATA VALUE: it does not read so many at once; try MaxRegisters"),
        (refused("77"), "refused 77"),
        (OVERFLOW, "overflow; the value does not fit its valueType; look at valueType, rawType and byteOrder"),
        (NAN, "nan; the device says that it has no value now"),
        (TIMEOUT, "timeout; it answers other requests; one that is asked too fast wants RequestDelay: 50ms"),
        (Quality("bad", "device", "2"), "device 2"),
    ],
)
def test_what_is_wrong_with_a_value(quality: Quality, says: str) -> None:
    assert in_words(quality, Modbus.codes).startswith(says)


def test_a_protocol_without_words_for_it() -> None:
    assert in_words(refused("2"), {}) == "refused 2"
