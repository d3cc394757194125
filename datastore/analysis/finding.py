"""What rules name, found among the devices in force; and what is wrong with a set of rules whatever the devices."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from datastore.analysis.around import Input
from datastore.analysis.refs import Ref
from datastore.analysis.settings import AnyRule, Rollover
from gateway.model.device import AdminState, OperatingState
from gateway.model.near import nearest
from gateway.model.plan import PlannedDevice
from gateway.model.profile import INTEGER_RANGE, DeviceResource, ValueType

MOST = 10_000
"""Resources that the pattern of one rule watches at most."""

Planned = Mapping[str, PlannedDevice]


class NotFound(Exception):
    """Why a rule has nothing to read, in words."""


def find(rule: AnyRule, planned: Planned) -> list[dict[str, Input]]:
    """Per resource (or set of resources) that the rule watches, its inputs by name. Raises NotFound."""
    wanted = rule.reads()
    first = next(iter(wanted.values()))
    if len(wanted) == 1 and first.many and first.device not in planned:  # a name may look like a pattern
        (slot,) = wanted
        return [{slot: one} for one in _matching(rule, first, planned)]
    return [{slot: _one(rule, ref, planned) for slot, ref in wanted.items()}]


def _matching(rule: AnyRule, ref: Ref, planned: Planned) -> list[Input]:
    devices = [name for name in planned if fnmatchcase(name, ref.device)]
    if not devices:
        raise NotFound(f"no device is named like {ref.device}")
    found = []
    for name in devices:
        resource = _resource(planned[name], ref.resource)
        if resource is not None:
            _check_type(rule, Ref(name, ref.resource), resource)
            found.append(Input(Ref(name, ref.resource), resource))
    if not found:
        raise NotFound(f"no device named like {ref.device} has a resource {ref.resource}")
    if len(found) > MOST:
        raise NotFound(f"{ref} are {len(found)} resources; one rule watches at most {MOST}")
    return found


def _one(rule: AnyRule, ref: Ref, planned: Planned) -> Input:
    device = planned.get(ref.device)
    if device is None:
        raise NotFound(f"there is no device {ref.device}{_meant(ref.device, planned)}")
    resource = _resource(device, ref.resource)
    if resource is None:
        names = [one.name for one in device.profile.device_resources]
        raise NotFound(f"device {ref.device} has no resource {ref.resource}{_meant(ref.resource, names)}")
    _check_type(rule, ref, resource)
    return Input(ref, resource)


def _resource(device: PlannedDevice, name: str) -> DeviceResource | None:
    source = device.sources.get(name)
    if source is not None and source.names == (name,):
        return source.resources[0]
    return next((one for one in device.profile.device_resources if one.name == name), None)


def _check_type(rule: AnyRule, ref: Ref, resource: DeviceResource) -> None:
    kind = resource.properties.value_type
    single = kind is ValueType.BOOL or kind.is_integer or kind.is_float
    if rule.kind == "formula" and kind is ValueType.STRING:
        return
    if (rule.numeric or rule.kind == "formula") and not single:
        raise NotFound(f"{ref} is {kind.value}, and {rule.kind} reads numbers")
    if isinstance(rule, Rollover) and rule.modulo is None and kind not in INTEGER_RANGE:
        raise NotFound(f"{ref} is {kind.value}: say at what the counter starts again (modulo)")


def _meant(name: str, choices: Iterable[str]) -> str:
    near = nearest(name, choices)
    return f"; did you mean {near}?" if near else ""


def watched(device: PlannedDevice) -> bool:
    """Whether values of it are to be expected: not while it is locked or taken out of operation."""
    return device.device.admin_state is AdminState.UNLOCKED and device.device.operating_state is not OperatingState.DOWN


def conflicts(rules: Sequence[AnyRule]) -> list[tuple[int, str]]:
    """What is wrong with a set of rules whatever the devices, each with the place of a rule: names given twice, two
    that make one thing, circles."""
    return [*_twice(rules), *_circles(rules)]


def _twice(rules: Sequence[AnyRule]) -> Iterable[tuple[int, str]]:
    names: set[str] = set()
    makers: dict[Ref, str] = {}
    for index, rule in enumerate(rules):
        if rule.name in names:
            yield index, f"there are two rules named {rule.name}; rename one"
        names.add(rule.name)
        for key, target in rule.makes().items():
            if target in makers:
                yield index, f"{key}: {target} is made by rule {makers[target]} already; choose another resource"
            makers.setdefault(target, rule.name)


def _circles(rules: Sequence[AnyRule]) -> Iterable[tuple[int, str]]:
    feeds = {rule.name: _fed_by(rule, rules) for rule in rules}
    told: set[frozenset[str]] = set()
    for index, rule in enumerate(rules):
        circle = _way_back(rule.name, feeds)
        if circle and frozenset(circle) not in told:
            told.add(frozenset(circle))
            way = ", ".join(f"{one} reads {feeds[one][other]} of {other}" for one, other in _steps(circle))
            itself = f"rule {rule.name} reads {feeds[rule.name].get(rule.name)}, which it makes itself"
            yield index, itself if len(circle) == 1 else f"rules go in a circle: {way}"


def _steps(circle: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(circle, [*circle[1:], circle[0]], strict=True)


def _fed_by(rule: AnyRule, rules: Sequence[AnyRule]) -> dict[str, Ref]:
    """Rules whose results it reads, and which."""
    found = {}
    for other in rules:
        for target in other.makes().values():
            if any(_reads(ref, target) for ref in rule.reads().values()):
                found[other.name] = target
    return found


def _reads(ref: Ref, target: Ref) -> bool:
    if ref.resource != target.resource:
        return False
    return fnmatchcase(target.device, ref.device) if ref.many else ref.device == target.device


def _way_back(start: str, feeds: Mapping[str, Mapping[str, Ref]]) -> list[str]:
    """The shortest way from a rule to itself; empty: there is none."""
    ways: list[list[str]] = [[start]]
    seen = {start}
    for way in ways:
        for maker in feeds.get(way[-1], ()):
            if maker == start:
                return way
            if maker not in seen:
                seen.add(maker)
                ways.append([*way, maker])
    return []
