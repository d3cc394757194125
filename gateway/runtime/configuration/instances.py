"""Profiles as they are for devices with values of their own; devices with equal values share one."""

from collections.abc import Iterable

from gateway.model.device import Device
from gateway.model.errors import Problem
from gateway.model.profile import DeviceProfile
from gateway.model.template import Template, has_own


class Instances:
    """Made when they are first asked for, kept as long as they are in force. Identity tells what changed."""

    def __init__(self) -> None:
        self._templates: dict[int, Template] = {}
        self._made: dict[tuple[int, str], DeviceProfile] = {}

    def of(self, profile: DeviceProfile, device: Device) -> DeviceProfile:
        """The profile itself where neither it nor the device has anything to put in. Raises ConfigError: what is wrong
        with the device's values at places of the device, what cannot be with them at places of the profile."""
        if not has_own(profile, device):
            return profile
        template = self._template(profile)
        own = template.own(device)
        key = id(profile), own.key
        if key not in self._made:
            self._made[key] = template.effective(own)
        return self._made[key]

    def made(self, profile: DeviceProfile) -> bool:
        """Whether this one was made for devices."""
        return any(profile is made for made in self._made.values())

    def doubts(self, profile: DeviceProfile, device: Device) -> list[Problem]:
        """Warnings about values for nothing."""
        return Template(profile).doubts(device)

    def forget_all_but(self, profiles: Iterable[DeviceProfile]) -> None:
        """Lets go of what is made of profiles, and for devices, that are no longer in force."""
        kept = {id(profile) for profile in profiles}
        self._templates = {key: template for key, template in self._templates.items() if key in kept}
        self._made = {key: made for key, made in self._made.items() if key[0] in self._templates and id(made) in kept}

    def _template(self, profile: DeviceProfile) -> Template:
        known = self._templates.get(id(profile))
        if known is None or known.profile is not profile:
            known = self._templates[id(profile)] = Template(profile)
        return known
