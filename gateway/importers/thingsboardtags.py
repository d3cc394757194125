"""One tag of ThingsBoard Gateway's modbus.json → a value."""

from collections.abc import Mapping
from typing import Any

from gateway.importers.draft import Value, shown
from gateway.model.scalar import literal_text

OF_TAG = (
    "tag", "type", "functionCode", "objectsCount", "registersCount", "registerCount", "address", "bit",
    "bitTargetType", "byteOrder", "wordOrder", "multiplier", "divider", "offset", "value", "round",
)  # fmt: skip
TABLES = {
    1: "COILS", 2: "DISCRETE_INPUTS", 3: "HOLDING_REGISTERS", 4: "INPUT_REGISTERS", 5: "COILS", 15: "COILS",
    6: "HOLDING_REGISTERS", 16: "HOLDING_REGISTERS",
}  # fmt: skip
KINDS = {
    "8int": "Int8", "8uint": "Uint8", "16int": "Int16", "16uint": "Uint16", "32int": "Int32", "32uint": "Uint32",
    "64int": "Int64", "64uint": "Uint64", "32float": "Float32", "64float": "Float64",
}  # fmt: skip
BY_COUNT = {"int": "int", "integer": "int", "long": "int", "uint": "uint", "float": "float", "double": "float"}
ORDERS = {(False, False): "ABCD", (False, True): "CDAB", (True, False): "BADC", (True, True): "DCBA"}


class Unfit(Exception):
    """A tag that cannot be carried over: the key and why."""

    def __init__(self, key: str, what: str) -> None:
        self.key = key
        super().__init__(what)


def tag_value(tag: Mapping[str, Any], slave: Mapping[str, Any], section: str) -> tuple[Value, list[str]]:
    """The value and what deserves a look. Raises Unfit."""
    code = _whole(tag, "functionCode", None)
    if code not in TABLES:
        raise Unfit("functionCode", f"{code} is none of {', '.join(map(str, TABLES))}")
    name = tag.get("tag")
    if not isinstance(name, str) or not name.strip():
        raise Unfit("tag", "it has no name")
    address = tag.get("address")
    if isinstance(address, str) and not address.strip().isdigit():
        raise Unfit("address", f"{shown(address)} is a range; write one tag for each value")
    writes = code in (5, 6, 15, 16)
    if writes and section in ("attributes", "timeseries"):
        raise Unfit("functionCode", f"{code} writes, and {section} are read")
    count = next((_whole(tag, k, 1) for k in ("objectsCount", "registersCount", "registerCount") if k in tag), 1)
    value = Value(
        name,
        TABLES[code],
        int(literal_text(address)) if isinstance(address, str) else _whole(tag, "address", None),
        "Bool",
    )
    value.access = "W" if writes else "R"
    value.order = ORDERS[_little(tag, slave, "byteOrder"), _little(tag, slave, "wordOrder")]
    remarks = _bits(value, tag, count) if value.table in ("COILS", "DISCRETE_INPUTS") else _registers(value, tag, count)
    if value.kind == "Bool" and value.length is None:
        value.write_function = 5 if code == 5 else None
    elif code == 16 and (value.kind in ("Int16", "Uint16") and value.length is None):
        value.write_function = 16
    elif code == 6 and (count > 1 or value.kind.endswith(("32", "64"))):
        remarks.append("function 6 writes one register; more are written with 16 here")
    if tag.get("value") not in (None, ""):
        value.more["defaultValue"] = literal_text(tag["value"])
    return value, remarks


def _bits(value: Value, tag: Mapping[str, Any], count: int) -> list[str]:
    kind = str(tag.get("type", "bits")).lower()
    if kind not in ("bit", "bits", "bool", "boolean"):
        raise Unfit("type", f"{shown(kind)} out of coils or discrete inputs; they hold bits")
    if tag.get("bit") is not None:
        raise Unfit("bit", "a bit among coils; give the coil its own address")
    value.length = count if count > 1 else None
    return []


def _registers(value: Value, tag: Mapping[str, Any], count: int) -> list[str]:
    kind = str(tag.get("type", "")).lower()
    if kind in BY_COUNT:
        kind = f"{16 * count}{BY_COUNT[kind]}"
    remarks: list[str] = []
    if kind in ("bit", "bits"):
        remarks = _bit(value, tag, count)
    elif kind == "string":
        value.kind, value.registers, value.order = "String", count, ""
    elif kind == "bytes":
        value.kind, value.length, value.order = "Uint8", 2 * count, ""
        remarks = ["bytes are a list of numbers here, not hexadecimal text"]
    elif kind in KINDS:
        value.kind = KINDS[kind]
        if kind.startswith("8"):
            value.order = "BADC"
    else:
        raise Unfit(
            "type",
            f"{shown(tag.get('type', ''))} is not known here" + " (16-bit floats are not read)" * (kind == "16float"),
        )
    return remarks + _scale(value, tag)


def _bit(value: Value, tag: Mapping[str, Any], count: int) -> list[str]:
    if tag.get("bit") is None:
        value.kind, value.order = "Uint16", ""
        value.length = count if count > 1 else None
        return ["all bits of the register are one number here; name a bit in startingAddress to have it alone"]
    bit = _whole(tag, "bit", None)
    if count != 1:
        raise Unfit("bit", f"bit {bit} of {count} registers; give the address of the one register")
    value.start = f"{value.start}.{bit}"
    return [f"bit {bit} counts from the least significant, 0; versions of ThingsBoard Gateway differ, so check it"]


def _scale(value: Value, tag: Mapping[str, Any]) -> list[str]:
    if value.kind in ("Bool", "String"):
        return []
    divider, multiplier = _number(tag, "divider"), _number(tag, "multiplier")
    value.offset = _number(tag, "offset")
    value.scale = (multiplier or 1.0) / (divider or 1.0)
    remarks = []
    if divider and multiplier:
        remarks.append(
            "divider and multiplier both count here; newer versions of ThingsBoard Gateway take the divider only"
        )
    if "round" in tag:
        remarks.append(f"values are not rounded here (round: {literal_text(tag['round'])})")
    return remarks


def _little(tag: Mapping[str, Any], slave: Mapping[str, Any], key: str) -> bool:
    order = str(tag.get(key) or slave.get(key) or "LITTLE").upper()
    if order not in ("LITTLE", "BIG"):
        raise Unfit(key, f"{shown(order)} is neither LITTLE nor BIG")
    return order == "LITTLE"


def _whole(tag: Mapping[str, Any], key: str, default: int | None) -> int:
    value = tag.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unfit(key, "is missing" if value is None else f"{shown(value)} is no whole number of 0 or more")
    return value


def _number(tag: Mapping[str, Any], key: str) -> float:
    value = tag.get(key)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(key, f"{shown(value)} is no number")
    return float(value)
