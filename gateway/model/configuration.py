"""A whole desired set of profiles and devices, and the difference between two."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.profile import DeviceProfile


class Profiles(Mapping[str, DeviceProfile]):
    """Own profiles over the shipped ones. Those are read when somebody asks for one, so go through all values only
    where all are wanted."""

    __slots__ = ("own", "shipped")

    def __init__(
        self, own: Mapping[str, DeviceProfile] | None = None, shipped: Mapping[str, DeviceProfile] | None = None
    ) -> None:
        self.own, self.shipped = own or {}, {} if shipped is None else shipped

    def __getitem__(self, name: str) -> DeviceProfile:
        return self.own[name] if name in self.own else self.shipped[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.shipped

    def __iter__(self) -> Iterator[str]:
        yield from self.shipped
        yield from (name for name in self.own if name not in self.shipped)

    def __len__(self) -> int:
        return len(self.shipped) + sum(name not in self.shipped for name in self.own)

    def of(self, own: Mapping[str, DeviceProfile]) -> "Profiles":
        """These over the same shipped ones."""
        return Profiles(own, self.shipped)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Immutable; an edit makes a new one, and the registry applies or refuses it whole."""

    profiles: Profiles = field(default_factory=Profiles)
    devices: Mapping[str, Device] = field(default_factory=dict)

    def with_profiles(self, profiles: Iterable[DeviceProfile]) -> "Configuration":
        return replace(self, profiles=self.profiles.of({**self.profiles.own, **{p.name: p for p in profiles}}))

    def with_devices(self, devices: Iterable[Device]) -> "Configuration":
        return replace(self, devices={**self.devices, **{d.name: d for d in devices}})

    def without_profile(self, name: str) -> "Configuration":
        """A shipped one of the name is in force again. Raises ConfigError for one that is not overridden."""
        own = self.profiles.own
        if name not in own and name in self.profiles.shipped:
            raise ConfigError(f"profile {name} is shipped with the gateway and cannot be removed")
        return replace(self, profiles=self.profiles.of({k: v for k, v in own.items() if k != name}))

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
