"""Status codes: qualities of values, and words."""

import pytest
from asyncua.ua.status_codes import StatusCodes

from gateway.model.reading import Quality
from mappers.opcua import status


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (StatusCodes.Good, None),
        (StatusCodes.GoodLocalOverride, None),
        (0x00000480, None),
        (StatusCodes.UncertainLastUsableValue, Quality("uncertain", "device", "UncertainLastUsableValue")),
        (StatusCodes.BadNodeIdUnknown, Quality("bad", "refused", "BadNodeIdUnknown")),
        (StatusCodes.BadNodeIdUnknown | 0x480, Quality("bad", "refused", "BadNodeIdUnknown")),
        (StatusCodes.BadSensorFailure, Quality("bad", "device", "BadSensorFailure")),
        (0x8FFF0000, Quality("bad", "device", "0x8FFF0000")),
        (0xC0000000, Quality("bad", "device", "0xC0000000")),
    ],
)
def test_what_a_status_says_of_a_value(code: int, expected: Quality | None) -> None:
    assert status.quality(code) == expected


def test_every_name_is_one_of_the_standard() -> None:
    """Of Part 6, A.2, as the library has it; sessions cannot end with a code that no server sends."""
    for name in {*status.GONE, *status.TOO_MUCH, *status.WHEN_READ, *status.WHEN_WRITTEN}:
        assert hasattr(StatusCodes, name), name


def test_a_refusal_says_what_to_try() -> None:
    assert status.said("BadNotWritable").startswith("BadNotWritable: the node cannot be written; make readWrite R")
    assert status.said("BadUserAccessDenied").startswith("BadUserAccessDenied: this user may not write it")
    assert status.said("BadNodeIdUnknown").startswith("BadNodeIdUnknown: the server has no such node; look at nodeId")
    assert status.said("BadInternalError") == "BadInternalError"
