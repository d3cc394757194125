"""Changes made through the API, written to the folders: which files, and all of them or none."""

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gateway.model import document
from gateway.model.configuration import Configuration
from gateway.model.device import Device
from gateway.model.dump import dump_devices, dump_devices_by_line, dump_profile
from gateway.model.errors import ConfigError
from gateway.model.names import encode_name
from gateway.runtime.configuration.cutting import without_devices
from gateway.runtime.configuration.files import OWN, Contents, Folders, Kind

BEFORE = ".before"
"""Ending of the copy that is kept when a hand-written file cannot be changed without losing its comments."""
MAX_NAME = 180
CROWD = 50
"""More devices than these that change at once and have no file of their own are written as lists."""
LIST = 1000
"""Devices of such a list."""
T = TypeVar("T")
_AWKWARD = str.maketrans({c: f"%{ord(c):02X}" for c in '\\:*?"<>|'})


@dataclass(slots=True)
class Edit:
    """Files to write and to remove; done as a whole or not at all."""

    files: dict[Path, bytes | None] = field(default_factory=dict)
    _before: dict[Path, bytes | None] = field(default_factory=dict)

    def write(self, path: Path, text: str) -> None:
        """Raises ConfigError for what would be too large to be read again."""
        content = text.encode()
        if len(content) > document.MAX_BYTES:
            raise ConfigError(f"{path.name} would have {len(content):,} bytes; at most {document.MAX_BYTES:,} are read")
        self.files[path] = content

    def remove(self, path: Path) -> None:
        self.files[path] = None

    def keep(self, path: Path) -> None:
        """Keeps a copy of what a person wrote, beside the file."""
        self.files[path.with_name(path.name + BEFORE)] = path.read_bytes()

    def apply(self) -> None:
        """Every file atomically: what is added before what is taken away, so that a cut of power leaves a device twice
        rather than nowhere. Raises ConfigError when the disk refuses; then the files are as they were."""
        try:
            for path, content in sorted(self.files.items(), key=lambda item: item[0].parent.name != OWN):
                self._before[path] = path.read_bytes() if path.exists() else None
                _replace(path, content)
        except OSError as error:
            self.undo()
            raise ConfigError(
                f"cannot write {error.filename or 'a file'}: {error.strerror}; nothing was changed"
            ) from error

    def undo(self) -> None:
        """Puts back what was there before `apply`."""
        for path, content in reversed(self._before.items()):
            with suppress(OSError):
                _replace(path, content)
        self._before.clear()


def _replace(path: Path, content: bytes | None) -> None:
    """Temporary file, fsync, rename, fsync of the folder."""
    if content is None:
        path.unlink(missing_ok=True)
        if path.parent.exists():
            _sync_folder(path.parent)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:200]}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def changes(folders: Folders, before: Configuration, after: Configuration) -> Edit:
    """The files that make the folders say `after` where they said `before`, from the files as they are now. Raises
    ConfigError when that cannot be written."""
    contents, edit = folders.read(), Edit()
    _profiles(edit, folders, contents, before, after)
    _devices(edit, folders, contents, before, after)
    return edit


def _profiles(edit: Edit, folders: Folders, contents: Contents, before: Configuration, after: Configuration) -> None:
    gone = before.profiles.own.keys() - after.profiles.own.keys()
    changed = _changed(before.profiles.own, after.profiles.own)
    _all_readable(contents, "profile", (*gone, *changed))
    for name, profile in changed.items():
        if contents.library.get(name) == profile:
            gone.add(name)  # what is shipped needs no file; without one of its own it is in force
            continue
        place = contents.profiles.get(name)
        path = place.path if place else None
        if path is not None and place is not None and path.read_bytes() != dump_profile(place.value).encode():
            edit.keep(path)
        if path is not None and path.suffix.lower() == ".json":
            edit.remove(path)
            path = None
        if path is None:
            if not folders.profiles:
                raise ConfigError(f"there is no folder of profiles to write {name} to; name one in gateway.profiles")
            path = _free(folders.profiles[0] / OWN, name, edit)
        edit.write(path, dump_profile(profile))
    for name in gone:
        for path in contents.standing.get(("profile", name), ()):
            edit.remove(path)


def _devices(edit: Edit, folders: Folders, contents: Contents, before: Configuration, after: Configuration) -> None:
    """A device changed through the API gets a file of its own and leaves the list it stood in."""
    holds = Counter(path for paths in contents.standing.values() for path in paths)
    changed = _changed(before.devices, after.devices)
    gone = before.devices.keys() - after.devices.keys()
    _all_readable(contents, "device", (*gone, *changed))
    homeless: list[Device] = []
    for name, device in changed.items():
        place = contents.devices.get(name)
        if place is not None and place.own and place.path is not None and holds[place.path] == 1:
            edit.write(place.path, dump_devices([device]))
        else:
            homeless.append(device)
    _house(edit, folders.devices / OWN, homeless)
    cut: dict[Path, list[str]] = {}
    for name in (*changed, *gone):
        for path in contents.standing.get(("device", name), ()):
            if path not in edit.files:
                cut.setdefault(path, []).append(name)
    for path, names in cut.items():
        _cut(edit, path, names)


def _house(edit: Edit, folder: Path, devices: Sequence[Device]) -> None:
    """A file each; where they come in a crowd, lists: a hundred thousand files would take minutes to write."""
    if len(devices) <= CROWD:
        for device in devices:
            edit.write(_free(folder, device.name, edit), dump_devices([device]))
        return
    for start in range(0, len(devices), LIST):
        some = devices[start : start + LIST]
        digest = hashlib.sha256("\n".join(device.name for device in some).encode()).hexdigest()
        names = (f"many-{digest[:16]}{'' if n == 1 else f'-{n}'}.yaml" for n in itertools.count(1))
        # a list that is there may hold others by now; these leave it by themselves
        path = next(path for name in names if not (path := folder / name).exists())
        edit.write(path, dump_devices_by_line(some))


def _changed(before: Mapping[str, T], after: Mapping[str, T]) -> dict[str, T]:
    return {name: one for name, one in after.items() if before.get(name) is not one}


def _all_readable(contents: Contents, kind: Kind, names: Iterable[str]) -> None:
    """Raises ConfigError for what stands in a file that cannot be read now: it would stay there and come back."""
    for name in names:
        path = contents.unreadable.get((kind, name))
        if path is not None:
            raise ConfigError(f"{kind} {name} stands in {path}, which cannot be read as it is now; mend the file first")


def _cut(edit: Edit, path: Path, names: Iterable[str]) -> None:
    rest = without_devices(path.read_bytes(), str(path), set(names))
    if rest.empty and path.parent.name == OWN:
        edit.remove(path)
        return
    if not rest.faithful:
        edit.keep(path)
    edit.write(path, rest.text)


def _free(folder: Path, name: str, edit: Edit) -> Path:
    """A file for a new thing; two names that differ only in case must not meet on a disk that does not tell them
    apart."""
    taken = {path.name.casefold() for path in (*folder.glob("*"), *edit.files) if path.parent == folder}
    plain = folder / file_name(name)
    if plain.name.casefold() not in taken:
        return plain
    return folder / file_name(name, always=True)


def file_name(name: str, always: bool = False) -> str:
    """A file name that any disk takes; with a hash where the name is too long (or `always`)."""
    text = encode_name(name).translate(_AWKWARD)
    if text.startswith(".") or text.endswith((".", " ")):
        text = text.replace(".", "%2E").replace(" ", "%20")
    if always or len(text.encode()) > MAX_NAME:
        cut = text.encode()[: MAX_NAME - 20].decode(errors="ignore")
        text = f"{cut}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return f"{text}.yaml"
