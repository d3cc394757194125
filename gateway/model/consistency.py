"""What the parts of a profile say about each other: EdgeX's cross-field checks (contract, section 1.2), in its order.

They look at an outline only, so that a profile which is wrong elsewhere is still checked whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.near import nearest
from gateway.model.profile import Compat, DeviceProfile, ReadWrite

Path = tuple[str | int, ...]
MAX_HINTS = 20
"""Wrong names for which the nearest right one is looked up; each is compared with all."""


@dataclass(frozen=True, slots=True)
class Part:
    """A resource or a command; empty text where the document has nothing usable."""

    name: str
    read_write: str
    value_type: str = ""
    uses: Sequence[str] = ()
    """Resources of a command."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The names, types and directions of a profile."""

    resources: Sequence[Part]
    commands: Sequence[Part]
    edgex: bool = False
    """`compat: edgex`: only the exact spelling `Binary` is held to be one."""


def outline(profile: DeviceProfile) -> Outline:
    """Of a profile whose fields are right."""
    resources = [Part(r.name, r.properties.read_write, r.properties.value_type) for r in profile.device_resources]
    commands = [
        Part(c.name, c.read_write, uses=[o.device_resource for o in c.resource_operations])
        for c in profile.device_commands
    ]
    return Outline(resources, commands, profile.compat is Compat.EDGEX)


def rough_outline(tree: Any) -> Outline:
    """Of a document of which anything may be wrong."""
    resources = []
    for resource in _maps(tree, "deviceResources"):
        properties = resource.get("properties")
        resources.append(Part(_text(resource, "name"), _direction(properties), _text(properties, "valueType")))
    commands = [
        Part(
            _text(command, "name"),
            _direction(command),
            uses=[_text(operation, "deviceResource") for operation in _maps(command, "resourceOperations")],
        )
        for command in _maps(tree, "deviceCommands")
    ]
    return Outline(resources, commands, _text(tree, "compat") == "edgex")


def _maps(tree: Any, key: str) -> list[dict[str, Any]]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return [one if isinstance(one, dict) else {} for one in found] if isinstance(found, list) else []


def _text(tree: Any, key: str) -> str:
    found = tree.get(key) if isinstance(tree, dict) else None
    return str(found) if isinstance(found, str) else ""


def _direction(tree: Any) -> str:
    text = _text(tree, "readWrite")
    return text if text in list(ReadWrite) else ""


def inconsistencies(profile: Outline) -> Iterator[tuple[Path, str]]:
    """Where and what, in EdgeX's order and with its words; then what to do."""
    yield from _resources(profile)
    directions = {resource.name: resource.read_write for resource in reversed(profile.resources)}
    names: set[str] = set()
    hints = 0
    for index, command in enumerate(profile.commands):
        path: Path = ("deviceCommands", index)
        if command.name and command.name in names:
            yield (*path, "name"), f"device command {command.name} is duplicated; rename or remove one"
        names.add(command.name)
        for position, name in enumerate(command.uses):
            what = _operation(command, name, directions, hints < MAX_HINTS)
            if what:
                hints += 1
                yield (*path, "resourceOperations", position, "deviceResource"), what


def _resources(profile: Outline) -> Iterator[tuple[Path, str]]:
    names: set[str] = set()
    for index, resource in enumerate(profile.resources):
        path: Path = ("deviceResources", index)
        spelled = resource.value_type if profile.edgex else resource.value_type.title()
        if spelled == "Binary" and "W" in resource.read_write:
            what = f"write permission not support Binary value type for resource '{resource.name}'; make it R"
            yield (*path, "properties", "readWrite"), what
        if resource.name and resource.name in names:
            yield (*path, "name"), f"device resource {resource.name} is duplicated; rename or remove one"
        names.add(resource.name)


def _operation(command: Part, name: str, directions: dict[str, str], hinted: bool) -> str:
    """What is wrong with a command's use of a resource; empty when nothing is, or when that is said elsewhere."""
    if not name:
        return ""
    if name not in directions:
        near = nearest(name, directions) if hinted else ""
        hint = f"; did you mean {near}?" if near else "; add the resource or remove this operation"
        return f"device command's resource {name} doesn't match any device resource{hint}"
    allowed = directions[name]
    if not allowed or not command.read_write or allowed in ("RW", "WR", command.read_write):
        return ""
    what = f"device command's ReadWrite permission '{command.read_write}' doesn't align the device resource"
    return f"{what}; {name} is '{allowed}': make the command '{allowed}' too, or the resource 'RW'"
