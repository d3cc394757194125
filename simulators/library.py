"""Finding profiles: a file, or one of the shipped library by its name or file name."""

from pathlib import Path

from gateway.model.errors import ConfigError
from gateway.model.load import load_profile
from gateway.model.near import nearest
from gateway.model.profile import DeviceProfile
from gateway.runtime.configuration.files import LIBRARY, files_under
from gateway.runtime.configuration.library import Library


def shipped(folder: str = "") -> list[Path]:
    """The profile files that come with Southgate, by file name within each protocol's folder; or of one such folder."""
    return files_under(LIBRARY / folder)


def find_profile(name: str, near: Path | None = None) -> DeviceProfile:
    """A profile by path (relative to `near`, else to the current folder), by shipped file name (`eastron-sdm630`) or by
    its own name (`Eastron-SDM630`). Raises ConfigError, naming the nearest."""
    path = (near / name) if near else Path(name)
    if path.is_file():
        return load_profile(path.read_bytes(), str(path)).value
    return shipped_profile(name)


def shipped_profile(name: str) -> DeviceProfile:
    """One of the shipped library, by file name or its own name. Raises ConfigError, naming the nearest."""
    files = {entry.name.rsplit(".", 1)[0]: entry for entry in shipped()}
    if name in files:
        return load_profile(files[name].read_bytes(), files[name].name).value
    library = Library(files.values())
    if name in library:
        return library[name]
    guess = nearest(name, files)
    hint = f"did you mean {guess}?" if guess else f"there are {', '.join(files)}"
    raise ConfigError(f"{name} is neither a profile file nor a shipped profile; {hint}")
