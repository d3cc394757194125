"""From a configuration to devices that are ready to run: every check, every plan, all problems at once. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

from gateway.model.abilities import Made
from gateway.model.configuration import Configuration
from gateway.model.contracts import Protocols, Store
from gateway.model.device import AdminState, AutoEvent, Device, OperatingState, Retention
from gateway.model.document import many_objects
from gateway.model.errors import CommandRejected, ConfigError, Problem
from gateway.model.near import nearest
from gateway.model.plan import Connection, Facts, Plan, PlannedDevice
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.reading import Source
from gateway.model.template import by_default
from gateway.runtime.configuration.instances import Instances
from gateway.runtime.lanes.schedule import polls_of
from gateway.runtime.sources import select, sources_of
from gateway.runtime.transform.compiled import check_transform


@dataclass(slots=True)
class Planner:
    """Plans devices; keeps what it found out about a profile as long as the profile object lives in the set."""

    protocols: Protocols
    store: Store
    compat: Compat = Compat.NONE
    instances: Instances = field(default_factory=Instances)
    _checked: dict[int, tuple[DeviceProfile, list[Problem]]] = field(default_factory=dict)

    def profile_problems(self, profile: DeviceProfile) -> list[Problem]:
        """What is wrong with a profile whatever the protocol."""
        known = self._checked.get(id(profile))
        if known is None or known[0] is not profile:
            compat = self.compat | profile.compat
            found = [
                replace(problem, where=f"deviceResources[{index}].{problem.where}")
                for index, resource in enumerate(profile.device_resources)
                for problem in check_transform(resource, compat)
            ]
            known = self._checked[id(profile)] = profile, found
        return known[1]

    def forget_all_but(self, profiles: Sequence[DeviceProfile]) -> None:
        """Lets go of profiles, and of what is made of them for devices, that are no longer in force."""
        self.instances.forget_all_but(profiles)
        kept = {id(profile) for profile in profiles}
        self._checked = {key: value for key, value in self._checked.items() if key in kept}

    def instance(self, profile: DeviceProfile, device: Device) -> DeviceProfile:
        """The profile as it is for the device. Raises ConfigError."""
        try:
            return self.instances.of(profile, device)
        except ConfigError as error:
            raise ConfigError([_for(device, problem) for problem in error.problems]) from None

    def plan(self, device: Device, profile: DeviceProfile, facts: Facts) -> tuple[PlannedDevice, list[Problem]]:
        """The device ready to run, and warnings; `profile`: as it is for the device (`instance`). Raises ConfigError
        with everything wrong about it."""
        with many_objects():
            return self._plan(device, profile, facts)

    def _plan(self, device: Device, profile: DeviceProfile, facts: Facts) -> tuple[PlannedDevice, list[Problem]]:
        protocol = self.protocols.of(device)
        problems = list(self.profile_problems(profile)) + protocol.check(self._as_meant(profile), device)
        problems += auto_event_problems(profile.events_of(device), profile)
        mute = "" if any(problem.severity == "error" for problem in problems) else protocol.mute(device)
        if mute and device.auto_events:
            problems.append(Problem("autoEvents", f"nothing can be read here: {mute}; remove them"))
        if any(problem.severity == "error" for problem in problems):
            own = self.instances.made(profile)
            raise ConfigError([_for(device, problem) for problem in problems] if own else problems)
        connection = protocol.connection(device, self.compat | profile.compat)
        sources = sources_of(device, profile, protocol.service, self.compat)
        events = () if mute else profile.events_of(device)
        wanted = self._number(device, profile, sources, events)

        def plan(chosen: Sequence[Source]) -> Plan:
            made: Plan = protocol.plan(device, chosen, facts)
            return made

        polls = polls_of(device, wanted, events, plan) if polled(device) else ()
        made, codes = isinstance(protocol, Made), protocol.codes
        return PlannedDevice(device, profile, connection, sources, tuple(polls), facts, mute, codes, made), problems

    def unreachable(self, device: Device) -> list[Problem]:
        """What is wrong with the way to a device whose profile is not there."""
        if not device.profile_name:
            return []
        try:
            self.protocols.of(device).connection(device, self.compat)
        except ConfigError as error:
            return list(error.problems)
        return []

    def again(self, planned: PlannedDevice, facts: Facts) -> PlannedDevice:
        """The same device with plans that know these facts."""
        plan = self.protocols.of(planned.device).plan
        with many_objects():
            polls = [replace(poll, plan=plan(planned.device, poll.sources, facts)) for poll in planned.polls]
        return replace(planned, polls=tuple(polls), facts=facts)

    def _as_meant(self, profile: DeviceProfile) -> DeviceProfile:
        """The gateway's `compat` counts as the profile's own."""
        compat = self.compat | profile.compat
        return profile if compat is profile.compat else profile.model_copy(update={"compat": compat})

    def _number(
        self, device: Device, profile: DeviceProfile, sources: dict[str, Source], events: Sequence[AutoEvent]
    ) -> Mapping[str, Source]:
        """Sources that are polled get their numbers now, the others when they are first used. The answer also has
        the selections that autoEvents make by regular expression."""
        service, chosen = self.protocols.of(device).service, dict[str, Source]()
        for name in dict.fromkeys(event.source_name for event in events):
            if name in sources:
                sources[name] = self.store.number(sources[name])
            else:
                chosen[name] = self.store.number(select(profile, device, name, service, self.compat))
        return {**sources, **chosen}


def _for(device: Device, problem: Problem) -> Problem:
    """Of a profile with values of a device in it: what is wrong with it need not be wrong for others."""
    if not problem.where.startswith(("deviceResources", "deviceCommands")):
        return problem
    return replace(problem, what=f"{problem.what} (with the parameters and overrides of device {device.name})")


def polled(device: Device) -> bool:
    """A locked device, or one taken out of operation by hand, is not polled."""
    return device.admin_state is AdminState.UNLOCKED and device.operating_state is not OperatingState.DOWN


def auto_event_problems(events: Sequence[AutoEvent], profile: DeviceProfile) -> list[Problem]:
    """autoEvents whose source is no deviceCommand, no deviceResource and no regular expression that matches one, or one
    that only writes: whoever asks for it is refused, too. A note where `retention` asks for what there is not."""
    commands = {c.name: c for c in profile.device_commands}
    resources = {r.name: r for r in profile.device_resources}
    names = commands.keys() | resources.keys()
    problems = []
    for index, event in enumerate(events):
        name = event.source_name
        if event.retention is not None and event.retention != Retention():
            what = "is followed by the history (`history:` in gateway.yaml), not by the journal"
            problems.append(Problem(f"autoEvents[{index}].retention", what, severity="note"))
        if name in commands and not commands[name].read_write.readable:
            what = f"auto event source '{name}' is a device command that only writes; make its readWrite RW"
            problems.append(Problem(f"autoEvents[{index}].sourceName", what))
        elif name in resources and name not in commands and not resources[name].properties.read_write.readable:
            what = f"auto event source '{name}' names nothing that can be read"
            problems.append(Problem(f"autoEvents[{index}].sourceName", what))
        if name in names:
            continue
        try:
            select(profile, Device(name="-"), name)
        except CommandRejected:
            near = nearest(name, names)
            hint = f"; did you mean {near}?" if near else ""
            what = f"auto event source '{name}' cannot be found in the device profile '{profile.name}'{hint}"
            problems.append(Problem(f"autoEvents[{index}].sourceName", what))
    return problems


def shared_connections(planned: Mapping[str, PlannedDevice]) -> list[Problem]:
    """Devices on one connection that want it set up differently: an error naming both."""
    first: dict[tuple[str, str], PlannedDevice] = {}
    problems = []
    for device in planned.values():
        connection = device.connection
        other = first.setdefault((connection.service, connection.key), device)
        if other.connection.settings != connection.settings:
            what = (
                f"devices {other.device.name} and {device.device.name} share {connection.key} "
                f"but set it up differently: {_settings_apart(other.connection, connection)}; make them equal"
            )
            problems.append(Problem(f"device {device.device.name}", what))
    return problems


def _settings_apart(one: Connection, other: Connection) -> str:
    ours, theirs = _as_dict(one.settings), _as_dict(other.settings)
    apart = [f"{k} {ours.get(k)} and {theirs.get(k)}" for k in {**ours, **theirs} if ours.get(k) != theirs.get(k)]
    return ", ".join(apart) or f"{one.settings} and {other.settings}"


def _as_dict(settings: Any) -> dict[str, Any]:
    if is_dataclass(settings):
        return {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    if hasattr(settings, "model_dump"):
        return dict(settings.model_dump(by_alias=True))
    named = getattr(settings, "_asdict", None)
    return dict(named()) if named else {}


def unused_profile_problems(profile: DeviceProfile, protocols: Protocols) -> list[Problem]:
    """Of a profile that no device uses: nothing in force depends on it, so its mistakes are warnings. Where a parameter
    has no default, only a device can show them."""
    try:
        plain = by_default(profile)
        problems = protocols.check(plain) if plain is not None else []
        problems = [*problems, *auto_event_problems(profile.auto_events, profile)]
    except ConfigError as error:
        problems = error.problems
    return [_unused(problem) if problem.severity == "error" else problem for problem in problems]


def _unused(problem: Problem) -> Problem:
    return replace(problem, what=f"{problem.what} (no device uses this profile yet)", severity="warning")


def missing_profiles(configuration: Configuration) -> dict[str, Problem]:
    """Devices whose profile does not exist, by device."""
    found = {}
    for device in configuration.devices.values():
        name = device.profile_name
        if name and name not in configuration.profiles:
            near = nearest(name, configuration.profiles)
            hint = f"; did you mean {near}?" if near else ""
            found[device.name] = Problem("profileName", f"there is no device profile '{name}'{hint}")
    return found
