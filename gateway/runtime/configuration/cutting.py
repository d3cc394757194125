"""Takes devices out of a hand-written list and leaves every other byte as it is, comments included."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.model import yaml
from gateway.model.device import Device
from gateway.model.document import YamlList, YamlMap
from gateway.model.dump import dump_devices
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a file."""

    text: str
    empty: bool
    """No device is left."""
    faithful: bool
    """Only the devices' own lines went; otherwise the file was written anew (JSON, flow style, anchors)."""


def without_devices(raw: bytes, file: str, names: Collection[str]) -> Rest:
    """The file's text without these devices. Raises ConfigError when the file cannot be read."""
    text = raw.decode()
    mark, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    devices = load_devices(raw, file).value
    left = [device for device in devices if device.name not in names]
    if not file.lower().endswith(".json"):
        lines = _own_lines(text, file, {i for i, device in enumerate(devices) if device.name in names})
        kept = "\n".join(line for i, line in enumerate(text.split("\n"), 1) if i not in lines)
        if _says(kept, file, left):
            return Rest(mark + kept, not left, faithful=True)
        return Rest(dump_devices(left), not left, faithful=False)
    trees = [device.model_dump(mode="json", by_alias=True, exclude_defaults=True) for device in left]
    return Rest(json.dumps(trees, indent=2, ensure_ascii=False) + "\n", not left, faithful=False)


def _says(text: str, file: str, devices: list[Device]) -> bool:
    try:
        return load_devices(text, file).value == devices
    except ConfigError:
        return False


def _own_lines(text: str, file: str, indexes: set[int]) -> set[int]:
    """Lines (1-based) that belong to these entries alone."""
    document = yaml.read(text, file).value
    entries = document.get("deviceList") if isinstance(document, Mapping) else document
    if not isinstance(entries, YamlList):
        return set()
    lines = text.split("\n")
    ends = [*entries.lines[1:], _end(document, entries, len(lines))]
    return {
        line
        for index in indexes
        for line in range(entries.lines[index], _before_comments(lines, entries.lines[index], ends[index]))
    }


def _end(document: object, entries: YamlList, count: int) -> int:
    """The line after the list: where the next key stands, or the end of the file."""
    later = [line for line in document.lines if line > entries.lines[-1]] if isinstance(document, YamlMap) else []
    return min(later, default=count + 1)


def _before_comments(lines: list[str], first: int, end: int) -> int:
    """Comments and blank lines before the next entry belong to that entry."""
    while end > first + 1 and (not lines[end - 2].strip() or lines[end - 2].lstrip().startswith(("#", "---", "..."))):
        end -= 1
    return end
