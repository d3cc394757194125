"""Tags exported from KEPServerEX (Modbus drivers) as CSV.

Addresses and types as Kepware's manual of the Modbus drivers has them: the first digit is the table (0 output coils,
1 input coils, 3 internal registers, 4 holding registers), the rest the item, from 1; 41, 40001 and 400001 are the
same. `.n` is a bit from 0, `.nH` and `.nL` a text of n bytes, `[n]` and `[r][c]` an array, `W` before it write-only.
"""

import re
from collections.abc import Sequence
from pathlib import PurePath

from gateway.importers.draft import Draft, Value, milliseconds
from gateway.importers.numbers import NotANumber, number
from gateway.importers.report import Imported, Report
from gateway.importers.units import ask_for_address, finish
from gateway.importers.wishes import Wishes
from gateway.model.csvtext import Row, Sheet, place, sheet
from gateway.model.errors import Problem

COLUMNS = (
    "tag name", "address", "data type", "respect data type", "client access", "scan rate", "scaling", "raw low",
    "raw high", "scaled low", "scaled high", "scaled data type", "clamp low", "clamp high", "eng units", "description",
    "negate value",
)  # fmt: skip
OTHER = {"engineering units": "eng units", "name": "tag name"}
NEEDED = ("tag name", "address")
UNUSED = {"respect data type"}
ADDRESS = re.compile(
    r"(?P<w>W)?(?P<table>[0134])(?P<item>\d{1,5})"
    r"(?:\.(?P<bit>\d{1,3})(?P<text>[HL])?|(?P<array>(?:\s*\[\d+\]){1,2})|#(?P<packed>\d+))?",
    re.IGNORECASE,
)
TABLES = {"0": "COILS", "1": "DISCRETE_INPUTS", "3": "INPUT_REGISTERS", "4": "HOLDING_REGISTERS"}
BASES = {("1", 4): 10001, ("1", 5): 100001, ("3", 4): 30001, ("3", 5): 300001, ("4", 4): 40001, ("4", 5): 400001}
"""By table and digits of the item: people find their own number again in the profile."""
KINDS = {
    "boolean": "Bool", "char": "Int8", "byte": "Uint8", "short": "Int16", "word": "Uint16", "long": "Int32",
    "dword": "Uint32", "llong": "Int64", "qword": "Uint64", "float": "Float32", "double": "Float64",
    "string": "String", "bcd": "Uint16", "lbcd": "Uint32",
}  # fmt: skip
ACCESS = {
    "r/w": "RW", "rw": "RW", "read/write": "RW", "ro": "R", "r/o": "R", "r": "R", "read only": "R", "wo": "W",
    "w/o": "W", "w": "W", "write only": "W", "": "RW",
}  # fmt: skip
YES = {"1", "yes", "true", "y", "-1"}


class Unfit(Exception):
    """A tag that cannot be carried over: the column and why."""

    def __init__(self, column: str, what: str) -> None:
        self.column = column
        super().__init__(what)


def read(raw: bytes, file: str, wishes: Wishes) -> Imported:
    """Raises ConfigError."""
    found = sheet(raw, file, _fits, "an export of KEPServerEX begins with Tag Name,Address,Data Type,…")
    imported = Imported(Report(file))
    report = imported.report
    report.take(found.notes)
    order = wishes.byte_order or "CDAB"
    draft = Draft(wishes.profile or wishes.device or PurePath(file).stem, report)
    columns = {_heading(text): index for index, text in reversed(list(enumerate(found.head))) if _heading(text)}
    for index, text in enumerate(found.head):
        if text and not _heading(text):
            report.left(place(found.row, text), "this column is not known; its cells were left out", found.line)
        elif text and columns[_heading(text)] != index:
            report.left(place(found.row, text), "this column stands twice; the first one counts", found.line)
    long = False
    for row in found.rows():
        if isinstance(row, Problem):
            report.take([row])
            continue
        cells = {name: row.cells[at].strip() if at < len(row.cells) else "" for name, at in columns.items()}
        long |= _tag(draft, found, row, cells, order)
    if long and not wishes.byte_order:
        what = "the export does not say the word order; taken: CDAB, Kepware's default (first word low). --byte-order"
        report.note("", f"{what} ABCD where the device has “First word low” switched off")
    if not wishes.address:
        ask_for_address(report)
    finish(imported, draft, wishes.device, wishes.protocols())
    return imported


def _heading(text: str) -> str:
    plain = " ".join(text.lower().replace("_", " ").split())
    plain = OTHER.get(plain, plain)
    return plain if plain in COLUMNS else ""


def _fits(cells: Sequence[str]) -> int:
    names = {_heading(cell) for cell in cells} - {""}
    return len(names) if names.issuperset(NEEDED) else 0


def _tag(draft: Draft, found: Sheet, row: Row, cells: dict[str, str], order: str) -> bool:
    """One row into the draft. Whether its word order matters."""
    report = draft.report
    if draft.is_full(place(row.number), row.line):
        return False
    try:
        value = _value(cells, order)
        interval = _interval(cells.get("scan rate", ""))
    except Unfit as unfit:
        name = cells["tag name"] or "a tag without a name"
        report.left(place(row.number, unfit.column), f"{name}: {unfit}", row.line)
        return False
    for column in ("clamp low", "clamp high"):
        if cells.get("scaling") and cells.get(column, "").lower() in YES:
            what = f"{value.name}: values are not clamped here; the tag itself was carried over"
            report.left(place(row.number, column), what, row.line)
    extra = [cell for cell in row.cells[len(found.head) :] if cell.strip()]
    if extra:
        what = f"{len(extra)} cells beyond the last heading were left out; is a comma missing its quotes?"
        report.left(place(row.number), what, row.line)
    added = draft.add(value, place(row.number), row.line, interval if "R" in value.access else "")
    return bool(added) and value.kind in ("Int32", "Uint32", "Int64", "Uint64", "Float32", "Float64")


def _value(cells: dict[str, str], order: str) -> Value:
    kind_text = cells.get("data type", "").lower()
    address = ADDRESS.fullmatch(cells["address"].replace(" ", ""))
    if address is None:
        raise Unfit("Address", f"{cells['address']!r} is no address of a Modbus driver, such as 400001 or 40001.5")
    table, item = address["table"], address["item"]
    if address["packed"]:
        raise Unfit("Address", "packed coils (#) are not read as one number here; make it tags of one coil each")
    base = BASES.get((table, len(item)), 1)
    value = Value(
        name=cells["tag name"],
        table=TABLES[table],
        start=int(item) + base - 1,
        kind=_kind(kind_text, table, address["bit"], address["text"]),
        access=_access(cells.get("client access", ""), table, bool(address["w"])),
        base=base,
        order=order,
        raw="BCD" if "bcd" in kind_text else "",
        description=cells.get("description", ""),
    )
    if cells.get("eng units"):
        value.more["units"] = cells["eng units"]
    _place(value, address, kind_text)
    _scale(value, cells)
    return value


def _kind(text: str, table: str, bit: str | None, letter: str | None) -> str:
    plain = text.removesuffix("array").strip()
    if plain in ("", "default"):
        return "String" if letter else "Bool" if table in "01" or bit is not None else "Uint16"
    if plain not in KINDS:
        raise Unfit("Data Type", f"{text!r} has no counterpart; known are {', '.join(KINDS)}")
    return KINDS[plain]


def _access(text: str, table: str, write_only: bool) -> str:
    found = ACCESS.get(" ".join(text.lower().split()))
    if found is None:
        raise Unfit("Client Access", f"{text!r} is none of R/W, RO, WO")
    return "W" if write_only else "R" if table in "13" else found


def _place(value: Value, address: re.Match[str], kind: str) -> None:
    bit, letter = address["bit"], address["text"]
    if letter or value.kind == "String":
        if not letter or value.kind != "String":
            raise Unfit("Address", "a String has its length in the address, such as 400001.20H, and no other type has")
        value.registers = -(-int(bit) // 2)
        value.order = "BADC" if letter.upper() == "L" else ""
    elif bit is not None:
        if value.kind != "Bool":
            raise Unfit("Address", f"bit {bit} of a register is a Boolean, not {kind}")
        if int(bit) > 15:
            raise Unfit(
                "Address", f"there is no bit {bit}; were they counted from 1 (“Zero-based bit addressing” off)?"
            )
        value.start = f"{value.start}.{bit}"
    elif value.kind == "Bool" and address["table"] in "34":
        raise Unfit("Address", "a Boolean in a register names its bit, such as 400001.3")
    if address["array"]:
        sizes = [int(size) for size in re.findall(r"\d+", address["array"])]
        value.length = sizes[0] * (sizes[1] if len(sizes) > 1 else 1)
    elif kind.endswith("array"):
        raise Unfit("Address", "an array has its length in the address, such as 400001[10]")


def _scale(value: Value, cells: dict[str, str]) -> None:
    scaling = cells.get("scaling", "").lower()
    if scaling in ("", "none", "0"):
        return
    if scaling != "linear":
        raise Unfit("Scaling", f"{cells['scaling']!r} cannot be done here, and unscaled the values would be wrong")
    low, high, to_low, to_high = (_number(cells, c) for c in ("raw low", "raw high", "scaled low", "scaled high"))
    if high == low:
        raise Unfit("Raw High", "is equal to Raw Low, so nothing can be scaled by it")
    sign = -1.0 if cells.get("negate value", "").lower() in YES else 1.0
    value.scale = sign * float(f"{(to_high - to_low) / (high - low):.15g}")
    value.offset = float(f"{sign * to_low - low * value.scale:.12g}") + 0.0


def _number(cells: dict[str, str], column: str) -> float:
    try:
        return number(cells.get(column, ""))
    except NotANumber as error:
        raise Unfit(column.title(), str(error)) from None


def _interval(text: str) -> str:
    if not text:
        return "1s"
    try:
        rate = number(text)
    except NotANumber as error:
        raise Unfit("Scan Rate", str(error)) from None
    return milliseconds(max(1.0, rate))
