"""The devices that rules make: what their results are, as profiles and devices like any other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from datastore.analysis.finding import NotFound, Planned, find
from datastore.analysis.formula import check, is_truth
from datastore.analysis.refs import SERVICE, Ref
from datastore.analysis.settings import AnyRule, Formula, Score
from gateway.model.configuration import Configuration
from gateway.model.device import Device
from gateway.model.errors import Problem
from gateway.model.plan import Connection, PlannedDevice
from gateway.model.profile import DeviceProfile, DeviceResource, ReadWrite, ResourceProperties, ValueType

PROTOCOL = "virtual"
MAKER = {"madeBy": "rules"}


def virtual_devices(rules: Iterable[AnyRule]) -> Configuration:
    """A device and a profile for each device that rules name as target."""
    resources: dict[str, list[DeviceResource]] = {}
    for rule in rules:
        for key, target in rule.makes().items():
            resources.setdefault(target.device, []).append(_resource(rule, key, target))
    profiles = [_profile(device, made) for device, made in resources.items()]
    devices = [_device(device) for device in resources]
    return Configuration().with_profiles(profiles).with_devices(devices)


def unfound(rules: Sequence[AnyRule], planned: Planned, folder: Path) -> list[Problem]:
    """What rules read that is not there, also not among what they make themselves; what they would make in a device
    that somebody else has; models that are not in `folder`, where gateway.yaml is."""
    made = virtual_devices(rules)
    nowhere = Connection(SERVICE, "rules", ())
    virtual = {n: PlannedDevice(d, made.profiles[d.profile_name], nowhere, {}) for n, d in made.devices.items()}
    problems = []
    for rule in rules:
        try:
            find(rule, {**virtual, **planned})
        except NotFound as error:
            problems.append(Problem(f"rule {rule.name}", str(error)))
        if isinstance(rule, Score) and rule.model is not None and not (folder / rule.model).is_file():
            problems.append(Problem(f"rule {rule.name}: model", f"there is no file {folder / rule.model}"))
        for key, target in rule.makes().items():
            device = planned.get(target.device)
            if device is not None and device.connection.service != SERVICE:
                what = f"{target.device} is a device of its own; what rules make is in a device that no file has"
                problems.append(Problem(f"rule {rule.name}: {key}", what))
    return problems


def _profile(device: str, resources: list[DeviceResource]) -> DeviceProfile:
    return DeviceProfile(
        name=f"virtual-{device}",
        description="What rules make; it changes with them",
        labels=["virtual"],
        device_resources=resources,
    )


def _device(name: str) -> Device:
    return Device(
        name=name,
        description="What rules make",
        labels=["virtual"],
        service_name=SERVICE,
        profile_name=f"virtual-{name}",
        protocols={PROTOCOL: dict(MAKER)},
    )


def _resource(rule: AnyRule, key: str, target: Ref) -> DeviceResource:
    kind = _type(rule, key)
    units = getattr(rule, "units", "") if key == "into" else ""
    return DeviceResource(
        name=target.resource,
        description=rule.description or f"Made by the {rule.kind} rule {rule.name}",
        properties=ResourceProperties(
            value_type=kind,
            read_write=ReadWrite.R,
            units=units,
            optional={} if kind is ValueType.OBJECT else {"twin": True},
        ),
        tags={"rule": rule.name},
    )


def _type(rule: AnyRule, key: str) -> ValueType:
    if key != "into":
        return ValueType.STRING if key == "label" else ValueType.OBJECT
    if rule.kind in ("threshold", "stuck", "missing"):
        return ValueType.BOOL
    if isinstance(rule, Formula) and is_truth(check(rule.value, list(rule.of))):
        return ValueType.BOOL
    return ValueType.FLOAT64
