"""How the demo looks: a live table on a terminal, one line per value elsewhere or without rich (extra `demo`)."""

import contextlib
import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from gateway.cli.demo.rows import Row


class Screen(Protocol):
    """Takes what there is to see."""

    def show(self, rows: Mapping[str, Sequence[Row]]) -> None: ...
    def say(self, text: str) -> None: ...


class Lines:
    """One line per new value."""

    def __init__(self) -> None:
        self._origins: dict[tuple[str, str], int] = {}

    def show(self, rows: Mapping[str, Sequence[Row]]) -> None:
        for row in (row for group in rows.values() for row in group):
            if row.origin and self._origins.get((row.device, row.resource)) != row.origin:
                self._origins[row.device, row.resource] = row.origin
                stamp = time.strftime("%H:%M:%S", time.gmtime(row.origin / 1e9))
                print(f"{stamp} {row.device} {row.resource} {_shown(row.value)} {row.units} {row.quality}", flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)


class Terminal:
    """A table that is drawn again in place."""

    def __init__(self, live: Any, head: Sequence[str]) -> None:
        self._live = live
        self._head = head
        self._said: list[str] = []
        self._rows: Mapping[str, Sequence[Row]] = {}

    def show(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self._rows = rows
        self._draw()

    def say(self, text: str) -> None:
        self._said = [*self._said[-2:], text]
        self._draw()

    def _draw(self) -> None:
        from rich.console import Group
        from rich.text import Text

        said = [Text(text, style="bold") for text in self._said]
        head = [Text(text, style="dim") for text in self._head]
        self._live.update(Group(*head, self._table(), *said), refresh=True)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for name, side in (
            ("device", "left"), ("resource", "left"), ("value", "right"), ("unit", "left"), ("quality", "left"),
            ("age", "right"), ("rate", "right"),
        ):  # fmt: skip
            table.add_column(name, justify=side)  # type: ignore[arg-type]
        for device, rows, more in _fitting(self._rows, self._room()):
            for index, row in enumerate(rows):
                table.add_row(device if index == 0 else "", *_cells(row))
            if more:
                table.add_row("", f"and {more} more", style="dim")
        return table

    def _room(self) -> int:
        height: int = self._live.console.height
        return max(8, height - len(self._head) - len(self._said) - 3)


def _fitting(rows: Mapping[str, Sequence[Row]], room: int) -> Iterator[tuple[str, Sequence[Row], int]]:
    """Every device with as many rows as the screen has room for."""
    left, devices = room, len(rows)
    for device, own in sorted(rows.items(), key=lambda item: len(item[1])):
        fair = max(1, left // max(1, devices) - 1)
        shown = own[:fair] if len(own) > fair + 1 else own
        yield device, shown, len(own) - len(shown)
        left -= len(shown) + (len(own) > len(shown))
        devices -= 1


def _cells(row: Row) -> list[str]:
    colour = {"good": "green", "uncertain": "yellow"}.get(row.quality.split(" ")[0], "red")
    return [
        row.resource,
        _shown(row.value),
        row.units,
        f"[{colour}]{row.quality}[/]",
        "-" if row.age_s is None else f"{row.age_s:.1f} s",
        "-" if row.rate is None else f"{row.rate:.1f}/s",
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.7g}" if isinstance(value, float) else "-" if value is None else str(value)


@contextlib.contextmanager
def screen(terminal: bool, head: Sequence[str]) -> Iterator[Screen]:
    """The one that fits; the terminal is as it was when the block ends."""
    if not terminal or importlib.util.find_spec("rich") is None:
        for line in head:
            print(line, flush=True)
        yield Lines()
        return
    from rich.live import Live

    with Live(auto_refresh=False, vertical_overflow="crop") as live:
        yield Terminal(live, head)
