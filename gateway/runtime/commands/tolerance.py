"""Whether two values of a resource are the same, for read-backs, desired values and twin patches."""

from typing import Any

from gateway.model.errors import CommandRejected
from gateway.model.extensions import extensions
from gateway.model.profile import DeviceResource, ValueType
from gateway.model.single import single
from gateway.runtime.transform.affine import chain_of
from gateway.runtime.transform.steps import step_of
from gateway.runtime.transform.towire import to_wire


def same(one: Any, other: Any, within: float = 0.0) -> bool:
    """Equal, or numbers at most `within` apart."""
    if one == other:
        return True
    # The limit itself confirms; the last digit of a float must not decide.
    return bool(within) and _numbers(one, other) and abs(one - other) <= within * (1 + 1e-9)


def same_of(resource: DeviceResource, wanted: Any, read: Any) -> bool:
    """Equal as this resource carries it (Float32 as single precision, a scaled integer to its nearest step), or within
    its tolerance."""
    if same(wanted, read, extensions(resource.properties.optional).tolerance):
        return True
    kind = resource.properties.value_type
    if not _numbers(wanted, read):
        return False
    if kind is ValueType.FLOAT32:
        return single(wanted) == single(read)
    return kind.is_integer and _nearest(resource, wanted) == read


def _nearest(resource: DeviceResource, wanted: Any) -> Any:
    """What reads back of a device that holds the raw value which is written for it; None: nothing is."""
    step = step_of(chain_of(resource.properties))
    try:
        raw = to_wire(resource, wanted)
        return raw if step is None else step(raw)
    except (CommandRejected, ArithmeticError, ValueError):
        return None


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
