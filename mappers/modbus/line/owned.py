"""Serial ports that this process has open: each has one owner, whatever devices call it."""

import contextlib
import fcntl
import os
import termios

import serial

from gateway.model.errors import NotConnected

_owners: dict[str, str] = {}
"""By the path that all names lead to, the name its owner knows it by."""


class OwnedPort:
    """From before a port is opened until it is closed."""

    def __init__(self, key: str, path: str) -> None:
        """Raises NotConnected when the port is open under another name."""
        self.path = path
        self._real = os.path.realpath(path)
        owner = _owners.get(self._real, key)
        if owner != key:
            raise NotConnected(
                f"{key}: this is the same port as {owner} ({self._real}), which other devices here use already; "
                f"give all devices on it the same Address"
            )
        self._key = key
        self._open: serial.Serial | None = None
        _owners[self._real] = key

    def lock(self, opened: serial.Serial) -> None:
        """Nobody else can open the port from now on, also who ignores the lock that pyserial takes (flock)."""
        self._open = opened
        fcntl.ioctl(opened.fileno(), termios.TIOCEXCL)

    def release(self) -> None:
        """Before it is closed, or after it was lost. Idempotent; never raises."""
        if _owners.get(self._real) == self._key:
            del _owners[self._real]
        opened, self._open = self._open, None
        if opened is not None and opened.is_open:
            with contextlib.suppress(OSError, termios.error):  # where others hold it open, the lock outlives our file
                fcntl.ioctl(opened.fileno(), termios.TIOCNXCL)
