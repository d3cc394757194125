"""Windows and samples against the plain way to say the same."""

import math
import statistics
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datastore.analysis.window import AGAIN, MOST, ROBUST, SPARE, Extreme, Sample, Window, median_deviation

VALUES = st.floats(-1e6, 1e6)
READINGS = st.lists(st.tuples(st.integers(0, 50), VALUES), min_size=1, max_size=80)


@given(READINGS, st.integers(1, 200), st.integers(2, 30))
def test_a_window_holds_the_last_readings_of_its_span_and_no_more_than_it_may(
    readings: list[tuple[int, float]], span: int, samples: int
) -> None:
    window, largest, smallest = Window(span, samples), Extreme(span, samples, 1), Extreme(span, samples, -1)
    plain: list[tuple[int, float]] = []
    now = 0
    for step, value in readings:
        now += step
        assert window.put(now, value)
        largest.put(now, value)
        smallest.put(now, value)
        plain = [one for one in [*plain, (now, value)] if one[0] >= now - span][-samples:]
        held = [one for _, one in plain]
        assert len(window) == len(held)
        assert window.oldest == plain[0]
        assert window.mean == pytest.approx(statistics.fmean(held), abs=1e-6)
        if len(held) > 1:
            assert window.std == pytest.approx(statistics.stdev(held), rel=1e-6, abs=1e-3)
        assert (largest.value, smallest.value) == (max(held), min(held))
        middle = now - span // 2
        assert window.before(middle) == max((one for one in enumerate_before(plain, middle)), default=None, key=_at)


def enumerate_before(plain: list[tuple[int, float]], time: int) -> list[tuple[int, float]]:
    """Of several with the newest time, the last."""
    found = [one for one in plain if one[0] <= time]
    return found[-1:]


def _at(one: tuple[int, float]) -> int:
    return one[0]


def test_what_comes_late_is_left_out_and_memory_stays_bounded() -> None:
    window = Window(10**12, 100)
    for at in range(5 * AGAIN):
        assert window.put(at, 1e9 + at % 7)
    assert not window.put(3, 5.0)
    assert len(window) == 100
    assert window.cut == 5 * AGAIN - 100
    assert len(window._times) < 400
    assert window.std == pytest.approx(statistics.stdev(1e9 + at % 7 for at in range(5 * AGAIN - 100, 5 * AGAIN)))


@settings(max_examples=200)
@given(st.lists(st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=40))
def test_the_median_deviation_is_the_median_of_the_deviations(values: list[float]) -> None:
    middle = statistics.median(values)
    plain = statistics.median(abs(one - middle) for one in values)
    assert median_deviation(sorted(values), middle) == pytest.approx(plain, abs=1e-9)


@given(st.lists(st.integers(-100, 100).map(float), min_size=5, max_size=60), st.integers(-500, 500).map(float))
def test_the_score_is_in_robust_standard_deviations_of_the_last_readings(values: list[float], other: float) -> None:
    sample = Sample(20)
    plain: deque[float] = deque(maxlen=20)
    for value in values:
        sample.put(value)
        plain.append(value)
    middle = statistics.median(plain)
    spread = ROBUST * statistics.median(abs(one - middle) for one in plain)
    spread = spread or SPARE * statistics.fmean(abs(one - middle) for one in plain)
    if spread:
        assert sample.score(other) == pytest.approx((other - middle) / spread)
    else:
        assert sample.score(other) == (0 if other == middle else math.copysign(MOST, other - middle))
