"""A SunSpec chain → an EdgeX device profile and what is to be said about it. Pure.

A profile's scale is a constant. Where a model has a scale factor in a register, its value at discovery becomes the
scale, and the register itself stays a resource, so that everybody can see when it changed.
"""

import math
import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.dump import dump_profile
from gateway.model.load import profile_from_json
from gateway.model.profile import DeviceProfile
from mappers.modbus.codec import FORMAT
from mappers.modbus.discovery.identify import plain
from mappers.modbus.discovery.sunspec import COMMON, END, MARKER, Chain, Layout, Model, Placed, placed

VALUE_TYPES = {
    "int16": "Int16", "sunssf": "Int16", "uint16": "Uint16", "acc16": "Uint16", "enum16": "Uint16",
    "bitfield16": "Uint16", "int32": "Int32", "uint32": "Uint32", "acc32": "Uint32", "enum32": "Uint32",
    "bitfield32": "Uint32", "int64": "Int64", "uint64": "Uint64", "acc64": "Uint64", "bitfield64": "Uint64",
    "float32": "Float32", "float64": "Float64",
}  # fmt: skip
MOST_EXPONENT = 10
"""A scale factor is from -10 to 10 (SunSpec Device Information Model Specification)."""
SEEN = frozenset(
    (
        "SN", "A", "W", "Hz", "VA", "VAr", "WH", "DCW", "TmpCab", "St", "PhVphA", "PhVphB", "PhVphC", "TotWhExp",
        "TotWhImp", "ChaState", "ChaSt", "Var", "LNV", "TotWhInj", "TotWhAbs", "InvSt", "ConnSt", "SoC",
    )
)  # fmt: skip
"""Points that belong in a twin."""
OFTEN = ("Inverter", "Meter", "MPPT", "DERMeasureAC", "DERMeasureDC")
"""Models that measure; the others change seldom."""
MOST_NAMES = 40
"""Names in one note: of curves it may be hundreds."""
CHAIN = "SunSpec"
SCALES = "ScaleFactors"
FIXED = (
    "SCALE FACTORS ARE FIXED AT DISCOVERY: each scale below is ten to the power that the device's scale factor (the "
    "resources that end in _SF) had then. A device may change them while it runs; if an _SF differs from its "
    "defaultValue, discover again."
)


@dataclass(slots=True)
class Description:
    """A profile, and what stands above it for people."""

    profile: DeviceProfile
    notes: list[str]
    intervals: Mapping[str, str]
    """Source → how often it is worth reading."""

    def text(self, where: str, when: str) -> str:
        """YAML with the notes as comments."""
        head = [f"Found by southgate discover modbus at {where}, {when}. Points: SunSpec information models."]
        lines = [line for note in (*head, *self.notes) for line in _wrapped(note)]
        return "".join(f"# {line}\n" for line in lines) + dump_profile(self.profile)


@dataclass(slots=True)
class _Writing:
    """What a profile is made of while it grows."""

    writable: bool
    resources: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    intervals: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    chain: list[str] = field(default_factory=list)
    """Resources that say the chain itself."""


def describe(chain: Chain, name: str, writable: bool = False) -> Description:
    """`writable` makes points that the documents say can be written RW; otherwise everything is read only."""
    to = _Writing(writable)
    _told(to, "SunSpec_Marker", chain.base, {"valueType": "String", "defaultValue": MARKER.decode()}, 2)
    seen: Counter[str] = Counter()
    for model in chain.models:
        base = model.layout.name if model.layout else f"Model{model.id}"
        seen[base] += 1
        _model(to, model, base if seen[base] == 1 else f"{base}-{seen[base]}")
    if chain.end is not None:
        _number(to, "End_ID", chain.end, END)
        _number(to, "End_L", chain.end + 1, 0)
    _command(to, CHAIN, [{"deviceResource": resource} for resource in to.chain], "1h")
    if any(r["name"].endswith("_SF") for r in to.resources):
        to.notes.insert(0, FIXED)
    numbers = ", ".join(str(model.id) for model in chain.models)
    profile = {
        "name": name,
        "manufacturer": chain.common("Mn"),
        "model": chain.common("Md"),
        "description": f"SunSpec models {numbers}, chain at {chain.base}",
        "labels": ["sunspec", "modbus", "discovered"],
        "deviceResources": to.resources,
        "deviceCommands": to.commands,
    }
    notes = [*to.notes, *(f"The chain: {problem}." for problem in chain.problems)]
    return Description(profile_from_json(profile), notes, to.intervals)


def profile_name(chain: Chain) -> str:
    """`Fronius-Symo-10.0-3-M-SunSpec`: letters, digits, dots and dashes only."""
    words = re.findall(r"[A-Za-z0-9.]+", f"{chain.common('Mn')} {chain.common('Md')}")
    name = "-".join(word.strip(".") for word in words if word.strip("."))
    return f"{name[:60].rstrip('-.') or 'Unnamed'}-SunSpec"


def _told(to: _Writing, name: str, address: int, properties: dict[str, Any], registers: int = 0) -> None:
    """A resource that says the chain, at a register of its own."""
    size = {"stringRegisterSize": registers} if registers else {}
    attributes = {"primaryTable": "HOLDING_REGISTERS", "startingAddress": address, **size}
    to.resources.append({"name": name, "properties": {"readWrite": "R", **properties}, "attributes": attributes})
    to.chain.append(name)


def _number(to: _Writing, name: str, address: int, value: int) -> None:
    _told(to, name, address, {"valueType": "Uint16", "defaultValue": str(value)})


def _command(to: _Writing, name: str, operations: Sequence[dict[str, Any]], interval: str) -> None:
    if operations:
        to.commands.append({"name": name, "readWrite": "R", "resourceOperations": list(operations)})
        to.intervals[name] = interval


def _model(to: _Writing, model: Model, name: str) -> None:
    _number(to, f"{name}_ID", model.address, model.id)
    _number(to, f"{name}_L", model.address + 1, model.length)
    layout = model.layout
    if layout is None:
        at = f"address {model.address}, {model.length} registers"
        to.notes.append(f"Model {model.id} ({at}) is present and not described here: it is not in the table of models.")
        return
    points = [one for one in placed(model) if one.item.kind != "pad"]
    absent = [one for one in points if not _present(one, model)]
    points = [one for one in points if one.item.mandatory or one not in absent]
    to.resources += [_resource(one, model, name, to.writable) for one in points]
    values = [one for one in points if one.item.kind != "sunssf"]
    often = "5s" if layout.name in OFTEN else "1h" if model.id == COMMON else "1m"
    _command(to, name, [_operation(one, name) for one in values], often)
    scales = [_operation(one, name) for one in points if one.item.kind == "sunssf"]
    _command(to, f"{name}-{SCALES}", scales, "1h")
    to.notes += _said(model, layout, name, points, absent)


def _said(model: Model, layout: Layout, name: str, points: Sequence[Placed], absent: Sequence[Placed]) -> Iterator[str]:
    left_out = [_name(one, name) for one in absent if not one.item.mandatory]
    if left_out:
        more = f" and {len(left_out) - MOST_NAMES} more" if len(left_out) > MOST_NAMES else ""
        yield (
            f"Model {model.id} ({layout.title}): not implemented when it was asked, and left out: "
            f"{', '.join(left_out[:MOST_NAMES])}{more}. An inverter may give some of them by day only."
        )
    unknown = [_name(one, name) for one in points if one.item.scale and _exponent(one, model) is None]
    if unknown:
        yield f"Model {model.id}: no valid scale factor, so these are raw: {', '.join(unknown)}."
    last = max((one.offset + one.item.size for one in placed(model)), default=0)
    if model.length > last + 1:
        yield f"Model {model.id}: {model.length - last} registers at its end are not described."
    if model.id != COMMON and not model.data and model.length:
        yield f"Model {model.id}: nothing of it could be read."


def _name(one: Placed, name: str) -> str:
    return f"{name}_{one.path}_{one.item.name}" if one.path else f"{name}_{one.item.name}"


def _operation(one: Placed, name: str) -> dict[str, Any]:
    mappings = {"mappings": dict(one.item.values)} if one.item.values else {}
    return {"deviceResource": _name(one, name), **mappings}


def _resource(one: Placed, model: Model, name: str, writable: bool) -> dict[str, Any]:
    item = one.item
    attributes: dict[str, Any] = {
        "primaryTable": "HOLDING_REGISTERS", "startingAddress": model.address + 2 + one.offset
    }  # fmt: skip
    properties: dict[str, Any] = {"readWrite": "RW" if writable and item.writable else "R", "units": item.units}
    if item.kind == "string":
        attributes["stringRegisterSize"] = item.size
        properties["valueType"] = "String"
        properties["defaultValue"] = plain(one.raw(model)) if item.name in ("Mn", "Md") else ""
    else:
        _numeric(one, model, properties, attributes)
    if item.name in SEEN and item.kind != "sunssf":
        properties["optional"] = {"twin": True}
    return {
        "name": _name(one, name), "description": item.text, "properties": properties, "attributes": attributes
    }  # fmt: skip


def _numeric(one: Placed, model: Model, properties: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Type and scale. What a scale makes fractional, or larger than its registers, is a float."""
    item, raw = one.item, VALUE_TYPES[one.item.kind]
    exponent = _exponent(one, model) if item.scale else 0
    properties["valueType"] = raw
    if exponent:
        properties["valueType"] = "Float32" if item.size == 1 else "Float64"
        properties["scale"] = float(f"1e{exponent}")
        attributes["rawType"] = raw
    counts = model.layout is not None and not one.path and item.name in model.layout.counts
    if (item.kind == "sunssf" or counts) and _present(one, model):
        properties["defaultValue"] = str(int.from_bytes(one.raw(model), signed=not counts))


def _exponent(one: Placed, model: Model) -> int | None:
    """Of a value's scale factor; None if it is not there, not implemented or beyond what the document allows."""
    for other in placed(model):
        if other.item.name == one.item.scale and other.path in ("", one.path):
            raw = other.raw(model)
            found = int.from_bytes(raw, signed=True) if len(raw) == 2 else -0x8000
            return found if abs(found) <= MOST_EXPONENT else None
    return None


def _present(one: Placed, model: Model) -> bool:
    """Whether it does not hold the value that means "not implemented" for its type. What could not be read counts as
    present: the document says that it is there."""
    raw, item = one.raw(model), one.item
    if len(raw) < 2 * item.size:
        return True
    if item.kind == "string":
        return bool(plain(raw))
    if item.kind.startswith("float"):
        return not math.isnan(struct.unpack(">" + FORMAT[VALUE_TYPES[item.kind]], raw)[0])
    if item.kind.startswith("acc"):
        return any(raw)
    if item.kind.startswith("int") or item.kind == "sunssf":
        return raw != b"\x80" + b"\0" * (len(raw) - 1)
    return raw != b"\xff" * len(raw)


def _wrapped(text: str, width: int = 118) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            yield line
            line = ""
        line += f" {word}" if line else word
    yield line
