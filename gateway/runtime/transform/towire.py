"""The way down: a value as people say it → the raw value for the mapper. The inverse of the way up, limits first."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NoReturn

from gateway.model.errors import CommandRejected
from gateway.model.profile import INTEGER_RANGE, Compat, DeviceResource, ResourceProperties, ValueType
from gateway.model.single import single
from gateway.runtime.transform import quirks
from gateway.runtime.transform.affine import Chain, chain_of, decimal
from gateway.runtime.transform.gotext import go_text
from gateway.runtime.transform.steps import becomes_float
from gateway.runtime.transform.values import number, typed

Undo = Callable[[Any], Any]


def to_wire(resource: DeviceResource, value: Any, compat: Compat = Compat.NONE) -> Any:
    """The raw value of what somebody wants written, typed or as EdgeX text; mapped texts are already what they stand
    for. Raises CommandRejected 422 with EdgeX's sentence: not of the type, out of the limits, no place in the type."""
    p = resource.properties
    edgex = compat is Compat.EDGEX
    chain = chain_of(p)
    if edgex and value is None:
        return None
    given = _parsed(chain, value, edgex)
    if not (chain.kind.is_integer or chain.kind.is_float):
        return given
    _check_limits(p, given, edgex)
    try:
        return (quirks.undo_of(chain) if edgex else _undo_of(chain))(given)
    except ZeroDivisionError:
        why = "integer divide by zero" if edgex else "everything was scaled to 0"
    except (ArithmeticError, ValueError) as error:
        why = str(error) if isinstance(error, _Misfit) else "it has no place in the type"
    return _refuse(f"{why} ({go_text(given)} for {chain.kind.value} {resource.name})")


class _Misfit(ValueError):
    """Says in words what does not fit."""


def _refuse(why: str) -> NoReturn:
    raise CommandRejected(422, f"failed to transform set parameter -> {why}")


def _parsed(chain: Chain, value: Any, edgex: bool) -> Any:
    if edgex and not isinstance(value, str | list | dict):
        # JSON numbers are doubles there, and doubles from a million on have an exponent.
        value = go_text(float(value) if type(value) is int else value)
    if not edgex and chain.kind.is_integer and (becomes_float(chain) or chain.base):
        return number(chain.kind, value)
    if not edgex and chain.kind.is_integer and not chain.affine.neutral:
        return _whole(chain, number(chain.kind, value))
    return typed(chain.kind, value)


def _whole(chain: Chain, value: float) -> int:
    """Scaled, so it may lie outside the type; but it is whole."""
    if value != int(value):
        _refuse(f"{go_text(value)} is no whole number, as {chain.kind.value} wants")
    return int(value)


def _check_limits(p: ResourceProperties, value: float, edgex: bool) -> None:
    for limit, word, sign in ((p.maximum, "maximum", 1), (p.minimum, "minimum", -1)):
        if limit is None:
            continue
        bound = int(limit) if edgex and p.value_type.is_integer else limit
        if (value - bound) * sign > 0:
            shown = go_text(int(bound) if p.value_type.is_integer and bound == int(bound) else bound)
            _refuse(f"set command parameter out of {word} value {shown}")


@lru_cache(maxsize=4096)
def _undo_of(chain: Chain) -> Undo:
    affine = chain.affine
    if chain.kind.is_float:
        return _float_undo(chain)
    bits = _bits_undo(chain)
    if affine.neutral and not chain.base:
        return bits

    def run(value: float) -> Any:
        # The nearest raw value: reading back tells what the device really holds.
        raw: Fraction | float = affine.undo(decimal(value))
        if chain.base:
            raw = _logarithm(chain.base, float(raw))
        return bits(math.floor(raw + Fraction(1, 2)) if isinstance(raw, Fraction) else round(raw))

    return run


def _float_undo(chain: Chain) -> Undo:
    affine = chain.affine
    fit = _single if chain.kind is ValueType.FLOAT32 else float

    def run(value: float) -> float:
        found = float(value) if affine.neutral else float(affine.undo(decimal(value)))
        return fit(_logarithm(chain.base, found) if chain.base else found)

    return run


def _single(value: float) -> float:
    single(value)  # raises when it does not fit; the mapper packs it anyway
    return value


def _logarithm(base: float, value: float) -> float:
    if value <= 0 or base <= 0 or base == 1:
        raise _Misfit(f"it is no power of {go_text(base)}")
    found = math.log(value) / math.log(base)
    return round(found) if math.isclose(found, round(found), rel_tol=1e-12, abs_tol=1e-12) else found


def _bits_undo(chain: Chain) -> Undo:
    """Shifts back, and lets nothing fall outside the mask or the type."""
    low, high = INTEGER_RANGE[chain.kind]
    width = high - low
    shift = max(-64, min(64, chain.shift))
    mask = chain.mask & width

    def run(value: int) -> int:
        raw = value << shift if shift >= 0 else value >> -shift
        if shift < 0 and raw << -shift != value:
            raise _Misfit(f"it is no multiple of {1 << -shift}")
        if mask and raw & width & ~mask:
            raise _Misfit(f"it does not fit into the mask 0x{mask:X}")
        if not low <= raw <= high:
            raise OverflowError
        return raw

    return run
