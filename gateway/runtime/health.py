"""How the process itself is: lag of the event loop, steps of the wall clock; as metrics and as alarms."""

import logging
from bisect import insort
from collections import deque
from collections.abc import Mapping

from gateway.model.contracts import Clock
from gateway.runtime.alarms import Alarms
from gateway.runtime.clock import STEP_S

LOOK_S = 0.1
SAMPLES = 600
"""Looks that are remembered: a minute."""
CLOCK_LOOK_S = 1.0

log = logging.getLogger(__name__)


class LoopLag:
    """How much later than asked the event loop wakes a sleeper; whatever blocks it shows here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=SAMPLES)
        self._sorted: list[float] = []
        self.worst = 0.0
        """Seconds, since start."""

    async def run(self) -> None:
        """Ten looks a second until cancelled."""
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(LOOK_S)
            self.note(self._clock.monotonic() - before - LOOK_S)

    def note(self, lag: float) -> None:
        """One look, in seconds; a little too early counts as in time."""
        lag = max(0.0, lag)
        if len(self._recent) == SAMPLES:
            self._sorted.remove(self._recent[0])
        self._recent.append(lag)
        insort(self._sorted, lag)
        self.worst = max(self.worst, lag)

    def quantile(self, share: float) -> float:
        """Seconds; of the last minute. 0.0 before the first look."""
        if not self._sorted:
            return 0.0
        return self._sorted[min(len(self._sorted) - 1, int(share * len(self._sorted)))]


class ClockWatch:
    """Notices that somebody set the wall clock, and says so: schedules and ages run on monotonic time and go on as
    they were; stamps before and after the step do not fit together, which the alarm says by how much."""

    def __init__(self, clock: Clock, alarms: Alarms) -> None:
        self._clock, self._alarms = clock, alarms
        self._offset = self._apart()
        self._raised = False
        self.steps = 0
        """Since start."""
        self.stepped_s = 0.0
        """Sum of all steps, seconds."""

    @property
    def state(self) -> str:
        """`trusted` or `untrusted`."""
        return "trusted" if self._clock.trusted() else "untrusted"

    async def run(self) -> None:
        """Looks every second until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(CLOCK_LOOK_S)

    def look(self) -> None:
        """Raises the alarm `clock-step` after a step and while wall time is wrong; clears it when it is trusted."""
        apart = self._apart()
        step = (apart - self._offset) / 1e9
        self._offset = apart
        trusted = self._clock.trusted()
        if abs(step) >= STEP_S:
            self.steps += 1
            self.stepped_s += step
            log.warning("The wall clock was stepped by %+.1f s; schedules are not affected", step)
            self._tell("raised", step, "the wall clock was set; stamps before and after do not fit together")
        elif not trusted and not self._raised:
            self._tell("raised", 0.0, "the wall clock has not been set since the power came back, or is being set")
        elif trusted and self._raised:
            self._tell("cleared", 0.0, "the wall clock is trusted again")

    def _apart(self) -> int:
        return self._clock.now() - round(self._clock.monotonic() * 1e9)

    def _tell(self, state: str, step: float, why: str) -> None:
        self._raised = state == "raised"
        self._alarms.tell("clock-step", state, why, round(step, 3))


def gauges(lag: LoopLag, watch: ClockWatch) -> Mapping[str, float]:
    """For /metrics: name without the prefix → value."""
    return {
        "loop_lag_p50_seconds": lag.quantile(0.5),
        "loop_lag_p99_seconds": lag.quantile(0.99),
        "loop_lag_worst_seconds": lag.worst,
        "clock_steps": float(watch.steps),
        "clock_stepped_seconds": watch.stepped_s,
    }
