"""What the file does not say and the person has to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything may be left out; an importer asks for what it cannot do without."""

    profile: str = ""
    """Name of the profile; empty: after the file."""
    device: str = ""
    """Name of the device; empty: after the profile."""
    address: str = ""
    """Host, host:port or serial port of the device, for formats that say nothing about it; empty: no device."""
    port: int = 502
    unit: int = 1
    baud_rate: int = 9600
    parity: str = "N"
    interval: str = ""
    """How often values are read, where the format does not say; empty: 10s."""
    address_base: str = ""
    """0, 1, modicon (the leading digit is the table) or one of the numbers `addressBase` takes."""
    byte_order: str = ""
    """Of values of 32 and more bits, where the format does not say."""
    table: str = ""
    """Table of registers, where the format does not say: holding, input, coil, discrete."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our name of a column → the heading it has in the file."""

    def every(self) -> str:
        return self.interval or "10s"

    def protocols(self) -> dict[str, dict[str, Any]]:
        """Protocol properties of the device; empty without an address."""
        if not self.address:
            return {}
        if self.address.startswith("/") or self.address.upper().startswith("COM"):
            serial = {"Address": self.address, "UnitID": self.unit, "BaudRate": self.baud_rate, "Parity": self.parity}
            return {"modbus-rtu": serial}
        host, colon, port = self.address.rpartition(":")
        alone = not colon or not port.isdigit() or (":" in host and not host.endswith("]"))
        given = (self.address, self.port) if alone else (host, int(port))
        return {"modbus-tcp": {"Address": given[0], "Port": given[1], "UnitID": self.unit}}
