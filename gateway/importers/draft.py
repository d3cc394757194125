"""A profile in the making: values in plain terms, judged by the same rules that `southgate check` goes by."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from gateway.importers.report import Report
from gateway.model.duration import parse_duration
from gateway.model.profile import Compat, DeviceProfile, DeviceResource
from gateway.model.said import said
from gateway.model.scalar import literal_text
from mappers.modbus.point import WIDTH, locate

MAX_VALUES = 100_000
"""Values of one profile. A Modbus unit has 65,536 registers; who has more has more than one profile."""
FLOATS = ("Float32", "Float64")


@dataclass(slots=True)
class Value:
    """One value as a foreign format says it, in our words."""

    name: str
    table: str
    """`primaryTable`."""
    start: int | str
    """`startingAddress`, counted from `base`; text for a bit of a register."""
    kind: str
    """What it is on the wire: Bool, a number type or String; with `length` an array of it."""
    access: str = "R"
    base: int = 0
    order: str = ""
    raw: str = ""
    """BCD, where the digits of `kind` are."""
    length: int | None = None
    registers: int | None = None
    """Of a String."""
    scale: float = 1.0
    offset: float = 0.0
    write_function: int | None = None
    more: dict[str, Any] = field(default_factory=dict)
    """Further properties: units, minimum, maximum, defaultValue."""
    description: str = ""
    tags: dict[str, Any] = field(default_factory=dict)

    @property
    def scaled(self) -> bool:
        return self.scale != 1.0 or self.offset != 0.0


class Draft:
    """Collects the values of one profile. A value that could not be read right is left out, and said."""

    def __init__(self, name: str, report: Report, description: str = "") -> None:
        self.report = report
        self.name = clean(name) or "imported"
        self.description = description
        self.maker = ""
        self.model = ""
        self.resources: dict[str, DeviceResource] = {}
        self.polled: dict[str, list[str]] = {}
        """Interval → values read that often."""
        self.on_change = False
        """Polled values are reported only when they changed."""
        self._full = False

    def add(self, value: Value, where: str, line: int = 0, interval: str = "") -> str:
        """The name under which the value is in the profile; empty when it was left out. `interval`: polled that often
        if it can be read."""
        if self.is_full(where, line):
            return ""
        if value.length is not None and value.scaled:
            self.report.left(where, f"{value.name}: elements of an array cannot be scaled here", line)
            return ""
        return self.add_tree(_tree(value), where, line, interval)

    def add_tree(self, tree: dict[str, Any], where: str, line: int = 0, interval: str = "", modbus: bool = True) -> str:
        """As `add`, for a resource that is in EdgeX's own shape."""
        given = str(tree.get("name", ""))
        tree["name"] = clean(given)
        try:
            resource = DeviceResource.model_validate(tree)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                path, what = said(one)
                self.report.left(where, f"{given or 'a value'}: {'.'.join(map(str, path))}: {what}", line)
            return ""
        problems = locate(resource, Compat.NONE)[1] if modbus else ()
        wrong = [f"{p.where}: {p.what}" for p in problems if p.severity == "error"]
        if wrong:
            self.report.left(where, f"{given}: {'; '.join(wrong)}", line)
            return ""
        for problem in problems:
            self.report.note(where, f"{given}: {problem.where}: {problem.what}", line)
        return self._put(resource, given, where, line, interval)

    def _put(self, resource: DeviceResource, given: str, where: str, line: int, interval: str) -> str:
        name = resource.name
        if name != given:
            self.report.note(
                where, f"named {name!r}: a name holds no control characters and no blanks at its ends", line
            )
        known = self.resources.get(name)
        if known is not None and known == resource:
            self.report.note(where, f"{name} stands twice, both times the same; taken once", line)
            return name
        if known is not None:
            name = self._free(name)
            self.report.note(where, f"{resource.name} stands twice and differs; this one is named {name}", line)
            resource = resource.model_copy(update={"name": name})
        self.resources[name] = resource
        if interval and resource.properties.read_write.readable:
            self.polled.setdefault(interval, []).append(name)
        return name

    def _free(self, name: str) -> str:
        return next(free for n in range(2, MAX_VALUES + 3) if (free := f"{name}-{n}") not in self.resources)

    def is_full(self, where: str, line: int) -> bool:
        """Whether no further value is taken; what comes then is counted and not looked at."""
        if len(self.resources) < MAX_VALUES:
            return False
        if not self._full:
            self.report.left(where, f"a profile holds at most {MAX_VALUES:,} values here; divide the file", line)
        else:
            self.report.left_count += 1
        self._full = True
        return True

    def profile(self) -> DeviceProfile | None:
        """None when nothing was carried over. Values polled equally often become one command: one event, one poll."""
        if not self.resources:
            return None
        commands = [
            {
                "name": self._command(interval),
                "readWrite": "R",
                "resourceOperations": [{"deviceResource": name} for name in names],
            }
            for interval, names in self.polled.items()
        ]
        return DeviceProfile.model_validate(
            {
                "name": self.name,
                "manufacturer": self.maker,
                "model": self.model,
                "description": self.description,
                "deviceResources": list(self.resources.values()),
                "deviceCommands": commands,
            }
        )

    def _command(self, interval: str) -> str:
        name = f"Every-{interval}"
        while name in self.resources:
            name += "-"
        return name

    def events(self) -> list[dict[str, Any]]:
        """One poll per interval."""
        return [
            {"interval": interval, "onChange": self.on_change, "sourceName": self._command(interval)}
            for interval in self.polled
        ]


def _tree(value: Value) -> dict[str, Any]:
    attributes: dict[str, Any] = {"primaryTable": value.table, "startingAddress": value.start}
    more: dict[str, Any] = {
        "addressBase": value.base or None,
        "arrayLength": value.length,
        "stringRegisterSize": value.registers,
        "writeFunction": value.write_function,
        "byteOrder": _order(value) or None,
    }
    kind, raw = value.kind, value.raw
    if value.scaled and kind not in (*FLOATS, "Bool", "String"):
        kind, raw = "Float64", raw or kind
    more["rawType"] = raw or None
    properties = {"valueType": kind + "Array" * (value.length is not None), "readWrite": value.access, **value.more}
    if value.scale != 1.0:
        properties["scale"] = value.scale
    if value.offset != 0.0:
        properties["offset"] = value.offset
    return {
        "name": value.name,
        "description": value.description,
        "properties": properties,
        "attributes": attributes | {key: item for key, item in more.items() if item is not None},
        "tags": value.tags,
    }


def _order(value: Value) -> str:
    """The order, where it means something for this kind of value."""
    if value.kind == "Bool" or value.order in ("", "ABCD"):
        return ""
    if value.kind == "String" or WIDTH.get(value.kind, 2) <= 2:
        return "BADC" if value.order in ("BADC", "DCBA") else ""
    return value.order


def clean(name: str) -> str:
    """A name without what names may not hold."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in name).strip()


def milliseconds(value: float) -> str:
    """An interval in Go's words: 500ms, 2s."""
    return f"{value / 1000:g}s" if value >= 1000 and value % 1000 == 0 else f"{value:g}ms"


def is_duration(text: str) -> bool:
    """Whether it is one that can be polled: 1 ms or longer."""
    try:
        return parse_duration(text) >= 0.001
    except ValueError:
        return False


def file_name(name: str) -> str:
    """A name as a file's, for any disk."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:100] or "imported"


def shown(value: Any) -> str:
    """A foreign value for a message; never a page long."""
    text = literal_text(value) if not isinstance(value, str) else value
    return repr(text[:60])


def unknown_keys(report: Report, given: Iterable[str], known: Iterable[str], where: str, line: int = 0) -> None:
    """Every key that means nothing to the importer is left out, by name."""
    taken = set(known)
    for key in given:
        if key not in taken:
            report.left(f"{where}.{key}".lstrip("."), "has no counterpart here", line)
