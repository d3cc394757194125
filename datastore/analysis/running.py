"""Rules as they run: one of these for each resource that a rule watches. Readings come in, alarms and values go out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datastore.analysis.around import Around, Holding, Input, Outlet, Timer
from datastore.analysis.refs import Ref
from datastore.analysis.settings import AnyRule, Limits, Missing, Stuck
from gateway.model.alarm import RuleName, Subject
from gateway.model.duration import parse_duration
from gateway.model.reading import Quality

MOST = 1e150
"""Beyond this is no reading of anything: sums of squares of such numbers are not finite."""


def number(value: Any) -> float | None:
    """A reading as a number; None: it is none."""
    if isinstance(value, (int, float)) and -MOST < value < MOST:  # a Bool is 0 or 1
        return float(value)
    return None


@dataclass(slots=True)
class Trouble:
    """What went wrong with readings, counted; the last one in words."""

    count: int = 0
    last: str = ""

    def note(self, what: str) -> None:
        self.count += 1
        self.last = what


class Running(ABC):
    """One rule on one resource (or the resources of one formula or model)."""

    settles = False
    """Whether it wants `settle` when all readings of an event are in."""

    def __init__(self, rule: AnyRule, inputs: Mapping[str, Input], around: Around) -> None:
        self.rule, self.inputs, self.around = rule, inputs, around
        self.subject = next(iter(inputs.values())).ref
        self.trouble = Trouble()
        self.readings = 0
        self.value: Any = None
        """The last number, of whatever it works out."""

    @abstractmethod
    def take(self, slot: str, value: Any, at: int) -> None:
        """A good reading of one of its inputs, with its own time (ns)."""

    def bad(self, slot: str, quality: Quality, at: int) -> None:  # noqa: B027
        """A reading that is none."""

    def settle(self, at: int) -> None:  # noqa: B027
        """All of one event are in."""

    def begin(self) -> None:  # noqa: B027
        """It is in force from now on."""

    def end(self) -> None:  # noqa: B027
        """It is no more; its alarm is somebody else's business."""

    def memory(self) -> Any:
        """What must outlive a restart, JSON-able; None: nothing."""
        return None

    def recall(self, memory: Any) -> None:  # noqa: B027
        """What `memory` gave before the restart."""

    @property
    def over(self) -> bool:
        """Nothing of it runs any more."""
        return True

    def set_back(self, newest: int) -> bool:
        """Whether the wall clock was set back since a reading of this time: none is from the future."""
        return newest > self.around.clock.now()

    async def closed(self) -> None:  # noqa: B027
        """Returns when nothing of it runs any more, after `end`."""

    @property
    def raised(self) -> bool:
        return False

    @property
    def ails(self) -> str:
        """What is wrong with it as a whole; empty: nothing."""
        return ""

    @property
    def alarming(self) -> bool:
        """Whether it has an alarm at all."""
        return True

    def report(self) -> dict[str, Any]:
        """For people."""
        return {
            "subject": str(self.subject),
            "raised": self.raised,
            "value": self.value if isinstance(self.value, (int, float)) or self.value is None else short(self.value),
            "readings": self.readings,
            "errors": self.trouble.count,
            "last_error": self.trouble.last,
        }


class Alert:
    """The alarm of one running rule, and the virtual Bool that goes with it."""

    def __init__(self, rule: AnyRule, about: Ref, around: Around, into: Ref | None, quiet: bool = False) -> None:
        """`quiet`: there is no alarm, only the Bool."""
        self._rule, self._around, self._quiet = rule, around, quiet
        self._name, self._about = RuleName(rule.name), Subject(about.device, about.resource)
        self._outlet = Outlet(around, into) if into is not None else None
        self.before = not quiet and around.alarms.is_raised(self._name, self._about)
        """Raised before the restart, or before the rule was changed."""

    def flip(self, state: bool, why: str, value: float | None, at: int) -> None:
        if self._outlet is not None:
            self._outlet.put(state, at)
        if self._quiet or (not state and not self._around.alarms.is_raised(self._name, self._about)):
            return
        text = f"{self._rule.description}: {why}" if self._rule.description and state else why
        word = "raised" if state else "cleared"
        self._around.alarms.tell(self._name, word, text, value, self._about, self._rule.severity)

    def show(self, state: bool, at: int) -> None:
        """The first state there is."""
        if self._outlet is not None and not self._outlet.told:
            self._outlet.put(state, at)


class Watch:
    """A number against its limits."""

    def __init__(self, rule: Limits, alert: Alert, around: Around) -> None:
        self._rule, self._alert = rule, alert
        self.above, self.below = rule.above, rule.below
        waits = (parse_duration(rule.for_), parse_duration(rule.clear_after))
        self.holding = Holding(around.timers, around.clock, waits, self._flip)
        self.holding.state = alert.before
        self._value: float | bool = 0.0
        self._at = 0
        self._say: Callable[[], str] = str
        self._clock = around.clock
        self._timely = False

    def put(self, value: float | bool, at: int, say: Callable[[], str]) -> None:
        """`say`: what the number is, for people: `boiler-1/temperature`."""
        self._value, self._at, self._say = value, at, say
        self._timely = True
        self.holding.wish(self._beyond(value))
        self._timely = False
        if not self.holding.pending:
            self._alert.show(self.holding.state, at)

    def lost(self) -> None:
        """There is no number now: nothing lasts, and nothing ends."""
        self.holding.forget()

    def _beyond(self, value: float) -> bool:
        slack = self._rule.hysteresis if self.holding.state else 0.0
        return (self.above is not None and value > self.above - slack) or (
            self.below is not None and value < self.below + slack
        )

    def _flip(self, state: bool) -> None:
        at = self._at if self._timely else self._clock.now()
        self._alert.flip(state, f"{self._say()} is {self._words(state)}", float(self._value), at)

    def _words(self, state: bool) -> str:
        wait = self._rule.for_ if state else self._rule.clear_after
        lasted = f" for {wait}" if parse_duration(wait) else ""
        value = self._value
        if isinstance(value, bool):
            return f"{'true' if value else 'false'}{lasted}"
        if state:
            high = self.above is not None and value > self.above
            return f"{value:g}, {'above' if high else 'below'} {self.above if high else self.below:g}{lasted}"
        limits = " and ".join(f"{limit:g}" for limit in (self.below, self.above) if limit is not None)
        slack = f", by {self._rule.hysteresis:g} at least" if self._rule.hysteresis else ""
        return f"{value:g}, back within {limits}{slack}{lasted}"


class StuckRule(Running):
    """See `Stuck`."""

    def __init__(self, rule: Stuck, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        self._span, self._tolerance = parse_duration(rule.for_), rule.tolerance
        self._words = rule.for_
        into = rule.makes().get("into")
        self._alert = Alert(rule, self.subject, around, into)
        self._raised = self._alert.before
        self._since: float | None = None
        """When it was what it is first, monotonic; None: nobody knows, what came last was bad."""

    @property
    def raised(self) -> bool:
        return self._raised

    def take(self, slot: str, value: Any, at: int) -> None:  # noqa: ARG002
        self.readings += 1
        now, first = self.around.clock.monotonic(), self.readings == 1
        if first or self._changed(value):
            self.value, self._since = value, now
            if first or not self._raised:
                self._alert.show(self._raised, at)
            else:
                self._raised = False
                self._alert.flip(False, f"{self.subject} changes again", number(value), at)
        elif self._since is None:
            self._since = now
        elif not self._raised and now - self._since >= self._span:
            self._raised = True
            why = f"{self.subject} has been {short(self.value)} for {self._words}, though it is read"
            self._alert.flip(True, why, number(self.value), at)

    def bad(self, slot: str, quality: Quality, at: int) -> None:  # noqa: ARG002
        self._since = None

    def _changed(self, value: Any) -> bool:
        one, other = number(value), number(self.value)
        if not self._tolerance or one is None or other is None:  # a float does not tell counts beyond 2^53 apart
            return bool(value != self.value)
        return abs(one - other) > self._tolerance


class MissingRule(Running):
    """See `Missing`. A reading costs it one assignment: its timer looks when it is over whether something came."""

    def __init__(self, rule: Missing, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        self._span, self._words = parse_duration(rule.for_), rule.for_
        self._alert = Alert(rule, self.subject, around, rule.makes().get("into"))
        self._raised = self._alert.before
        self._heard = 0.0
        self._last_bad = ""
        self._timer: Timer | None = None

    @property
    def raised(self) -> bool:
        return self._raised

    def begin(self) -> None:
        self._heard = self.around.clock.monotonic()
        self._arm()

    def end(self) -> None:
        if self._timer is not None:
            self.around.timers.cancel(self._timer)

    def take(self, slot: str, value: Any, at: int) -> None:  # noqa: ARG002
        self.readings += 1
        self._heard = self.around.clock.monotonic()
        self._last_bad = ""
        if self._raised:
            self._raised = False
            self._alert.flip(False, f"{self.subject} is there again", number(value), at)
            if self._timer is None:
                self._arm()
        elif self.readings == 1:
            self._alert.show(False, at)

    def bad(self, slot: str, quality: Quality, at: int) -> None:  # noqa: ARG002
        self._last_bad = " ".join(word for word in quality if word)

    def _arm(self) -> None:
        self._timer = self.around.timers.at(self._heard + self._span, self._look)

    def _look(self) -> None:
        if self.around.clock.monotonic() < self._heard + self._span - 1e-9:
            self._arm()
            return
        self._timer = None
        if not self._raised:
            self._raised = True
            bad = f"; what came was {self._last_bad}" if self._last_bad else ""
            self._alert.flip(
                True, f"no good value of {self.subject} for {self._words}{bad}", None, self.around.clock.now()
            )


def short(value: Any) -> str:
    """For people."""
    return f"{value:g}" if isinstance(value, float) else str(value)[:60]
