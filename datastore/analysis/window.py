"""The last readings of one resource, in bounded memory, and what can be said of them."""

import math
from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

AGAIN = 1024
"""Sums are worked out anew after so many readings left the window: adding and taking away wears floats down."""
SMALL = 1e-4
SPARE = 1.253314
"""Mean absolute deviation → standard deviation of a normal distribution (Iglewicz and Hoaglin, 1993)."""
ROBUST = 1.482602
"""Median absolute deviation → standard deviation of a normal distribution."""
MOST = 1e6
"""A score goes no further: where all readings were equal, any other is infinitely far."""


class Window:
    """Readings of the last `span` ns, by their own times, at most `samples` of them. 16 bytes each."""

    __slots__ = ("_first", "_left", "_mean", "_square", "_times", "_values", "cut", "samples", "span")

    def __init__(self, span: int, samples: int) -> None:
        self.span, self.samples = span, samples
        self.cut = 0
        """Readings that had to leave before their time, for the window's bound."""
        self.clear()

    def clear(self) -> None:
        """As in the beginning; what was cut is still counted."""
        self._times, self._values = array("q"), array("d")
        self._first = self._left = 0
        self._mean = self._square = 0.0
        """Mean, and sum of squared deviations from it (Welford)."""

    def __len__(self) -> int:
        return len(self._times) - self._first

    @property
    def newest(self) -> int:
        """Its time."""
        return self._times[-1]

    def put(self, at: int, value: float) -> bool:
        """A reading; false when it is older than the newest there is, and is left out."""
        if len(self) and at < self._times[-1]:
            return False
        self._times.append(at)
        self._values.append(value)
        count = len(self)
        delta = value - self._mean
        self._mean += delta / count
        self._square += delta * (value - self._mean)
        oldest = at - self.span
        while self._times[self._first] < oldest:
            self._drop()
        if len(self) > self.samples:
            self._drop()
            self.cut += 1
        if self._first > len(self) // 8 + 64:  # now and then, so that a reading costs the same on average
            del self._times[: self._first], self._values[: self._first]
            self._first = 0
        return True

    def _drop(self) -> None:
        value = self._values[self._first]
        self._first += 1
        count = len(self)
        self._left += 1
        if count == 0 or self._left >= AGAIN:
            self._anew()
            return
        delta, before = value - self._mean, self._square
        self._mean -= delta / count
        self._square = max(0.0, before - delta * (value - self._mean))
        if self._square < SMALL * before:  # an outlier leaves: what is left of the sum is rounding
            self._anew()

    def _anew(self) -> None:
        self._left = 0
        values = self._values[self._first :]
        self._mean = math.fsum(values) / len(values) if values else 0.0
        self._square = math.fsum((value - self._mean) ** 2 for value in values)

    @property
    def mean(self) -> float:
        return self._mean

    @property
    def std(self) -> float | None:
        """Of the sample (n - 1); None of fewer than two."""
        return math.sqrt(self._square / (len(self) - 1)) if len(self) > 1 else None

    @property
    def oldest(self) -> tuple[int, float]:
        return self._times[self._first], self._values[self._first]

    def before(self, time: int) -> tuple[int, float] | None:
        """The newest reading not after `time`; None when all are."""
        index = bisect_left(self._times, time + 1, self._first) - 1
        return (self._times[index], self._values[index]) if index >= self._first else None


class Extreme:
    """The largest (or with `sign` -1 the smallest) of the last `span` ns and `samples` readings: a queue that only
    falls, so a reading costs the same whatever the window. At most 24 bytes each."""

    __slots__ = ("_count", "_counts", "_first", "_sign", "_times", "_values", "samples", "span")

    def __init__(self, span: int, samples: int, sign: int) -> None:
        self.span, self.samples, self._sign = span, samples, sign
        self.clear()

    def clear(self) -> None:
        """As in the beginning."""
        self._times, self._counts, self._values = array("q"), array("q"), array("d")
        self._first = self._count = 0

    def put(self, at: int, value: float) -> bool:
        """A reading; false when it is older than the newest there is, and is left out."""
        times, counts, values, signed = self._times, self._counts, self._values, self._sign * value
        if times and at < times[-1]:
            return False
        while len(values) > self._first and self._sign * values[-1] <= signed:
            times.pop(), counts.pop(), values.pop()
        times.append(at)
        counts.append(self._count)
        values.append(value)
        self._count += 1
        while times[self._first] < at - self.span or counts[self._first] < self._count - self.samples:
            self._first += 1
        if self._first > len(values) // 8 + 64:  # as a window
            del times[: self._first], counts[: self._first], values[: self._first]
            self._first = 0
        return True

    @property
    def newest(self) -> int:
        """Its time."""
        return self._times[-1]

    @property
    def value(self) -> float:
        return self._values[self._first]


class Sample:
    """The last `count` readings in order of size: medians in the time of a search."""

    __slots__ = ("_by_age", "_sorted", "count")

    def __init__(self, count: int) -> None:
        self.count = count
        self._by_age: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def put(self, value: float) -> None:
        if len(self._by_age) == self.count:
            old = self._by_age.popleft()
            del self._sorted[bisect_left(self._sorted, old)]
        self._by_age.append(value)
        insort(self._sorted, value)

    def score(self, value: float) -> float:
        """Robust standard deviations of `value` from the median, within ±`MOST`."""
        middle = median(self._sorted)
        deviation = value - middle
        spread = ROBUST * median_deviation(self._sorted, middle)
        if spread == 0:  # more than half are equal: the mean deviation is what is left
            spread = SPARE * math.fsum(abs(one - middle) for one in self._sorted) / len(self._sorted)
        if spread == 0:
            return math.copysign(MOST, deviation) if deviation else 0.0
        return max(-MOST, min(MOST, deviation / spread))


def median(ordered: Sequence[float]) -> float:
    """Of at least one value, in order."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def median_deviation(ordered: Sequence[float], middle: float) -> float:
    """Median of the distances from `middle`, their median."""
    count = len(ordered)
    upper = _nearest(ordered, middle, count // 2)
    return upper if count % 2 else (upper + _nearest(ordered, middle, count // 2 - 1)) / 2


def _nearest(ordered: Sequence[float], middle: float, rank: int) -> float:
    """The distance that `rank` others are not beyond. The rank + 1 nearest values lie side by side: a search finds
    where they begin."""
    low, high = 0, len(ordered) - rank - 1
    while low < high:
        begin = (low + high) // 2
        if middle - ordered[begin] > ordered[begin + rank + 1] - middle:
            low = begin + 1
        else:
            high = begin
    return max(middle - ordered[low], ordered[low + rank] - middle)
