"""What a name in a request means, by EdgeX's rules, and whether the request may go to the device at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.contracts import Registry
from gateway.model.device import AdminState, OperatingState
from gateway.model.errors import CommandRejected
from gateway.model.near import nearest
from gateway.model.plan import PlannedDevice
from gateway.model.profile import Compat, DeviceCommand, DeviceProfile, DeviceResource
from gateway.model.reading import Source
from gateway.runtime.commands.tolerance import alike, same_of
from gateway.runtime.sources import select
from gateway.runtime.transform.compiled import to_wire

MAX_RESOURCES = 12800
"""EdgeX's MaxCmdOps: resources of one read."""


def device_of(registry: Registry, name: str) -> PlannedDevice:
    """A device that may be asked. Raises CommandRejected 404 (unknown), 423 (locked, down, no profile)."""
    device = registry.current.devices.get(name)
    if device is None:
        raise CommandRejected(404, f"device {name} not found")
    if device.admin_state is AdminState.LOCKED:
        raise CommandRejected(423, f"device {name} locked")
    if device.operating_state is OperatingState.DOWN:
        raise CommandRejected(423, f"device {name} OperatingState is DOWN")
    planned = registry.planned.get(name)
    if planned is None:
        raise CommandRejected(423, "no associated device profile")
    return planned


def command_of(profile: DeviceProfile, name: str) -> DeviceCommand | None:
    """The deviceCommand of that name."""
    return next((c for c in profile.device_commands if c.name == name), None)


def to_read(planned: PlannedDevice, name: str, regex: bool, compat: Compat = Compat.NONE) -> Source:
    """The source a read of `name` means: a deviceCommand, else resources whose whole name matches, else one resource.
    Raises CommandRejected 404, 405 (write-only), 500 (too many resources)."""
    profile = planned.profile
    command = command_of(profile, name)
    if command is not None:
        if not command.read_write.readable:
            raise CommandRejected(405, f"DeviceCommand {name} is marked as write-only")
        source = planned.sources[name]
    elif regex:
        source = select(profile, planned.device, name, planned.connection.service, compat)
        exact = planned.sources.get(name)
        source = exact if exact is not None and exact.names == source.names else source
    else:
        source = _resource_to_read(planned, name)
    if len(source.resources) > MAX_RESOURCES:
        device = planned.device.name
        raise CommandRejected(500, f"GET command {name} exceed device {device} MaxCmdOps ({MAX_RESOURCES})")
    return source


def _resource_to_read(planned: PlannedDevice, name: str) -> Source:
    source = planned.sources.get(name)
    if source is None:
        raise CommandRejected(404, f"DeviceResource {name} not found{_meant(planned, name)}")
    if not source.resources[0].properties.read_write.readable:
        raise CommandRejected(405, f"DeviceResource {name} is marked as write-only")
    return source


def to_write(planned: PlannedDevice, name: str) -> Source:
    """The source a write of `name` means. Raises CommandRejected 404, 405 (read-only)."""
    source = planned.sources.get(name)
    if source is None:
        raise CommandRejected(404, f"DeviceResource {name} not found{_meant(planned, name)}")
    command = command_of(planned.profile, name)
    read_write = command.read_write if command else source.resources[0].properties.read_write
    if not read_write.writable:
        raise CommandRejected(405, f"{'DeviceCommand' if command else 'DeviceResource'} {name} is marked as read-only")
    return source


def _meant(planned: PlannedDevice, name: str) -> str:
    near = nearest(name, planned.sources)
    return f"; did you mean {near}?" if near else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written: a source, and a checked value for each of its resources."""

    source: Source
    values: Mapping[str, Any]
    """By resource name, as people say them; mapped texts are already what they stand for."""
    compat: Compat

    def readable(self) -> Source | None:
        """What can be read back; None when nothing can."""
        keep = [i for i, r in enumerate(self.source.resources) if r.properties.read_write.readable]
        if len(keep) == len(self.source.resources):
            return self.source
        if not keep:
            return None
        mappings = tuple(self.source.mappings[i] for i in keep) if self.source.mappings else ()
        resources = tuple(self.source.resources[i] for i in keep)
        return replace(self.source, resources=resources, mappings=mappings, number=0)

    def confirmed_by(self, read: Mapping[str, Any]) -> bool:
        """Whether every value read back is the wanted one: within tolerance, or the same on the wire."""
        return all(
            self._same(i, resource, read[resource.name])
            for i, resource in enumerate(self.source.resources)
            if resource.properties.read_write.readable
        )

    def _same(self, index: int, resource: DeviceResource, read: Any) -> bool:
        if read is None:
            return False
        return equals(resource, self.values[resource.name], _unmapped(self.source, index, read), self.compat)


def equals(resource: DeviceResource, wanted: Any, read: Any, compat: Compat) -> bool:
    """Whether a value read is the wanted one: within the resource's tolerance, or the same on the wire (21.53 written
    to a register of tenths is read back as 21.5). `wanted` may be EdgeX text."""
    if same_of(resource, wanted, read):
        return True
    try:
        return same_of(resource, _number(wanted), read) or alike(
            to_wire(resource, wanted, compat), to_wire(resource, read, compat)
        )
    except CommandRejected:
        return False


def _number(wanted: Any) -> Any:
    try:
        return float(wanted) if isinstance(wanted, str) else wanted
    except ValueError:
        return wanted


def arguments(planned: PlannedDevice, source: Source, args: Mapping[str, Any], compat: Compat) -> Wanted:
    """The value of every resource: from `args`, else the deviceCommand's default, else the resource's. Raises
    CommandRejected 400 (missing, or misspelt while a default stands ready), 422 or 400 (type, range)."""
    command = command_of(planned.profile, source.name)
    compat |= planned.profile.compat
    values = {}
    for index, resource in enumerate(source.resources):
        default = command.resource_operations[index].default_value if command else ""
        given = args.get(resource.name)
        if resource.name not in args:
            given = default or resource.properties.default_value
            _no_misspelling(source, args, resource.name, compat)
            if not given:
                raise CommandRejected(
                    400, f"DeviceResource {resource.name} not found in request body and no default value defined"
                )
        values[resource.name] = value = _unmapped(source, index, given)
        to_wire(resource, value, compat)
    return Wanted(source, values, compat)


def _no_misspelling(source: Source, args: Mapping[str, Any], missing: str, compat: Compat) -> None:
    """EdgeX ignores keys it does not know. Here a default must not silently replace a value somebody misspelt."""
    unknown = [key for key in args if key not in source.names]
    if unknown and compat is not Compat.EDGEX:
        raise CommandRejected(
            400,
            f"{missing} is missing and {unknown[0]} is not a resource of {source.name}; "
            f"it takes {', '.join(source.names)}",
        )


def _unmapped(source: Source, index: int, value: Any) -> Any:
    """What a mapped text stands for (`"ON"` → `"1"`); any other value as it is."""
    mappings = source.mappings[index] if source.mappings else {}
    if isinstance(value, str):
        return next((key for key, text in mappings.items() if text == value), value)
    return value
