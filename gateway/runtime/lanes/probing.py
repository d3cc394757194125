"""When silent units are asked again and how long an answer is waited for, so that their neighbours hardly notice.

A probe waits no longer than an answer has ever taken here, and goes when the line has nothing to do for so long. One
that fits nowhere goes all the same, but such probes take no more than a small share of the line's time.
"""

import math
from dataclasses import dataclass

from gateway.model.contracts import Clock
from gateway.runtime.lanes.unit import Unit, Units

PATIENCE = 3.0
"""A probe waits so many times what answers take here …"""
LEAST_S = 0.1
"""… and at least this long."""
FULL_EVERY = 4
"""Every so many probes one waits as long as the device's file says: its unit may have become slow …"""
FULL_S = 300.0
"""… and where that makes polls late, at most one in so many seconds does."""
QUIET_S = 0.05
"""After silence a line may want so long before the next request."""
GAP_S = 2.0
"""A probe waits so long for a gap that it fits into."""
DISTURBING = 0.005
"""Share of the line's time that other probes may take from polls, where there is no gap for them at all."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to a silent unit."""

    unit: Unit
    patience: float | None
    """Seconds to wait for an answer; None: as long as the device's file says."""
    late_s: float = 0.0
    """So much later polls may be for it; not above 0: it fits."""


class Probing:
    """The probes of one connection."""

    def __init__(self, units: Units, clock: Clock) -> None:
        self._units, self._clock = units, clock
        self._disturbs_at = 0.0
        self._full_at = clock.monotonic() + FULL_S
        """Monotonic times from which a probe may make polls late again."""
        self._last: Unit | None = None
        """The unit whose short probe was the last question on the line."""

    def due(self, idle: bool) -> Probe | None:
        """The probe to send now: of those that may go the one that has waited longest. `idle`: no poll waits."""
        waiting = self._units.probes_due()
        if not waiting:
            return None
        gap, line_s = self._gap() if idle else 0.0, self._units.answer_s
        if math.isinf(gap):  # nobody answers who could be late
            return Probe(waiting[0], None)
        probes = (self._probe(unit, self._short(unit, line_s), gap, idle) for unit in waiting)
        return next((probe for probe in probes if probe is not None), None)

    def _probe(self, unit: Unit, short: float | None, gap: float, idle: bool) -> Probe | None:
        """Of one unit, if it may go now."""
        now, patient_until = self._clock.monotonic(), unit.next_probe + GAP_S
        full = Probe(unit, None, unit.full_s + QUIET_S - gap)
        if short is not None and unit.attempt % FULL_EVERY == 0:
            if full.late_s <= 0 or (idle and now >= max(patient_until, self._full_at)):
                return full
            if now < patient_until:
                return None
            patient_until += GAP_S
        probe = full if short is None else Probe(unit, short, short + QUIET_S - gap)
        return probe if probe.late_s <= 0 or now >= max(patient_until, self._disturbs_at) else None

    def unanswered(self, probe: Probe) -> None:
        """It was sent and nothing came."""
        self._last = probe.unit if probe.patience is not None else None
        if probe.late_s > 0:
            now = self._clock.monotonic()
            self._disturbs_at = now + probe.late_s / DISTURBING
            self._full_at = now + FULL_S if probe.patience is None else self._full_at

    def rests(self) -> None:
        """The connection was closed: the next question opens it first, and that it takes long says nothing."""
        self._last = None

    def next_took(self, unit: Unit, seconds: float) -> None:
        """The next question was to `unit` and was answered after so long. A gateway that goes on waiting for its silent
        unit makes others wait for their answers: there, cutting a probe short wins nothing."""
        probed, self._last = self._last, None
        if probed is not None and seconds > _enough(unit.answer_s) + QUIET_S:
            probed.held = True

    def _short(self, unit: Unit, line_s: float | None) -> float | None:
        """Seconds; None: nothing was learned yet, or waiting shorter than the device's file says wins nothing.
        `line_s`: what answers take of who answers on the line."""
        enough = _enough(unit.answer_s or line_s)
        return enough if enough < unit.full_s and not unit.held else None

    def _gap(self) -> float:
        """Seconds until the next poll of a unit that answers."""
        answering = (unit for unit in self._units.polled if not unit.quarantined)
        coming = [polling.beat.next for unit in answering for polling in unit.polls if polling.beat is not None]
        return min(coming, default=math.inf) - self._clock.monotonic()


def _enough(answer_s: float | None) -> float:
    """Seconds to wait where answers take `answer_s`; infinite where none came."""
    return math.inf if answer_s is None else max(LEAST_S, PATIENCE * answer_s)
