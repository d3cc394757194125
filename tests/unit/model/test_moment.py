"""Moments as people write them."""

import pytest

from gateway.model.moment import parse_moment

NOW = 1_763_635_200_000_000_000
HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("now", NOW),
        ("1763635200000000001", NOW + 1),
        ("0", 0),
        ("-24h", NOW - 24 * HOUR),
        ("24h", NOW - 24 * HOUR),
        ("1.5d", NOW - 36 * HOUR),
        ("2025-11-20T10:40:00Z", NOW),
        ("2025-11-20 10:40:00", NOW),
        ("2025-11-20T11:40:00+01:00", NOW),
        ("2025-11-20T10:40:00.000000001Z", NOW + 1),
        ("2025-11-20T10:40:00.25+00:00", NOW + 250_000_000),
        ("2025-11-20", NOW - 10 * HOUR - 40 * 60 * 10**9),
    ],
)
def test_moments(text: str, at: int) -> None:
    assert parse_moment(text, NOW) == at


@pytest.mark.parametrize(
    "text", ["", "yesterday", "-5x", "1969-01-01", "99999999999999999999", "2025-13-01", "-30000d", "9" * 19]
)
def test_what_is_none_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_moment(text, NOW)
