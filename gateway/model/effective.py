"""What a device's profile comes to, for people: the plain profile, and where every value of it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model import yaml
from gateway.model.device import Device
from gateway.model.document import Document, key_path
from gateway.model.dump import dump_profile, edgex_json
from gateway.model.errors import ConfigError
from gateway.model.expression import Value, written
from gateway.model.parameters import Path
from gateway.model.profile import DeviceProfile
from gateway.model.template import Template


@dataclass(frozen=True, slots=True)
class Effective:
    """The profile of one device, explained."""

    device: str
    profile: DeviceProfile
    """With the device's values in it: any EdgeX program can read it."""
    parameters: Mapping[str, tuple[Value, str]]
    """Name → value, and `device` or `default`."""
    origins: Mapping[Path, str]
    """Place in the profile → where its value comes from; what is not named is the profile's own."""

    def as_json(self) -> dict[str, Any]:
        """For REST and `--json`."""
        return {
            "device": self.device,
            "profile": edgex_json(self.profile),
            "parameters": {name: {"value": value, "from": given} for name, (value, given) in self.parameters.items()},
            "origins": {key_path(path): text for path, text in self.origins.items()},
            "yaml": self.as_yaml(),
        }

    def as_yaml(self) -> str:
        """The profile as a file, with a comment beside every value that is not simply the profile's."""
        given = ", ".join(f"{name} {written(value)} ({source})" for name, (value, source) in self.parameters.items())
        head = f"# {self.profile.name} as it is for the device {self.device}{': ' + given if given else ''}"
        text = dump_profile(self.profile)
        plain = yaml.read(text, "")
        lines, rest = text.splitlines(), list[str]()
        for path, origin in self.origins.items():
            if _stands(plain.value, path):
                lines[plain.line(path) - 1] += f"  # {_one_line(origin)}"
            else:
                rest.append(f"# {key_path(path)}: {_one_line(origin)}")
        whole = "\n".join([_one_line(head), *rest, *lines, ""])
        return whole if _same(whole, plain) else "\n".join([_one_line(head), text])


def explained(profile: DeviceProfile, device: Device) -> Effective:
    """Raises ConfigError where the device's values cannot be."""
    template = Template(profile)
    own = template.own(device)
    given = {name: (value, "device" if name in own.given else "default") for name, value in own.values.items()}
    return Effective(device.name, template.effective(own), given, template.origins(own))


def _stands(tree: Any, path: Sequence[str | int]) -> bool:
    """Whether a place is in the file; what has the default of its key is left out."""
    for step in path:
        there = isinstance(tree, list) and isinstance(step, int) and step < len(tree)
        if not (there or (isinstance(tree, Mapping) and step in tree)):
            return False
        tree = tree[step]
    return True


def _one_line(text: str) -> str:
    """What is not printable is spelt out: a file could not hold it, and a terminal might obey it."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _same(whole: str, plain: Document) -> bool:
    """A text of several lines has no room for a comment."""
    try:
        return bool(yaml.read(whole, "").value == plain.value)
    except ConfigError:
        return False
