"""What registers may mean: every type and order side by side, and which of them explains the number on a display. Pure.

For people with a device in front of them and no document at hand.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.model.profile import Compat, DeviceResource
from mappers.modbus.codec import FORMAT, decoder
from mappers.modbus.point import WIDTH, locate

ORDERS = {1: ("",), 2: ("ABCD", "BADC"), 4: ("ABCD", "CDAB", "BADC", "DCBA"), 8: ("ABCD", "CDAB", "BADC", "DCBA")}
"""Orders worth showing for a value of so many bytes."""
FACTORS = (1.0, 0.1, 0.01, 0.001, 10.0, 0.0001, 100.0, 1000.0, 0.5, 2.0, 0.2, 0.05, 0.25, 0.02, 1e-5, 1e-6, 1e4, 1e6)
"""Scales that devices use, the likelier first."""
LIKELY = (
    "Uint16", "Int16", "Float32", "Uint32", "Int32", "Uint64", "Int64", "Float64", "BCD16", "BCD32", "BCD64", "Uint8",
    "Int8",
)  # fmt: skip
"""Types, the likelier first; of BCD the value type's width tells how many digits."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """One way to read the registers from the first one on."""

    value_type: str
    order: str
    """ABCD, CDAB, BADC, DCBA; BADC of one register: its bytes swapped. Empty where there is nothing to order."""
    raw_type: str
    """`BCD`, else empty."""
    registers: int
    value: Any

    @property
    def name(self) -> str:
        """`Float32 CDAB`, `BCD16`, `String`."""
        name = f"BCD{8 * WIDTH[self.value_type]}" if self.raw_type else self.value_type
        return f"{name} {self.order}".strip()


@dataclass(frozen=True, slots=True)
class Guess:
    """A decoding that explains what the display shows; the most plausible comes first."""

    decoding: Decoding
    scale: float
    score: float
    """The lower, the likelier."""

    @property
    def value(self) -> float:
        """What the gateway would report."""
        return float(self.decoding.value) * self.scale

    def yaml(self, table: str = "HOLDING_REGISTERS", address: int = 0) -> str:
        """Properties and attributes to paste into a deviceResource."""
        found, value_type = self.decoding, self.decoding.value_type
        scaled = self.scale != 1
        lines = ["properties:", f"  valueType: {value_type}", '  readWrite: "R"']
        lines += [f"  scale: {self.scale:.10g}"] if scaled else []
        lines += ["attributes:", f"  primaryTable: {table}", f"  startingAddress: {address}"]
        lines += [f"  rawType: {found.raw_type}"] if found.raw_type else []
        lines += [f"  byteOrder: {found.order}"] if found.order not in ("", "ABCD") else []
        return "\n".join(lines) + "\n"


def decodings(registers: Sequence[int]) -> list[Decoding]:
    """Every type and order that the registers are enough for, from the first register on; BCD only where it is BCD.
    Raises ValueError for what is no register."""
    if not registers or not all(isinstance(r, int) and 0 <= r <= 0xFFFF for r in registers):
        raise ValueError("registers are whole numbers from 0 to 65535; give one at least")
    data = struct.pack(f">{len(registers)}H", *registers)
    found = [one for one in _numbers(data) if one.value is not None]
    found += [one for order in ("ABCD", "BADC") if (one := _text(data, order)) is not None]
    return found


def _numbers(data: bytes) -> Iterator[Decoding]:
    for value_type in FORMAT:
        for order in ("ABCD", "BADC") if WIDTH[value_type] == 1 else ORDERS[WIDTH[value_type]]:
            yield from _decoded(data, value_type, order)
    for value_type in ("Uint16", "Uint32", "Uint64"):
        for order in ORDERS[WIDTH[value_type]]:
            yield from _decoded(data, value_type, order, "BCD")


def _decoded(data: bytes, value_type: str, order: str, raw_type: str = "", **more: int) -> Iterator[Decoding]:
    """None or one; decoded by the codec that will decode it in the gateway."""
    attributes = {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 0, "byteOrder": order, **more}
    attributes |= {"rawType": raw_type} if raw_type else {}
    properties = {"valueType": value_type, "readWrite": "R"}
    resource = {"name": "value", "properties": properties, "attributes": attributes}
    point, _ = locate(DeviceResource.model_validate(resource), Compat.NONE)
    if point is not None and 2 * point.size <= len(data):
        value = decoder(0, (point,))(data)[0][0]
        yield Decoding(value_type, order, raw_type, point.size, value)


def _text(data: bytes, order: str) -> Decoding | None:
    """The text, if it looks like one: printable up to the first NUL, and two characters at least."""
    size = min(len(data) // 2, 123)
    for found in _decoded(data, "String", order, stringRegisterSize=size):
        text = found.value.split("\0")[0].rstrip()
        if len(text) > 1 and text.isprintable() and text.isascii():
            return Decoding("String", order, "", size, text)
    return None


_SHOWN = re.compile(r"\s*([-+−]?)\s*([0-9][0-9'_ ]*|[0-9]*)(?:[.,]([0-9]+))?(?:[eE]([-+]?[0-9]+))?\s*(?:[^\s0-9.,].*)?")


_FURTHEST = 1e30


def shown_number(text: str) -> tuple[float, float]:
    """The number on a display and how far the true one may be from it: half a step of its last digit. `230.1`, `-5`,
    `12,34 kWh`. Raises ValueError, also for what lies beyond 30 digits: no register means that."""
    found = _SHOWN.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        raise ValueError(f"{text!r} is not a number as a display shows it; write it like 230.1")
    sign, whole, decimals, exponent = found.groups()
    power = float(f"1e{exponent or 0}")
    number = float(f"{re.sub(r'[^0-9]', '', whole) or 0}.{decimals or 0}") * power
    step = 10.0 ** -len(decimals or "") * power
    if not 1 / _FURTHEST <= step <= _FURTHEST or not number <= _FURTHEST:
        raise ValueError(f"{text[:60]!r} is too large or too small for a number as a display shows it")
    return (-number if sign in ("-", "−") else number), 0.5 * step


def infer(registers: Sequence[int], shown: str) -> list[Guess]:
    """Types, orders and scales that turn the registers into what the display shows, the most plausible first. Raises
    ValueError."""
    number, half = shown_number(shown)
    found = []
    for decoding in decodings(registers):
        value = decoding.value
        if isinstance(value, str) or not math.isfinite(value) or not _sane(value, number):
            continue
        for rank, factor in enumerate(FACTORS):
            if abs(value * factor - number) <= half * (1 + 1e-9) + 1e-9 * abs(number):
                found.append(Guess(decoding, factor, _score(decoding, rank, factor, half)))
                break
    return sorted(found, key=lambda guess: guess.score)


def _sane(value: float, number: float) -> bool:
    """Denormal floats are no measurement, and a zero explains only a zero."""
    return (value == 0) == (number == 0) and (value == 0 or abs(value) > 1e-30)


def _score(decoding: Decoding, rank: int, factor: float, half: float) -> float:
    """Likely types and scales first. A scale coarser or far finer than the display's last digit is suspicious: a device
    that counts in 0.1 shows one decimal. A float is seldom scaled, and it never fits by chance."""
    name = decoding.name.split()[0]
    score = 2.0 * LIKELY.index(name) + rank
    score += 0.0 if decoding.order in ("", "ABCD") else 1.0 if decoding.order == "CDAB" else 2.5
    if decoding.value_type.startswith("Float"):
        return score + (8.0 if factor != 1 else -8.0)
    score += 3.0 * abs(math.log10(factor / (2 * half)))
    return score + (4.0 if decoding.registers > 1 and abs(decoding.value) < 0x8000 else 0.0)
