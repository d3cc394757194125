"""Bytes of a fuzzer, read as choices."""


class Script:
    """What is left is nought."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        return self.take(1)[0]

    def word(self) -> int:
        return int.from_bytes(self.take(2))

    def below(self, limit: int) -> int:
        return self.byte() % limit

    def take(self, count: int) -> bytes:
        """Exactly so many."""
        found = self._data[self._at : self._at + count]
        self._at += count
        return found.ljust(count, b"\0")
