"""Devices as rows of a table, for many at once: `name`, `profileName`, …, `protocols.modbus-tcp.Address`,
`parameters.ct_ratio`, `autoEvents`.

A column that is not there leaves a device as it is; an empty cell takes away what the column is about. What comes out
goes in again without a change.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.csvcell import armed, cell_of, json_text, json_value, value_of
from gateway.model.device import Device
from gateway.model.eventcell import events_cell, events_of
from gateway.model.near import nearest
from gateway.model.template import PARAMETERS

ALWAYS = ("name", "profileName", "serviceName", "adminState", "operatingState", "labels", "description")
SOMETIMES = ("id", "parent", "location", "tags", "properties")
"""Columns of an export only where a device has something for them."""
EVENTS = "autoEvents"
PROTOCOLS = "protocols"
"""Alone: JSON of protocols whose names hold a point; before a point: `protocols.modbus-tcp.Address`."""
KNOWN = (*ALWAYS, *SOMETIMES, PROTOCOLS, EVENTS)
FREE = ("location", "tags", "properties")
_TEXTS = {
    "name": "name", "profileName": "profile_name", "serviceName": "service_name", "description": "description",
    "id": "id", "parent": "parent",
}  # fmt: skip
_STATES = {"adminState": "admin_state", "operatingState": "operating_state"}
_BY_LOWER = {name.lower(): name for name in KNOWN}


class WrongCell(ValueError):
    """A cell that says nothing usable."""

    def __init__(self, column: str, what: str) -> None:
        self.column = column
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Columns:
    """The headings of a file, in its order."""

    names: tuple[str, ...]
    keys: Mapping[int, tuple[str, str]]
    """Column → protocol and property, for those that are about one."""
    parameters: Mapping[int, str]
    """Column → parameter of the profile."""


def columns_of(devices: Iterable[Device]) -> Columns:
    """The columns that an export of these devices needs."""
    extra, properties, parameters = set[str](), dict[tuple[str, str], None](), dict[str, None]()
    for device in devices:
        extra.update(name for name in SOMETIMES if _has(device, name))
        parameters.update(dict.fromkeys(_parameters(device)))
        for protocol, own in device.protocols.items():
            if _awkward(protocol, own):
                extra.add(PROTOCOLS)
            else:
                properties.update(dict.fromkeys((protocol, key) for key in own or {"": None}))
    heads = [f"{PROTOCOLS}.{protocol}.{key}" if key else f"{PROTOCOLS}.{protocol}" for protocol, key in properties]
    sometimes = [name for name in (*SOMETIMES, PROTOCOLS) if name in extra]
    return columns([*ALWAYS, *sometimes, *heads, *(f"{PARAMETERS}.{name}" for name in parameters), EVENTS])


def _has(device: Device, name: str) -> bool:
    value = _rest(device) if name == "properties" else getattr(device, name)
    return value is not None if name == "location" else bool(value)


def _parameters(device: Device | None) -> Mapping[str, Any]:
    """Those with columns of their own; none where one could not be a cell under a heading."""
    found = device.properties.get(PARAMETERS) if device is not None else None
    if not isinstance(found, Mapping):
        return {}
    plain = all(name and name == name.strip() and not isinstance(found[name], dict | list) for name in found)
    return found if plain else {}


def _rest(device: Device) -> Mapping[str, Any]:
    """The properties without what has columns of its own."""
    own = _parameters(device)
    return {key: value for key, value in device.properties.items() if not (own and key == PARAMETERS)}


def _awkward(protocol: str, own: Mapping[str, Any]) -> bool:
    """Whether a heading could not say which protocol and property it is about."""
    return "." in protocol or any(not name or name != name.strip() for name in (protocol, *own))


def columns(heads: Sequence[str]) -> Columns:
    """Of a file. Raises WrongCell for a heading that is unknown or stands twice."""
    names: list[str] = []
    keys: dict[int, tuple[str, str]] = {}
    parameters: dict[int, str] = {}
    for index, given in enumerate(heads):
        head = armed(given.strip())
        name = _BY_LOWER.get(head.lower(), head)
        first, point, rest = name.partition(".")
        if point and first.lower() == PROTOCOLS:
            protocol, _, key = rest.partition(".")
            keys[index] = protocol, key
            name = f"{PROTOCOLS}.{rest}"
        elif rest and first.lower() == PARAMETERS:
            parameters[index] = rest
            name = f"{PARAMETERS}.{rest}"
        elif name and name not in KNOWN:
            near = nearest(name, KNOWN)
            hint = (
                f"did you mean {near}?"
                if near
                else f"there are {', '.join(KNOWN)} protocols.PROTOCOL.PROPERTY and parameters.NAME"
            )
            raise WrongCell(given, f"this heading is not known; {hint}")
        if name and name in names:
            raise WrongCell(given, "this heading stands twice")
        names.append(name)
    if "name" not in names:
        raise WrongCell("name", "there is no column of names")
    return Columns(tuple(names), keys, parameters)


def heading_score(cells: Sequence[str]) -> int:
    """How many of a row's cells are headings of this table; 0 when it cannot be the headings."""
    plain = {armed(cell.strip()).lower() for cell in cells}
    if "name" not in plain:
        return 0
    return sum(1 for cell in plain if cell in _BY_LOWER or cell.startswith((f"{PROTOCOLS}.", f"{PARAMETERS}.")))


# -------------------------------------------------------------------------------------------------------------- out


def row_of(device: Device, head: Columns) -> list[str]:
    """The cells of a device."""
    cells = [_cell(device, name, head.keys.get(index)) for index, name in enumerate(head.names)]
    given = _parameters(device)
    for index, name in head.parameters.items():
        cells[index] = cell_of(given[name]) if name in given else ""
    return cells


def _cell(device: Device, name: str, key: tuple[str, str] | None) -> str:
    if key is not None:
        own = device.protocols.get(key[0])
        if not key[1]:
            return "{}" if own == {} else ""
        return cell_of(own[key[1]]) if own is not None and key[1] in own else ""
    if name in _TEXTS:
        return _text_cell(getattr(device, _TEXTS[name]))
    if name in _STATES:
        return str(getattr(device, _STATES[name]).value)
    if name == "labels":
        return _labels_cell(device.labels)
    if name == EVENTS:
        return events_cell(device.auto_events)
    if name == PROTOCOLS:
        found = {protocol: own for protocol, own in device.protocols.items() if _awkward(protocol, own)}
        return json_text(found) if found else ""
    if name == "properties":
        return cell_of(_rest(device)) if _rest(device) else ""
    return cell_of(getattr(device, name)) if name in FREE and _has(device, name) else ""


def _text_cell(text: str) -> str:
    """Blanks at the ends would get lost, so such text stands in quotes of its own."""
    return json.dumps(text, ensure_ascii=False) if text != text.strip() or text[:1] == '"' else text


def _text_of(cell: str) -> str:
    found = json_value(cell) if cell[:1] == '"' else cell
    return str(found)


def _labels_cell(labels: Sequence[str]) -> str:
    plain = all(label and label == label.strip() and ";" not in label and label[0] not in "[\"'" for label in labels)
    return "; ".join(labels) if plain else json.dumps(list(labels), ensure_ascii=False)


# --------------------------------------------------------------------------------------------------------------- in


def plain(cells: Sequence[str]) -> list[str]:
    """The cells of a row of a file as `row_of` has them: without blanks around them, formulas armed again."""
    return [armed(cell.strip()) for cell in cells]


def name_in(cells: Sequence[str], head: Columns) -> str:
    """The name in a `plain` row; empty where there is none. Raises WrongCell."""
    at = head.names.index("name")
    try:
        return _text_of(cells[at]) if at < len(cells) else ""
    except ValueError as error:
        raise WrongCell("name", str(error)) from None


def tree_of(cells: Sequence[str], head: Columns, device: Device | None) -> dict[str, Any]:
    """The device that a `plain` row asks for, for `Device.model_validate`; `device`: what is there now. Raises
    WrongCell."""
    tree: dict[str, Any] = {}
    if device is not None:
        tree = {field.alias or name: getattr(device, name) for name, field in Device.model_fields.items()}
    protocols = {name: dict(own) for name, own in device.protocols.items()} if device is not None else {}
    parameters: dict[str, Any] = {}
    for index in range(max(len(head.names), len(cells))):
        name = head.names[index] if index < len(head.names) else ""
        cell = cells[index] if index < len(cells) else ""
        if not name:
            if cell:
                raise WrongCell(f"{index + 1}", "this cell stands under no heading")
            continue
        try:
            key = head.keys.get(index)
            if key is not None:
                _set_property(protocols, key, cell)
            elif index in head.parameters:
                parameters[head.parameters[index]] = value_of(cell) if cell else _TAKEN
            elif name == PROTOCOLS:
                _set_awkward(protocols, cell)
            elif name == "properties":
                tree[name] = _properties_of(cell, _parameters(device))
            else:
                _set_field(tree, name, cell)
        except ValueError as error:
            raise WrongCell(name, str(error)) from None
    tree[PROTOCOLS] = {name: own for name, own in protocols.items() if own is not None}
    if parameters and isinstance(tree.setdefault("properties", {}), dict):
        tree["properties"] = _with_parameters(tree["properties"], parameters)
    return tree


_TAKEN = object()
"""Of a parameter whose cell is empty."""


def _properties_of(cell: str, parameters: Mapping[str, Any]) -> Any:
    """Parameters have columns of their own: this one leaves them alone unless it says something about them."""
    found = value_of(cell) if cell else {}
    if parameters and isinstance(found, dict) and PARAMETERS not in found:
        return {**found, PARAMETERS: parameters}
    return found


def _with_parameters(properties: Mapping[str, Any], cells: Mapping[str, Any]) -> dict[str, Any]:
    given = properties.get(PARAMETERS)
    before = given if isinstance(given, Mapping) else {}
    found = dict(before)
    for name, value in cells.items():
        if value is not _TAKEN:
            found[name] = value
        elif not isinstance(found.get(name), dict | list):  # such a value has no cell that could be empty
            found.pop(name, None)
    if found == before:
        return dict(properties)
    return {key: value for key, value in {**properties, PARAMETERS: found}.items() if key != PARAMETERS or found}


def _set_property(protocols: dict[str, Any], key: tuple[str, str], cell: str) -> None:
    protocol, name = key
    if not name:
        if cell and json_value(cell) != {}:
            raise ValueError("holds {} or nothing; properties have columns of their own")
        if cell:
            protocols.setdefault(protocol, {})
        elif not protocols.get(protocol):
            protocols.pop(protocol, None)
        return
    if cell:
        protocols.setdefault(protocol, {})[name] = value_of(cell)
    elif name in protocols.get(protocol, {}):
        del protocols[protocol][name]
        if not protocols[protocol]:
            del protocols[protocol]


def _set_awkward(protocols: dict[str, Any], cell: str) -> None:
    for name in [name for name, own in protocols.items() if _awkward(name, own)]:
        del protocols[name]
    found = json_value(cell) if cell else {}
    if not isinstance(found, dict) or not all(isinstance(own, dict) for own in found.values()):
        raise ValueError('expected JSON such as {"opc.ua": {"Endpoint": "…"}}')
    protocols.update(found)


def _set_field(tree: dict[str, Any], name: str, cell: str) -> None:
    if name == EVENTS:
        tree[name] = events_of(cell)
    elif name == "labels":
        tree[name] = _labels_of(cell)
    elif name in FREE and cell:
        tree[name] = value_of(cell)
    elif cell:
        tree[name] = cell.upper() if name in _STATES else _text_of(cell)
    elif name != "name":
        tree.pop(name, None)


def _labels_of(cell: str) -> list[str]:
    if not cell.startswith("["):
        return [label.strip() for label in cell.split(";") if label.strip()]
    found = json_value(cell)
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise ValueError('expected labels such as: hall 1; meter, or JSON such as ["a"]')
    return found
