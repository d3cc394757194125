"""Rows of values for files: which columns, and a row as CSV or JSON."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.model.csvcell import csv_row
from gateway.model.export.fields import message_fields, reading_fields
from gateway.model.export.template import written
from gateway.model.reading import Event, Record

COLUMNS = {word: word for word in ("time", "device", "resource", "value", "units", "quality", "reason", "id")}
WITH_MESSAGES = {**COLUMNS, "kind": "kind", "name": "name", "body": "body"}
_json = msgspec.json.Encoder().encode


class Rows:
    """Turns records into rows of chosen columns."""

    def __init__(self, columns: Mapping[str, str], gateway: str, messages: bool = False) -> None:
        """`columns`: name → word; empty: the usual ones, with those of messages where `messages` are wanted."""
        self.columns = dict(columns) or (WITH_MESSAGES if messages else COLUMNS)
        self._gateway = gateway

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def of(self, record: Record) -> Iterator[list[Any]]:
        """One row per value of an event; one of a message."""
        words = self.columns.values()
        if isinstance(record, Event):
            for fields in reading_fields(record, self._gateway):
                yield [fields.get(word) for word in words]
        else:
            fields = message_fields(record, self._gateway)
            yield [fields.get(word) for word in words]


def csv_text(rows: Sequence[Sequence[Any]]) -> str:
    """Lines of CSV (RFC 4180); no cell is taken for a formula by a spreadsheet (proves part of T28)."""
    return "".join([csv_row([_cell(value) for value in row]) for row in rows])


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return str(msgspec.to_builtins(value))
    return written(value)


def json_lines(names: Sequence[str]) -> Callable[[Sequence[Sequence[Any]]], str]:
    """JSON Lines: an object per row, without what is null."""

    def text(rows: Sequence[Sequence[Any]]) -> str:
        found = ({n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows)
        return "".join([f"{_json(one).decode()}\n" for one in found])

    return text
