"""The folders of YAML that are the truth: what they say."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.model import yaml
from gateway.model.configuration import Configuration
from gateway.model.device import Device
from gateway.model.document import Document
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import Loaded, load_devices, load_profile
from gateway.model.profile import DeviceProfile

ENDINGS = (".yaml", ".yml", ".json")
OWN = "api"
"""Sub-folder for what the API made; it wins over the same name elsewhere."""
LIBRARY = Path(__file__).parents[3] / "profiles"
"""Beside our packages. Not found by import: a folder of that name where somebody calls `python -m gateway` would be
taken for a part of it."""
_DEVICE_LIST = re.compile(rb"^\s*(\[|deviceList\s*:)", re.MULTILINE)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place(Generic[T]):
    """Where a definition stands."""

    value: T
    file: str
    path: Path | None
    """None: shipped with the gateway."""
    index: int = 0
    """In its file's list."""

    @property
    def own(self) -> bool:
        """Made by the API."""
        return self.path is not None and self.path.parent.name == OWN


@dataclass(slots=True)
class Contents:
    """Everything the folders say."""

    profiles: dict[str, Place[DeviceProfile]] = field(default_factory=dict)
    devices: dict[str, Place[Device]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    standing: dict[str, list[Path]] = field(default_factory=dict)
    """Every file in which a device stands, by device."""
    _documents: dict[Path, Document] = field(default_factory=dict)

    def configuration(self) -> Configuration:
        return Configuration(
            {name: place.value for name, place in self.profiles.items()},
            {name: place.value for name, place in self.devices.items()},
        )

    def shipped(self) -> dict[str, DeviceProfile]:
        """Profiles of the library that are in force."""
        return {name: place.value for name, place in self.profiles.items() if place.path is None}

    def locate(self, kind: str, name: str, problem: Problem) -> Problem:
        """The problem of a device or profile with its file and line."""
        place = (self.devices if kind == "device" else self.profiles).get(name)
        if place is None or problem.file:
            return problem
        line = 0
        with suppress(ConfigError, OSError, KeyError, IndexError, TypeError):
            if place.path is not None and not place.file.endswith(".json"):
                line = self._line(place, place.path, kind, problem.where)
        return Problem(problem.where, problem.what, place.file, line, problem.severity)

    def _line(self, place: Place[Any], path: Path, kind: str, where: str) -> int:
        document = self._documents.get(path)
        if document is None:
            document = self._documents[path] = yaml.read(path.read_bytes(), place.file)
        inside = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", where)]
        if kind == "device":
            inside = [*(["deviceList"] if isinstance(document.value, Mapping) else []), place.index, *inside]
        else:
            inside = _indexes(place.value, where) or inside
        return document.line(inside)


def _indexes(profile: DeviceProfile, where: str) -> list[int | str]:
    """`deviceResources[Voltage].properties.scale`, with the resource's place in the list."""
    named = re.fullmatch(r"deviceResources\[(.+)\]\.([\w.]+)", where)
    names = [resource.name for resource in profile.device_resources]
    if named is None or named[1] not in names:
        return []
    return ["deviceResources", names.index(named[1]), *named[2].split(".")]


class Folders:
    """Reads the folders. Files with equal content give the same objects again."""

    def __init__(self, profiles: Sequence[Path], devices: Path, strict: bool = False, library: bool = True) -> None:
        """`profiles`: own folders, the first takes what the API makes; `library`: with the shipped profiles."""
        self.profiles, self.devices = list(profiles), devices
        self._strict, self._library = strict, library
        self._seen: dict[str, tuple[bytes, Loaded[Any] | ConfigError]] = {}

    # ------------------------------------------------------------------------------------------------------- reading

    def read(self) -> Contents:
        """All folders. Problems of severity `error` mean that a file could not be taken."""
        contents = Contents()
        for file in self._shipped():
            self._take_profile(contents, f"profiles/{file.name}", file.read_bytes(), None)
        shipped = set(contents.profiles)
        for folder in self.profiles:
            for path in files_under(folder):
                self._take_profile(contents, str(path), path, path, shipped)
        for path in files_under(self.devices):
            self._take_devices(contents, path)
        return contents

    def _shipped(self) -> Iterator[Traversable]:
        if self._library:
            yield from _walk(LIBRARY)

    def _take_profile(
        self, contents: Contents, file: str, text: bytes | Path, path: Path | None, shipped: Iterable[str] = ()
    ) -> None:
        loaded = self._load(file, text, contents, profile=True)
        if loaded is None:
            return
        profile: DeviceProfile = loaded.value
        place, other = Place(profile, file, path), contents.profiles.get(profile.name)
        if other is not None and not _wins(place, other, profile.name in shipped, contents):
            return
        contents.profiles[profile.name] = place

    def _take_devices(self, contents: Contents, path: Path) -> None:
        loaded = self._load(str(path), path, contents, profile=False)
        for index, device in enumerate(loaded.value if loaded else ()):
            contents.standing.setdefault(device.name, []).append(path)
            place, other = Place(device, str(path), path, index), contents.devices.get(device.name)
            if other is None or _wins(place, other, False, contents):
                contents.devices[device.name] = place

    def _load(self, file: str, text: bytes | Path, contents: Contents, profile: bool) -> Loaded[Any] | None:
        try:
            raw = text if isinstance(text, bytes) else text.read_bytes()
        except OSError as error:
            contents.problems.append(Problem("", f"cannot be read: {error.strerror}", file))
            return None
        if profile and _DEVICE_LIST.search(raw[:4096]):
            if isinstance(text, Path):
                what = "this is a device list; it belongs in the folder of devices and is passed over here"
                contents.problems.append(Problem("", what, file, severity="warning"))
            return None
        digest = hashlib.sha256(raw).digest()
        known = self._seen.get(file)
        if known is None or known[0] != digest:
            known = self._seen[file] = digest, _loaded(raw, file, self._strict, profile)
        contents.problems += known[1].problems
        return None if isinstance(known[1], ConfigError) else known[1]


def _wins(new: Place[Any], old: Place[Any], over_shipped: bool, contents: Contents) -> bool:
    """Whose definition of one name counts: the API's over a hand-written one, own over shipped; else it is an error."""
    name = new.value.name
    if old.path is None and over_shipped:
        what = f"{name} is also shipped with the gateway; this one is used"
        contents.problems.append(Problem("name", what, new.file, severity="note"))
        return True
    if new.own != old.own:
        kept, passed = (new, old) if new.own else (old, new)
        what = f"{name} is also defined in {kept.file}, made through the API, which is used; remove one of them"
        contents.problems.append(Problem("name", what, passed.file, severity="warning"))
        return new.own
    contents.problems.append(
        Problem("name", f"{name} is already defined in {old.file}; rename or remove one", new.file)
    )
    return False


def _loaded(raw: bytes, file: str, strict: bool, profile: bool) -> Loaded[Any] | ConfigError:
    try:
        return load_profile(raw, file, strict) if profile else load_devices(raw, file, strict)
    except ConfigError as error:
        return error


def files_under(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file()]
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _walk(folder: Traversable) -> Iterator[Traversable]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _walk(item)
        elif item.name.endswith(ENDINGS):
            yield item
