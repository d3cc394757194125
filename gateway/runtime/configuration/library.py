"""The profiles that come with the gateway."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from gateway.model.load import load_profile
from gateway.model.profile import DeviceProfile

_NAME = re.compile(rb"^name:[ ]*[\"']?([^\"'#\r\n]+?)[\"']?[ ]*(#.*)?$", re.MULTILINE)


class Library(Mapping[str, DeviceProfile]):
    """By name; each is read when it is first asked for, and stays: a gateway uses a few of them, and all of them would
    be a quarter of a second and 6 MB."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        found = ((_NAME.search(path.read_bytes()), path) for path in paths)
        self._paths = {name[1].decode(): path for name, path in found if name}
        self._read: dict[str, DeviceProfile] = {}

    def __getitem__(self, name: str) -> DeviceProfile:
        """Raises KeyError, ConfigError."""
        if name not in self._read:
            read = load_profile(self._paths[name].read_bytes(), self.file(name)).value
            self._read.setdefault(name, read)  # another thread may have been first
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def read(self) -> Collection[DeviceProfile]:
        """Those somebody asked for."""
        return list(self._read.values())

    def file(self, name: str) -> str:
        """Its file, for people."""
        return f"profiles/{self._paths[name].name}"
