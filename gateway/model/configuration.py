"""A whole desired set of profiles and devices, and the difference between two."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.model.device import Device
from gateway.model.errors import Problem
from gateway.model.profile import DeviceProfile


@dataclass(frozen=True, slots=True)
class Configuration:
    """Immutable; an edit makes a new one, and the registry applies or refuses it whole."""

    profiles: Mapping[str, DeviceProfile] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)

    def with_profiles(self, profiles: Iterable[DeviceProfile]) -> "Configuration":
        return replace(self, profiles={**self.profiles, **{p.name: p for p in profiles}})

    def with_devices(self, devices: Iterable[Device]) -> "Configuration":
        return replace(self, devices={**self.devices, **{d.name: d for d in devices}})

    def without_profile(self, name: str) -> "Configuration":
        return replace(self, profiles={k: v for k, v in self.profiles.items() if k != name})

    def without_device(self, name: str) -> "Configuration":
        return replace(self, devices={k: v for k, v in self.devices.items() if k != name})


@dataclass(frozen=True, slots=True)
class Difference:
    """What applying a configuration changes (or changed), by name."""

    added_profiles: tuple[str, ...] = ()
    changed_profiles: tuple[str, ...] = ()
    removed_profiles: tuple[str, ...] = ()
    added_devices: tuple[str, ...] = ()
    changed_devices: tuple[str, ...] = ()
    """Own entry changed, or its profile did."""
    removed_devices: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Warnings and notes; errors refuse the whole."""

    def __bool__(self) -> bool:
        return any(
            (
                self.added_profiles,
                self.changed_profiles,
                self.removed_profiles,
                self.added_devices,
                self.changed_devices,
                self.removed_devices,
            )
        )
