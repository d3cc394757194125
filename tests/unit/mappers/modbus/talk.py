"""Plays the unit that a talk asks, from tables, without a wire."""

import struct
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")
Unit = Callable[[bytes], bytes | None]


def talk(asking: Generator[bytes, bytes | None, T], unit: Unit, most: int = 2000) -> tuple[T, list[bytes]]:
    """What the talk found, and what it asked. More than `most` requests are a loop."""
    asked: list[bytes] = []
    try:
        request = next(asking)
        while True:
            asked.append(request)
            assert len(asked) <= most, "the talk does not end"
            request = asking.send(unit(request))
    except StopIteration as end:
        return end.value, asked


def holding(registers: dict[int, int], most: int = 125) -> Unit:
    """A unit with these holding registers; everything else is refused, and requests of more than `most`."""

    def answer(request: bytes) -> bytes | None:
        function, first, count = struct.unpack(">BHH", request[:5])
        if function != 3:
            return bytes((function | 0x80, 1))
        if count > most:
            return bytes((0x83, 3))
        if any(at not in registers for at in range(first, first + count)):
            return bytes((0x83, 2))
        return struct.pack(f">BB{count}H", 3, 2 * count, *(registers[at] for at in range(first, first + count)))

    return answer


def at(base: int, *parts: int | str | bytes) -> dict[int, int]:
    """Registers from `base` on: numbers, and texts of whole registers."""
    data = b"".join(
        struct.pack(">H", p & 0xFFFF) if isinstance(p, int) else p.encode() if isinstance(p, str) else p for p in parts
    )
    return {base + i: word for i, word in enumerate(struct.unpack(f">{len(data) // 2}H", data))}


def padded(text: str, registers: int) -> bytes:
    return text.encode().ljust(2 * registers, b"\0")


COMMON = (
    1, 66, padded("Acme", 16), padded("Sun 5", 16), padded("", 8), padded("1.2", 8), padded("S-77", 16), 1, 0x8000,
)  # fmt: skip
"""A common model with its header."""
END = (0xFFFF, 0)
