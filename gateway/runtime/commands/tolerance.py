"""Whether two values of a resource are the same, for read-backs, desired values and twin patches."""

from typing import Any

from gateway.model.extensions import extensions
from gateway.model.profile import DeviceResource, ValueType
from gateway.runtime.transform.single import single


def same(one: Any, other: Any, within: float = 0.0) -> bool:
    """Equal, or numbers at most `within` apart."""
    if one == other:
        return True
    # The limit itself confirms; the last digit of a float must not decide.
    return bool(within) and _numbers(one, other) and abs(one - other) <= within * (1 + 1e-9)


def same_of(resource: DeviceResource, wanted: Any, read: Any) -> bool:
    """Equal as this resource carries it: Float32 as single precision, others exactly, both within its tolerance."""
    if same(wanted, read, extensions(resource.properties.optional).tolerance):
        return True
    if resource.properties.value_type is ValueType.FLOAT32 and _numbers(wanted, read):
        return single(wanted) == single(read)
    return False


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
