"""What was found on a server → an EdgeX device profile, and what is to be said about it. Pure."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.dump import dump_profile
from gateway.model.load import profile_from_json
from gateway.model.profile import INTEGER_RANGE, DeviceProfile, ValueType
from mappers.opcua.discovery.inquire import READ, WRITE, Argument, Method, Shape, Variable
from mappers.opcua.discovery.names import Names, common, slug

VALUE_TYPES: Mapping[int, str] = {
    1: "Bool", 2: "Int8", 3: "Uint8", 4: "Int16", 5: "Uint16", 6: "Int32", 7: "Uint32", 8: "Int64", 9: "Uint64",
    10: "Float32", 11: "Float64", 12: "String", 13: "String", 14: "String", 15: "Binary", 16: "String", 17: "String",
    18: "String", 19: "String", 20: "String", 21: "String", 22: "Object", 29: "Int32",
}  # fmt: skip
"""By the number of the built-in type (Part 6, 5.1.2); 22 is any structure, 29 any enumeration."""
MEDIA = {"ImageBMP": "image/bmp", "ImageGIF": "image/gif", "ImageJPG": "image/jpeg", "ImagePNG": "image/png"}
"""Kinds of ByteString that say what they are (Part 5, 12.2.12)."""
TOGETHER = 100
"""Values of one command."""
MOST_TEXT = 500
"""Characters of a description."""
MOST_NAMES = 20
"""Names in one note."""


@dataclass(frozen=True, slots=True)
class Product:
    """What a server says it is (Part 5, 12.4)."""

    name: str = ""
    maker: str = ""
    version: str = ""


@dataclass(slots=True)
class Description:
    """A profile, and what stands above it for people."""

    profile: DeviceProfile
    notes: list[str]

    def text(self, where: str, when: str) -> str:
        """YAML with the notes as comments."""
        head = f"Found by southgate discover opcua at {where}, {when}."
        lines = [line for note in (head, *self.notes) for line in textwrap.wrap(note, 118)]
        return "".join(f"# {line}\n" for line in lines) + dump_profile(self.profile)


@dataclass(slots=True)
class _Writing:
    """What a profile is made of while it grows."""

    writable: bool
    names: Names = field(default_factory=Names)
    resources: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[tuple[str, ...], list[tuple[str, Variable]]] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    """What happened to whom."""

    def note(self, what: str, path: Sequence[str]) -> None:
        self.said.setdefault(what, []).append("/".join(path))


def describe(
    variables: Sequence[Variable], methods: Sequence[Method], product: Product, name: str, writable: bool = False
) -> Description:
    """`writable`: what the server lets us write can be written, and methods can be called; otherwise everything is
    read only. Raises ConfigError: the name is none."""
    to = _Writing(writable)
    skip = common([*(one.path for one in variables), *(one.path for one in methods)])
    for variable in variables:
        _variable(to, variable, skip)
    for method in methods:
        _method(to, method, skip)
    commands, events = _commands(to)
    profile = {
        "name": name,
        "manufacturer": product.maker,
        "model": product.name,
        "description": f"OPC UA server {product.name} {product.version}".rstrip(),
        "labels": ["opcua", "discovered"],
        "deviceResources": to.resources,
        "deviceCommands": commands,
        "autoEvents": events,
    }
    return Description(profile_from_json(profile), list(_notes(to, variables)))


def profile_name(product: Product) -> str:
    """`open62541-OPC-UA-Server`."""
    return slug(f"{product.name}".replace(" ", "-").replace("_", "-"))[:60].rstrip("-.") or "OPC-UA-Server"


def _value_type(shape: Shape) -> str:
    """Empty: there is none that could carry it."""
    single = VALUE_TYPES.get(shape.kind.number, "")
    if not shape.array or not single:
        return single
    return "" if single == "Binary" else f"{single}Array"


def _variable(to: _Writing, one: Variable, skip: int) -> None:
    value_type = _value_type(one.shape)
    if not value_type:
        to.note(f"Left out, since no value type carries {_shown(one.shape)}", one.path)
        return
    readable, writable = bool(one.access & READ), bool(one.access & WRITE)
    direction = "R" * readable + "W" * (writable and to.writable and value_type != "Binary")
    if not direction:
        to.note(f"Left out, since this user may {'only write' if writable else 'not read'} them", one.path)
        return
    if writable and not to.writable:
        to.note("Read only here, writable with --writable", one.path)
    elif writable and value_type == "Binary":
        to.note("Read only here, since binary values cannot be written", one.path)
    name = to.names.give(one.path[skip:], "Value")
    properties: dict[str, Any] = {"valueType": value_type, "readWrite": direction, "units": one.units}
    if value_type == "Binary":
        properties["mediaType"] = MEDIA.get(one.shape.kind.name, "application/octet-stream")
    if one.limits is not None and _fits(value_type, one.limits):
        properties["minimum"], properties["maximum"] = one.limits
    description = _description(one.description, one.title, one.path[-1], _dimensions(one.shape))
    resource = {
        "name": name, "description": description, "properties": properties, "attributes": {"nodeId": one.node}
    }  # fmt: skip
    to.resources.append(resource)
    if readable:
        to.groups.setdefault(one.path[skip:-1], []).append((name, one))


def _fits(value_type: str, limits: tuple[float, float]) -> bool:
    """Whether both are values of a number's type."""
    kind = ValueType(value_type)
    if not kind.is_integer:
        return kind.is_float
    low, high = INTEGER_RANGE[kind]
    return all(low <= limit <= high for limit in limits)


def _description(text: str, title: str, name: str, *more: str) -> str:
    said = text or (title if title != name else "")
    return "; ".join(part for part in (said, *more) if part)[:MOST_TEXT]


def _dimensions(shape: Shape) -> str:
    if len(shape.dimensions) < 2:
        return ""
    return f"{' x '.join(str(one) if one else '?' for one in shape.dimensions)} values"


def _method(to: _Writing, one: Method, skip: int) -> None:
    if not to.writable:
        to.note("Methods, left out without --writable", one.path)
        return
    inputs = one.inputs
    value_type = "Object" if inputs else "Bool"
    if len(inputs) == 1 and _value_type(inputs[0].shape) not in ("", "Binary"):
        value_type = _value_type(inputs[0].shape)
    said = [f"{what}: {', '.join(map(_argument, some))}" for what, some in
            (("takes", inputs), ("gives", one.outputs)) if some]  # fmt: skip
    resource = {
        "name": to.names.give(one.path[skip:], "Method"),
        "description": _description(one.description, one.title, one.path[-1], *said),
        "properties": {"valueType": value_type, "readWrite": "W"},
        "attributes": {"methodId": one.node, "objectId": one.object},
    }
    to.resources.append(resource)


def _argument(one: Argument) -> str:
    return f"{one.name} ({_shown(one.shape)})"


def _shown(shape: Shape) -> str:
    kind = shape.kind.name or VALUE_TYPES.get(shape.kind.number, "") or "a type nobody knows"
    return f"{kind}[]" if shape.array else kind


def _commands(to: _Writing) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The values of each object together, with the texts of their numbers; and how often they are worth looking at."""
    commands, events = [], []
    for path, values in sorted(to.groups.items()):
        for at in range(0, len(values), TOGETHER):
            some = values[at : at + TOGETHER]
            name = to.names.give(path, "Values")
            operations = [
                {"deviceResource": resource, **({"mappings": dict(one.labels)} if one.labels else {})}
                for resource, one in some
            ]
            commands.append({"name": name, "readWrite": "R", "resourceOperations": operations})
            events.append({"sourceName": name, "interval": _interval([one for _, one in some])})
    return commands, events


def _interval(values: Sequence[Variable]) -> str:
    """A second, or as often as the server looks itself; of what is a property a minute."""
    if all(one.constant for one in values):
        return "1m"
    fastest = min(one.sampling for one in values if not one.constant)
    return f"{max(1, math.ceil(fastest))}s"


def _notes(to: _Writing, variables: Sequence[Variable]) -> Iterator[str]:
    for what, paths in to.said.items():
        more = f" and {len(paths) - MOST_NAMES} more" if len(paths) > MOST_NAMES else ""
        shown = ", ".join(path[:200] for path in paths[:MOST_NAMES])
        yield f"{what} ({len(paths)}): {shown}{more}."
    history = sum(one.history for one in variables)
    if history:
        yield f"The server keeps the history of {history} values."
