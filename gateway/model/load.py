"""Profiles and device lists: text or JSON values → types, with every problem named at its place; and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from gateway.model import jsontext, yaml
from gateway.model.consistency import inconsistencies, rough_outline
from gateway.model.device import Device
from gateway.model.document import Document, many_objects
from gateway.model.dump import edgex_json, tree_of
from gateway.model.errors import ConfigError, Problem
from gateway.model.parameters import wrong, wrong_rates
from gateway.model.profile import DeviceProfile
from gateway.model.references import lift, lower
from gateway.model.shaping import Shaping

__all__ = [
    "Loaded",
    "device_from_json",
    "edgex_json",
    "load_devices",
    "load_model",
    "load_profile",
    "patch_device",
    "profile_from_json",
    "read_devices",
    "read_document",
]

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
REQUIRED_OVER_REST = ("adminState", "operatingState", "serviceName", "protocols")
"""Keys of a device that a file may leave out and a request may not."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """What a file says, and what is doubtful about it."""

    value: T
    problems: tuple[Problem, ...] = ()
    """Warnings and notes, by line."""


def load_profile(text: str | bytes, file: str, strict: bool = False) -> Loaded[DeviceProfile]:
    """A device profile from YAML, or from JSON when `file` ends in `.json`. `strict` makes unknown keys errors. Raises
    ConfigError with all problems of the file."""
    with many_objects():
        document = read_document(text, file)
        shaping = Shaping(document, strict)
        profile = _profile(shaping)
        return Loaded(profile, _finish(shaping))


def load_devices(text: str | bytes, file: str, strict: bool = False) -> Loaded[list[Device]]:
    """The devices of a `deviceList:` or of a bare list, YAML or JSON; otherwise as `load_profile`."""
    found = read_devices(text, file, strict)
    if any(problem.severity == "error" for problem in found.problems):
        raise ConfigError(list(found.problems))
    return Loaded(list(found.value.values()), found.problems)


def read_devices(text: str | bytes, file: str, strict: bool = False) -> Loaded[dict[int, Device]]:
    """As `load_devices`, but with errors among the problems: the devices that are well are there all the same, by their
    place in the list, so that what else is wrong with them is told at once. Raises ConfigError for what is no YAML."""
    document = read_document(text, file)
    shaping = Shaping(document, strict)
    path: tuple[str, ...] = ()
    entries = document.value
    if isinstance(entries, Mapping):
        path = ("deviceList",)
        shaping.keys(entries, ("deviceList", "$schema"), ())
        entries = entries.get("deviceList", entries if "deviceList" not in entries else None)
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        shaping.error(path, "expected a list of devices, such as deviceList: [{name: meter-1, …}]")
        entries = []
    devices = [shaping.build(Device, entry, (*path, index)) for index, entry in enumerate(entries)]
    twice = _check_devices(shaping, devices, path)
    well = {index: device for index, device in enumerate(devices) if device is not None and index not in twice}
    return Loaded(well, tuple(shaping.told()))


def load_model(model: type[M], text: str | bytes, file: str, strict: bool = True) -> Loaded[M]:
    """Any other settings of ours from YAML (or `.json`), with the same messages. Scalars arrive as text, which pydantic
    turns into what the field wants. Raises ConfigError with all problems of the file."""
    document = read_document(text, file)
    shaping = Shaping(document, strict)
    value = shaping.build(model, {} if document.value is None else document.value, ())
    problems = _finish(shaping)
    assert value is not None
    return Loaded(value, problems)


def profile_from_json(obj: Any) -> DeviceProfile:
    """A profile of a request body: keys in any case, strict types, unknown keys ignored. Raises ConfigError."""
    shaping = Shaping(Document(obj, "", find_lines=lambda: None))
    profile = _profile(shaping)
    _finish(shaping)
    return profile


def device_from_json(obj: Any, required: Sequence[str] = REQUIRED_OVER_REST) -> Device:
    """A device of a request body, as `profile_from_json`; EdgeX wants more keys here than in a file."""
    shaping = Shaping(Document(obj, "", find_lines=lambda: None))
    device = shaping.build(Device, obj, (), required)
    _check_devices(shaping, [device], ())
    _finish(shaping)
    assert device is not None
    return device


def patch_device(device: Device, obj: Any) -> Device:
    """The device with a PATCH body's changes: absent and null leave a key as it is, lists and maps replace whole. The
    name (and the id, when the device has one) must be the device's own. Raises ConfigError."""
    shaping = Shaping(Document(obj, "", find_lines=lambda: None))
    changes = shaping.shape(Device, obj, ())
    if not isinstance(changes, dict):
        raise ConfigError("expected an object with the keys to change")
    if not changes.get("id") and not changes.get("name"):
        raise ConfigError([Problem("name", "a change needs the device's id or name")])
    if changes.get("name", device.name) != device.name or (device.id and changes.get("id", device.id) != device.id):
        shown = str(changes.get("name", device.name))
        raise ConfigError([Problem("name", f"device name '{shown}' not match the exsting '{device.name}' ")])
    kept = {name: getattr(device, name) for name in Device.model_fields}
    changed = shaping.validate(Device, {**_by_alias(kept), **changes}, ())
    _check_devices(shaping, [changed], ())
    _finish(shaping)
    assert changed is not None
    return changed


def _by_alias(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {Device.model_fields[name].alias or name: value for name, value in fields.items()}


def read_document(text: str | bytes, file: str) -> Document:
    """A file before anybody asks what it means: JSON when `file` ends in `.json`, else YAML. Raises ConfigError."""
    return jsontext.read(text, file) if file.lower().endswith(".json") else yaml.read(text, file)


def _profile(shaping: Shaping) -> DeviceProfile:
    tree = shaping.shape(DeviceProfile, shaping.document.value, ())
    if isinstance(tree, dict) and tree.get("parameters"):
        lower(tree)
    profile = shaping.validate(DeviceProfile, tree, ())
    for path, what in inconsistencies(rough_outline(tree)):
        shaping.error(path, what)
    if profile is None:
        shaping.refuse()
    if profile.parameters:
        _check_parameters(shaping, profile)
    for path, what in wrong_rates(profile):
        shaping.error(path, what)
    return profile


def _check_parameters(shaping: Shaping, profile: DeviceProfile) -> None:
    tree = tree_of(profile)
    del tree["parameters"]
    for resource in tree.get("deviceResources", ()):
        lift(resource)
    for path, what, severity in wrong(profile, tree):
        (shaping.error if severity == "error" else shaping.warning)(path, what)


def _check_devices(shaping: Shaping, devices: list[Device | None], path: tuple[str, ...]) -> set[int]:
    """None is a device with a mistake of its own: it keeps its place, so that the lines of the others are right. Gives
    the places of devices that were listed before."""
    seen: set[str] = set()
    twice: set[int] = set()
    for index, device in enumerate(devices):
        if device is None:
            continue
        if device.name in seen:
            shaping.error((*path, index, "name"), f"device {device.name} is listed twice; rename or remove one")
            twice.add(index)
        seen.add(device.name)
        if device.parent == device.name:
            shaping.error((*path, index, "parent"), "a device cannot be its own parent")
    return twice


def _finish(shaping: Shaping) -> tuple[Problem, ...]:
    if shaping.wrong:
        shaping.refuse()
    return tuple(shaping.told())
