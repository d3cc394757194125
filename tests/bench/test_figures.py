"""What the benches say is what happened: a poll that is lacking anywhere is seen."""

import pytest

from tests.bench.modbus import delivered
from tests.bench.outage import COUNT, Seqs, _missing
from tests.bench.rig import Window

SECOND = 10**9


def window(polls: dict[str, list[int]], seconds: float = 20.0) -> Window:
    return Window(0.0, 0.0, {"polls": polls, "devices": len(polls)}, seconds)


@pytest.mark.parametrize(
    ("polls", "percent"),
    [
        ([20, 2000, 0, 19 * SECOND], 100),
        ([21, 2100, 0, 20 * SECOND], 100),
        ([19, 1900, 0, 18 * SECOND], 100),
        ([19, 1900, 0, 19 * SECOND], 95),
        ([20, 1950, 0, 19 * SECOND], 97.5),
        ([10, 1000, 0, 9 * SECOND], 100 * 10 / 19),
    ],
)
def test_delivered_percent(polls: list[int], percent: float) -> None:
    assert delivered(window({"a": polls}), 1, 1.0) == pytest.approx(percent)


def test_a_device_that_never_came_counts() -> None:
    assert delivered(window({"a": [19, 1900, 0, 18 * SECOND]}), 2, 1.0) == 50


def events(seconds: int, but: int | None = None) -> Seqs:
    """Offsets that have no gap, whatever was not polled."""
    whole = {f"d{n}": {1000 * n + s: s * SECOND for s in range(seconds)} for n in range(COUNT)}
    if but is not None:
        del whole["d3"][3000 + but]
    return whole


def test_missing_polls() -> None:
    assert _missing(events(30)) == 0
    assert _missing(events(30, but=17)) == 1
    assert _missing(events(30), 29.5 * SECOND) == 0
    assert _missing(events(30, but=29), 29.5 * SECOND) == 1
    assert _missing(events(30, but=29), 29.05 * SECOND) == 0
    besides = events(30, but=17)
    besides["d3"] |= {9000 + n: 3 * SECOND + n * SECOND // 4 for n in range(1, 4)}
    assert _missing(besides) == 1, "a read besides the polls makes up for none"
    with pytest.raises(ValueError, match="0 of 20"):
        _missing({})
