"""Serial ports by what does not change: the USB vendor, product and serial number of the adapter, the socket it is in.

Linux tells this under /sys, which containers see, too. Looked up whenever a port is opened, so that an adapter is found
again wherever it was plugged in.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import NotConnected

TTYS = Path("/sys/class/tty")
DEV = Path("/dev")
PREFIX = "usb:"
_NAME = re.compile(
    r"usb:(?P<vendor>[0-9a-f]{4}):(?P<product>[0-9a-f]{4})(?::(?P<serial>[^@]+))?"
    r"(?:@(?P<socket>\d+-\d+(?:\.\d+)*)?(?P<channel>:\d+\.\d+)?(?<!@))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Usb:
    """A USB adapter as people name it, or, with everything filled in, as it is."""

    vendor: str
    """Four hexadecimal digits, as `lsusb` shows them."""
    product: str
    serial: str = ""
    """Empty: any; many adapters have none."""
    socket: str = ""
    """`1-1.4`: bus 1, fourth socket of the hub in its first one; empty: any."""
    channel: str = ""
    """`:1.2`: the interface, of an adapter with several ports; empty: any."""

    def __str__(self) -> str:
        where = f"@{self.socket}{self.channel}" if self.socket or self.channel else ""
        return f"{PREFIX}{self.vendor}:{self.product}{':' + self.serial if self.serial else ''}{where}"

    def fits(self, other: "Usb") -> bool:
        """Whether it names that adapter."""
        pairs = (
            (self.serial, other.serial),
            (self.socket, other.socket),
            (self.channel, other.channel),
        )
        same = (self.vendor, self.product) == (other.vendor, other.product)
        return same and all(not mine or mine == theirs for mine, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port that this machine has."""

    path: Path
    """Where its device node is, unless the container has none."""
    usb: Usb | None = None
    major: int = 0
    """The kernel's number for ports of its kind."""
    maker: str = ""
    """What the adapter says of itself: `FTDI FT232R USB UART`."""


def parse(text: str) -> Usb | None:
    """`usb:0403:6001`, `usb:0403:6001:A50285BI`, `usb:1a86:7523@1-1.4`, `usb:0403:6011:FT1@:1.2`; None: no such name.
    Raises ValueError."""
    if not text.lower().startswith(PREFIX):
        return None
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError(
            f"expected usb:VENDOR:PRODUCT or usb:VENDOR:PRODUCT:SERIAL, such as usb:0403:6001:A50285BI, perhaps with "
            f"the USB socket, @1-1.4, got {text!r}; `southgate ports` shows the names of what is plugged in"
        )
    vendor, product, *rest = (part or "" for part in found.groups())
    return Usb(vendor.lower(), product.lower(), *rest)


def ports() -> list[Port]:
    """Those that exist now."""
    return sorted(_ports(), key=lambda port: _natural(port.path.name))


def find(address: str) -> str:
    """The path of the port that an address names now. Raises NotConnected."""
    wanted = parse(address)
    if wanted is None:
        return address
    known = ports()
    fitting = [port for port in known if port.usb is not None and wanted.fits(port.usb)]
    if len(fitting) == 1:
        return str(fitting[0].path)
    if fitting:
        raise NotConnected(
            f"{address}: {len(fitting)} ports fit: {shown(fitting, known)}. Give the whole name of one, or its path "
            "under /dev/serial/by-id"
        )
    raise NotConnected(f"{address}: {_sought(wanted)} is plugged in. {there_is(known)}")


def _sought(wanted: Usb) -> str:
    serial = f" with the serial number {wanted.serial}" if wanted.serial else ""
    where = f" in USB socket {wanted.socket}" if wanted.socket else ""
    channel = f" with an interface {wanted.channel[1:]}" if wanted.channel else ""
    return f"no serial adapter {wanted.vendor}:{wanted.product}{serial}{where}{channel}"


def there_is(known: Sequence[Port]) -> str:
    """One sentence."""
    if not TTYS.is_dir():
        return f"What is plugged in cannot be seen: there is no {TTYS}"
    return f"There is {shown(known, known)}" if known else "There is no serial port at all"


def shown(some: Sequence[Port], known: Sequence[Port]) -> str:
    """`usb:0403:6001:A50285BI (/dev/ttyUSB0), /dev/ttyS0`."""
    return ", ".join(f"{name} ({port.path})" if (name := name_of(port, known)) else str(port.path) for port in some)


def name_of(port: Port, known: Sequence[Port]) -> str:
    """The shortest name that no other port fits and that lasts; empty: it has none."""
    usb = port.usb
    if usb is None:
        return ""
    others = [other.usb for other in known if other.usb is not None and other != port]
    base = Usb(usb.vendor, usb.product, usb.serial)
    for socket, channel in (("", ""), ("", usb.channel), (usb.socket, ""), (usb.socket, usb.channel)):
        name = Usb(base.vendor, base.product, base.serial, socket, channel)
        if not any(name.fits(other) for other in others):
            return str(name)
    return ""


def _ports() -> Iterator[Port]:
    for entry in TTYS.iterdir() if TTYS.is_dir() else ():
        device = entry / "device"
        if not device.exists() or _line(entry / "type") == "0":  # terminals; an UART the kernel only has a place for
            continue
        major = _line(entry / "dev").partition(":")[0]
        usb, maker = _usb(device.resolve())
        yield Port(DEV / entry.name, usb, int(major) if major.isdigit() else 0, maker)


def _usb(device: Path) -> tuple[Usb | None, str]:
    """Of the adapter that a port belongs to: the first folder upwards that says which vendor made it. The one below is
    its interface, `1-1.4:1.0`."""
    for interface, adapter in zip((device, *device.parents), device.parents, strict=False):
        vendor = _line(adapter / "idVendor")
        if vendor:
            socket, _, channel = interface.name.partition(":")
            texts = (_line(adapter / "manufacturer"), _line(adapter / "product"))
            serial = _line(adapter / "serial")
            usb = Usb(vendor.lower(), _line(adapter / "idProduct").lower(), serial, socket, f":{channel}")
            return usb, " ".join(text for text in texts if text)
    return None, ""


def _line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _natural(name: str) -> tuple[str, int]:
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or 0)
