"""Types → EdgeX's JSON shape, and → YAML that reads back equal."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any

import yaml
from pydantic_core import PydanticUndefined

from gateway.model.device import AutoEvent, Device, Retention
from gateway.model.fields import EdgeXModel
from gateway.model.profile import Compat, DeviceProfile, DeviceResource
from gateway.model.references import lift
from gateway.model.scalar import FLAG_WORDS, LiteralFloat, LiteralInt, resolve

_TAG = "tag:yaml.org,2002:"
_TAGS = {type(None): "null", bool: "bool", int: "int", LiteralInt: "int", float: "float", LiteralFloat: "float"}


def edgex_json(model: EdgeXModel, created: int = 0, modified: int = 0) -> dict[str, Any]:
    """A profile, device or part of one as EdgeX 4.x answers it: its order of keys, its rules for leaving out what is
    empty, whole floats as integers, free-form maps sorted. `created` and `modified` in ms, left out when 0."""
    stamps = {key: value for key, value in (("created", created), ("modified", modified)) if value}
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        key = field.alias or name
        if key in ("id", "name"):
            found.update(stamps)
            stamps = {}
        value = getattr(model, name)
        if isinstance(model, AutoEvent) and key == "retention" and key in model.always and value is None:
            value = Retention()
        # what is empty is left out, unless a default of ours is something else
        empty = value is None or (value in _EMPTY and field.default in (value, PydanticUndefined))
        if key in model.always or not (empty or value is Compat.NONE):
            found[key] = _json(value)
    return found


_EMPTY: tuple[Any, ...] = (None, "", [], {})


def _json(value: Any) -> Any:
    if isinstance(value, EdgeXModel):
        return edgex_json(value)
    if isinstance(value, Mapping):
        return {key: _json(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return int(value) if isinstance(value, int) or (value.is_integer() and abs(value) < 1e21) else float(value)


def dump_profile(profile: DeviceProfile) -> str:
    """YAML of a profile, for people: what has its default is left out. `load_profile` gives an equal profile."""
    found = tree_of(profile)
    if profile.parameters:
        for resource in found.get("deviceResources", ()):
            lift(resource)
    return _yaml(found)


def dump_devices(devices: Sequence[Device]) -> str:
    """YAML of a device list; `load_devices` gives equal devices."""
    return _yaml({"deviceList": [tree_of(device) for device in devices]})


def dump_devices_by_line(devices: Sequence[Device]) -> str:
    """As `dump_devices`, one device a line: for very many, fifty times faster, and still easy to find and to edit."""
    lines = [f"- {_flow(tree_of(device))}\n" for device in devices]
    if any(_LONG_KEY.search(line) for line in lines):
        return dump_devices(devices)
    return "deviceList:\n" + "".join(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in lines)


_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON writes as it is and YAML takes for a line break or refuses; it can only stand inside quotes."""
_LONG_KEY = re.compile(r'"[^"]{900,}"\s*:')
"""YAML looks only so far ahead to see that something is a key."""


def _flow(value: Any) -> str:
    """JSON, which YAML contains; numbers with the text they had."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, LiteralInt | LiteralFloat):
        return value.text
    return json.dumps(value, ensure_ascii=False)


def tree_of(model: EdgeXModel) -> dict[str, Any]:
    """A model as a file has it: keys as they are written, what has its default left out."""
    found: dict[str, Any] = {"name": model.name} if isinstance(model, DeviceResource) else {}
    for name, key, always, default in _fields(type(model)):
        value = getattr(model, name)
        if always or value != default:
            found[key] = _plain(value)
    return found


@cache
def _fields(model: type[EdgeXModel]) -> list[tuple[str, str, bool, Any]]:
    """Name, key, whether it is required, and its default; pydantic takes long to say it, and there may be millions."""
    return [
        (name, field.alias or name, field.is_required(), field.get_default(call_default_factory=True))
        for name, field in model.model_fields.items()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, EdgeXModel):
        return tree_of(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


class _Dumper(yaml.CSafeDumper):
    """Writes a string plainly only when it reads back as that string here, in EdgeX and in YAML 1.1 tools."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 — PyYAML's own name
        return True

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0]:
            tag = _TAGS.get(type(resolve(value)))
            if tag or value in FLAG_WORDS or value == "<<":
                return _TAG + (tag or "merge")
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]


def _represent_number(dumper: _Dumper, value: float) -> yaml.Node:
    text = value.text if isinstance(value, LiteralInt | LiteralFloat) else repr(value)
    return dumper.represent_scalar(_TAG + ("float" if isinstance(value, float) else "int"), text)


for _kind in (float, int, LiteralInt, LiteralFloat):
    _Dumper.add_representer(_kind, _represent_number)


def _yaml(tree: Any) -> str:
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
