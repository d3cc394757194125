"""One value on its way up: mask, shift, base, scale, offset, as one function per resource, made once.

A function raises OverflowError for what has no place in the type and ValueError for what is no number."""

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
    """What is to be done to each value of a resource; None: nothing."""
    kind = chain.kind
    if kind.is_integer:
        return _integer_step(chain)
    if kind.is_float:
        return _float_step(chain)
    if kind is ValueType.FLOAT32_ARRAY:
        return lambda values: [shortest(value) for value in values]
    if kind is ValueType.FLOAT64_ARRAY:
        return lambda values: [_finite(value) for value in values]
    return None


def becomes_float(chain: Chain) -> bool:
    """An integer resource whose values leave as Float64."""
    if not chain.kind.is_integer:
        return False
    return not all(number.is_integer() for number in (chain.scale, chain.offset, chain.base))


def _integer_step(chain: Chain) -> Step | None:
    steps: list[Step] = []
    if chain.mask:
        steps.append(_mask(chain.mask, chain.kind))
    shift = max(-64, min(64, chain.shift))
    if shift:
        steps.append((lambda v: v >> shift) if shift > 0 else (lambda v: v << -shift))
    if chain.base:
        steps.append(_power(chain.base, integers=True))
    affine = chain.affine
    if not affine.neutral:
        exact, rough = affine.on_integers(), affine.on_floats()
        steps.append((lambda v: exact(v) if type(v) is int else rough(v)) if chain.base else exact)
    if shift < 0 or chain.base or not (affine.neutral or not affine.integral):
        steps.append(_within(chain.kind))
    return _chain(steps)


def _float_step(chain: Chain) -> Step:
    steps: list[Step] = []
    if chain.base:
        steps.append(_power(chain.base, integers=False))
    affine = chain.affine
    if not affine.neutral:
        steps.append(affine.on_floats())
    if chain.kind is ValueType.FLOAT64:
        steps.append(_double if steps else _finite)
    else:
        steps.append(_single if steps else shortest)
    found = _chain(steps)
    assert found is not None
    return found


def _chain(steps: list[Step]) -> Step | None:
    if len(steps) < 2:
        return steps[0] if steps else None
    if len(steps) == 2:
        first, second = steps
        return lambda value: second(first(value))

    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return run


def _mask(mask: int, kind: ValueType) -> Step:
    low, high = INTEGER_RANGE[kind]
    mask &= high - low  # as wide as the type
    signed = mask - (high - low + 1) if mask > high else mask
    return lambda value: value & signed


def _power(base: float, integers: bool) -> Step:
    whole = int(base) if integers and base.is_integer() else 0

    def run(value: Any) -> Any:
        if whole and 0 <= value <= 64:
            return whole**value
        return math.pow(base, value)

    return run


def _within(kind: ValueType) -> Step:
    """Integers within the type; a fraction (a negative power) is a Float64 and has no bounds here."""
    low, high = INTEGER_RANGE[kind]

    def run(value: float) -> int | float:
        if type(value) is float:
            if not value.is_integer():
                return _double(value)
            value = int(value)
        if low <= value <= high:
            return value
        raise OverflowError

    return run


def _finite(value: float) -> float:
    if value - value == 0:
        return value
    raise ValueError


def _double(value: float) -> float:
    """The result of a calculation: infinite means that it did not fit."""
    if value - value == 0:
        return value
    raise OverflowError if value == value else ValueError


def _single(value: float) -> float:
    return shortest(single(value))
