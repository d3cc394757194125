"""What goes silent together on one connection: units, the devices on them, and their quarantine."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from gateway.model.errors import NoAnswer
from gateway.model.health import Silence
from gateway.model.plan import Plan
from gateway.runtime.lanes.measure import WINDOW_S, Busy
from gateway.runtime.lanes.polling import Polling
from gateway.runtime.lanes.schedule import Timer


@dataclass(slots=True, eq=False)
class Unit:
    """One unit (a Modbus unit id) and its devices."""

    key: Hashable
    devices: dict[str, tuple[tuple[Polling, ...], Plan | None]] = field(default_factory=dict)
    attempt: int = 0
    """Questions without an answer in a row; 0: it answers."""
    reason: str = ""
    since: int = 0
    """ns UTC of the first of them."""
    next_probe: float = 0.0
    probing: bool = False
    """A probe waits in the line."""
    failed_here: bool = False
    """It was asked on this connection and did not answer."""
    timer: Timer | None = None
    full_s: float = 0.0
    """What the last question without an answer took that waited as long as the device's file says."""
    held: bool = False
    """Something between goes on waiting for this unit when we do not, or answers in its place."""
    cost: Busy | None = None
    """Time of the connection that its silence takes."""

    @property
    def quarantined(self) -> bool:
        return self.attempt > 0

    @property
    def polls(self) -> list[Polling]:
        return [polling for polls, _ in self.devices.values() for polling in polls]

    @property
    def probe(self) -> Plan | None:
        """The cheapest question of the first device that has one."""
        return next((probe for _, probe in self.devices.values() if probe is not None), None)

    @property
    def answer_s(self) -> float | None:
        """Seconds from request to answer, of its slowest poll; None where it never answered."""
        return max((polling.answer_s for polling in self.polls if polling.answer_s is not None), default=None)

    def silent(self, error: NoAnswer, now: int) -> None:
        """One more question without an answer."""
        self.failed_here = True
        if not self.attempt:
            self.since = now
        self.attempt += 1
        self.held = self.held or error.told

    def waited(self, now: float, seconds: float, error: NoAnswer, full: bool) -> None:
        """In vain, for the `seconds` before monotonic time `now`. `full`: as long as the device's file says."""
        self.cost = self.cost or Busy(now - WINDOW_S)
        self.cost.add(now, seconds)
        if full or error.told:
            self.full_s, self.reason = seconds, str(error) or "no answer"

    def answered(self) -> None:
        """It is like others again; what was learned about its silence was about this one."""
        self.attempt, self.held = 0, False
        self.calm()

    def silence(self, now: float) -> Silence:
        cost = self.cost.share(now) if self.cost else 0.0
        return Silence(self.reason, self.since, max(0.0, self.next_probe - now), cost)

    def calm(self) -> None:
        """No probe is to come."""
        self.probing = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Units:
    """All units of a connection."""

    def __init__(self) -> None:
        self._units: dict[Hashable, Unit] = {}
        self._of: dict[str, Unit] = {}

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(self._of)

    @property
    def polled(self) -> list[Unit]:
        """Units with at least one poll."""
        return [unit for unit in self._units.values() if unit.polls]

    def of(self, device: str) -> Unit:
        """The unit a device is on; one nobody knows is a unit for itself."""
        found = self._of.get(device)
        return Unit(device) if found is None else found

    def add(self, device: str, unit: Hashable, polls: Iterable[Polling], probe: Plan | None) -> Unit:
        """A device (again)."""
        found = self._units.setdefault(unit, Unit(unit))
        found.devices[device] = tuple(polls), probe
        self._of[device] = found
        return found

    def remove(self, device: str) -> tuple[Polling, ...]:
        """Its polls, which are no more."""
        unit = self._of.pop(device)
        polls, _ = unit.devices.pop(device)
        if not unit.devices:
            unit.calm()
            del self._units[unit.key]
        return polls

    def probes_due(self) -> list[Unit]:
        """The units whose probes wait, the one that has waited longest first."""
        return sorted((unit for unit in self._quarantined() if unit.probing), key=lambda unit: unit.next_probe)

    def _quarantined(self) -> list[Unit]:
        return [unit for unit in self._units.values() if unit.attempt]

    def all_silent(self) -> bool:
        """Everyone who could be asked on this connection was, and nobody answered."""
        polled = self.polled
        return bool(polled) and all(unit.failed_here and unit.quarantined for unit in polled)

    @property
    def answer_s(self) -> float | None:
        """Of the slowest unit that answers."""
        answering = (unit.answer_s for unit in self._units.values() if not unit.quarantined)
        return max((answer for answer in answering if answer is not None), default=None)

    def quarantined(self, now: float) -> dict[str, Silence]:
        """By device."""
        return {name: unit.silence(now) for unit in self._quarantined() for name in unit.devices}

    def every_poll(self) -> list[Polling]:
        return [polling for unit in self._units.values() for polling in unit.polls]

    def calm(self) -> None:
        """No probe is to come for anyone."""
        for unit in self._units.values():
            unit.calm()
