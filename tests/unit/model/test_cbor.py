"""CBOR as EdgeX writes it; examples of RFC 8949, appendix A."""

import math

import pytest

from gateway.model.cbor import NotCbor, read


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1b000000e8d4a51000", 10**12),
        ("1bffffffffffffffff", 2**64 - 1),
        ("3903e7", -1000),
        ("f93e00", 1.5),
        ("fa47c35000", 100000.0),
        ("fbc010666666666666", -4.1),
        ("f4", False),
        ("f6", None),
        ("4401020304", b"\1\2\3\4"),
        ("62c3bc", "ü"),
        ("83010203", [1, 2, 3]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("c11a514b67b0", 1363896240),
    ],
)
def test_examples(code: str, value: object) -> None:
    assert read(bytes.fromhex(code), 8) == value


def test_not_a_number() -> None:
    assert math.isnan(read(bytes.fromhex("f97e00"), 8))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "too early"),
        ("1903", "too early"),
        ("5bffffffffffffffff00", "too early"),
        ("9bffffffffffffffff", "too early"),
        ("0000", "more behind"),
        ("9f01ff", "lengths must be told"),
        ("a10102", "no text"),
        ("62c328", "no text"),
        ("f8ff", "means nothing"),
        ("81" * 9 + "00", "too deeply"),
    ],
)
def test_what_is_none(code: str, said: str) -> None:
    with pytest.raises(NotCbor, match=said):
        read(bytes.fromhex(code), 8)
