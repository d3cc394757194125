"""The folders of YAML that are the truth: what they say."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from gateway.model.configuration import Configuration, Profiles
from gateway.model.device import Device
from gateway.model.document import Document
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import Loaded, load_profile, read_devices, read_document
from gateway.model.profile import DeviceProfile
from gateway.runtime.configuration.library import Library

ENDINGS = (".yaml", ".yml", ".json")
OWN = "api"
"""Sub-folder for what the API made; it wins over the same name elsewhere."""
LIBRARY = Path(__file__).parents[3] / "profiles"
"""Beside our packages. Not found by import: a folder of that name where somebody calls `python -m gateway` would be
taken for a part of it."""
_DEVICE_LIST = re.compile(
    rb"""\A(\xef\xbb\xbf)?(\s|\#[^\n]*\n|---)*(\[|\{\s*"deviceList")|^["']?deviceList["']?\s*:""",
    re.MULTILINE | re.VERBOSE,
)
"""At the top level only: a formatter puts the lists inside a profile on lines of their own."""

T = TypeVar("T")
Kind = Literal["profile", "device"]


@dataclass(frozen=True, slots=True)
class Place(Generic[T]):
    """Where a definition stands."""

    value: T
    file: str
    path: Path | None
    """None: it stands in no folder, such as a profile that is looked at alone."""
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
    """Own ones."""
    devices: dict[str, Place[Device]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    library: Library = field(default_factory=Library)
    """Every shipped profile, also where another of its name is in force."""
    standing: dict[tuple[Kind, str], list[Path]] = field(default_factory=dict)
    """Every file in which a profile or device stands."""
    unreadable: dict[tuple[Kind, str], Path] = field(default_factory=dict)
    """The file in which it stood when that could last be read."""
    _documents: dict[Path, Document] = field(default_factory=dict)

    def configuration(self) -> Configuration:
        return Configuration(
            Profiles({name: place.value for name, place in self.profiles.items()}, self.library),
            {name: place.value for name, place in self.devices.items()},
        )

    def locate(self, kind: Kind, name: str, problem: Problem) -> Problem:
        """The problem of a device or profile with its file and line."""
        place = (self.devices if kind == "device" else self.profiles).get(name)
        if problem.file:
            return problem
        if place is None:
            return (
                replace(problem, file=self.library.file(name))
                if kind == "profile" and name in self.library
                else problem
            )
        line = 0
        with suppress(ConfigError, OSError, KeyError, IndexError, TypeError):
            if place.path is not None:
                line = self._line(place, place.path, kind, problem.where)
        return Problem(problem.where, problem.what, place.file, line, problem.severity)

    def _line(self, place: Place[Any], path: Path, kind: Kind, where: str) -> int:
        document = self._documents.get(path)
        if document is None:
            document = self._documents[path] = read_document(path.read_bytes(), place.file)
        inside = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", where)]
        if kind == "device":
            inside = [*(["deviceList"] if isinstance(document.value, Mapping) else []), place.index, *inside]
        return document.line(inside)


class Folders:
    """Reads the folders. Files with equal content give the same objects again."""

    def __init__(self, profiles: Sequence[Path], devices: Path, strict: bool = False, library: bool = True) -> None:
        """`profiles`: own folders, the first takes what the API makes; `library`: with the shipped profiles."""
        self.profiles, self.devices = list(profiles), devices
        self._strict = strict
        self._library = Library(files_under(LIBRARY) if library else ())
        self._seen: dict[str, tuple[bytes, Loaded[Any] | ConfigError]] = {}
        self._stood: dict[str, list[str]] = {}
        """What each file said when it could last be read, by name."""

    # ------------------------------------------------------------------------------------------------------- reading

    def read(self) -> Contents:
        """All folders. Problems of severity `error` mean that a file could not be taken."""
        contents = Contents(library=self._library)
        for folder in self.profiles:
            for path in files_under(folder):
                for place in self._places(contents, "profile", path, str(path)):
                    _take(contents, contents.profiles, "profile", place)
        for path in files_under(self.devices):
            for place in self._places(contents, "device", path, str(path)):
                _take(contents, contents.devices, "device", place)
        return contents

    def _places(self, contents: Contents, kind: Kind, path: Path, file: str) -> Iterator[Place[Any]]:
        """What a file defines. What cannot be read is a problem, and where it stood is kept in mind."""
        loaded = self._load(contents, kind, path, file)
        found = {} if loaded is None else loaded.value if kind == "device" else {0: loaded.value}
        names = [value.name for value in found.values()]
        if loaded is None or any(problem.severity == "error" for problem in loaded.problems):
            for name in {*self._stood.get(file, ()), *names}:
                contents.unreadable[kind, name] = path
        else:
            self._stood[file] = names
        for index, value in found.items():
            yield Place(value, file, path, index)

    def _load(self, contents: Contents, kind: Kind, path: Path, file: str) -> Loaded[Any] | None:
        try:
            raw = path.read_bytes()
        except OSError as error:
            contents.problems.append(Problem("", f"cannot be read: {error.strerror}", file))
            return None
        if kind == "profile" and _DEVICE_LIST.search(raw[:4096]):
            what = "this is a device list; it belongs in the folder of devices and is passed over here"
            contents.problems.append(Problem("", what, file, severity="warning"))
            return None
        digest = hashlib.sha256(raw).digest()
        known = self._seen.get(file)
        if known is None or known[0] != digest:
            known = self._seen[file] = digest, _loaded(raw, file, self._strict, kind)
        contents.problems += known[1].problems
        return None if isinstance(known[1], ConfigError) else known[1]


def _take(contents: Contents, places: dict[str, Place[T]], kind: Kind, new: Place[Any]) -> None:
    """A definition that a file makes, unless another of its name counts."""
    name = new.value.name
    if new.path is not None:
        contents.standing.setdefault((kind, name), []).append(new.path)
    if _wins(kind, new, places.get(name), contents):
        places[name] = new


def _wins(kind: Kind, new: Place[Any], old: Place[Any] | None, contents: Contents) -> bool:
    """Whose definition of one name counts: the API's over a hand-written one, own over shipped; else it is an error."""
    name = new.value.name
    if old is None:
        if kind == "profile" and name in contents.library:
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


def _loaded(raw: bytes, file: str, strict: bool, kind: Kind) -> Loaded[Any] | ConfigError:
    try:
        return load_profile(raw, file, strict) if kind == "profile" else read_devices(raw, file, strict)
    except ConfigError as error:
        return error


def files_under(folder: Path) -> list[Path]:
    """The profile or device files of a folder and those in it, in order; hidden ones do not count."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file()]
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))
