"""`inputs.modbus` of telegraf.conf: the styles `register`, `request` and `metric`.

As the plugin reads them (its configuration_*.go): addresses are those on the wire, from 0; for 64 bits CDAB means the
registers in reverse and BADC the bytes of each register, as here; FIXED and UFIXED are integers of as many registers as
the address list has; FLOAT32 in the register style is UFIXED, FLOAT32-IEEE is a float.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from gateway.importers.draft import Draft, is_duration, shown, unknown_keys
from gateway.importers.report import Imported, Report
from gateway.importers.telegraffields import Unfit, register_value, request_value
from gateway.importers.units import finish
from gateway.importers.wishes import Wishes
from gateway.model.csvtext import decode
from gateway.model.errors import ConfigError, Problem

LISTS = {
    "coils": "COILS", "discrete_inputs": "DISCRETE_INPUTS", "input_registers": "INPUT_REGISTERS",
    "holding_registers": "HOLDING_REGISTERS",
}  # fmt: skip
TABLES = {"coil": "COILS", "discrete": "DISCRETE_INPUTS", "input": "INPUT_REGISTERS", "holding": "HOLDING_REGISTERS"}
CONNECTION = (
    "name", "slave_id", "timeout", "busy_retries", "busy_retries_wait", "controller", "baud_rate", "data_bits",
    "parity", "stop_bits", "transmission_mode", "configuration_type", "interval", "request", "metric", "workarounds",
    "tags", *LISTS,
)  # fmt: skip
OURS = ("debug_connection", "log_level", "optimization", "optimization_max_register_fill", "alias", "precision",
        "collection_jitter", "collection_offset", "exclude_register_type_tag")  # fmt: skip
"""What the gateway plans or does by itself, or what only says how Telegraf logs and stamps."""
PAUSES = {"pause_after_connect": "ConnectDelay", "pause_between_requests": "RequestDelay"}
Entry = tuple[str, str, Mapping[str, Any], Mapping[str, Any]]
"""Where, table, field and what stands around it."""


def read(raw: bytes, file: str, wishes: Wishes) -> Imported:
    """Raises ConfigError."""
    text, notes = decode(raw, file)
    try:
        tree = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        raise ConfigError([Problem("", f"not readable as TOML: {error}", file, int(at[1]) if at else 0)]) from None
    except RecursionError:
        raise ConfigError([Problem("", "too many levels inside one another", file)]) from None
    inputs = tree.get("inputs")
    plugins = inputs.get("modbus") if isinstance(inputs, Mapping) else None
    plugins = [plugins] if isinstance(plugins, Mapping) else plugins
    if not isinstance(plugins, list) or not all(isinstance(plugin, Mapping) for plugin in plugins):
        raise ConfigError([Problem("", "there is no [[inputs.modbus]] in it", file)])
    imported = Imported(Report(file))
    imported.report.take(notes)
    agent = tree.get("agent")
    usual = agent.get("interval", "10s") if isinstance(agent, Mapping) else "10s"
    for index, plugin in enumerate(plugins):
        _plugin(imported, plugin, f"inputs.modbus[{index}]", wishes.interval or usual, wishes)
    return imported


def _plugin(imported: Imported, plugin: Mapping[str, Any], where: str, usual: Any, wishes: Wishes) -> None:
    report = imported.report
    unknown_keys(report, plugin, (*CONNECTION, *OURS), where)
    entries = list(_entries(report, plugin, where))
    interval = _duration(report, plugin.get("interval", usual), f"{where}.interval") or "10s"
    slaves = dict.fromkeys(_slave(around) for _, _, _, around in entries)
    if not entries:
        report.left(where, "it has no fields that could be read")
    for slave in slaves:
        name = str(plugin.get("name") or f"modbus-{len(imported.devices) + 1}")
        name = f"{name}-{slave}" if len(slaves) > 1 else name
        draft = Draft((wishes.profile if len(imported.profiles) == 0 else "") or name, report)
        for place, table, field, around in entries:
            if _slave(around) == slave:
                _field(draft, (place, table, field, around), interval)
        protocols = _protocols(report, plugin, where, slave)
        finish(imported, draft, (wishes.device if not imported.devices else "") or name, protocols)
        if not protocols:
            report.left(where, f"device {name}: cannot be reached as the file says, so it was left out")


def _slave(around: Mapping[str, Any]) -> Any:
    return around.get("slave_id", 0)


def _entries(report: Report, plugin: Mapping[str, Any], where: str) -> Iterator[Entry]:
    """The fields of the style that is configured; those of the others are not read by Telegraf, either."""
    style = plugin.get("configuration_type") or "register"
    if style not in ("register", "request", "metric"):
        report.left(f"{where}.configuration_type", f"{shown(style)} is none of register, request, metric")
        return
    unread = [key for key in (*LISTS, "request", "metric") if key in plugin and (key in LISTS) != (style == "register")]
    for key in unread if style == "register" else [key for key in unread if key in LISTS]:
        report.note(f"{where}.{key}", f"is not read by Telegraf in the style {style}, so it was not carried over")
    if style == "register":
        for key, table in LISTS.items():
            for index, field in enumerate(_maps(report, plugin.get(key), f"{where}.{key}")):
                yield f"{where}.{key}[{index}]", table, field, plugin
        return
    for number, group in enumerate(_maps(report, plugin.get(style), f"{where}.{style}")):
        path = f"{where}.{style}[{number}]"
        known = ("slave_id", "byte_order", "register", "measurement", "fields", "tags", *OURS)
        unknown_keys(report, group, known, path)
        for index, field in enumerate(_maps(report, group.get("fields"), f"{path}.fields")):
            yield f"{path}.fields[{index}]", _table(field, group), field, group


def _table(field: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    name = field.get("register") or group.get("register") or "holding"
    return TABLES.get(name, shown(name)) if isinstance(name, str) else shown(name)


def _maps(report: Report, given: Any, where: str) -> Sequence[Mapping[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        report.left(where, "expected a list of tables")
        return []
    return given


def _field(draft: Draft, entry: Entry, interval: str) -> None:
    where, table, field, around = entry
    if field.get("omit") is True:
        return  # Telegraf reads it over and keeps nothing
    registers = "address" in field and isinstance(field["address"], list)
    known = (
        ("name", "address", "byte_order", "data_type", "scale", "measurement")
        if registers
        else ("name", "address", "type", "scale", "output", "measurement", "omit", "length", "bit", "register")
    )
    unknown_keys(draft.report, field, known, where)
    try:
        value, remarks = (register_value if registers else request_value)(field, table, around)
    except Unfit as error:
        draft.report.left(where, f"{shown(field.get('name', ''))}: {error}")
        return
    value.tags = _tags(field, around)
    for remark in remarks if draft.add(value, where, interval=interval) else ():
        draft.report.note(where, f"{value.name}: {remark}")


def _tags(field: Mapping[str, Any], around: Mapping[str, Any]) -> dict[str, Any]:
    tags = around.get("tags")
    found = {str(key): str(value) for key, value in tags.items()} if isinstance(tags, Mapping) else {}
    measurement = field.get("measurement") or around.get("measurement") or ""
    return found | ({"measurement": str(measurement)} if measurement not in ("", "modbus") else {})


def _duration(report: Report, given: Any, where: str) -> str:
    text = f"{given}s" if isinstance(given, int | float) and not isinstance(given, bool) else str(given)
    text = f"{text}s" if text.isdigit() else text
    if is_duration(text):
        return text
    report.left(where, f"{shown(given)} is no duration such as 10s")
    return ""


def _protocols(report: Report, plugin: Mapping[str, Any], where: str, slave: Any) -> dict[str, dict[str, Any]]:
    """How the device is reached; empty, and why, when that has no counterpart."""
    controller = str(plugin.get("controller", ""))
    mode = str(plugin.get("transmission_mode") or "auto").lower()
    found: dict[str, Any] = {"UnitID": slave, **_comforts(report, plugin, where)}
    if "ascii" in mode:
        key = f"{where}.transmission_mode"
        if mode != "ascii":
            report.left(key, "ASCII over TCP is not spoken here")
            return {}
    if controller.startswith("tcp://"):
        try:
            url = urlsplit(controller)
            found |= {"Address": url.hostname or "", "Port": url.port or 502}
        except ValueError as error:
            report.left(f"{where}.controller", f"{shown(controller)}: {error}")
            return {}
        return {"modbus-tcp": found | ({"Framing": "rtu"} if mode == "rtuovertcp" else {})}
    path = controller.removeprefix("file://")
    if not path or "://" in path:
        report.left(f"{where}.controller", f"{shown(controller)} is neither tcp://host:port nor file:///dev/…")
        return {}
    serial = {"Address": path, "BaudRate": plugin.get("baud_rate", 9600), "Parity": plugin.get("parity", "N")}
    bits = {"DataBits": plugin.get("data_bits", 8), "StopBits": plugin.get("stop_bits", 1)}
    return {"modbus-ascii" if mode == "ascii" else "modbus-rtu": found | serial | bits}


def _comforts(report: Report, plugin: Mapping[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "timeout" in plugin:
        found["Timeout"] = _duration(report, plugin["timeout"], f"{where}.timeout") or "1s"
    if plugin.get("busy_retries"):
        found["BusyRetries"] = plugin["busy_retries"]
    if plugin.get("busy_retries") and "busy_retries_wait" in plugin:
        report.left(f"{where}.busy_retries_wait", "how long is waited between repeats cannot be set here")
    tags = plugin.get("tags")
    for key in tags if isinstance(tags, Mapping) and plugin.get("configuration_type", "register") != "register" else ():
        report.left(f"{where}.tags.{key}", "tags of the whole input; put them under tags of the device")
    around = plugin.get("workarounds")
    for key, value in around.items() if isinstance(around, Mapping) else ():
        off = value in (False, "", "0s", "0ms", 0, "both")
        if key in PAUSES:
            found |= {} if off else {PAUSES[key]: _duration(report, value, f"{where}.workarounds.{key}") or "0s"}
        elif key == "close_connection_after_gather":
            found |= {} if off else {"CloseAfterCycle": True}
        elif key == "one_request_per_field" and value is True:
            found |= {"MaxGap": 0}
            report.left(f"{where}.workarounds.{key}", "values side by side are read together; MaxGap 0 was set instead")
        elif not off:
            report.left(f"{where}.workarounds.{key}", f"{shown(value)} has no counterpart here")
    return found
