"""`southgate effective`: what a device's profile comes to with the values of the device in it."""

import argparse
import asyncio
import logging
from pathlib import Path
from typing import Any

from gateway.cli.offline import registry_over, settings_of
from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment
from gateway.model.effective import explained
from gateway.model.errors import ConfigError
from gateway.model.near import nearest
from gateway.runtime.configuration.files import Folders

EXAMPLES = """  southgate effective meter-1                          of a running gateway
  southgate effective meter-1 --folder plant/          of a gateway that does not run
  southgate effective meter-1 --json                   with the parameters and where each value comes from"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", help="whose profile")
    parser.add_argument("--folder", type=Path, help="gateway.yaml, or its folder: work on its files")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it was shown."""
    if options.folder:
        found = asyncio.run(_from_folder(options.folder, options.device))
    else:
        found = Remote(options).get(f"/gateway/api/v1/effective/{segment(options.device)}")
    output.result(found)
    output.line(found["yaml"].rstrip("\n"))
    return 0


async def _from_folder(path: Path, name: str) -> dict[str, Any]:
    logging.getLogger("gateway.runtime.configuration.registry").addHandler(logging.NullHandler())
    settings = settings_of(path).gateway
    registry = await registry_over(Folders(settings.profiles, settings.devices), settings, {})
    device = registry.current.devices.get(name)
    if device is None:
        near = nearest(name, registry.current.devices)
        raise ConfigError(f"there is no device {name} in {path}{f'; did you mean {near}?' if near else ''}")
    profile = registry.current.profiles.get(device.profile_name)
    if profile is None:
        raise ConfigError(f"device {name} has no profile")
    return explained(profile, device).as_json()
