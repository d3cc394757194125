"""A profile's transform (mask, shift, base, scale, offset) both ways: between what is on a wire and what people see.

Written apart from the gateway's own, so that an error made twice does not cancel out.
"""

import math
from typing import Any

from gateway.model.profile import ResourceProperties


def to_wire(value: Any, p: ResourceProperties, *, floating: bool) -> Any:
    """The number on the wire for one that people see: backwards. `floating`: what it is on the wire. Raises
    ValueError."""
    number: float = value
    number = number - p.offset if p.offset else number
    number = number / p.scale if p.scale not in (None, 0, 1) else number
    number = math.log(number, p.base) if p.base else number
    if floating:
        return number
    whole = round(number)
    if p.shift:
        whole = whole << p.shift if p.shift > 0 else whole >> -p.shift
    return whole & p.mask if p.mask else whole


def to_people(number: Any, p: ResourceProperties) -> Any:
    """The number that people see."""
    if isinstance(number, int):
        number = number & p.mask if p.mask else number
        if p.shift:
            number = number >> p.shift if p.shift > 0 else number << -p.shift
    number = p.base**number if p.base else number
    number = number * p.scale if p.scale not in (None, 0, 1) else number
    return number + p.offset if p.offset else number


def allowed(value: Any, p: ResourceProperties) -> bool:
    """Whether what people see is within the profile's minimum and maximum; what is no number always is."""
    if isinstance(value, bool | str | bytes | list | dict) or value is None:
        return True
    low = p.minimum if p.minimum is not None else value
    high = p.maximum if p.maximum is not None else value
    return bool(low - 1e-6 * max(1.0, abs(low)) <= value <= high + 1e-6 * max(1.0, abs(high)))
