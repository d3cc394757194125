"""EdgeX profiles from before v3, in all three shapes that were in use.

v1 (to Hanoi): `properties.value.type`, `deviceCommands` of `get` and `set`, `coreCommands`; Modbus addresses from 1.
v2 while it was made: `properties.type`. v2 (Ireland to Levski): `properties.valueType`, numbers in quotes, Modbus
addresses from 0 (device-modbus-go issue 61). What may be offered to others was in `coreCommands`, now it is `isHidden`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.importers.draft import Draft, unknown_keys
from gateway.importers.edgexcommands import commands
from gateway.importers.report import Imported, Report
from gateway.importers.units import ask_for_address, make_device
from gateway.importers.wishes import Wishes
from gateway.model.document import Document, many_objects
from gateway.model.errors import ConfigError, Problem
from gateway.model.load import read_document
from gateway.model.profile import DeviceProfile
from gateway.model.scalar import Plain, free, literal_text, resolve
from mappers.modbus.address import ATTRIBUTES, OF_MODBUS

TOP = ("name", "manufacturer", "model", "description", "labels", "deviceResources", "deviceCommands", "coreCommands")
UNREAD = ("apiVersion", "id", "created", "modified", "origin", "$schema", "dbTimestamp")
NUMBERS = ("minimum", "maximum", "scale", "offset", "base")
WHOLE = ("mask", "shift")
TEXTS = ("defaultValue", "assertion", "mediaType")
WITHOUT_MEANING = ("precision", "size", "lsb", "signed", "floatEncoding")
"""Of v1; drivers took no notice, or the value is sent differently now."""
OF_RESOURCE = ("name", "description", "isHidden", "attributes", "properties", "tag", "tags")
SPELLED = {name.lower(): name for name in ATTRIBUTES}


def read(raw: bytes, file: str, wishes: Wishes) -> Imported:
    """Raises ConfigError."""
    with many_objects():
        document = read_document(raw, file)
    errors = [problem for problem in document.problems if problem.severity == "error"]
    tree = document.value
    if errors:
        raise ConfigError(errors)
    if not isinstance(tree, Mapping) or not isinstance(tree.get("deviceResources"), list):
        raise ConfigError([Problem("", "this is no EdgeX profile: it has no list of deviceResources", file, 1)])
    imported = Imported(Report(file))
    report = imported.report
    report.take(document.problems)
    unknown_keys(report, tree, (*TOP, *UNREAD), "")
    draft = Draft(wishes.profile or _text(tree.get("name")), report)
    if not draft.resources and not wishes.profile and not _text(tree.get("name")):
        report.note("name", f"the profile has no name; it is named {draft.name}")
    base = _base(wishes, tree)
    _resources(draft, document, tree["deviceResources"], base)
    profile = _profile(draft, document, tree)
    if profile is None:
        return imported
    imported.profiles.append(profile)
    if not wishes.address:
        ask_for_address(report)
        return imported
    if not any(OF_MODBUS & set(resource.attributes) for resource in profile.device_resources):
        report.left("--address", "the profile is not for Modbus, so no device was made; write its list by hand")
        return imported
    device = {
        "name": wishes.device or profile.name,
        "profileName": profile.name,
        "protocols": wishes.protocols(),
        "autoEvents": [{"interval": wishes.every(), "sourceName": name} for name in _sources(profile)],
    }
    made = make_device(device, report)
    imported.devices += [made] if made else []
    return imported


def _base(wishes: Wishes, tree: Mapping[str, Any]) -> int:
    if wishes.address_base:
        if not wishes.address_base.isdigit():
            raise ConfigError("--address-base of an EdgeX profile is 0 or 1")
        return int(wishes.address_base)
    first = next((r for r in tree["deviceResources"] if isinstance(r, Mapping)), {})
    properties = first.get("properties")
    return 1 if isinstance(properties, Mapping) and isinstance(properties.get("value"), Mapping) else 0


def _resources(draft: Draft, document: Document, resources: Sequence[Any], base: int) -> None:
    modbus = any(isinstance(r, Mapping) and OF_MODBUS & set(_spelled(r.get("attributes"))) for r in resources)
    if base and modbus:
        what = (
            f"Modbus addresses are counted from {base} in this version of EdgeX (--address-base); addressBase says so"
        )
        draft.report.note("deviceResources", what)
    for index, resource in enumerate(resources):
        where = f"deviceResources[{index}]"
        line = document.line(("deviceResources", index)) if index < 10_000 else 0
        if not isinstance(resource, Mapping):
            draft.report.left(where, "expected a mapping", line)
            continue
        unknown_keys(draft.report, resource, OF_RESOURCE, where, line)
        tree = _resource(draft, resource, where, line)
        if modbus and base and "primaryTable" in tree["attributes"]:
            tree["attributes"].setdefault("addressBase", base)
        draft.add_tree(tree, where, line, modbus=modbus)


def _resource(draft: Draft, resource: Mapping[str, Any], where: str, line: int) -> dict[str, Any]:
    tags = resource.get("tags") if isinstance(resource.get("tags"), Mapping) else {}
    if resource.get("tag"):
        tags = {**(tags or {}), "tag": _text(resource["tag"])}
    return {
        "name": _text(resource.get("name")),
        "description": _text(resource.get("description")),
        "isHidden": _text(resource.get("isHidden")).lower() == "true",
        "attributes": _spelled(resource.get("attributes")),
        "properties": _properties(draft, resource, where, line),
        "tags": free(tags),
    }


def _spelled(attributes: Any) -> dict[str, Any]:
    """Modbus attributes in the spelling of today: v1 files have `StartingAddress`, too."""
    if not isinstance(attributes, Mapping):
        return {}
    found: dict[str, Any] = free(attributes)
    return {SPELLED.get(key.lower(), key): value for key, value in found.items() if value not in ("", None)}


def _properties(draft: Draft, resource: Mapping[str, Any], where: str, line: int) -> dict[str, Any]:
    given = resource.get("properties")
    if not isinstance(given, Mapping):
        return {}
    value, units = given.get("value"), given.get("units")
    if isinstance(value, Mapping):
        unknown_keys(draft.report, given, ("value", "units"), f"{where}.properties", line)
        where += ".properties.value"
    else:
        value, where = given, f"{where}.properties"
    known = ("type", "valueType", "readWrite", "units", "optional", *NUMBERS, *WHOLE, *TEXTS, *WITHOUT_MEANING)
    unknown_keys(draft.report, value, known, where, line)
    found: dict[str, Any] = {
        "valueType": _text(value.get("valueType") or value.get("type")),
        "readWrite": _text(value.get("readWrite")).upper() or "R",
    }
    if not value.get("readWrite"):
        draft.report.note(f"{where}.readWrite", "is missing; the value is read only", line)
    unit = units.get("defaultValue") if isinstance(units, Mapping) else value.get("units")
    found |= {"units": _text(unit)} if unit else {}
    found |= {key: _text(value[key]) for key in TEXTS if value.get(key) not in (None, "")}
    for key in (*NUMBERS, *WHOLE):
        number = _number(value.get(key), key in WHOLE)
        if number is not None:
            found[key] = number
        elif value.get(key) not in (None, ""):
            draft.report.left(f"{where}.{key}", f"expected a number, got {_text(value[key])[:40]!r}", line)
    if _text(value.get("floatEncoding")).lower() == "base64":
        draft.report.note(f"{where}.floatEncoding", "floats are sent as decimal text now, not as Base64", line)
    if isinstance(value.get("optional"), Mapping):
        found["optional"] = free(value["optional"])
    return found


def _number(given: Any, whole: bool) -> int | float | None:
    """A number, in quotes or not."""
    if given is None or isinstance(given, Mapping | list):
        return None
    meant = resolve(_text(given).strip())
    if isinstance(meant, bool) or not isinstance(meant, int | float):
        return None
    if whole:
        return int(meant) if float(meant).is_integer() else None
    return float(meant)


def _text(value: Any) -> str:
    return (
        str(value)
        if isinstance(value, str | Plain)
        else ""
        if isinstance(value, Mapping | list)
        else literal_text(value)
    )


def _profile(draft: Draft, document: Document, tree: Mapping[str, Any]) -> DeviceProfile | None:
    made = commands(draft, document, tree)
    _hide(draft, tree, made)
    if not draft.resources:
        draft.report.left("deviceResources", "no resource could be carried over, so there is no profile")
        return None
    labels = tree.get("labels")
    return DeviceProfile.model_validate(
        {
            "name": draft.name,
            "manufacturer": _text(tree.get("manufacturer")),
            "model": _text(tree.get("model")),
            "description": _text(tree.get("description")),
            "labels": [_text(label) for label in labels] if isinstance(labels, list) else [],
            "deviceResources": list(draft.resources.values()),
            "deviceCommands": made,
        }
    )


def _hide(draft: Draft, tree: Mapping[str, Any], made: list[dict[str, Any]]) -> None:
    """Who writes coreCommands offers those and hides the others."""
    core = tree.get("coreCommands")
    if not isinstance(core, list):
        return
    offered = {_text(one.get("name")) for one in core if isinstance(one, Mapping)}
    known = {*draft.resources, *(command["name"] for command in made)}
    for name in sorted(offered - known):
        draft.report.left("coreCommands", f"{name!r} names neither a resource nor a command that was carried over")
    for name, resource in draft.resources.items():
        if name not in offered:
            draft.resources[name] = resource.model_copy(update={"is_hidden": True})
    for command in made:
        command["isHidden"] = command["name"] not in offered


def _sources(profile: DeviceProfile) -> Iterator[str]:
    """Every readable command, and every readable resource that is in none."""
    covered: set[str] = set()
    for command in profile.device_commands:
        if command.read_write.readable:
            covered |= {operation.device_resource for operation in command.resource_operations}
            yield command.name
    for resource in profile.device_resources:
        if resource.properties.read_write.readable and resource.name not in covered:
            yield resource.name
