"""How a Modbus device is reached: its protocol properties, EdgeX's (contract, section 6.1) and our own.

What must be equal for all devices of one port is in the settings; what each unit has for itself is in `Unit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.model.device import Device
from gateway.model.errors import ConfigError, Problem
from gateway.model.plan import Connection
from gateway.model.scalar import literal_text
from mappers.modbus.address import MAX_BITS, MAX_REGISTERS
from mappers.modbus.line.port import parse
from mappers.shared.given import Whole, from_pydantic, seconds, unknown_keys

KEYS = ("modbus-tcp", "modbus-rtu", "modbus-ascii")
BROADCAST = "UnitID 0 is the broadcast address of the line: all units carry out a write and none answers"
"""Modbus over Serial Line V1.02, 2.1."""
RESERVED = range(248, 256)
"""Addresses that no unit of a serial line may have (Modbus over Serial Line V1.02, 2.2)."""


def _timeout(value: Any) -> float:
    found = seconds(value)
    if not 0.001 <= found <= 600:
        raise ValueError(f"expected 1ms to 10m, got {literal_text(value)!r}")
    return found


def _framing(value: Any) -> str:
    text = literal_text(value).strip().lower()
    if text not in ("tcp", "rtu", "auto"):
        raise ValueError(f"expected tcp, rtu or auto, got {literal_text(value)!r}")
    return text


def _idle(value: Any) -> float | None:
    """Nought and less: never, as EdgeX writes it."""
    text = literal_text(value).strip()
    return None if text.startswith("-") else seconds(text) or None


def _flag(value: Any) -> bool:
    text = literal_text(value).strip().lower()
    if text not in ("true", "false", "1", "0"):
        raise ValueError(f"expected true or false, got {literal_text(value)!r}")
    return text in ("true", "1")


def _parity(value: Any) -> str:
    text = literal_text(value).strip().upper()
    if text not in ("N", "E", "O"):
        raise ValueError(f"expected N, E or O, got {literal_text(value)!r}")
    return text


def _address(value: Any) -> str:
    text = literal_text(value).strip()
    if not text:
        raise ValueError("must not be empty")
    return text


def _port(value: Any) -> str:
    """A path, of which EdgeX writes settings after a comma, or a USB adapter's name."""
    text = _address(value)
    usb = parse(text)
    return str(usb) if usb is not None else text.split(",")[0].strip()


def _pascal(name: str) -> str:
    return "UnitID" if name == "unit_id" else "".join(part.title() for part in name.split("_"))


Address = Annotated[str, BeforeValidator(_address)]
Delay = Annotated[float, BeforeValidator(seconds)]


class Properties(BaseModel):
    """What every device has."""

    model_config = ConfigDict(alias_generator=_pascal, frozen=True, extra="ignore")

    unread: ClassVar[tuple[str, ...]] = ("ProtocolRecoveryTimeout", "LinkRecoveryTimeout")
    """EdgeX's keys that change nothing here: a note says why."""

    address: Address
    unit_id: Annotated[Whole, Field(ge=0, le=255)]
    timeout: Annotated[float, BeforeValidator(_timeout)] = 1.0
    max_registers: Annotated[Whole, Field(ge=1, le=MAX_REGISTERS)] = MAX_REGISTERS
    max_bits: Annotated[Whole, Field(ge=1, le=MAX_BITS)] = MAX_BITS
    max_gap: Annotated[Whole, Field(ge=0, le=MAX_BITS)] | None = None
    connect_delay: Delay = 0.0
    request_delay: Delay = 0.0
    close_after_cycle: Annotated[bool, BeforeValidator(_flag)] = False
    idle_timeout: Annotated[float | None, BeforeValidator(_idle)] = None
    busy_retries: Annotated[Whole, Field(ge=0, le=20)] = 0


class TcpProperties(Properties):
    """Of `modbus-tcp`."""

    port: Annotated[Whole, Field(ge=1, le=65535)] = 502
    framing: Annotated[str, BeforeValidator(_framing)] = "tcp"


class SerialProperties(Properties):
    """Of `modbus-rtu` and `modbus-ascii`."""

    address: Annotated[str, BeforeValidator(_port)]
    baud_rate: Annotated[Whole, Field(ge=50, le=4_000_000)]
    data_bits: Annotated[Whole, Field(ge=7, le=8)] = 8
    stop_bits: Annotated[Whole, Field(ge=1, le=2)] = 1
    parity: Annotated[str, BeforeValidator(_parity)]


@dataclass(frozen=True, slots=True)
class Tcp:
    """Settings of a TCP endpoint."""

    host: str
    port: int
    connect_delay: float = 0.0
    """Seconds of rest after connecting."""
    framing: str = "tcp"
    """Or `rtu`; `auto`: found on first contact."""
    close_after_cycle: bool = False
    """It is closed whenever there is no work."""
    idle_timeout: float | None = field(default=None, compare=False)
    """Seconds without work after which it is closed until there is some; None: it stays open. Devices that share a
    connection may say different things (files for EdgeX do): the first counts, until it is opened anew."""


@dataclass(frozen=True, slots=True)
class Serial:
    """Settings of a serial line."""

    address: str
    """A path, or a USB adapter's name (`mappers.modbus.line.port`); which port it is, is found out at every opening."""
    baud_rate: int
    data_bits: int
    stop_bits: int
    parity: str
    connect_delay: float = 0.0
    framing: str = "rtu"
    """Or `ascii`."""
    close_after_cycle: bool = False
    idle_timeout: float | None = field(default=None, compare=False)

    @property
    def char_s(self) -> float:
        """Seconds one character takes: start bit, data, parity, stop."""
        return (1 + self.data_bits + (self.parity != "N") + self.stop_bits) / self.baud_rate

    @property
    def silence_s(self) -> float:
        """The pause between frames: 3.5 characters, 1.75 ms above 19200 baud (Modbus over Serial Line V1.02, 2.5.1).
        ASCII frames say themselves where they end."""
        if self.framing == "ascii":
            return 0.0
        return 0.00175 if self.baud_rate > 19200 else 3.5 * self.char_s


@dataclass(frozen=True, slots=True)
class Unit:
    """What one device has for itself on a connection it may share."""

    id: int
    timeout: float
    """Seconds to wait for each answer."""
    max_registers: int
    max_bits: int
    max_gap: int | None
    """Registers or bits that may be bridged; None: by what a request costs."""
    request_delay: float
    """Seconds of rest before each request."""
    busy_retries: int = 0
    """How often a request is asked again when the device says that it is busy."""
    broadcast: bool = False
    """It stands for all units of a serial line: a write reaches all, nobody answers."""


def reach(device: Device) -> tuple[Connection, Unit]:
    """The connection and the unit. Raises ConfigError with every problem of the properties."""
    found, problems = examine(device)
    if found is None:
        raise ConfigError([p for p in problems if p.severity == "error"])
    return found


def examine(device: Device) -> tuple[tuple[Connection, Unit] | None, list[Problem]]:
    """As `reach`, with warnings and notes; None when there is an error. `where` is inside the device."""
    used = [key for key in KEYS if key in device.protocols]
    if len(used) != 1:
        what = f"exactly one of {', '.join(KEYS)} is expected, found {', '.join(used) or 'none'}"
        return None, [Problem("protocols", what)]
    key = used[0]
    model = TcpProperties if key == "modbus-tcp" else SerialProperties
    given = device.protocols[key]
    problems = _doubtful(given, model)
    try:
        properties = model.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        return None, _inside(key, problems + from_pydantic(error, _REQUIRED))
    framing = properties.framing if isinstance(properties, TcpProperties) else key.removeprefix("modbus-")
    problems += _doubtful_unit(properties.unit_id, framing)
    if any(problem.severity == "error" for problem in problems):
        return None, _inside(key, problems)
    return (_connection(properties, framing), _unit(properties, framing)), _inside(key, problems)


_REQUIRED = {
    "Address": "is required: a host name or IP address, the path of a serial port, or usb:VENDOR:PRODUCT:SERIAL",
    "UnitID": "is required: the device's unit id (slave address), 0 to 255; often 1",
    "BaudRate": "is required: bits per second, such as 9600 or 19200",
    "Parity": "is required: N, E or O",
}


def _doubtful(given: Mapping[str, Any], model: type[Properties]) -> list[Problem]:
    known = tuple(field.alias or name for name, field in model.model_fields.items())
    problems = unknown_keys(given, known, ignored=Properties.unread)
    for key in Properties.unread:
        if key in given:
            what = "changes nothing here: the connection stays open, and the gateway backs off when it is lost"
            problems.append(Problem(key, what, severity="note"))
    return problems


def _doubtful_unit(unit: int, framing: str) -> list[Problem]:
    """On Modbus TCP every unit id is an ordinary one."""
    if unit == 0 and framing == "auto":
        what = "0 is an ordinary unit of Modbus TCP and the broadcast address of a line; make Framing tcp or rtu"
        return [Problem("UnitID", what)]
    if unit in RESERVED and framing in ("rtu", "ascii"):
        what = f"{unit} is reserved on a serial line, whose units are 1 to 247; some devices answer there all the same"
        return [Problem("UnitID", what, severity="warning")]
    return []


def _inside(key: str, problems: list[Problem]) -> list[Problem]:
    return [Problem(f"protocols.{key}.{p.where}", p.what, severity=p.severity) for p in problems]


def _connection(given: Properties, framing: str) -> Connection:
    if isinstance(given, TcpProperties):
        host = given.address.lower().strip("[]")
        shown = f"[{host}]" if ":" in host else host
        settings = Tcp(
            host, given.port, given.connect_delay, given.framing, given.close_after_cycle, given.idle_timeout
        )
        return Connection("device-modbus", f"{shown}:{given.port}", settings)
    assert isinstance(given, SerialProperties)
    line = Serial(
        address=given.address,
        baud_rate=given.baud_rate,
        data_bits=given.data_bits,
        stop_bits=given.stop_bits,
        parity=given.parity,
        connect_delay=given.connect_delay,
        framing=framing,
        close_after_cycle=given.close_after_cycle,
        idle_timeout=given.idle_timeout,
    )
    return Connection("device-modbus", given.address, line)


def _unit(given: Properties, framing: str) -> Unit:
    return Unit(
        id=given.unit_id,
        timeout=given.timeout,
        max_registers=given.max_registers,
        max_bits=given.max_bits,
        max_gap=given.max_gap,
        request_delay=given.request_delay,
        busy_retries=given.busy_retries,
        broadcast=given.unit_id == 0 and framing in ("rtu", "ascii"),
    )
