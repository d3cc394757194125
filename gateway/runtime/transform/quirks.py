"""EdgeX's own arithmetic, bug for bug (contract, sections 3.1 and 4): `compat: edgex`.

Checks are made in double precision with the operand as written; the calculation then uses the operand cut to the
resource's type. So an Int16 of 100 scaled by 0.1 passes (10.0) and becomes 100 * 0 = 0.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gateway.model.profile import INTEGER_RANGE, ValueType
from gateway.model.single import shortest, single
from gateway.runtime.transform.affine import Chain

Step = Callable[[Any], Any]


@lru_cache(maxsize=4096)
def step_of(chain: Chain) -> Step | None:
    """What EdgeX does to each value on its way up; None: nothing. Raises OverflowError, ValueError (NaN)."""
    kind = chain.kind
    if kind.is_integer:
        steps = _integer_steps(chain, _Integers(kind))
        return (lambda value: _run(steps, value)) if steps else None
    if kind.is_float:
        steps = _float_steps(chain, single if kind is ValueType.FLOAT32 else float)
        end = _shown if kind is ValueType.FLOAT32 else float
        return lambda value: end(_run(steps, _number(value)))
    if kind is ValueType.FLOAT32_ARRAY:
        return lambda values: [_shown(value) for value in values]
    return None


@lru_cache(maxsize=4096)
def undo_of(chain: Chain) -> Step:
    """What EdgeX does to each value on its way down, after the limits. Raises OverflowError, ZeroDivisionError,
    ValueError."""
    kind = chain.kind
    if kind.is_integer:
        steps = _integer_undoing(chain, _Integers(kind))
    elif kind.is_float:
        steps = _float_undoing(chain, single if kind is ValueType.FLOAT32 else float)
    else:
        steps = []
    return lambda value: _run(steps, value)


def _run(steps: list[Step], value: Any) -> Any:
    for step in steps:
        value = step(value)
    return value


def _shown(value: float) -> float:
    return shortest(value) if math.isfinite(value) else value


def _number(value: float) -> float:
    if value != value:
        raise ValueError
    return value


class _Integers:
    """Go's integers of one type: they wrap."""

    def __init__(self, kind: ValueType) -> None:
        self.low, self.high = INTEGER_RANGE[kind]
        self.modulus = self.high - self.low + 1

    def wrap(self, value: int) -> int:
        return (value - self.low) % self.modulus + self.low

    def cut(self, operand: float) -> int:
        """A float operand converted to this type."""
        return self.wrap(int(operand))

    def check(self, value: float) -> float:
        if not math.isfinite(value) or value != math.trunc(value) or not self.low <= value <= self.high:
            raise OverflowError
        return value

    def count(self, shift: int) -> int:
        """A shift count is cut to the signed type of this width."""
        half = self.modulus // 2
        return (shift + half) % self.modulus - half

    def shifted(self, value: int, count: int) -> int:
        """Right for positive counts, left for negative; bits shifted out are lost."""
        if count >= 0:
            return value >> min(count, 64)
        return self.wrap(value << min(-count, 64))

    def divided(self, value: int, divisor: int) -> int:
        """Towards zero, as Go divides."""
        return self.wrap(int(math.copysign(1, value) * math.copysign(1, divisor)) * (abs(value) // abs(divisor)))


def _checked(check: Step, roughly: Step, exactly: Step) -> Step:
    """Checks the result in double precision, then calculates in the type."""

    def run(value: Any) -> Any:
        check(roughly(float(value)))
        return exactly(value)

    return run


def _integer_steps(p: Chain, go: _Integers) -> list[Step]:
    steps: list[Step] = []
    if p.mask:
        mask = go.wrap(p.mask)
        steps.append(lambda v: v & mask)
    if p.shift:
        count = go.count(p.shift)
        steps.append(lambda v: go.shifted(v, count))
    if p.base:
        base = p.base
        steps.append(lambda v: int(go.check(math.pow(base, v))))
    if p.scale != 1:
        scale = p.scale
        steps.append(_checked(go.check, lambda v: v * scale, lambda v: go.wrap(v * go.cut(scale))))
    if p.offset:
        offset = p.offset
        steps.append(_checked(go.check, lambda v: v + offset, lambda v: go.wrap(v + go.cut(offset))))
    return steps


def _float_steps(p: Chain, cut: Step) -> list[Step]:
    steps: list[Step] = []
    if p.base:
        base = p.base
        steps.append(lambda v: cut(_fits(math.pow(base, v))))
    if p.scale != 1:
        scale = p.scale
        steps.append(_checked(lambda x: cut(_fits(x)), lambda v: v * scale, lambda v: cut(v * cut(scale))))
    if p.offset:
        offset = p.offset
        steps.append(_checked(lambda x: cut(_fits(x)), lambda v: v + offset, lambda v: cut(v + cut(offset))))
    return steps


def _integer_undoing(p: Chain, go: _Integers) -> list[Step]:
    steps: list[Step] = []
    if p.offset:
        offset = p.offset
        steps.append(_checked(go.check, lambda v: v - offset, lambda v: go.wrap(v - go.cut(offset))))
    if p.scale != 1:
        scale = p.scale
        steps.append(_checked(go.check, lambda v: v / scale, lambda v: go.divided(v, go.cut(scale))))
    if p.base:
        base = p.base
        steps.append(lambda v: int(go.check(math.log(v) / math.log(base))))
    if p.shift:
        count = go.count(-p.shift)
        steps.append(lambda v: go.shifted(v, count))
    if p.mask:
        mask = go.wrap(p.mask)
        steps.append(lambda v: v & mask)
    return steps


def _float_undoing(p: Chain, cut: Step) -> list[Step]:
    steps: list[Step] = []
    if p.offset:
        offset = p.offset
        steps.append(lambda v: cut(v - cut(offset)))
    if p.scale != 1:
        scale = p.scale
        steps.append(lambda v: cut(_fits(v / cut(scale))))
    if p.base:
        base = p.base
        steps.append(lambda v: cut(_fits(math.log(v) / math.log(base))))
    return steps


def _fits(value: float) -> float:
    if not math.isfinite(value):
        raise OverflowError
    return value
