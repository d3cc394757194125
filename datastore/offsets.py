"""Offsets never repeat, not even those given and lost with the power: they are promised in blocks, on disk."""

import contextlib
import os
from pathlib import Path

from datastore.sqlite import sync_folder
from gateway.model.contracts import Clock

BLOCK = 1_000_000
"""Offsets promised at a time; after a crash the rest of the block is skipped."""
STOPPED = "stopped"
"""Beside the offset: it was written at a clean stop."""


class Offsets:
    """The file with the highest offset that may have been given."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.promised = 0
        self.refused = ""
        """Why the first promise could not be written."""
        self.cut = False
        """The run before did not end with a clean stop."""

    def begin(self, last: int) -> int:
        """The offset after which to go on, given the last one in the journal. Raises nothing: when the promise cannot
        be read or written, milliseconds of wall time stand far above everything promised so far."""
        known, stopped = self._read()
        self.cut = known is not None and not stopped
        after = max(last, known or 0)
        if known is None and (last or self._path.name in _names(self._path.parent)):
            after = max(after, self._milliseconds())
        try:
            self.extend(after)
        except OSError as error:
            self.refused = str(error)
            after = max(after, self._milliseconds())
            self.promised = 2**63 - 1
        return after

    def beyond(self, head: int) -> int:
        """The next head when `head` has used up the promise and the disk takes no new one."""
        self.promised = 2**63 - 1
        return max(head, self._milliseconds())

    def due(self, head: int) -> bool:
        """Whether it is time for `extend`; also while it failed before."""
        return self.promised - head < BLOCK // 2 or self.promised == 2**63 - 1

    def extend(self, head: int) -> None:
        """Promises the next block. Raises OSError."""
        self._write(head + BLOCK)
        self.promised = head + BLOCK

    def end(self, head: int) -> None:
        """A clean stop: nothing above `head` was given. Raises OSError."""
        self._write(head, STOPPED)

    def _milliseconds(self) -> int:
        return self._clock.now() // 10**6

    def _read(self) -> tuple[int | None, bool]:
        """The promise, and whether a clean stop left it."""
        with contextlib.suppress(OSError, ValueError):
            promised, _, how = self._path.read_text("ascii").strip().partition(" ")
            if how in ("", STOPPED):
                return int(promised), how == STOPPED
        return None, False

    def _write(self, promised: int, how: str = "") -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{promised} {how}".strip() + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        sync_folder(self._path.parent)


def _names(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [path.name for path in folder.iterdir()]
    return []
