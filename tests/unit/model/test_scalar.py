"""What plain YAML scalars mean, by yaml.v3's rules."""

import math
from typing import Any

import pytest

from gateway.model.scalar import LiteralFloat, LiteralInt, Plain, flag, free, integer, literal_text, number, resolve

VALUES: list[tuple[str, Any]] = [
    ("", None),
    ("~", None),
    ("null", None),
    ("NULL", None),
    ("nUll", "nUll"),
    ("true", True),
    ("FALSE", False),
    ("yes", "yes"),
    ("on", "on"),
    ("y", "y"),
    ("0", 0),
    ("-0", 0),
    ("5", 5),
    ("+5", 5),
    ("0777", 511),
    ("0o17", 15),
    ("0x1F", 31),
    ("-0x1f", -31),
    ("0b101", 5),
    ("1_000", 1000),
    ("089", 89.0),
    ("18446744073709551615", 2**64 - 1),
    ("18446744073709551616", float(2**64)),
    ("-9223372036854775808", -(2**63)),
    ("0x1FFFFFFFFFFFFFFFFF", "0x1FFFFFFFFFFFFFFFFF"),
    ("0.1", 0.1),
    (".5", 0.5),
    ("5.", 5.0),
    ("1e3", 1000.0),
    ("1E-3", 0.001),
    ("1e999", "1e999"),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("inf", "inf"),
    ("NaN", "NaN"),
    ("1:30", "1:30"),
    ("190:20:30", "190:20:30"),
    ("2024-01-31", "2024-01-31"),
    ("1.2.3", "1.2.3"),
    ("-", "-"),
    (".", "."),
    ("1²", "1²"),
    ("٣", "٣"),
    ("9" * 5000, "9" * 5000),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_free_form_values(text: str, value: Any) -> None:
    found = resolve(Plain(text))
    assert float(found) == value if isinstance(value, float) else found == value  # type: ignore[arg-type]
    assert isinstance(found, type(value))
    assert type(found) is not Plain


def test_nan() -> None:
    found = resolve(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["10.1", "10.10", "10.0", "1e3", "0x10", "0777", "5", "+5", "true", "abc", "-0"])
def test_the_literal_text_is_kept(text: str) -> None:
    assert literal_text(resolve(text)) == text


def test_ten_point_one_is_not_ten_point_ten() -> None:
    one, ten = resolve("10.1"), resolve("10.10")
    assert one != ten
    assert ten != one
    assert ten == LiteralFloat(10.1, "10.10")
    assert resolve("0x10") == 16 == LiteralInt(16, "020")


def test_a_bit_of_a_register_is_not_the_register() -> None:
    """`startingAddress: 10` made `10.0` is a change: the same number, another place."""
    assert resolve("10.0") != resolve("10")
    assert resolve("10") != resolve("10.0")
    assert resolve("10.0") == 10.0 == resolve("10.0")
    assert resolve("1e1") != 10
    assert float(resolve("1_0.0")) == 10  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1", "0.1", "0x10", "1e3", "-5"])
def test_a_number_field_takes_plain_numbers(text: str) -> None:
    assert type(number(Plain(text))) is float
    assert type(number(LiteralFloat(1.5, "1.50"))) is float


@pytest.mark.parametrize("text", ["abc", "true", "1:30", "0x"])
def test_a_number_field_takes_nothing_else(text: str) -> None:
    assert number(Plain(text)) == text


@pytest.mark.parametrize(("text", "value"), [("0x0F00", 0x0F00), ("15.0", 15), ("1e3", 1000), ("0777", 511)])
def test_an_integer_field_takes_whole_numbers(text: str, value: int) -> None:
    assert integer(Plain(text)) == value
    assert type(integer(Plain(text))) is int


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("On", True), ("y", True), ("true", True), ("no", False), ("OFF", False)]
)
def test_a_boolean_field_takes_the_words_of_yaml_1_1(text: str, value: bool) -> None:
    assert flag(Plain(text)) is value
    assert flag(text) == text  # in quotes it is text


def test_free_values_refuse_what_json_cannot_say() -> None:
    with pytest.raises(ValueError, match="finite"):
        free([Plain(".inf")])
    with pytest.raises(ValueError, match="surrogate"):
        free({"a": "\ud800"})
    with pytest.raises(ValueError, match="got a set"):
        free({1})
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    with pytest.raises(ValueError, match="levels"):
        free(deep)
