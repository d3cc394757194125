"""Why a serial port cannot be opened, and what to do: for people who cannot see the machine."""

import contextlib
import errno
import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mappers.modbus.line.port import ports, there_is

PROC = Path("/proc")
CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files by which engines tell a program that it runs in a container of theirs."""
USB_MAJORS = (188, 166)
"""Of ttyUSB and ttyACM (Linux, Documentation/admin-guide/devices.txt)."""


def why(path: str, error: OSError) -> str:
    """What is wrong with the port and what to try; the path itself is said by whoever tells it."""
    number = error.errno or 0
    if number == errno.ENOENT:
        return _absent(path)
    if number in (errno.EACCES, errno.EPERM):
        return _forbidden(path, number)
    if number in (errno.EBUSY, errno.EAGAIN):
        return _busy(path)
    if number in (errno.ENXIO, errno.ENODEV, errno.EIO):
        there = "there is a file and nothing behind it: the adapter was pulled out"
        return f"{there}. {_rebuilt(path)}" if in_container() else there
    if "configure port" in str(error):
        return f"this is not a serial port. {there_is(ports())}"
    return os.strerror(number) if number > 0 else str(error)


def state(path: str) -> str:
    """Of a port that is not opened: `free`, `in use by …`, or what stands in the way."""
    if not os.access(path, os.F_OK):
        return _absent(path)
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return _forbidden(path, errno.EACCES)
    others = holders(path)
    return f"in use by {', '.join(others)}" if others else "free"


def in_container() -> bool:
    """Our image says so itself, after the custom of systemd and podman; others by a file of their engine."""
    return bool(os.environ.get("container")) or any(os.access(f, os.F_OK) for f in CONTAINER)  # noqa: SIM112  theirs


def flags(path: str) -> str:
    """What `docker run` or `podman run` needs so that a port can be used inside, also after it was plugged in again."""
    known = next((port.major for port in ports() if str(port.path) == path), 0) or _major(path)
    rules = [f"--device-cgroup-rule='c {major}:* rw'" for major in ([known] if known else USB_MAJORS)]
    return f"-v /dev:/dev {' '.join(rules)} --group-add $(stat -c %g {path})"


def holders(path: str) -> list[str]:
    """Other programs that have the port open, as far as we may look: `mbpoll (process 4711)`."""
    try:
        wanted = Path(path).stat().st_rdev
    except OSError:
        return []
    own = str(os.getpid())
    return sorted(_name(process) for process in PROC.glob("[0-9]*") if process.name != own and _has(process, wanted))


def _absent(path: str) -> str:
    known = ports()
    port = next((port for port in known if str(port.path) == path), None)
    if port is not None and in_container():
        return f"it is plugged in, but there is no such file in this container. {_rebuilt(path)}"
    if port is not None:
        return "it is plugged in, but there is no such file; look whether udev runs"
    gone = f"it leads to {_target(path)}, which is not there" if Path(path).is_symlink() else "there is no such port"
    advice = f". A container must have been started with {flags(_target(path))}" if in_container() else ""
    return f"{gone}: is it plugged in? {there_is(known)}{advice}"


def _rebuilt(path: str) -> str:
    return f"Start the container with {flags(path)}"


def _target(path: str) -> str:
    return os.path.realpath(path) if Path(path).is_symlink() else path


def _forbidden(path: str, number: int) -> str:
    if number == errno.EPERM:
        where = _rebuilt(_target(path)) if in_container() else "A sandbox keeps it away, such as systemd's DevicePolicy"
        return f"this device is not allowed here. {where}"
    try:
        about = Path(path).stat()
    except OSError:
        return "no permission: a folder on the way to it may not be entered"
    if stat.S_IMODE(about.st_mode) & 0o060 != 0o060:
        return f"no permission: not even its group may read and write it ({stat.filemode(about.st_mode)})"
    group = _group(about.st_gid)
    if in_container():
        return f"no permission: it belongs to group {group}. {_rebuilt(_target(path))}"
    return (
        f"no permission: it belongs to group {group}. Add who runs the gateway to that group "
        f"(usermod -aG {group} USER; for a service SupplementaryGroups={group}) and start the gateway again"
    )


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _busy(path: str) -> str:
    others = ", ".join(holders(path)) or "another program, which cannot be seen from here (another user's, or outside)"
    return f"in use by {others}. A serial line has one owner: stop the other program"


def _major(path: str) -> int:
    with contextlib.suppress(OSError):
        about = Path(path).stat()
        return os.major(about.st_rdev) if stat.S_ISCHR(about.st_mode) else 0
    return 0


def _has(process: Path, wanted: int) -> bool:
    return any(about.st_rdev == wanted and stat.S_ISCHR(about.st_mode) for about in _open_files(process))


def _open_files(process: Path) -> Iterator[os.stat_result]:
    try:
        found = list((process / "fd").iterdir())
    except OSError:
        return
    for file in found:
        with contextlib.suppress(OSError):
            yield file.stat()


def _name(process: Path) -> str:
    try:
        return f"{(process / 'comm').read_text('utf-8', 'replace').strip()} (process {process.name})"
    except OSError:
        return f"process {process.name}"
