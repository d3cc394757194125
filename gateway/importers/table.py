"""A vendor's register table as CSV, as it comes out of a manual: columns found by their headings.

What it cannot say and what must not be guessed is asked for: what the addresses count from (`--address-base`), and the
table of registers where neither a column nor the address names it (`--table`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from gateway.importers import cells
from gateway.importers.columns import SPELLINGS, Fits, fits, plain, unused
from gateway.importers.draft import Draft, Value
from gateway.importers.numbers import NotANumber, number
from gateway.importers.report import Imported, Report
from gateway.importers.types import Kind, UnknownType, byte_order, count_of, kind
from gateway.importers.units import ask_for_address, finish
from gateway.importers.wishes import Wishes
from gateway.model.csvtext import Row, Sheet, place, sheet
from gateway.model.errors import ConfigError, Problem
from mappers.modbus.address import BASES

EMPTY = ("reserved", "reserve", "unused", "not used", "pad", "spare", "dummy", "reserviert", "res")
BITS = ("COILS", "DISCRETE_INPUTS")


class Unfit(Exception):
    """A row that cannot be carried over: our name of the column, and why."""

    def __init__(self, column: str, what: str) -> None:
        self.column = column
        super().__init__(what)


@dataclass(slots=True)
class Reader:
    """What holds for all rows."""

    found: Sheet
    columns: Mapping[str, list[int]]
    wishes: Wishes
    draft: Draft
    hexadecimal: bool
    titles: int = 0
    ordered: bool = False
    """A value of more than one register was met whose order nobody gave."""

    def cell(self, row: Row, name: str) -> str:
        """Of the first such column; empty where there is none."""
        at = self.columns.get(name, ())
        text = row.cells[at[0]].strip() if at and at[0] < len(row.cells) else ""
        return "" if cells.is_nothing(text) else text

    def heading(self, name: str) -> str:
        return self.found.head[self.columns[name][0]] if name in self.columns else ""


def read(raw: bytes, file: str, wishes: Wishes) -> Imported:
    """Raises ConfigError: no table, or something that has to be asked for."""
    which: Fits = fits(wishes.columns)
    wanted = (
        f"a row with a column of addresses and one of names or types (--column name=heading, of {', '.join(SPELLINGS)})"
    )
    found = sheet(raw, file, which, wanted)
    imported = Imported(Report(file))
    imported.report.take(found.notes)
    columns = which.columns(found.head)
    _ask(found, columns, wishes)
    hexadecimal = "hex" in found.head[columns["address"][0]].lower()
    name = wishes.profile or wishes.device or PurePath(file).stem
    reader = Reader(found, columns, wishes, Draft(name, imported.report), hexadecimal)
    _unused(reader)
    for row in found.rows():
        if isinstance(row, Problem):
            imported.report.take([row])
        elif [cell.strip() for cell in row.cells] != list(
            found.head
        ):  # a heading again, on the next page of the manual
            _row(reader, row)
    _remarks(reader)
    finish(imported, reader.draft, wishes.device, wishes.protocols())
    return imported


def _ask(found: Sheet, columns: Mapping[str, list[int]], wishes: Wishes) -> None:
    base = wishes.address_base
    if not base:
        what = (
            "what do the addresses count from? --address-base 0: as on the wire; 1: the first register is 1; modicon: "
            "40001 is the first holding register, 30001 the first input register"
        )
        raise ConfigError([Problem(place(found.row, found.head[columns["address"][0]]), what, found.file, found.line)])
    if base != "modicon" and not (base.isdigit() and int(base) in BASES):
        raise ConfigError(f"--address-base {base}: there are modicon, {', '.join(map(str, BASES))}")
    if base != "modicon" and "table" not in columns and not wishes.table and BASES[int(base)] is None:
        what = "which registers are these? No column says so: --table holding, input, coil or discrete"
        raise ConfigError([Problem(place(found.row), what, found.file, found.line)])


def _unused(reader: Reader) -> None:
    """A column without a place is left out if it says anything."""
    head, said = reader.found.head, {}
    for index in unused(head, reader.columns):
        said[index] = 0
    again = {i for i in said if plain(head[i]).split(" ")[0] in ("no", "nr", "index", "id", "lfd", "page", "#", "")}
    for row in reader.found.rows():
        for index in said if not isinstance(row, Problem) else ():
            said[index] += not isinstance(row, Problem) and index < len(row.cells) and bool(row.cells[index].strip())
    for index, count in said.items():
        if count:
            what = (
                f"this column is not known; its {count} cells were left out (--column name=heading gives it a meaning)"
            )
            add = (
                reader.draft.report.note if index in again or "addr" in plain(head[index]) else reader.draft.report.left
            )
            add(place(reader.found.row, head[index]), what, reader.found.line)


def _row(reader: Reader, row: Row) -> None:
    report = reader.draft.report
    if reader.draft.is_full(place(row.number), row.line):
        return
    name = reader.cell(row, "name") or reader.cell(row, "description").split("\n")[0][:60].strip()
    address = reader.cell(row, "address")
    if sum(bool(cell.strip()) for cell in row.cells) <= 1 and not any(c.isdigit() for c in address):
        reader.titles += 1
        return
    if not address:
        report.left(place(row.number, reader.heading("address")), f"{name or 'a row'}: it has no address", row.line)
        return
    if name.lower().strip("()[]. ") in EMPTY:
        report.note(place(row.number), f"{name}: holds nothing, so it was passed over", row.line)
        return
    try:
        value = _value(reader, row, name)
    except Unfit as error:
        where = place(row.number, reader.heading(error.column))
        report.left(where, f"{name or 'a value without a name'}: {error}", row.line)
        return
    reader.draft.add(value, place(row.number), row.line, reader.wishes.every())


def _value(reader: Reader, row: Row, name: str) -> Value:
    type_text, bit_text = reader.cell(row, "type"), reader.cell(row, "bit")
    bits = type_text.lower() in ("bit", "bool", "boolean", "flag", "digital", "binary", "b") or bool(bit_text)
    try:
        at = cells.address(reader.cell(row, "address"), reader.wishes.address_base, reader.hexadecimal, bits)
        at_bit = int(number(bit_text)) if bit_text else at.bit
        count = count_of(reader.cell(row, "count"))
    except cells.Unfit as error:
        raise Unfit("address", str(error)) from None
    except NotANumber as error:
        raise Unfit("bit" if bit_text else "count", str(error)) from None
    if at.count is not None and count is not None and at.count != count:
        raise Unfit("count", f"the address spans {at.count} registers, the table says {count}")
    table, rights, writes = _table(reader, row, at)
    what = _kind(reader, row, table, count or at.count)
    value = Value(
        name or f"{table.split('_')[0].title()}-{reader.cell(row, 'address')}",
        table,
        at.number if at_bit is None else f"{at.number}.{at_bit}",
        "Bool" if at_bit is not None else what.name,
        base=at.base,
        order=what.order or reader.wishes.byte_order,
        raw=what.raw if at_bit is None else "",
        length=what.length if at_bit is None else None,
        registers=what.registers if at_bit is None else None,
        description=_description(reader, row, name),
    )
    reader.ordered |= value.kind.endswith(("32", "64")) and not value.order
    _rights(reader, row, value, (rights, writes))
    _scale(reader, row, value)
    _limits(reader, row, value)
    return value


def _table(reader: Reader, row: Row, at: cells.Place) -> tuple[str, str, list[int]]:
    text = reader.cell(row, "table")
    said: tuple[str, str, list[int]] = ("", "", [])
    base_table = None if reader.wishes.address_base == "modicon" else BASES[int(reader.wishes.address_base)]
    by_base = {t.text: t.name for t in [base_table] if t}
    try:
        if text:
            said = cells.table(text)
        wished = cells.table(reader.wishes.table)[0] if reader.wishes.table else ""
    except cells.Unfit as error:
        raise Unfit("table", str(error)) from None
    found = at.table or said[0] or wished or next(iter(by_base.values()), "")
    if not found:
        raise Unfit("table", "the cell is empty, and no --table says which registers these are")
    if at.table and said[0] and at.table != said[0]:
        raise Unfit("table", f"the address is one of {at.table}, the table says {text!r}")
    return found, said[1], said[2]


def _kind(reader: Reader, row: Row, table: str, count: int | None) -> Kind:
    text = reader.cell(row, "type")
    if table in BITS and (not text or text.lower() in ("bit", "bool", "boolean", "coil", "binary", "digital")):
        return Kind("Bool", length=count if count is not None and count > 1 else None)
    if not text:
        if "type" in reader.columns or (count or 1) > 1:
            raise Unfit("type", "there is no type")
        return Kind("Uint16")
    try:
        order = byte_order(reader.cell(row, "order"))
    except UnknownType as error:
        raise Unfit("order", str(error)) from None
    try:
        found = kind(text, count, order)
        length = reader.cell(row, "array")
        if length and int(number(length)) > 1:
            return Kind(found.name, found.order, found.raw, found.registers, int(number(length)))
        return found
    except (UnknownType, NotANumber) as error:
        raise Unfit("type", str(error)) from None


def _description(reader: Reader, row: Row, name: str) -> str:
    parts = [row.cells[i].strip() for i in reader.columns.get("description", ()) if i < len(row.cells)]
    return "; ".join(part for part in dict.fromkeys(parts) if part and part != name and not cells.is_nothing(part))


def _rights(reader: Reader, row: Row, value: Value, by_code: tuple[str, list[int]]) -> None:
    text, (rights, writes) = reader.cell(row, "access"), by_code
    found = cells.access(text) if text else rights or "R"
    report, where = reader.draft.report, place(row.number, reader.heading("access"))
    if not found:
        report.note(
            where, f"{value.name}: {text!r} is not known; taken as read only (R, R/W and W are known)", row.line
        )
    value.access = found or "R"
    if "W" in value.access and value.table in ("INPUT_REGISTERS", "DISCRETE_INPUTS"):
        report.left(where, f"{value.name} cannot be written: {value.table} are read only; it was made R", row.line)
        value.access = "R"
    single = value.kind in ("Int16", "Uint16", "Bool") and value.length is None
    if (
        "W" in value.access
        and single
        and len(set(writes)) == 1
        and writes[0] in (5, 16)
        and "." not in str(value.start)
    ):
        value.write_function = writes[0]


def _scale(reader: Reader, row: Row, value: Value) -> None:
    units = reader.cell(row, "units")
    for column, inverse in (("scale", False), ("divisor", True)):
        text = reader.cell(row, column)
        if not text:
            continue
        try:
            found, unit = cells.factor(text)
        except (NotANumber, cells.Unfit) as error:
            raise Unfit(column, str(error)) from None
        units = units or unit
        value.scale *= 1 / found if inverse else found
    text = reader.cell(row, "offset")
    if text:
        try:
            value.offset = number(text)
        except NotANumber as error:
            raise Unfit("offset", str(error)) from None
    value.scale = float(f"{value.scale:.15g}")
    if value.kind in ("Bool", "String") and value.scaled:
        raise Unfit("scale", f"a {value.kind} cannot be scaled")
    if units:
        value.more["units"] = units
    if reader.cell(row, "default"):
        value.more["defaultValue"] = reader.cell(row, "default")


def _limits(reader: Reader, row: Row, value: Value) -> None:
    """What is no number is left out; the value itself stays."""
    span = reader.cell(row, "range")
    if value.kind in ("Bool", "String"):
        return
    if span:
        found = cells.limits(span)
        if found:
            value.more["minimum"], value.more["maximum"] = found
        else:
            value.description = "; ".join(filter(None, (value.description, span)))
    for name in ("minimum", "maximum"):
        text = reader.cell(row, name)
        try:
            if text:
                value.more[name] = number(text)
        except NotANumber as error:
            reader.draft.report.left(place(row.number, reader.heading(name)), f"{value.name}: {error}", row.line)


def _remarks(reader: Reader) -> None:
    report = reader.draft.report
    if reader.ordered:
        what = (
            "no byte order is given, ABCD was taken for values of several registers; southgate decode finds the right"
        )
        report.note("", f"{what} one, --byte-order sets it")
    if reader.titles:
        report.note("", f"{reader.titles} rows with one cell and no address were taken for titles")
    if "access" not in reader.columns and "table" not in reader.columns:
        report.note("", "no column says what may be written; everything is read only")
    if not reader.wishes.address:
        ask_for_address(report)
