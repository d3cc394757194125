"""What commands print: plain text, JSON with `--json`; colour only on a terminal and never with NO_COLOR."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.model.errors import Problem

COLOURS = {"error": "\x1b[31m", "warning": "\x1b[33m", "note": "\x1b[36m", "good": "\x1b[32m", "dim": "\x1b[2m"}
WIDEST = 100
"""Characters of an object or a list in a table; with `--json` all of it is there."""


class Output:
    """Standard output for results, standard error for everything else."""

    def __init__(self, json: bool = False) -> None:
        self.json = json
        self.terminal = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, text: str = "") -> None:
        """One line of a result; nothing with `--json`."""
        if not self.json:
            print(text)

    def result(self, value: Any) -> None:
        """The result as JSON; only with `--json`."""
        if self.json:
            print(json.dumps(value, ensure_ascii=False, indent=2 if self.terminal else None, default=str))

    def error(self, text: str) -> None:
        """What went wrong and what to do, on standard error."""
        print(f"{self.paint('error', 'error:', sys.stderr.isatty())} {text}", file=sys.stderr)

    def problems(self, problems: Iterable[Problem]) -> None:
        """Every problem on a line of its own, on standard error, as `file:line: key: what`."""
        for problem in problems:
            mark = self.paint(problem.severity, f"{problem.severity}:", sys.stderr.isatty())
            place = f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: " if problem.file else ""
            where = f"{problem.where}: " if problem.where else ""
            print(f"{place}{mark} {where}{problem.what}", file=sys.stderr)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Columns as wide as their longest cell, objects and lists cut at `WIDEST`; numbers to the right."""
        cells = [[_text(cell) for cell in row] for row in rows]
        if self.json:
            return
        widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head))]
        self.line(self.paint("dim", "  ".join(h.ljust(w) for h, w in zip(head, widths, strict=True)).rstrip()))
        for row, raw in zip(cells, rows if isinstance(rows, list) else cells, strict=False):
            self.line("  ".join(_pad(c, w, r) for c, w, r in zip(row, widths, raw, strict=True)).rstrip())

    def paint(self, colour: str, text: str, terminal: bool | None = None) -> str:
        """Colours a text if there is a terminal to show it."""
        wanted = self.terminal if terminal is None else terminal and "NO_COLOR" not in os.environ
        return f"{COLOURS[colour]}{text}\x1b[0m" if wanted else text


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.6g}"
    if isinstance(cell, dict | list):
        text = json_text(cell)
        return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
    return str(cell)


def json_text(value: Any) -> str:
    """Objects and lists as they are written; a text as it is."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)


def _pad(text: str, width: int, raw: Any) -> str:
    return text.rjust(width) if isinstance(raw, int | float) and not isinstance(raw, bool) else text.ljust(width)
