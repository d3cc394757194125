"""CBOR (RFC 8949) as EdgeX writes it: definite lengths, text keys; read, never written."""

import struct
from collections.abc import Callable
from typing import Any

_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}


class NotCbor(ValueError):
    """Says in words what is wrong, and where."""


def read(data: bytes, depth: int) -> Any:
    """The one item there is, at most so deep. Raises NotCbor."""
    reader = _Reader(data)
    try:
        value = reader.item(depth)
    except (struct.error, UnicodeDecodeError, IndexError):
        raise NotCbor(f"it ends too early, or is no text, at byte {reader.at}") from None
    if reader.at != len(data):
        raise NotCbor(f"there is more behind it, from byte {reader.at} on")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def item(self, depth: int) -> Any:
        if not depth:
            raise NotCbor(f"it is nested too deeply at byte {self.at}")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        number = self._number(info)
        if major == 6:  # a tag says how the next is meant; none is needed here
            return self.item(depth - 1)
        reads: dict[int, Callable[[], Any]] = {
            0: lambda: number,
            1: lambda: -1 - number,
            2: lambda: self._take(number),
            3: lambda: self._take(number).decode(),
            4: lambda: [self.item(depth - 1) for _ in range(number)],
            5: lambda: dict(self._pair(depth - 1) for _ in range(number)),
        }
        return reads[major]()

    def _pair(self, depth: int) -> tuple[str, Any]:
        key = self.item(depth)
        if not isinstance(key, str):
            raise NotCbor(f"a key that is no text ends at byte {self.at}")
        return key, self.item(depth)

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info not in _FLOATS:
            raise NotCbor(f"simple value {info} at byte {self.at - 1} means nothing here")
        shape = _FLOATS[info]
        return struct.unpack(shape, self._take(struct.calcsize(shape)))[0]

    def _number(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise NotCbor(f"lengths must be told, at byte {self.at - 1}")
        return int.from_bytes(self._take(1 << info - 24))

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise NotCbor(f"it ends too early, at byte {self.at}")
        self.at += count
        return self._data[self.at - count : self.at]
