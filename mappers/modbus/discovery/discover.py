"""Where to look for Modbus devices: what people write, as places to ask. Pure."""

import ipaddress
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.model.device import Device
from gateway.model.errors import ConfigError
from gateway.model.plan import Connection
from mappers.modbus.line.connection import reach
from mappers.modbus.line.port import parse

MOST_ADDRESSES = 4096
"""Of one scan: a /20."""
MOST_PORTS = 16
LIKELY_UNITS = (1, 255, 0, 2, 3, 126, 240, 247)
"""Unit ids that devices with an address of their own answer to, the likelier first: most take 1 or all, the
specification recommends 255, some 0; 126, 240 and 247 are defaults of inverters and their meters."""
RTU_UNITS = tuple(unit for unit in LIKELY_UNITS if 0 < unit < 248)
"""Of those, what a unit of a serial line may have."""
TCP_FRAMINGS = ("tcp", "rtu")
"""Of an endpoint where nobody says it: Modbus TCP, and where that is met with silence RTU frames, which simple
converters pass on as they are."""
LINE_FRAMINGS = ("rtu",)
"""Of a serial line where nobody says it: few speak ASCII, and trying it costs as much again."""
ASCII_BITS = (7, 8)
"""Data bits of ASCII lines: 7 says the specification, 8 have many (Modbus over Serial Line V1.02, 2.5.2)."""
LINE_UNITS = "1-32"
"""Of a serial line, unless others are named."""
BAUD_RATES = "9600,19200,38400,115200"
PARITIES = "N,E"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_RANGE = re.compile(r"((?:\d{1,3}\.){3})(\d{1,3})-(?:\1)?(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Place:
    """A TCP endpoint, or a serial line with its settings."""

    key: str
    """`modbus-tcp`, `modbus-rtu` or `modbus-ascii`."""
    properties: Mapping[str, Any]
    """Protocol properties of a device there, without the unit."""
    units: tuple[int, ...]
    first_only: bool = False
    """The first unit that answers is the device: the units are guesses."""

    @property
    def connection(self) -> Connection:
        return reach(self.device("", self.units[0]))[0]

    @property
    def shown(self) -> str:
        """`192.168.1.5:502`, `/dev/ttyUSB0 9600 8N1`, `/dev/ttyUSB0 9600 7E1 ASCII`."""
        given = self.properties
        if self.key == "modbus-tcp":
            return self.connection.key
        settings = f"{given['BaudRate']} {given['DataBits']}{given['Parity']}{given['StopBits']}"
        return f"{given['Address']} {settings}{' ASCII' if self.key == 'modbus-ascii' else ''}"

    def device(self, name: str, unit: int, profile: str = "discovered") -> Device:
        return Device(
            name=name or "discovered",
            profile_name=profile,
            service_name="device-modbus",
            protocols={self.key: {**self.properties, "UnitID": unit}},
        )


@dataclass(frozen=True, slots=True)
class Line:
    """What to try on serial ports."""

    baud: str = BAUD_RATES
    parity: str = PARITIES
    stop_bits: str = "1"
    framings: tuple[str, ...] = LINE_FRAMINGS


Job = tuple[Place, ...]
"""Places to try one after another until one answers: the settings of one serial line, the framings of one endpoint."""


def jobs(targets: Sequence[str], ports: str, units: str, line: Line, framing: str = "") -> list[Job]:
    """Everything to ask. `framing`: those to try, such as `rtu,ascii`; empty: what is usual. Raises ConfigError for
    what is not understood or too much."""
    framings = _framings(framing, TCP_FRAMINGS) or TCP_FRAMINGS
    line = replace(line, framings=_framings(framing, ("rtu", "ascii")) or line.framings)
    found: list[Job] = []
    tcp = numbers(ports, 1, 65535, "ports")
    if len(tcp) > MOST_PORTS:
        raise ConfigError(
            f"{len(tcp)} ports: at most {MOST_PORTS} are tried; Modbus TCP is mostly on 502, some on 1502"
        )
    ids = tuple(numbers(units, 0, 255, "unit ids")) if units else ()
    hosts: dict[tuple[str, int], None] = {}
    for target in targets:
        if target.startswith("/") or _usb(target):
            found.append(_line(target, units or LINE_UNITS, line))
            continue
        place, port = _with_port(target)
        hosts.update(dict.fromkeys((host, number) for host in addresses(place) for number in ([port] if port else tcp)))
    distinct = len({host for host, _ in hosts})
    if distinct > MOST_ADDRESSES:
        raise ConfigError(f"{distinct} addresses in all; {_too_many()}")
    for host, number in hosts:
        found.append(tuple(_endpoint(host, number, ids, one) for one in framings))
    return found


def _endpoint(host: str, port: int, units: tuple[int, ...], framing: str) -> Place:
    likely = LIKELY_UNITS if framing == "tcp" else RTU_UNITS
    framed = {} if framing == "tcp" else {"Framing": framing}
    return Place("modbus-tcp", {"Address": host, "Port": port, **framed}, units or likely, not units)


def _framings(text: str, there: Sequence[str]) -> tuple[str, ...]:
    """Those of a list that a kind of place has. Raises ConfigError for what is no framing."""
    named = [part.strip().lower() for part in text.split(",")] if text else []
    unknown = [name for name in named if name not in ("tcp", "rtu", "ascii")]
    if unknown:
        raise ConfigError(f"{unknown[0]!r}: expected framings tcp, rtu or ascii, such as rtu,ascii")
    return tuple(dict.fromkeys(name for name in named if name in there))


def addresses(text: str) -> list[str]:
    """Of a host name, an address, `192.168.1.10-50` or `192.168.1.0/24`. Raises ConfigError."""
    try:
        if "/" in text:
            return _network(text)
        last = _RANGE.fullmatch(text)
        if last is not None:
            first = int(ipaddress.IPv4Address(last[1] + last[2]))
            end = int(ipaddress.IPv4Address(last[1] + last[3]))
            if end < first:
                raise ConfigError(f"{text}: the range goes backwards")
            return [str(ipaddress.IPv4Address(number)) for number in range(first, end + 1)]
        if ":" in text or re.fullmatch(r"[\d.]+", text):
            return [str(_usable(ipaddress.ip_address(text.strip("[]"))))]
    except ValueError as error:
        raise ConfigError(f"{text}: {error}; {_forms()}") from None
    if not _HOST.fullmatch(text):
        raise ConfigError(f"{text}: {_forms()}")
    return [text]


def _network(text: str) -> list[str]:
    network = ipaddress.ip_network(text, strict=False)
    if network.num_addresses > MOST_ADDRESSES:
        raise ConfigError(f"{text} has {network.num_addresses} addresses; {_too_many()}")
    _usable(network.network_address)
    return [str(address) for address in network.hosts()]


def _usable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> object:
    if address.is_multicast:
        raise ConfigError(f"{address} is a multicast address; devices have addresses of their own")
    return address


def _usb(target: str) -> bool:
    try:
        return parse(target) is not None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _too_many() -> str:
    return (
        f"at most {MOST_ADDRESSES} (a /20) are scanned at once. Name the part where the devices are, such as "
        "192.168.1.0/24 or 192.168.1.10-50, or one part after another"
    )


def _forms() -> str:
    return (
        "expected a host, 192.168.1.5, 192.168.1.5:1502, 192.168.1.10-50, 192.168.1.0/24 or a serial port such as "
        "/dev/ttyUSB0 or usb:0403:6001"
    )


def _with_port(target: str) -> tuple[str, int | None]:
    """`host:1502`, `[::1]:1502`; a bare IPv6 address has no port."""
    found = re.fullmatch(r"(\[[^]]+\]|[^:]+):(\d+)", target)
    if found is None:
        return target, None
    return found[1], numbers(found[2], 1, 65535, "ports")[0]


def numbers(text: str, low: int, high: int, what: str) -> list[int]:
    """`1-247`, `1,5,10-20`, in the order written, each once. Raises ConfigError."""
    found: dict[int, None] = {}
    for part in text.split(","):
        pair = re.fullmatch(r"\s*(\d{1,7})(?:\s*-\s*(\d{1,7}))?\s*", part)
        first, last = (int(pair[1]), int(pair[2] or pair[1])) if pair else (0, -1)
        if not low <= first <= last <= high:
            raise ConfigError(f"{text!r}: expected {what} from {low} to {high}, such as {low}, 1,5,9 or 1-20")
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)


def _line(path: str, units: str, line: Line) -> Job:
    ids = tuple(numbers(units, 1, 247, "unit ids of a serial line"))
    places = []
    if "-" in line.baud:
        raise ConfigError(f"{line.baud!r}: baud rates are a list, such as {BAUD_RATES}")
    parities = [part.strip().upper() for part in line.parity.split(",")]
    if not set(parities) <= {"N", "E", "O"}:
        raise ConfigError(f"{line.parity!r}: expected parities N, E or O, such as N,E")
    bauds = numbers(line.baud, 50, 4_000_000, "baud rates")
    stops = numbers(line.stop_bits, 1, 2, "stop bits")
    for framing in line.framings:
        bits = ASCII_BITS if framing == "ascii" else (8,)
        for baud, data, parity, stop in itertools.product(bauds, bits, parities, stops):
            settings = {"BaudRate": baud, "DataBits": data, "StopBits": stop, "Parity": parity}
            places.append(Place(f"modbus-{framing}", {"Address": path, **settings}, ids))
    return tuple(places)
