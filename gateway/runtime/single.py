"""Float32 values as the shortest decimal that reads back to the same Float32: 26.53, not 26.530000686645508."""

import math
import struct
from collections.abc import Iterable
from functools import lru_cache

_PACKER = struct.Struct("<f")
MAX_SINGLE = _PACKER.unpack(b"\xff\xff\x7f\x7f")[0]
"""The greatest finite Float32."""


def single(value: float) -> float:
    """The nearest Float32 (as a double); infinite where there is none."""
    try:
        found: float = _PACKER.unpack(_PACKER.pack(value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return found


def _scales() -> dict[int, tuple[float, float, float]]:
    """By binary exponent: powers of ten just finer and just not finer than the spacing of Float32 there, and half that
    spacing. Only where both powers and the scaled value are exact in a double."""
    found = {}
    for exponent in range(-42, 25):
        spacing = 2.0 ** (exponent - 24)
        digits = math.floor(-math.log10(spacing))
        if digits >= 0:
            found[exponent] = 10.0**digits, 10.0 ** (digits + 1), spacing / 2
    return found


_SCALES = _scales()


def shortest(value: float) -> float:
    """The double nearest to the shortest decimal that reads back to the Float32 `value` (of several, the nearest).

    At a power of ten not finer than the spacing at most one decimal reads back, and if none does, the next finer power
    always has one: two tries at most.
    """
    mantissa, exponent = math.frexp(value)
    scales = _SCALES.get(exponent)
    if scales is None or mantissa in (0.5, -0.5, 0.0):  # below a power of two the spacing is another
        return _searched(value)
    coarse, fine, half = scales
    found = round(value * coarse) / coarse
    if -half < found - value < half:
        return found
    return round(value * fine) / fine


@lru_cache(maxsize=4096)
def _searched(value: float) -> float:
    if not value or not math.isfinite(value):
        return value
    exact = single(value)
    for digits in range(1, 10):
        found = float(f"{value:.{digits}g}")
        if single(found) == exact:
            return found
    return value


def shortest_all(values: Iterable[float]) -> list[float]:
    """`shortest` of each."""
    return [shortest(value) for value in values]
