"""The behaviour of a resource nobody configured, so that any profile can be served as it is."""

import json
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from gateway.model.profile import DeviceProfile, DeviceResource
from gateway.model.scalar import resolve
from simulators.behaviour import Behaviour, constant, counter, echo, steps, toggle, walk

_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "v": (226.0, 234.0), "a": (0.5, 16.0), "w": (200.0, 3600.0), "kw": (0.2, 3.6), "va": (220.0, 3800.0),
        "kva": (0.2, 3.8), "var": (-300.0, 300.0), "kvar": (-0.3, 0.3), "hz": (49.95, 50.05), "°c": (18.0, 26.0),
        "c": (18.0, 26.0), "°f": (64.0, 79.0), "k": (291.0, 299.0), "%": (30.0, 70.0), "%rh": (30.0, 70.0),
        "rpm": (1400.0, 1500.0), "nm": (5.0, 40.0), "bar": (1.0, 6.0), "pa": (99000.0, 102000.0),
        "hpa": (990.0, 1020.0), "mbar": (990.0, 1020.0), "ppm": (400.0, 1200.0), "lux": (50.0, 800.0),
        "l/min": (2.0, 20.0), "m3/h": (0.5, 5.0), "m/s": (0.0, 8.0), "ma": (4.0, 20.0), "mv": (0.0, 100.0),
        "°": (-30.0, 30.0), "s": (1.0, 60.0), "min": (1.0, 60.0),
    }
)  # fmt: skip
"""What such a value usually looks like, by its unit in lower case."""
_COUNTED: Mapping[str, float] = MappingProxyType(
    {
        "wh": 1.0, "kwh": 1e-3, "mwh": 1e-6, "varh": 0.3, "kvarh": 3e-4, "vah": 1.1, "kvah": 1.1e-3,
        "m3": 5e-4, "l": 0.5, "h": 1 / 3600,
    }
)  # fmt: skip
"""Growth a second of what is counted, by its unit in lower case."""
_COUNTER_NAMES = ("count", "counter", "total", "energy")
_STILL_NAMES = ("address", "number", "version", "model", "serial", "word", "state", "status", "event", "alarm", "fault")
"""Parts of the names of what has no unit and does not change by itself."""


class Point(Protocol):
    """What has to be known of a resource on its wire to give it a value."""

    @property
    def resource(self) -> DeviceResource: ...
    @property
    def kind(self) -> str:
        """`Bool`, `String` or one of the kinds of numbers."""
        ...

    @property
    def length(self) -> int | None:
        """Elements of an array; None for one value."""
        ...

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest number that the wire can carry."""
        ...

    @property
    def longest(self) -> int:
        """Bytes of the longest text."""
        ...

    def to_people(self, wire: Any) -> Any:
        """The value as people see it."""
        ...


def behaviour_of(profile: DeviceProfile, resource: DeviceResource, point: Point, seed: int) -> Behaviour:
    """What is written stays; what is read follows its enumeration, unit, limits and type, each resource its own way."""
    own = zlib.crc32(resource.name.encode()) + seed
    properties = resource.properties
    if properties.read_write.writable:
        return echo(_first(point))
    if point.length is not None:
        return constant([_element(point, index) for index in range(point.length)])
    if point.kind == "Bool":
        return toggle(10.0 + own % 20, (own % 97) / 97)
    if point.kind == "String":
        return constant(_text(profile, resource, point))
    enumerated = list(_enumerated(profile, resource))
    if enumerated:
        return steps(enumerated, 15.0 + own % 15)
    return _number(point, own)


def _number(point: Point, own: int) -> Behaviour:
    properties = point.resource.properties
    low, high = _possible(point)
    unit, name = properties.units.lower(), point.resource.name.lower()
    if properties.default_value:
        return constant(_given(point))
    if unit in _COUNTED:
        return _over(counter(min(1000.0 + own % 4000, high / 2), _COUNTED[unit]), high)
    if not unit and name.endswith(_COUNTER_NAMES):
        return _over(counter(min(own % 1000, high / 2), 1.0, 1.0), high)
    if not unit and any(part in name for part in _STILL_NAMES):
        return constant(min(max(0.0, low), high))
    usual = (0.85, 0.99) if "powerfactor" in name else _RANGES.get(unit, (0.0, 100.0))
    if low <= usual[0] and usual[1] <= high:
        low, high = usual
    elif high - low > 1e6:
        low, high = max(low, 0.0), min(high, 100.0)
    return walk(low, high, 20.0 + own % 20, own)


def _over(count: Behaviour, high: float) -> Behaviour:
    """Begins again at nought when its register is full, as counters do."""
    return lambda t: count(t) % high if high > 0 else high


def _possible(point: Point) -> tuple[float, float]:
    """Lowest and highest value as people see it: the profile's limits within what the wire can carry."""
    properties = point.resource.properties
    ends = [0.0, 1.0]
    if _linear(point):
        ends = sorted(float(point.to_people(end)) for end in point.range)
    elif properties.base:
        ends = sorted(float(point.to_people(exponent)) for exponent in (0, 10))  # a power is never nought
    low = ends[0] if properties.minimum is None else max(ends[0], properties.minimum)
    high = ends[1] if properties.maximum is None else min(ends[1], properties.maximum)
    return low, max(low, high)


def _linear(point: Point) -> bool:
    p = point.resource.properties
    return not (p.base or p.mask or p.shift)


def _first(point: Point) -> object:
    """The default value of the profile, else the nearest allowed value to nought."""
    properties = point.resource.properties
    if properties.default_value:
        return _given(point)
    if point.kind == "String":
        return ""
    if point.kind == "Bool":
        return False if point.length is None else [False] * point.length
    low, high = _possible(point)
    nearest = min(max(0.0, low), high)
    return nearest if point.length is None else [0] * point.length


def _given(point: Point) -> object:
    """The default value of the profile. Raises ValueError."""
    text = point.resource.properties.default_value
    if point.kind == "String":
        return text
    if point.length is None:
        return resolve(text)
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"the default value {text!r} is not a list such as [1, 2]") from None


def _element(point: Point, index: int) -> object:
    return index % 2 == 0 if point.kind == "Bool" else index + 1


def _text(profile: DeviceProfile, resource: DeviceResource, point: Point) -> str:
    text = resource.properties.default_value or (
        profile.manufacturer if resource.name.lower().startswith("manufacturer") else f"{profile.model or profile.name}"
    )
    return text.encode()[: point.longest].decode(errors="ignore")


def _enumerated(profile: DeviceProfile, resource: DeviceResource) -> Iterator[int | float]:
    """Values that a mapping names, as numbers."""
    for command in profile.device_commands:
        for operation in command.resource_operations:
            if operation.device_resource == resource.name and operation.mappings:
                for text in operation.mappings:
                    value = resolve(text)
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        yield value
                return
