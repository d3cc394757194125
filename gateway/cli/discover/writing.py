"""What was found, as files of a new folder that `southgate check` and the gateway can read."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.output import Output
from gateway.model.errors import ConfigError
from gateway.runtime.configuration.edit import file_name

DEVICES = Path("devices") / "discovered.yaml"


def add_out(parser: argparse.ArgumentParser) -> None:
    """The option --out."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="write profiles and device list to a new folder")


def check_folder(folder: Path) -> None:
    """Raises ConfigError unless the folder can be filled without touching anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty; nothing is overwritten: name a new folder for --out")


def write(folder: Path, profiles: Mapping[str, str], devices: str) -> list[str]:
    """Files that were written, of profiles by name. Raises ConfigError when one is there already or cannot be
    written."""
    files = {Path("profiles") / file_name(name): text for name, text in profiles.items()} | {DEVICES: devices}
    written = []
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
        written.append(str(path))
    return written


def show(written: list[str], profiles: Mapping[str, str], devices: str, output: Output) -> None:
    """Which files were written; where none were, what would be in them."""
    for path in written:
        output.line(f"written: {path}")
    if written:
        return
    for name, text in profiles.items():
        output.line(f"\n--- profiles/{name}.yaml\n{text.rstrip()}")
    output.line(f"\n--- {DEVICES}\n{devices.rstrip()}")
