"""The one writer of configuration. Files, REST and cloud all come through here: check, plan all, difference, apply only
what changed, or refuse and leave the running set as it is."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gateway.model.configuration import Configuration, Difference
from gateway.model.contracts import Clock, Lanes, Protocols, State, Store
from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem, StoreFailed
from gateway.model.plan import Facts, PlannedDevice
from gateway.model.profile import Compat, DeviceProfile
from gateway.model.template import has_own
from gateway.runtime.configuration.budget import crowded
from gateway.runtime.configuration.edit import Edit, changes
from gateway.runtime.configuration.files import Contents, Folders
from gateway.runtime.configuration.made import beside, hidden, refuse_made, without
from gateway.runtime.configuration.planning import (
    Planner,
    missing_profiles,
    shared_connections,
    unused_profile_problems,
)
from gateway.runtime.configuration.stamps import Stamps
from gateway.runtime.turns import Turns

FACTS = "facts"
"""Table of what was learned, by device."""

log = logging.getLogger(__name__)

T = TypeVar("T")
Change = Callable[[Configuration], Configuration]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the registry keeps and asks: given by `gateway.app`."""

    folders: Folders
    protocols: Protocols
    lanes: Lanes
    store: Store
    state: State
    clock: Clock
    compat: Compat = Compat.NONE


@dataclass(frozen=True, slots=True)
class _Set:
    """A configuration that passed every check."""

    configuration: Configuration
    planned: Mapping[str, PlannedDevice]
    problems: tuple[Problem, ...]


class FileRegistry:
    """Implements `gateway.model.contracts.Registry`."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping
        self._planner = Planner(keeping.protocols, keeping.store, keeping.compat)
        self._stamps = Stamps(keeping.state, keeping.clock)
        self._set = _Set(Configuration(), {}, ())
        self._facts: dict[str, Facts] = {}
        self._doubts: dict[PlannedDevice, list[Problem]] = {}
        self._made = Configuration()
        """What rules make."""
        self._read = False
        self._turn = asyncio.Lock()

    # ------------------------------------------------------------------------------------------------- the contract

    @property
    def current(self) -> Configuration:
        """What is in force."""
        return self._set.configuration

    @property
    def planned(self) -> Mapping[str, PlannedDevice]:
        """Every device in force that has a profile, by name."""
        return self._set.planned

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Warnings and notes about what is in force."""
        return self._set.problems

    @property
    def digest(self) -> str:
        """Hash (hex) of the configuration in force; equal for equal content, in whatever files."""
        return self._stamps.digest(self.current)

    def stamps(self, kind: str, name: str) -> tuple[int, int]:
        """created and modified, ms since the epoch, of a `device` or `profile`; (0, 0) if shipped or unknown."""
        return self._stamps.of(kind, name)

    async def reload(self, dry_run: bool = False) -> Difference:
        """Reads the files again and applies what changed. Raises ConfigError naming every problem with file, line and
        key; the running set stays as it is."""
        async with self._turn:
            new = await self._of_files(self._made)
            difference = _difference(self._set, new)
            if not dry_run:
                await to_the_end(self._apply(new, difference))
                self._read = True
            return difference

    async def would(self, made: Configuration) -> tuple[Difference, Mapping[str, PlannedDevice]]:
        """What `make` and then `reload` would change, and the devices there would be. Raises ConfigError as they do."""
        async with self._turn:
            new = await self._of_files(made)
            return _difference(self._set, new), new.planned

    async def _of_files(self, made: Configuration) -> _Set:
        """What files say now, and beside it what rules make. Raises ConfigError."""
        if not self._facts:
            self._facts = dict(self._keeping.state.all(FACTS))
        contents = await asyncio.to_thread(self._keeping.folders.read)
        contents.problems += hidden(contents.configuration(), made)
        wanted = _same_objects(self.current, beside(contents.configuration(), made))
        return await self._checked(wanted, contents)

    async def change(self, edit: Change, dry_run: bool = False) -> Difference:
        """Applies an edit to what is in force and writes the files, all or none; edits wait for each other. Raises
        ConfigError (or what `edit` raises); then nothing changed. What has begun to be applied is brought to its end,
        even when the caller is cancelled."""
        async with self._turn:
            wanted = _same_objects(self.current, edit(self.current))
            refuse_made(self.current, wanted, self._made)
            new = await self._checked(wanted, Contents())
            difference = _difference(self._set, new)
            if not difference or dry_run:
                return difference
            files = await asyncio.to_thread(changes, self._keeping.folders, self.current, wanted)
            await to_the_end(self._apply(new, difference, files))
            return difference

    async def make(self, made: Configuration) -> None:
        """These devices and profiles, in no file, are beside those of the files from now on, instead of those made
        before. What a file has under the same name counts more. Before the first `reload` they wait for it. Raises
        ConfigError."""
        async with self._turn:
            if not self._read:
                self._made = made
                return
            files = without(self.current, self._made)
            wanted = _same_objects(self.current, beside(files, made))
            new = await self._checked(wanted, Contents())
            await to_the_end(self._apply(new, _difference(self._set, new)))
            self._made = made

    async def learned(self, device: str, facts: Facts) -> None:
        """Facts found out about a device are kept. It is planned anew where they change what is asked of it; the others
        miss no poll."""
        async with self._turn:
            self._facts[device] = facts
            await self._put_facts(device, facts)
            old = self._set.planned.get(device)
            if old is None:
                return
            new = self._planner.again(old, facts)
            if _questions(new) == _questions(old):
                old.facts.clear()
                old.facts.update(facts)
                return
            self._doubts[new] = self._doubts.pop(old, [])
            await to_the_end(self._put_in_force(replace(self._set, planned={**self._set.planned, device: new})))

    # ------------------------------------------------------------------------------------------------------ checking

    async def _checked(self, wanted: Configuration, contents: Contents) -> _Set:
        """Every check and every plan. Raises ConfigError with everything that is wrong."""
        used = {device.profile_name for device in wanted.devices.values()}
        await asyncio.to_thread(lambda: [wanted.profiles.get(name) for name in used])  # the library reads its files
        problems = list(contents.problems)
        missing = missing_profiles(wanted)
        problems += [_of_device(contents, wanted.devices[name], problem) for name, problem in missing.items()]
        self._let_go(self._set)
        planned: dict[str, PlannedDevice] = {}
        turns = Turns(self._keeping.clock)
        for device in wanted.devices.values():
            profile = wanted.profiles.get(device.profile_name)
            if profile is None:
                problems += [_of_device(contents, device, problem) for problem in self._planner.unreachable(device)]
                continue
            try:
                problems += self._take(planned, device, profile, contents)
            except ConfigError as error:
                problems += [_of_device(contents, device, problem, profile) for problem in error.problems]
            await turns.give()
        problems += shared_connections(planned)
        problems += crowded(planned.values())
        # a profile may have 100,000 resources, and is checked in one piece
        problems += await asyncio.to_thread(self._unused, wanted, contents, used)
        if any(problem.severity == "error" for problem in problems):
            raise ConfigError(_once(problems))
        return _Set(wanted, planned, tuple(_once(problems)))

    def _take(
        self, planned: dict[str, PlannedDevice], device: Device, profile: DeviceProfile, contents: Contents
    ) -> list[Problem]:
        """The device into `planned`: as it is in force when nothing about it changed. Gives its doubts."""
        old = self._set.planned.get(device.name)
        template, profile = profile, self._planner.instance(profile, device)
        facts = self._facts.get(device.name, {})
        if old is None:
            another = self._stamps.changed_meanwhile(device)
        else:
            another = old.device.protocols != device.protocols or _asked_otherwise(old.profile, profile)
        facts = {} if another else facts  # it is another device now, or is to be asked otherwise
        if old is not None and old.device is device and old.profile is profile and old.facts == facts:
            planned[device.name] = old
            return self._doubts.get(old, [])
        new, found = self._planner.plan(device, profile, facts)
        planned[device.name] = new
        found += self._planner.instances.doubts(template, device)
        self._doubts[new] = [_of_device(contents, device, problem, template) for problem in found]
        return self._doubts[new]

    def _unused(self, wanted: Configuration, contents: Contents, used: Collection[str]) -> list[Problem]:
        problems = []
        for name, profile in wanted.profiles.own.items():
            if name not in used:
                found = unused_profile_problems(profile, self._keeping.protocols)
                found += self._planner.profile_problems(profile)
                problems += [contents.locate("profile", name, problem) for problem in found]
        return problems

    # ------------------------------------------------------------------------------------------------------ applying

    async def _apply(self, new: _Set, difference: Difference, files: Edit | None = None) -> None:
        """Files, then lanes, then what is known about them. Where the lanes fail, the files are as they were."""
        told = set(self._set.problems)
        if files is not None:
            await asyncio.to_thread(files.apply)
        try:
            if difference or new.planned != self._set.planned:
                await self._put_in_force(new)
        except BaseException:
            if files is not None:
                await asyncio.to_thread(files.undo)
            raise
        self._set = new
        self._let_go(new)
        for problem in new.problems:
            if problem not in told:
                log.log(logging.WARNING if problem.severity == "warning" else logging.INFO, "%s", problem)
        await self._stamps.note(new.configuration, difference)
        for device in [name for name in self._facts if not self._still_holds(name, new)]:
            del self._facts[device]
            await self._put_facts(device, None)

    def _let_go(self, kept: _Set) -> None:
        """What was found out about plans that are not in force, such as those of a refused change, is forgotten."""
        profiles = kept.configuration.profiles
        of_devices = (profiles.get(device.profile_name) for device in kept.configuration.devices.values())
        planned = (planned.profile for planned in kept.planned.values())
        in_force = [*profiles.own.values(), *filter(None, of_devices), *planned]
        self._planner.forget_all_but(in_force)
        self._doubts = {device: self._doubts.get(device, []) for device in kept.planned.values()}

    def _still_holds(self, name: str, new: _Set) -> bool:
        """Facts are of the device that was asked: not of another one under its name."""
        if name not in new.configuration.devices:
            return False
        planned = new.planned.get(name)
        return planned is None or planned.facts == self._facts[name]

    async def _put_in_force(self, new: _Set) -> None:
        """The set is current before its lanes run: their first values already find it. On failure the old one is
        put back."""
        old, self._set = self._set, new
        try:
            await self._keeping.lanes.apply(new.planned)
        except BaseException:
            self._set = old
            await self._keeping.lanes.apply(old.planned)
            raise

    async def _put_facts(self, device: str, facts: Facts | None) -> None:
        try:
            if facts is None:
                await self._keeping.state.remove(FACTS, [device])
            else:
                await self._keeping.state.put(FACTS, {device: dict(facts)})
        except StoreFailed as error:
            log.error("What was learned about %s cannot be written: %s", device, error)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work`, which goes on when the caller is cancelled: half a change must not stay. The cancellation counts
    once it is done."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled() and task.exception() is not None:
        log.error("A change whose caller went away failed: %s", task.exception())
    raise cancelled


def _questions(device: PlannedDevice) -> list[list[bytes]]:
    return [[request.pdu for request in poll.plan.requests] for poll in device.polls]


def _same_objects(old: Configuration, new: Configuration) -> Configuration:
    """Equal devices and profiles keep the object in force: identity then tells what changed. Who wrote down a shipped
    profile as it is uses the shipped one."""
    own, shipped = _kept(old.profiles, new.profiles.own), new.profiles.shipped
    own = {name: one for name, one in own.items() if name not in shipped or one != shipped[name]}
    return Configuration(new.profiles.of(own), _kept(old.devices, new.devices))


def _kept(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: old[name] if name in old and old[name] == value else value for name, value in new.items()}


def _difference(old: _Set, new: _Set) -> Difference:
    was, will = old.configuration, new.configuration
    own = was.profiles.own.keys() | will.profiles.own.keys()  # what is shipped stays as it is
    profiles = {n for n in own if n in was.profiles and n in will.profiles and was.profiles[n] is not will.profiles[n]}
    devices = {
        n
        for n in was.devices.keys() & will.devices.keys()
        if was.devices[n] is not will.devices[n] or will.devices[n].profile_name in profiles
    }
    return Difference(
        added_profiles=tuple(sorted(will.profiles.keys() - was.profiles.keys())),
        changed_profiles=tuple(sorted(profiles)),
        removed_profiles=tuple(sorted(was.profiles.keys() - will.profiles.keys())),
        added_devices=tuple(sorted(will.devices.keys() - was.devices.keys())),
        changed_devices=tuple(sorted(devices)),
        removed_devices=tuple(sorted(was.devices.keys() - will.devices.keys())),
        problems=new.problems,
    )


def _asked_otherwise(old: DeviceProfile, new: DeviceProfile) -> bool:
    """Whether more than what is read, and how often, is another."""
    return old is not new and old != new.model_copy(update={"auto_events": old.auto_events})


def _of_device(contents: Contents, device: Device, problem: Problem, profile: DeviceProfile | None = None) -> Problem:
    """A problem with its file and line: keys of resources stand in the profile, and autoEvents where the device has
    none of its own; the others with the device. Without a file, a device with values of its own is named for an error:
    other devices of the profile may be well."""
    shared = device.auto_events is None and problem.where.startswith("autoEvents")
    if profile is not None and (shared or problem.where.startswith(("deviceResources", "deviceCommands"))):
        located = contents.locate("profile", profile.name, problem)
        owner = (
            f"device {device.name}: " if problem.severity == "error" and has_own(profile, device) and not shared else ""
        )
        return located if located.file else replace(problem, where=f"{owner}profile {profile.name}: {problem.where}")
    located = contents.locate("device", device.name, problem)
    where = f"device {device.name}{': ' + problem.where if problem.where else ''}"
    return replace(located, where=where)


def _once(problems: list[Problem]) -> list[Problem]:
    """A profile's mistake is said once, however many devices use it."""
    return list(dict.fromkeys(problems))
