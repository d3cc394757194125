"""modbus.json of ThingsBoard Gateway: `master.slaves`, or `server.devices` of its older versions.

Orders as its converter has them (bytes_modbus_uplink_converter.py): byteOrder LITTLE swaps the bytes of each register,
wordOrder LITTLE reverses the registers, and LITTLE is what counts where nothing is said; text and 8-bit values do not
follow them, and an 8-bit value is the high byte of its register.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.importers.draft import Draft, milliseconds, shown, unknown_keys
from gateway.importers.report import Imported, Report
from gateway.importers.thingsboardtags import OF_TAG, Unfit, tag_value
from gateway.importers.units import finish
from gateway.importers.wishes import Wishes
from gateway.model import jsontext
from gateway.model.document import Document
from gateway.model.errors import ConfigError, Problem
from gateway.model.scalar import literal_text

SECTIONS = ("attributes", "timeseries", "attributeUpdates", "rpc")
OF_SLAVE = (
    "host", "port", "type", "method", "timeout", "byteOrder", "wordOrder", "pollPeriod", "unitId", "deviceName",
    "deviceType", "sendDataOnlyOnChange", "baudrate", "bytesize", "stopbits", "parity", "reportStrategy", "name",
    "timeseriesPollPeriod", "attributesPollPeriod", *SECTIONS,
)  # fmt: skip
ITSELF = (
    "retries", "retryOnEmpty", "retryOnInvalid", "connectAttemptTimeMs", "connectAttemptCount", "handleLocalEcho",
    "waitAfterFailedAttemptsMs", "delayBetweenRequests", "strict", "repack_address", "uplink_converter",
    "downlink_converter", "sendDataToThingsBoard", "rtu", "identity",
)  # fmt: skip
"""How ThingsBoard Gateway repeats and backs off; the gateway does that by itself."""


def read(raw: bytes, file: str, wishes: Wishes) -> Imported:
    """Raises ConfigError."""
    document = jsontext.read(raw, file)
    imported = Imported(Report(file))
    tree = document.value
    slaves, path = _slaves(tree)
    if not isinstance(slaves, list):
        raise ConfigError([Problem("", "this is no modbus.json: it has no list master.slaves", file, 1)])
    for key in ("slave",):
        if isinstance(tree, Mapping) and tree.get(key):
            imported.report.left(key, "ThingsBoard's own Modbus server; nothing is served here", document.line((key,)))
    for index, slave in enumerate(slaves):
        where = f"{path[0]}.{path[1]}[{index}]"
        if isinstance(slave, Mapping):
            _slave(imported, document, (*path, index), {**_common(tree), **slave}, wishes)
        else:
            imported.report.left(where, "expected an object", document.line((*path, index)))
    return imported


def _slaves(tree: Any) -> tuple[Any, tuple[str, str]]:
    for path in (("master", "slaves"), ("server", "devices")):
        inside = tree.get(path[0]) if isinstance(tree, Mapping) else None
        if isinstance(inside, Mapping):
            return inside.get(path[1]), path
    return None, ("master", "slaves")


def _common(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The old form has the connection once, beside the devices."""
    server = tree.get("server")
    return {k: v for k, v in server.items() if k not in ("devices", "name")} if isinstance(server, Mapping) else {}


def _slave(
    imported: Imported, document: Document, path: tuple[str | int, ...], slave: dict[str, Any], wishes: Wishes
) -> None:
    report = imported.report
    where, line = f"{path[0]}.{path[1]}[{path[2]}]", document.line(path)
    unknown_keys(report, slave, (*OF_SLAVE, *ITSELF), where, line)
    name = str(slave.get("deviceName") or f"ModbusDevice {literal_text(slave.get('unitId', ''))}")
    kind = str(slave.get("deviceType") or "")
    draft = Draft(
        (wishes.profile if not imported.profiles else "") or (kind if kind not in ("", "default") else name), report
    )
    draft.on_change = _on_change(report, slave, where, line)
    for key in ("byteOrder", "wordOrder"):
        if not slave.get(key):
            report.note(f"{where}.{key}", "is not given; LITTLE was taken, as ThingsBoard Gateway does", line)
    for section in SECTIONS:
        for place, at, tag in _tags(report, document, slave, path, section):
            _tag(draft, slave, (place, at, section), tag, _interval(report, slave, section, wishes))
    protocols = _protocols(report, slave, where, line)
    finish(imported, draft, (wishes.device if not imported.devices else "") or name, protocols, line)
    if not protocols:
        report.left(where, f"device {name}: cannot be reached as the file says, so it was left out", line)


def _tags(
    report: Report, document: Document, slave: Mapping[str, Any], path: tuple[str | int, ...], section: str
) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Where, at which line, and the tag; rpc is a mapping by name in old files."""
    given = slave.get(section) or []
    where = f"{path[0]}.{path[1]}[{path[2]}].{section}"
    pairs = (
        list(given.items()) if isinstance(given, Mapping) else list(enumerate(given)) if isinstance(given, list) else []
    )
    if not isinstance(given, Mapping | list):
        report.left(where, "expected a list", document.line((*path, section)))
    for key, tag in pairs:
        place = f"{where}[{key}]" if isinstance(key, int) else f"{where}.{key}"
        line = document.line((*path, section, key)) if len(pairs) < 5000 else 0
        if isinstance(tag, Mapping):
            yield place, line, tag if isinstance(key, int) else {"tag": key, **tag}
        else:
            report.left(place, "expected an object", line)


def _tag(
    draft: Draft, slave: Mapping[str, Any], place: tuple[str, int, str], tag: Mapping[str, Any], interval: str
) -> None:
    where, line, section = place
    unknown_keys(draft.report, tag, OF_TAG, where, line)
    try:
        value, remarks = tag_value(tag, slave, section)
    except Unfit as error:
        draft.report.left(f"{where}.{error.key}", f"{shown(tag.get('tag', ''))}: {error}", line)
        return
    known = draft.resources.get(value.name)
    if known is not None and "W" in value.access and _same_place(known.attributes, value.table, value.start):
        properties = known.properties.model_copy(update={"read_write": type(known.properties.read_write)("RW")})
        draft.resources[value.name] = known.model_copy(update={"properties": properties})
        draft.report.note(where, f"{value.name} is read and written at one place; it is one resource, RW", line)
        return
    polled = section in ("attributes", "timeseries")
    for remark in remarks if draft.add(value, where, line, interval if polled else "") else ():
        draft.report.note(where, f"{value.name}: {remark}", line)


def _same_place(attributes: Mapping[str, Any], table: str, start: int | str) -> bool:
    return attributes.get("primaryTable") == table and literal_text(attributes.get("startingAddress")) == str(start)


def _interval(report: Report, slave: Mapping[str, Any], section: str, wishes: Wishes) -> str:
    period = slave.get(f"{section}PollPeriod", slave.get("pollPeriod", 5000))
    if isinstance(period, bool) or not isinstance(period, int | float) or period < 1:
        report.note("pollPeriod", f"{shown(period)} is no number of milliseconds; 5s was taken")
        return wishes.interval or "5s"
    return wishes.interval or milliseconds(float(period))


def _on_change(report: Report, slave: Mapping[str, Any], where: str, line: int) -> bool:
    strategy = slave.get("reportStrategy")
    kind = strategy.get("type") if isinstance(strategy, Mapping) else None
    if kind not in (None, "ON_RECEIVED", "ON_CHANGE"):
        report.left(f"{where}.reportStrategy", f"{shown(kind)} has no counterpart; every value read is reported", line)
    return kind == "ON_CHANGE" or (kind is None and slave.get("sendDataOnlyOnChange") is True)


def _protocols(report: Report, slave: Mapping[str, Any], where: str, line: int) -> dict[str, dict[str, Any]]:
    kind, method = str(slave.get("type", "tcp")).lower(), str(slave.get("method", "")).lower()
    found: dict[str, Any] = {"UnitID": slave.get("unitId", 1)}
    timeout = slave.get("timeout")
    if isinstance(timeout, int | float) and not isinstance(timeout, bool):
        found["Timeout"] = f"{float(timeout):g}s"
    if kind == "tcp":
        found |= {"Address": slave.get("host", ""), "Port": slave.get("port", 502)}
        if method == "ascii":
            report.left(f"{where}.method", "ASCII over TCP is not spoken here", line)
            return {}
        return {"modbus-tcp": found | ({"Framing": "rtu"} if method == "rtu" else {})}
    if kind == "serial":
        found |= {"Address": slave.get("port", ""), "BaudRate": slave.get("baudrate", 19200)}
        found |= {"DataBits": slave.get("bytesize", 8), "StopBits": slave.get("stopbits", 1)}
        found["Parity"] = slave.get("parity", "N")
        return {"modbus-ascii" if method == "ascii" else "modbus-rtu": found}
    report.left(f"{where}.type", f"{shown(kind)} is not spoken here; tcp and serial are", line)
    return {}
