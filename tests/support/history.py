"""A history in a folder, beside a journal, without its process: what tests ask and check."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from datastore.history.catalog import Catalog, gone
from datastore.history.keeper import Keeper
from datastore.history.settings import HistorySettings
from datastore.history.spans import Tier

Row = tuple[Any, ...]


@contextlib.contextmanager
def keeper(folder: Path, journal: Path, **settings: Any) -> Iterator[Keeper]:
    made = Keeper(folder, journal, HistorySettings(**settings))
    try:
        yield made
    finally:
        made.close()


def take(of: Keeper, now: int) -> int:
    """All there is; returns how many records."""
    records = 0
    while True:
        said = of.answer({"do": "take", "now": now})
        records += said["records"]
        if not said["more"]:
            return records


def tend(of: Keeper, now: int, trusted: bool = True) -> int:
    """Until there is nothing more to do; returns how many steps it took."""
    steps = 1
    while of.answer({"do": "tend", "now": now, "trusted": trusted})["more"]:
        steps += 1
    return steps


def rows(folder: Path, tier: Tier = "raw") -> list[Row]:
    """All rows of a tier as who asks must see them."""
    with contextlib.closing(Catalog.reader(folder)) as catalog:
        snapshot = catalog.snapshot()
        found: list[Row] = []
        for file in snapshot.of(tier):
            hidden = gone(snapshot.hidden(file), tier) if tier != "messages" else "false"
            sql = f"SELECT * FROM read_parquet('{catalog.path(file)}') WHERE NOT ({hidden})"
            found += duckdb.sql(sql).fetchall()
    return sorted(found, key=repr)


def levels(folder: Path, tier: Tier = "raw") -> list[int]:
    with contextlib.closing(Catalog.reader(folder)) as catalog:
        return sorted(file.level for file in catalog.files(tier))
