"""What of a device can be read or written under which name: deviceCommands, deviceResources, throw-away selections."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from gateway.model.device import Device
from gateway.model.errors import CommandRejected
from gateway.model.near import nearest
from gateway.model.profile import Compat, DeviceCommand, DeviceProfile, DeviceResource
from gateway.model.reading import Source
from gateway.runtime.regex.pattern import compile_pattern, is_plain
from gateway.runtime.regex.posix import BadPattern

Mappings = Mapping[str, str]
_NO_TAGS: Mapping[str, object] = {}
"""One for all: a plant has 10,000 sources."""


def sources_of(device: Device, profile: DeviceProfile, service: str, compat: Compat = Compat.NONE) -> dict[str, Source]:
    """Every deviceResource and deviceCommand of a device by name, in the profile's order; a command wins where both
    have the name. `service` is the device service that hosts it; `compat` the gateway's setting (the profile's own
    counts as well)."""
    compat |= profile.compat
    resources = {resource.name: resource for resource in profile.device_resources}
    general = _general_mappings(profile.device_commands, compat)

    def source(name: str, members: Sequence[DeviceResource], maps: Sequence[Mappings], command: bool) -> Source:
        tags = by_command[name].tags if command else _NO_TAGS
        return Source(service, profile.name, device.name, name, tuple(members), _spare(maps), tags, compat=compat)

    by_command = {command.name: command for command in profile.device_commands}
    found = {name: source(name, [one], [general.get(name, {})], False) for name, one in resources.items()}
    for name, command in by_command.items():
        members = [resources[operation.device_resource] for operation in command.resource_operations]
        own = [operation.mappings for operation in command.resource_operations]
        maps = [general.get(m.name, {}) for m in members] if compat is Compat.EDGEX else own
        found[name] = source(name, members, maps, True)
    return found


def _general_mappings(commands: Iterable[DeviceCommand], compat: Compat) -> dict[str, Mappings]:
    """Mappings of a resource that is read directly: of the first operation with it that has any. EdgeX: of the first
    operation with it, whether it has any or not, and for commands, too (contract, 3.3)."""
    found: dict[str, Mappings] = {}
    for command in commands:
        for operation in command.resource_operations:
            if operation.mappings or compat is Compat.EDGEX:
                found.setdefault(operation.device_resource, operation.mappings)
    return found


def _spare(maps: Sequence[Mappings]) -> tuple[Mappings, ...]:
    return tuple(maps) if any(maps) else ()


def select(
    profile: DeviceProfile, device: Device, pattern: str, service: str = "", compat: Compat = Compat.NONE
) -> Source:
    """A throw-away source of the readable resources whose whole name matches a POSIX regular expression (or is the
    very text). Raises CommandRejected 404 (nothing matches, or it is no expression), 405 (only write-only ones do)."""
    resources = {resource.name: resource for resource in profile.device_resources}
    try:
        names = matching(resources, pattern)
    except BadPattern as error:
        raise CommandRejected(404, f"Regex DeviceResource {pattern} not found: {error}") from None
    if not names:
        near = nearest(pattern, resources)
        hint = f"; did you mean {near}?" if near else ""
        raise CommandRejected(404, f"{'' if is_plain(pattern) else 'Regex '}DeviceResource {pattern} not found{hint}")
    readable = [resources[name] for name in names if resources[name].properties.read_write.readable]
    if not readable:
        raise CommandRejected(405, f"no readable resources matched with {pattern}")
    compat |= profile.compat
    general = _general_mappings(profile.device_commands, compat)
    maps = _spare([general.get(resource.name, {}) for resource in readable])
    name = service or device.service_name
    return Source(name, profile.name, device.name, pattern, tuple(readable), maps, compat=compat)


def matching(names: Collection[str], pattern: str) -> list[str]:
    """Names that are the pattern's text or that it matches as a whole. Raises BadPattern, unless a name is the text."""
    if is_plain(pattern):
        return [pattern] if pattern in names else []
    try:
        matches = compile_pattern(pattern)
    except BadPattern:
        if pattern in names:
            return [pattern]
        raise
    return [name for name in names if name == pattern or matches(name)]
