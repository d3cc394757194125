"""What rules make, beside what files say."""

from collections.abc import Mapping
from typing import Any

from gateway.model.configuration import Configuration
from gateway.model.errors import ConfigError, Problem


def beside(files: Configuration, made: Configuration) -> Configuration:
    """Both; what a file has counts more."""
    own = {**made.profiles.own, **files.profiles.own}
    return Configuration(files.profiles.of(own), {**made.devices, **files.devices})


def without(current: Configuration, made: Configuration) -> Configuration:
    """What files say, of what is in force."""

    def rest(all_: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
        return {name: one for name, one in all_.items() if ours.get(name) != one}

    own = rest(current.profiles.own, made.profiles.own)
    return Configuration(current.profiles.of(own), rest(current.devices, made.devices))


def hidden(files: Configuration, made: Configuration) -> list[Problem]:
    """Devices of files that have the name of one that rules make."""
    return [
        Problem(f"device {name}", "a rule makes a device of this name, too: its values go nowhere", severity="warning")
        for name in sorted(files.devices.keys() & made.devices.keys())
    ]


def refuse_made(current: Configuration, wanted: Configuration, made: Configuration) -> None:
    """Raises ConfigError for a change of what rules make."""
    for kind, now, then, ours in (
        ("device", current.devices, wanted.devices, made.devices),
        ("profile", current.profiles, wanted.profiles, made.profiles.own),
    ):
        for name in ours:
            if now.get(name) is not then.get(name):
                raise ConfigError(f"{kind} {name} is made by rules and changes with them; change or delete the rule")
