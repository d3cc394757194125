"""What became of an import: what was carried over, and every single thing that was not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.model.device import Device
from gateway.model.errors import Problem
from gateway.model.profile import DeviceProfile

MAX_NAMED = 1000
"""Things of one kind that are named one by one; a million wrong rows need no million lines."""


class Report:
    """Collects, in the order of the file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.left_count = 0
        """Everything that was left out, named or not."""
        self._left: list[Problem] = []
        self._notes: list[Problem] = []
        self._more_notes = 0

    def left(self, where: str, what: str, line: int = 0) -> None:
        """Something that the file says and the result does not."""
        self.left_count += 1
        if len(self._left) < MAX_NAMED:
            self._left.append(Problem(where, what, self.file, line))

    def note(self, where: str, what: str, line: int = 0) -> None:
        """Something that was carried over and deserves a look."""
        if len(self._notes) < MAX_NAMED:
            self._notes.append(Problem(where, what, self.file, line, "note"))
        else:
            self._more_notes += 1

    def take(self, problems: Sequence[Problem]) -> None:
        """Problems that somebody else found: errors are left out, the others are notes."""
        for one in problems:
            add = self.left if one.severity == "error" else self.note
            add(one.where, one.what, one.line)

    def lefts(self) -> list[Problem]:
        """What was left out; the last entry counts what is not named."""
        return [*self._left, *self._rest(self.left_count - len(self._left), "was left out", "error")]

    def notes(self) -> list[Problem]:
        return [*self._notes, *self._rest(self._more_notes, "deserves a look", "note")]

    def _rest(self, count: int, what: str, severity: str) -> Iterator[Problem]:
        if count:
            yield Problem("", f"and {count:,} more that {what}", self.file, 0, severity)


@dataclass(slots=True)
class Imported:
    """What an importer gives."""

    report: Report
    profiles: list[DeviceProfile] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
