"""Durations as Go writes them."""

import pytest

from gateway.model.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("500ms", 0.5),
        ("10s", 10.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("2.s", 2.0),
        ("1h30m", 5400.0),
        ("1m0.25s", 60.25),
        ("-2s", -2.0),
        ("+3m", 180.0),
        ("100us", 1e-4),
        ("100µs", 1e-4),
        ("100μs", 1e-4),
        ("7ns", 7e-9),
        ("7d", 604800.0),
        ("1.5d12h", 172800.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "10", "s", "1 s", "1s ", "1x", "1e3s", "ms5", "1s\n", "--1s", "٣s", "1.2.3s", "."]
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_longer_than_an_int64_of_nanoseconds_is_refused() -> None:
    with pytest.raises(ValueError, match="292 years"):
        parse_duration("9999999999h")
