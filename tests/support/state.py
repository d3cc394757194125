"""A State in memory that survives a restart by being handed over, and can refuse like a full disk."""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.model.errors import StoreFailed


class MemoryState:
    """Implements `gateway.model.contracts.State`. What cannot be written as JSON is refused, as on disk."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.expiries: dict[tuple[str, str], int | None] = {}
        self.fails = False
        self.puts = 0
        self.log: list[str] = []
        """What was put, in order: `table/key`."""

    def get(self, table: str, key: str) -> Any | None:
        return copy.deepcopy(self.tables.get(table, {}).get(key))

    def all(self, table: str) -> dict[str, Any]:
        return copy.deepcopy(self.tables.get(table, {}))

    async def put(self, table: str, entries: Mapping[str, Any], expires_at: int | None = None) -> None:
        self._check()
        self.puts += 1
        for key, value in entries.items():
            self.tables.setdefault(table, {})[key] = json.loads(json.dumps(value, allow_nan=False))
            self.expiries[table, key] = expires_at
            self.log.append(f"{table}/{key}")

    async def remove(self, table: str, keys: Iterable[str]) -> None:
        self._check()
        for key in keys:
            self.tables.get(table, {}).pop(key, None)

    def _check(self) -> None:
        if self.fails:
            raise StoreFailed("no space left on device")
