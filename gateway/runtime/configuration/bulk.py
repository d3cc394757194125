"""Many devices at once as CSV: out of what is in force, and in through the registry, with a verdict for every row."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import ValidationError

from gateway.model.configuration import Configuration
from gateway.model.contracts import Clock, Registry
from gateway.model.csvcell import csv_row
from gateway.model.csvtext import Row, Sheet, place, sheet
from gateway.model.device import Device
from gateway.model.devicecsv import (
    Columns,
    WrongCell,
    columns,
    columns_of,
    heading_score,
    name_in,
    plain,
    row_of,
    tree_of,
)
from gateway.model.document import many_objects
from gateway.model.errors import ConfigError, Problem
from gateway.model.said import said
from gateway.model.template import PARAMETERS, PLACE
from gateway.runtime.configuration.registry import Change
from gateway.runtime.turns import Turns

MAX_ROWS = 200_000
"""Rows of one file; what follows is refused as a whole, without being looked at."""
ROUNDS = 8
"""How often what the registry refuses is taken out before a partial import gives up: a device may only be wrong
together with another."""
MARK = "\ufeff"
"""Spreadsheets take a file without it for something else than UTF-8."""


class Fate(StrEnum):
    """What became of a row, or would."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(slots=True)
class Verdict:
    """Of one row."""

    row: int
    line: int
    name: str
    fate: Fate
    why: str = ""
    column: str = ""


@dataclass(slots=True)
class Outcome:
    """Of a whole file."""

    applied: bool = False
    """Something was changed."""
    verdicts: list[Verdict] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """About the file, or of the registry where no row is to blame; errors mean that nothing was changed."""

    def counts(self) -> dict[str, int]:
        found = Counter(verdict.fate for verdict in self.verdicts)
        return {fate.value: found[fate] for fate in Fate}

    @property
    def refused(self) -> bool:
        """Some row was refused, or all of it."""
        return any(v.fate is Fate.REFUSED for v in self.verdicts) or any(p.severity == "error" for p in self.problems)


class Outdated(Exception):
    """Somebody else changed a device of this file meanwhile."""


async def exported(devices: Mapping[str, Device], clock: Clock) -> AsyncIterator[str]:
    """The text of the file in pieces; the loop has its turn between them."""
    turns = Turns(clock)
    given = list(devices.values())
    head = await asyncio.to_thread(columns_of, given)
    yield MARK + csv_row(list(head.names))
    for chunk in _chunks(given, 50):
        yield "".join(csv_row(row_of(device, head)) for device in chunk)
        await turns.give()


def _chunks(devices: Sequence[Device], size: int) -> Iterator[Sequence[Device]]:
    return (devices[start : start + size] for start in range(0, len(devices), size))


@dataclass(frozen=True, slots=True)
class Import:
    """One file on its way in."""

    registry: Registry
    clock: Clock
    dry_run: bool = False
    partial: bool = False
    """Rows that are in order are applied though others are not."""

    async def run(self, raw: bytes, file: str) -> Outcome:
        """Verdicts and, unless it is a dry run, the change itself. Raises ConfigError for what is no such table."""
        with many_objects():  # with plans by the hundred thousand, each look for garbage would hold the loop for long
            return await self._run(raw, file)

    async def _run(self, raw: bytes, file: str) -> Outcome:
        found = await asyncio.to_thread(sheet, raw, file, heading_score, "a row with name, profileName, …")
        try:
            head = columns(found.head)
        except WrongCell as error:
            raise ConfigError([Problem(place(found.row, error.column), str(error), file, found.line)]) from None
        for _ in range(3):
            base = self.registry.current
            outcome, wanted = await self._judged(found, head, base)
            # with a row refused nothing is applied, but all that is wrong is said at once
            only_look = self.dry_run or (outcome.refused and not self.partial)
            try:
                await self._offer(outcome, wanted, base, only_look)
            except Outdated:
                continue
            return outcome
        raise ConfigError("devices of this file are being changed by somebody else; try again")

    async def _judged(self, found: Sheet, head: Columns, base: Configuration) -> tuple[Outcome, dict[str, Device]]:
        """Every row by itself."""
        outcome, wanted = Outcome(problems=list(found.notes)), dict[str, Device]()
        seen: dict[str, int] = {}
        turns = Turns(self.clock)
        for row in found.rows():
            if isinstance(row, Problem):
                number = int(row.where.removeprefix("row ").partition(",")[0])
                outcome.verdicts.append(Verdict(number, row.line, "", Fate.REFUSED, row.what))
            elif len(outcome.verdicts) >= MAX_ROWS:
                why = (
                    f"at most {MAX_ROWS:,} rows are read; this one and what follows were not looked at, divide the file"
                )
                outcome.verdicts.append(Verdict(row.number, row.line, row.cells[0], Fate.REFUSED, why))
                break
            else:
                outcome.verdicts.append(_verdict(row, head, base, wanted, seen))
            await turns.give()
        if not outcome.verdicts:
            outcome.problems.append(Problem("", "there is no row below the headings", found.file, found.line, "note"))
        return outcome, wanted

    async def _offer(self, outcome: Outcome, wanted: dict[str, Device], base: Configuration, only_look: bool) -> None:
        """To the registry. What it refuses becomes the verdict of the rows that are to blame."""
        for _ in range(ROUNDS):
            if not wanted:
                return
            try:
                difference = await self.registry.change(_step(wanted, base), only_look)
            except ConfigError as error:
                blamed = _blame(outcome, wanted, [p for p in error.problems if p.severity == "error"])
                if not self.partial or not blamed:
                    return
                for name in blamed:
                    del wanted[name]
                continue
            outcome.problems += [p for p in difference.problems if self._mine(p, wanted)]
            outcome.applied = bool(difference) and not only_look
            return
        outcome.problems.append(Problem("", "too many rows are only wrong together; nothing was changed"))

    def _mine(self, problem: Problem, wanted: Mapping[str, Device]) -> bool:
        return _device_of(problem, wanted) is not None


def _step(wanted: Mapping[str, Device], base: Configuration) -> Change:
    def step(current: Configuration) -> Configuration:
        if current is not base and any(current.devices.get(n) is not base.devices.get(n) for n in wanted):
            raise Outdated
        return current.with_devices(wanted.values())

    return step


def _verdict(row: Row, head: Columns, base: Configuration, wanted: dict[str, Device], seen: dict[str, int]) -> Verdict:
    cells = plain(row.cells)
    verdict = Verdict(row.number, row.line, "", Fate.REFUSED)
    try:
        name = verdict.name = name_in(cells, head)
        if name in seen:
            raise WrongCell("name", f"{name} stands in row {seen[name]} already")
        old = base.devices.get(name)
        new = old if old is not None and row_of(old, head) == cells else _made(cells, head, old, base)
    except WrongCell as error:
        verdict.column, verdict.why = error.column, str(error)
        return verdict
    except ValidationError as error:
        said_once = [said(one) for one in error.errors(include_url=False)]
        verdict.column = ".".join(map(str, said_once[0][0]))
        verdict.why = "; ".join(f"{'.'.join(map(str, path))}: {what}" for path, what in said_once)
        return verdict
    seen[name] = row.number
    if new is old or new == old:
        verdict.fate = Fate.UNCHANGED
    else:
        verdict.fate = Fate.ADDED if old is None else Fate.CHANGED
        wanted[name] = new
    return verdict


def _made(cells: Sequence[str], head: Columns, old: Device | None, base: Configuration) -> Device:
    """Raises WrongCell, ValidationError."""
    device = Device.model_validate(tree_of(cells, head, old))
    if device.parent == device.name:
        raise WrongCell("parent", "a device cannot be its own parent")
    if device.profile_name and device.profile_name not in base.profiles:
        raise WrongCell("profileName", f"there is no profile {device.profile_name}")
    return device


def _device_of(problem: Problem, wanted: Mapping[str, Device]) -> str | None:
    """The device that a problem of the registry is about, if it is one of ours: `device meter-1: protocols…`."""
    if not problem.where.startswith("device "):
        return None
    text = problem.where.removeprefix("device ")
    if text in wanted:
        return text
    ends = (index for index in range(len(text)) if text.startswith(": ", index))
    return next((text[:end] for end in ends if text[:end] in wanted), None)


def _blame(outcome: Outcome, wanted: Mapping[str, Device], problems: Sequence[Problem]) -> set[str]:
    """Problems become verdicts; those that no row is to blame for are problems of the whole."""
    whys: dict[str, list[str]] = {}
    columns: dict[str, str] = {}
    for problem in problems:
        name = _device_of(problem, wanted)
        if name is None:
            outcome.problems.append(problem)
        else:
            where = problem.where.removeprefix(f"device {name}").removeprefix(": ")
            where = where.replace(PLACE, PARAMETERS)  # as the column is called
            if where.startswith(f"{PARAMETERS}."):
                columns.setdefault(name, where)
            whys.setdefault(name, []).append(f"{where}: {problem.what}" if where else problem.what)
    for verdict in outcome.verdicts:
        if verdict.name in whys and verdict.fate in (Fate.ADDED, Fate.CHANGED):
            verdict.fate, verdict.why = Fate.REFUSED, "; ".join(whys[verdict.name])
            verdict.column = columns.get(verdict.name, "")
    return set(whys)
