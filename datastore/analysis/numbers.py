"""Rules that work out a number: from a reading, from a window of readings, from several resources."""

import math
from collections.abc import Mapping
from typing import Any

from datastore.analysis.around import Around, Input, Outlet
from datastore.analysis.formula import Expression, NoResult
from datastore.analysis.running import Alert, Running, Watch, number, short
from datastore.analysis.settings import Formula, Rate, Rolling, Rollover, Threshold, ZScore
from datastore.analysis.window import Extreme, Sample, Window
from gateway.model.duration import parse_duration
from gateway.model.profile import INTEGER_RANGE
from gateway.model.reading import NAN, OVERFLOW, Quality


class NumberRule(Running):
    """A rule that makes a number of each reading: the number goes out and is held against the limits."""

    def __init__(self, rule: Any, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        into = rule.makes().get("into")
        self.outlet = Outlet(around, into, parse_duration(rule.every)) if into is not None else None
        self.watch = Watch(rule, Alert(rule, self.subject, around, None), around) if rule.limited else None

    @property
    def raised(self) -> bool:
        return self.watch is not None and self.watch.holding.state

    @property
    def alarming(self) -> bool:
        return self.watch is not None

    def end(self) -> None:
        if self.watch is not None:
            self.watch.lost()

    def work_out(self, value: float, at: int) -> float | None:
        """The number after this reading; None: there is none yet, or the reading came too late."""
        raise NotImplementedError

    def _put(self, window: Window | Extreme, at: int, value: float) -> bool:
        """A reading into a window, which begins again when the clock was set back; false: it came too late."""
        if window.put(at, value):
            return True
        if not self.set_back(window.newest):
            return False
        window.clear()
        return window.put(at, value)

    def words(self) -> str:
        """What the number is."""
        return str(self.subject)

    def take(self, slot: str, value: Any, at: int) -> None:
        self.readings += 1
        given = number(value)
        if given is None:
            self.trouble.note(f"{short(value)} is no number")
            self.bad(slot, OVERFLOW, at)
            return
        found = self.work_out(given, at)
        if found is not None:
            self.tell(found, at)

    def bad(self, slot: str, quality: Quality, at: int) -> None:  # noqa: ARG002
        if self.outlet is not None:
            self.outlet.spoil(quality, at)
        if self.watch is not None:
            self.watch.lost()

    def tell(self, found: float | bool, at: int) -> None:
        self.value = found
        if self.outlet is not None:
            self.outlet.put(found, at)
        if self.watch is not None:
            self.watch.put(found, at, self.words)


class ThresholdRule(NumberRule):
    """See `Threshold`; its `into` is whether it is raised."""

    def __init__(self, rule: Threshold, inputs: Mapping[str, Input], around: Around) -> None:
        Running.__init__(self, rule, inputs, around)
        self.outlet = None
        self.watch = Watch(rule, Alert(rule, self.subject, around, rule.makes().get("into")), around)

    def work_out(self, value: float, at: int) -> float:  # noqa: ARG002
        return value


class RateRule(NumberRule):
    """See `Rate`."""

    def __init__(self, rule: Rate, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        self._per = parse_duration(rule.per) * 1e9
        self._words = f"{self.subject}: its change per {rule.per}"
        span = int(parse_duration(rule.over) * 1e9)
        # one reading from before the span is the other end of the slope
        self._window = Window(2 * span, rule.samples) if span else None
        self._span = span
        self._before: tuple[int, float] | None = None

    def words(self) -> str:
        return self._words

    def work_out(self, value: float, at: int) -> float | None:
        start = self._start(value, at)
        if start is None or start[0] >= at:
            return None
        return (value - start[1]) * self._per / (at - start[0])

    def _start(self, value: float, at: int) -> tuple[int, float] | None:
        if self._window is not None:
            if not self._put(self._window, at, value):
                return None
            return self._window.before(at - self._span) if self._window.oldest[0] <= at - self._span else None
        before = self._before
        if before is None or at > before[0] or self.set_back(before[0]):
            self._before = (at, value)
        return before

    def report(self) -> dict[str, Any]:
        window = self._window
        return super().report() | ({} if window is None else {"window": len(window), "cut": window.cut})


class RollingRule(NumberRule):
    """See `Rolling`."""

    def __init__(self, rule: Rolling, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        span = int(parse_duration(rule.over) * 1e9)
        self._window = Window(span, rule.samples)
        sign = {"max": 1, "min": -1}.get(rule.stat)
        self._extreme = Extreme(span, rule.samples, sign) if sign else None
        self._std = rule.stat == "std"
        self._words = f"{rule.stat} of {self.subject} over {rule.over}"

    def words(self) -> str:
        return self._words

    def work_out(self, value: float, at: int) -> float | None:
        if not self._put(self._window, at, value):
            return None
        if self._extreme is not None:
            self._put(self._extreme, at, value)
            return self._extreme.value
        return self._window.std if self._std else self._window.mean

    def report(self) -> dict[str, Any]:
        return super().report() | {"window": len(self._window), "cut": self._window.cut}


class ZScoreRule(NumberRule):
    """See `ZScore`."""

    def __init__(self, rule: ZScore, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        self._sample, self._least = Sample(rule.samples), rule.at_least
        self.watch = Watch(rule, Alert(rule, self.subject, around, None), around)
        self.watch.above, self.watch.below = rule.limit, -rule.limit
        self._given = 0.0

    def words(self) -> str:
        return f"{self.subject} is {self._given:g}: its robust score among the last {len(self._sample)}"

    def work_out(self, value: float, at: int) -> float | None:  # noqa: ARG002
        score = self._sample.score(value) if len(self._sample) >= self._least else None
        self._given = value
        self._sample.put(value)
        return score

    def report(self) -> dict[str, Any]:
        return super().report() | {"window": len(self._sample)}


class RolloverRule(Running):
    """See `Rollover`. Its total outlives a restart; what the counter did meanwhile counts."""

    def __init__(self, rule: Rollover, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        self.outlet = Outlet(around, rule.makes()["into"], parse_duration(rule.every))
        value_type = inputs["of"].resource.properties.value_type
        self._modulo = rule.modulo or INTEGER_RANGE[value_type][1] + 1
        self._last: float | None = None
        self.value = 0.0
        self.rollovers = self.resets = 0
        self._at = 0

    @property
    def alarming(self) -> bool:
        return False

    def take(self, slot: str, value: Any, at: int) -> None:  # noqa: ARG002
        self.readings += 1
        if not isinstance(value, (int, float)) or not 0 <= value < self._modulo:
            self.trouble.note(f"{short(value)} is no count from 0 to below {self._modulo:g}")
            return
        if at < self._at and not self.set_back(self._at):
            return
        self._at = at
        if self._last is not None:
            self.value += self._step(value, self._last)
        self._last = value
        self.outlet.put(float(self.value), at)

    def _step(self, given: float, last: float) -> float:
        """Less than half a round on is a rollover; otherwise the counter was set to 0 in between."""
        if given >= last:
            return given - last
        on = given + self._modulo - last
        if on < self._modulo / 2:
            self.rollovers += 1
            return on
        self.resets += 1
        self.trouble.last = f"the counter went back from {last:g} to {given:g}: it was started anew"
        return given

    def bad(self, slot: str, quality: Quality, at: int) -> None:  # noqa: ARG002
        self.outlet.spoil(quality, at)

    def memory(self) -> Any:
        return None if self._last is None else [self.value, self._last, self.rollovers, self.resets]

    def recall(self, memory: Any) -> None:
        if self._last is None and isinstance(memory, list) and len(memory) == 4:
            self.value, self._last, self.rollovers, self.resets = memory

    def report(self) -> dict[str, Any]:
        return super().report() | {"rollovers": self.rollovers, "resets": self.resets}


class FormulaRule(NumberRule):
    """See `Formula`: worked out once per event that brought one of its values, when there is a good one of each."""

    settles = True

    def __init__(self, rule: Formula, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        self._expression = Expression(rule.value, list(inputs))
        self._values: dict[str, Any] = {}
        self._spoilt: dict[str, Quality] = {}
        self._truth = self.watch is None and self.outlet is None
        """Raised while the result is true, or a number other than 0."""
        if self._truth:
            self.watch = Watch(rule, Alert(rule, self.subject, around, None), around)
            self.watch.above = 0.5  # false is 0, true is 1

    def words(self) -> str:
        given = ", ".join(f"{name} {short(value)}" for name, value in self._values.items())
        return f"{self._expression.text} (with {given})"

    def take(self, slot: str, value: Any, at: int) -> None:
        self.readings += 1
        if isinstance(value, float) and not math.isfinite(value):
            self.bad(slot, NAN, at)
            return
        self._values[slot] = value
        self._spoilt.pop(slot, None)

    def bad(self, slot: str, quality: Quality, at: int) -> None:  # noqa: ARG002
        self._spoilt[slot] = quality

    def settle(self, at: int) -> None:
        if self._spoilt:
            super().bad("", next(iter(self._spoilt.values())), at)
        elif len(self._values) == len(self.inputs):
            try:
                found = self._expression.of(self._values)
            except NoResult as error:
                self.trouble.note(str(error))
                super().bad("", Quality("bad", "config", str(error)), at)
            else:
                self.tell(bool(found) if self._truth else found, at)
