"""Float32 values as the shortest decimal that reads back to the same Float32: 26.53, not 26.530000686645508."""

import math
import struct
from collections.abc import Iterable
from functools import lru_cache

_PACKER = struct.Struct("<f")


def single(value: float) -> float:
    """The nearest Float32, as a double. Raises OverflowError where there is none."""
    found: float = _PACKER.unpack(_PACKER.pack(value))[0]
    return found


def _scales() -> dict[int, tuple[float, float, float]]:
    """By binary exponent: the powers of ten just not finer and just finer than the spacing of Float32 there, and half
    that spacing. Only where both powers and the scaled values are exact in a double."""
    found = {}
    for exponent in range(-42, 25):
        spacing = 2.0 ** (exponent - 24)
        digits = math.floor(-math.log10(spacing))
        if digits >= 0:
            found[exponent] = 10.0**digits, 10.0 ** (digits + 1), spacing / 2
    return found


_SCALES = _scales()


def shortest(value: float) -> float:
    """The double nearest to the shortest decimal that reads back to the Float32 `value` (of several, to the nearest).

    At a power of ten not finer than the spacing at most one decimal reads back, and if none does, the next finer power
    always has one: two tries at most. Raises ValueError for NaN, OverflowError for infinities.
    """
    mantissa, exponent = math.frexp(value)
    scales = _SCALES.get(exponent)
    if scales is None or mantissa in _POWERS:
        return _searched(value) if value else float(value)
    coarse, fine, half = scales
    found = round(value * coarse) / coarse
    if -half < found - value < half:
        return found
    return round(value * fine) / fine


def shortest_all(values: Iterable[float]) -> list[float]:
    """`shortest` of each, at less cost."""
    frexp, get, found = math.frexp, _SCALES.get, []
    for value in values:
        mantissa, exponent = frexp(value)
        scales = get(exponent)
        if scales is None or mantissa in _POWERS:
            found.append(shortest(value))
            continue
        coarse, fine, half = scales
        near = round(value * coarse) / coarse
        found.append(near if -half < near - value < half else round(value * fine) / fine)
    return found


_POWERS = frozenset((0.5, -0.5, 0.0))  # below a power of two the spacing is another


@lru_cache(maxsize=4096)
def _searched(value: float) -> float:
    exact = single(value)
    candidates = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((found for found in candidates if _reads_back(found, exact)), value)


def _reads_back(found: float, exact: float) -> bool:
    try:
        return single(found) == exact
    except OverflowError:
        return False
