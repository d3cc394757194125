"""The switchboard: which package speaks which protocol. A package is imported on first need."""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.contracts import DeviceProtocol
from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.near import nearest
from gateway.model.place import Place
from gateway.model.profile import DeviceProfile

PREFIX = "device-"
"""All our device services begin so: it says nothing of which one is meant."""


@dataclass(frozen=True, slots=True)
class Line:
    """A protocol we speak."""

    service: str
    """Its device service."""
    package: str
    keys: tuple[str, ...]
    """Keys under a device's `protocols`."""
    extra: str
    """What pip must install beside the gateway."""
    needs: tuple[str, ...]
    """The modules that extra brings."""


LINES = (
    Line(
        "device-modbus",
        "mappers.modbus",
        ("modbus-tcp", "modbus-rtu", "modbus-ascii"),
        "modbus",
        ("pymodbus", "serial"),
    ),
    Line("device-opcua", "mappers.opcua", ("opcua",), "opcua", ("asyncua",)),
    Line("device-virtual", "mappers.virtual", ("virtual",), "", ()),
)


class Switchboard:
    """Fulfils `gateway.model.contracts.Protocols`."""

    def __init__(
        self, aliases: Mapping[str, str] | None = None, lines: Sequence[Line] = LINES, place: Place | None = None
    ) -> None:
        """`aliases`: other names of our device services, as people's files have them. `place`: of the gateway."""
        self._place = place or Place()
        self._lines = {line.service: line for line in lines}
        self._aliases = dict(aliases or {})
        self._loaded: dict[str, DeviceProtocol[Any]] = {}

    def services(self) -> Sequence[str]:
        return list(self._lines)

    def by_service(self, service: str) -> DeviceProtocol[Any]:
        """Raises ConfigError: unknown, or what it needs is not installed."""
        name = self._aliases.get(service, service)
        line = self._lines.get(name)
        if line is None:
            near = nearest(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in self._lines])
            hint = f"; did you mean {PREFIX}{near}?" if near else "."
            choices = ", ".join([*self._lines, *self._aliases])
            raise ConfigError(f"no device service {service!r} here{hint} This gateway hosts: {choices}")
        if name not in self._loaded:
            self._loaded[name] = _load(line, self._place)
        return self._loaded[name]

    def of(self, device: Device) -> DeviceProtocol[Any]:
        """By serviceName (or alias), else by the key under `protocols`. Raises ConfigError listing the choices."""
        if device.service_name:
            return self.by_service(device.service_name)
        found = [line for line in self._lines.values() if any(key in device.protocols for key in line.keys)]
        if len(found) == 1:
            return self.by_service(found[0].service)
        keys = ", ".join(key for line in self._lines.values() for key in line.keys)
        given = ", ".join(device.protocols) or "none"
        if found:
            what = f"its protocols ({given}) belong to {', '.join(line.service for line in found)}; set serviceName"
        else:
            what = f"no mapper for its protocols ({given}); known keys are {keys}. Or set serviceName"
        raise ConfigError([Problem("protocols", what)])

    def seems(self, profile: DeviceProfile) -> str:
        """The service whose protocol knows the profile's attributes as its own; empty: none of those installed."""
        installed = (service for service, line in self._lines.items() if _installed(line))
        return next((service for service in installed if self.by_service(service).recognises(profile)), "")

    def check(self, profile: DeviceProfile) -> list[Problem]:
        """Of a profile that no device of ours uses: what the protocol it seems to be for says, else one note."""
        service = self.seems(profile)
        if service:
            return self.by_service(service).check(profile)
        if not any(resource.attributes for resource in profile.device_resources):
            return []
        what = (
            f"profile {profile.name} is for a protocol that is not spoken here ({', '.join(self._lines)}); it is kept, "
            "but no device can use it"
        )
        return [Problem("deviceResources", what, severity="note")]


def _installed(line: Line) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in line.needs)


def _load(line: Line, place: Place) -> DeviceProtocol[Any]:
    if not _installed(line):
        pip = f'pip install "southgate[{line.extra}]"'
        raise ConfigError(f"{line.service} needs {' and '.join(line.needs)}, which are not installed: {pip}")
    found: DeviceProtocol[Any] = importlib.import_module(line.package).protocol(place)
    return found
