"""CSV as people have it: any encoding, any separator, lines above the headings, quotes that do not close.

Pure. Whatever is wrong is a problem with its row (as a spreadsheet counts), its line (as an editor counts) and its
column; one bad row never spoils the others.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.model.errors import ConfigError, Problem

MAX_BYTES = 256 * 2**20
"""Bytes of a file that are still read."""
MAX_CELL = 131_072
"""Characters of one cell; a quote that does not close would swallow the rest of the file."""
SEPARATORS = (",", ";", "\t", "|")
HEAD_WITHIN = 50
"""Rows among which the headings are looked for; above them stand titles and notes."""
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record below the headings."""

    number: int
    """1-based, as a spreadsheet counts: the headings and what stands above them included."""
    line: int
    """1-based, of the text; more than `number` where cells hold line breaks."""
    cells: Sequence[str]


@dataclass(slots=True)
class Sheet:
    """A file of which the headings were found."""

    file: str
    head: Sequence[str]
    row: int
    """Row of the headings."""
    line: int
    """Line of the headings."""
    separator: str
    text: str
    notes: list[Problem] = field(default_factory=list)
    """How it was read where that is not plain: encoding, separator."""

    def rows(self) -> Iterator[Row | Problem]:
        """Every record below the headings that is not blank; a problem where the text is no CSV."""
        for number, line, cells in _records(self.text, self.separator):
            if number <= self.row:
                continue
            if isinstance(cells, str):
                yield Problem(f"row {number}", cells, self.file, line)
            elif any(map(str.strip, cells)):
                yield Row(number, line, cells)

    def problem(self, row: Row, column: str, what: str, severity: str = "error") -> Problem:
        """Something about a cell, or about the row where `column` is empty."""
        return Problem(place(row.number, column), what, self.file, row.line, severity)


def place(row: int, column: str = "") -> str:
    """`row 12, column Address`."""
    return f"row {row}, column {column}" if column else f"row {row}"


def decode(raw: bytes, file: str) -> tuple[str, list[Problem]]:
    """The text, and a note where it is not UTF-8. Raises ConfigError for what is no text at all."""
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem("", f"{len(raw):,} bytes; at most {MAX_BYTES:,} are read", file)])
    if raw.startswith(b"PK\x03\x04"):
        raise ConfigError([Problem("", "this is a workbook (xlsx, ods), not text; save the sheet as CSV", file)])
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            try:
                return raw.decode(encoding).removeprefix(
                    "\ufeff"
                ), []  # some programs put a second mark before the first
            except UnicodeDecodeError as error:
                what = f"begins like {encoding} and is not ({error.reason} at byte {error.start}); save it as UTF-8"
                raise ConfigError([Problem("", what, file)]) from None
    if b"\0" in raw[:4096]:
        raise ConfigError([Problem("", "this is no text (it holds NUL bytes); save it as CSV in UTF-8", file)])
    try:
        return raw.decode(), []
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{raw[error.start]:02x} is not UTF-8; the file was read as Windows-1252"
        text = raw.decode("cp1252", errors="replace") if _is_cp1252(raw) else raw.decode("latin-1")
        return text, [Problem("", what, file, line, "note")]


def _is_cp1252(raw: bytes) -> bool:
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return True


def sheet(raw: bytes, file: str, fits: Callable[[Sequence[str]], int], wanted: str) -> Sheet:
    """Finds separator and headings: the row among the first that fits best. `fits`: how many of a row's cells are known
    headings, 0 when the row cannot be the headings; `wanted`: what they are, for the message. Raises ConfigError."""
    text, notes = decode(raw, file)
    best, found = 0, None
    for separator in SEPARATORS:
        for number, line, cells in _records(text, separator):
            if number > HEAD_WITHIN:
                break
            score = 0 if isinstance(cells, str) else fits(cells)
            if score > best:
                best, found = score, Sheet(file, [c.strip() for c in cells], number, line, separator, text, notes)
    if found is None:
        first = next((cells for _, _, cells in _records(text, ",") if not isinstance(cells, str) and any(cells)), None)
        seen = f"; the first row is {', '.join(first)[:120]!r}" if first else "; the file is empty"
        raise ConfigError([Problem("row 1", f"no headings found: {wanted}{seen}", file, 1)])
    if found.separator != ",":
        notes.append(Problem("", f"cells are separated by {_NAMES[found.separator]}", file, found.line, "note"))
    return found


def _records(text: str, separator: str) -> Iterator[tuple[int, int, Sequence[str] | str]]:
    """Row, line and cells of every record; instead of the cells what is wrong, and then the next line goes on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = before = 0
    while True:
        number, line = number + 1, before + 1
        try:
            cells: Sequence[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = _said(str(error))
        before = reader.line_num
        yield number, line, cells


def _said(error: str) -> str:
    if "unexpected end of data" in error or "field larger" in error:
        return 'a quote is opened here and not closed; close it, or write "" for a quote inside quotes'
    if "expected after" in error:
        return 'text stands behind a closing quote; write "" for a quote inside quotes'
    return f"this is no CSV: {error}"
