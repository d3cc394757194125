"""One field of Telegraf's Modbus input → a value."""

from collections.abc import Mapping
from typing import Any

from gateway.importers.draft import Value, shown

ORDERS = {
    "": "ABCD", "AB": "ABCD", "ABCD": "ABCD", "ABCDEFGH": "ABCD", "MSW-BE": "ABCD", "MSW": "ABCD",
    "BADC": "BADC", "BADCFEHG": "BADC", "MSW-LE": "BADC",
    "CDAB": "CDAB", "GHEFCDAB": "CDAB", "LSW-BE": "CDAB", "LSW": "CDAB",
    "BA": "DCBA", "DCBA": "DCBA", "HGFEDCBA": "DCBA", "LSW-LE": "DCBA",
}  # fmt: skip
KINDS = {
    "INT16": "Int16", "UINT16": "Uint16", "INT32": "Int32", "UINT32": "Uint32", "INT64": "Int64", "UINT64": "Uint64",
    "FLOAT32": "Float32", "FLOAT64": "Float64", "FLOAT32-IEEE": "Float32", "FLOAT64-IEEE": "Float64",
    "INT8L": "Int8", "INT8H": "Int8", "UINT8L": "Uint8", "UINT8H": "Uint8",
}  # fmt: skip
FIXED = {"FIXED": "Int", "UFIXED": "Uint", "FLOAT32": "Uint"}
WIDTHS = {"Int8": 1, "Uint8": 1}
CUT = "Telegraf cuts the decimals off, here they are kept"


class Unfit(Exception):
    """A field that cannot be carried over, and why."""


def register_value(field: Mapping[str, Any], table: str, around: Mapping[str, Any]) -> tuple[Value, list[str]]:
    """Of `holding_registers` and its like. Raises Unfit."""
    del around
    addresses = field["address"]
    numbers = [one for one in addresses if isinstance(one, int) and not isinstance(one, bool)]
    if not numbers or len(numbers) != len(addresses) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Unfit(f"address {shown(str(addresses))} is no row of addresses one after another")
    value = Value(_name(field), table, numbers[0], "Bool")
    if _bits(table):
        if len(numbers) != 1:
            raise Unfit("a coil or discrete input has one address")
        return value, []
    kind = field.get("data_type")
    if kind in FIXED:
        value.kind = f"{FIXED[kind]}{16 * len(numbers)}"
    elif isinstance(kind, str) and kind in KINDS:
        value.kind = KINDS[kind]
    else:
        raise Unfit(_no_type(kind))
    registers = max(1, int(value.kind.lstrip("UuIintFloa") or 16) // 16)
    if registers != len(numbers):
        raise Unfit(f"{kind} takes {registers} registers, its address has {len(numbers)}")
    value.order = _order(field.get("byte_order", ""), str(kind))
    value.scale = _scale(field)
    return value, [CUT] if str(kind).lstrip("U").startswith("INT") and value.scale % 1 else []


def request_value(field: Mapping[str, Any], table: str, around: Mapping[str, Any]) -> tuple[Value, list[str]]:
    """Of `[[inputs.modbus.request]]` and `[[inputs.modbus.metric]]`. Raises Unfit."""
    address = field.get("address")
    if not isinstance(address, int) or isinstance(address, bool):
        raise Unfit(f"address {shown(address)} is no whole number")
    value = Value(_name(field), table, address, "Bool")
    if _bits(table):
        return value, []
    kind = field.get("type")
    value.order = _order(around.get("byte_order", ""), str(kind))
    if kind == "STRING":
        value.kind, value.registers = "String", _whole(field, "length")
        return value, []
    if kind == "BIT":
        swapped = value.order in ("BADC", "DCBA")
        bit = _whole(field, "bit")
        value.start = f"{address}.{bit ^ 8 if swapped else bit}"
        return value, []
    if not isinstance(kind, str) or kind not in KINDS:
        raise Unfit(_no_type(kind))
    value.kind = KINDS[kind]
    value.scale = _scale(field)
    cut = str(field.get("output", "")).endswith("INT64") and (value.scale % 1 or value.kind.startswith("Float"))
    return value, [CUT] if cut else []


def _name(field: Mapping[str, Any]) -> str:
    name = field.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Unfit("it has no name")
    return name


def _bits(table: str) -> bool:
    if table not in ("COILS", "DISCRETE_INPUTS", "INPUT_REGISTERS", "HOLDING_REGISTERS"):
        raise Unfit(f"register {table} is none of coil, discrete, holding, input")
    return table in ("COILS", "DISCRETE_INPUTS")


def _order(given: Any, kind: str) -> str:
    if given not in ORDERS:
        raise Unfit(f"byte order {shown(given)} is not known")
    order = ORDERS[given]
    if kind.endswith("8H"):  # the high byte, which a swap makes the low one
        return "ABCD" if order in ("BADC", "DCBA") else "BADC"
    return order


def _no_type(kind: Any) -> str:
    if isinstance(kind, str) and kind.startswith("FLOAT16"):
        return "floats of 16 bits are not read here"
    return f"type {shown(kind)} is not known"


def _scale(field: Mapping[str, Any]) -> float:
    scale = field.get("scale", 0)
    if isinstance(scale, bool) or not isinstance(scale, int | float):
        raise Unfit(f"scale {shown(scale)} is no number")
    return float(scale) or 1.0


def _whole(field: Mapping[str, Any], key: str) -> int:
    value = field.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unfit(f"{key} {shown(value)} is no whole number")
    return value
