"""Scale and offset as people wrote them, in decimals: 3 scaled by 0.1 is 0.3, not 0.30000000000000004."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from gateway.model.profile import ResourceProperties, ValueType

_EXACT = 2**53


def decimal(value: float) -> Fraction:
    """The number as its shortest decimal says it, exactly."""
    return Fraction(Decimal(repr(float(value))) if isinstance(value, float) else value)


@dataclass(frozen=True, slots=True)
class Affine:
    """`value * scale + offset`; as integers `(value * a + b) / d`."""

    scale: Fraction
    offset: Fraction

    @property
    def neutral(self) -> bool:
        return self.scale == 1 and not self.offset

    @property
    def integral(self) -> bool:
        """Integers stay integers."""
        return self.scale.denominator == 1 and self.offset.denominator == 1

    def whole(self) -> tuple[int, int, int]:
        """a, b and d."""
        d = math.lcm(self.scale.denominator, self.offset.denominator)
        return int(self.scale * d), int(self.offset * d), d

    def on_integers(self) -> Callable[[int], int | float]:
        """Correctly rounded once, at the end. Integers of any length."""
        a, b, d = self.whole()
        if d == 1:
            return lambda value: value * a + b
        if not b:
            return lambda value: value * a / d
        return lambda value: (value * a + b) / d

    def on_floats(self) -> Callable[[float], float]:
        """As exact as doubles allow; infinite where the result has no double."""
        scale, offset = float(self.scale), float(self.offset)
        a, b, d = self.whole()
        if max(abs(a), abs(b), d) > _EXACT:
            return lambda value: value * scale + offset
        big = 2.0**1023 / max(abs(a), 1) / 2

        def run(value: float) -> float:
            if -big < value < big:
                return (value * a + b) / d
            return value * scale + offset

        return run

    def undo(self, value: Fraction) -> Fraction:
        """Raises ZeroDivisionError when everything was scaled to 0."""
        return (value - self.offset) / self.scale


class Chain(NamedTuple):
    """What is done to a value of a resource; equal ones share their code."""

    kind: ValueType
    mask: int
    shift: int
    base: float
    scale: float
    offset: float

    @property
    def affine(self) -> Affine:
        return Affine(decimal(self.scale), decimal(self.offset))


def chain_of(p: ResourceProperties) -> Chain:
    """Of a resource; absent steps are neutral (0; a scale 1)."""
    scale = 1.0 if p.scale is None else p.scale
    return Chain(p.value_type, p.mask or 0, p.shift or 0, p.base or 0.0, scale, p.offset or 0.0)
