"""The page that lists the shipped profiles: `python -m tests.profiles.catalogue > docs/reference/profiles.md`."""

import itertools
from collections.abc import Iterator

from gateway.model.load import load_profile
from gateway.model.profile import DeviceProfile
from gateway.model.scalar import literal_text
from simulators.library import shipped

HEAD = """# Shipped profiles

These device profiles come with Southgate and need no setting: name one in a device's `profileName`. A profile of your
own with the same name takes its place. Each file starts with the vendor's document it was written from; what
could not be verified was left out. All of them are served by `southgate simulate FILE` (see
[how to simulate](../how-to/simulate.md)) and read back in the tests.
"""
PROTOCOLS = {"modbus": "Modbus", "opcua": "OPC UA"}
"""Folder → name."""
AFTER_MODBUS = """
### SunSpec and scale factors

In the integer SunSpec models (101 to 103) every value has a scale factor in a register of its own, and an inverter may
change it while it runs. A profile's `scale` is a constant, so it cannot say such a value honestly. The shipped SunSpec
profile therefore reads the float model (113), which carries the same values without scale factors. Where an inverter
only speaks the integer models, make two resources, the value and its scale factor (`A` and `A_SF`), read them with one
deviceCommand so that they belong together, and multiply by 10 to the power of the scale factor where the value is used.
`southgate discover` writes such a profile, with the scales that it found ([how](../how-to/find-devices.md#sunspec)).
"""


def page() -> str:
    """The whole page."""
    return "".join(f"{line}\n" for line in (HEAD.rstrip("\n"), *_sections()))


def _sections() -> Iterator[str]:
    for folder, protocol in PROTOCOLS.items():
        entries = shipped(folder)
        if entries:
            yield f"\n## {protocol}"
        for entry in entries:
            text = entry.read_text(encoding="utf-8")
            yield from _section(entry.name.rsplit(".", 1)[0], text, load_profile(text, entry.name).value)
        if folder == "modbus":
            yield AFTER_MODBUS.rstrip("\n")


def _section(file: str, text: str, profile: DeviceProfile) -> Iterator[str]:
    yield f"\n### {profile.manufacturer} {profile.model}\n"
    yield f"`{profile.name}` (file `{file}`). {profile.description}.\n"
    yield "\n".join(_header(text)) + "\n"
    for parameter, about in profile.parameters.items():
        units = f" {about.units}" if about.units else ""
        yield f"Parameter `{parameter}`: {about.description} (default {literal_text(about.default_value)}{units}).\n"
    yield "| deviceCommand | | resources |"
    yield "|---|---|---|"
    for command in profile.device_commands:
        names = ", ".join(operation.device_resource for operation in command.resource_operations)
        yield f"| {command.name} | {command.read_write} | {names} |"
    rest = [r.name for r in profile.device_resources if not _grouped(profile, r.name)]
    if rest:
        yield f"| – | | {', '.join(rest)} |"


def _grouped(profile: DeviceProfile, name: str) -> bool:
    return any(o.device_resource == name for command in profile.device_commands for o in command.resource_operations)


def _header(text: str) -> list[str]:
    """The comment at the top of the file, without the line that names the schema."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()[1:])
    return [line.removeprefix("#").strip() for line in lines]


if __name__ == "__main__":
    print(page(), end="")
