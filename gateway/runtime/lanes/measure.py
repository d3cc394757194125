"""Small measures kept while running: how busy something is, how fast it goes."""

from collections import deque
from statistics import median

BUCKET_S = 5.0
BUCKETS = 12
WINDOW_S = BUCKET_S * BUCKETS


class Busy:
    """Share of the last minute that something was in use, in buckets of five seconds."""

    __slots__ = ("_buckets", "_since")

    def __init__(self, now: float) -> None:
        self._since = now
        self._buckets: deque[list[float]] = deque(maxlen=BUCKETS)

    def add(self, now: float, seconds: float) -> None:
        """In use for the `seconds` before monotonic time `now`."""
        if not self._buckets or now - self._buckets[-1][0] >= BUCKET_S:
            self._buckets.append([now, 0.0])
        self._buckets[-1][1] += seconds

    def share(self, now: float) -> float:
        """0 to 1."""
        recent = [used for start, used in self._buckets if now - start < WINDOW_S]
        return min(1.0, sum(recent) / max(min(now - self._since, WINDOW_S), 1e-3))


class Pace:
    """The mean period and the median answer time of the last ones."""

    __slots__ = ("_answers", "_times")

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=11)
        self._answers: deque[float] = deque(maxlen=9)

    def note(self, now: float, answer_s: float | None) -> None:
        """Something good came at monotonic time `now`, after `answer_s` seconds per request; None: unasked."""
        self._times.append(now)
        if answer_s is not None:
            self._answers.append(answer_s)

    def restart(self) -> None:
        """A pause that is somebody else's fault is no period."""
        self._times.clear()

    @property
    def period(self) -> float | None:
        """Seconds; None before the second."""
        if len(self._times) < 2:
            return None
        return (self._times[-1] - self._times[0]) / (len(self._times) - 1)

    @property
    def answer_s(self) -> float | None:
        return median(self._answers) if self._answers else None
