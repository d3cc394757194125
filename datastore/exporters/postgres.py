"""A table in PostgreSQL: rows are copied (COPY) beside it and taken over without those that are there already.

Each value's id is unique in the table, so that what is sent twice is stored once. Where TimescaleDB is installed, a
table that we make becomes a hypertable over its time.
"""

import contextlib
import os
import queue
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import errors, sql

from datastore.exporters.answers import Refused, isolated, raise_refused
from datastore.exporters.bounded import bounded, hang_up
from datastore.exporters.secrets import secret
from datastore.exporters.settings import PostgresSettings
from datastore.exporters.tables import Rows
from datastore.exporters.threads import Threads
from datastore.exporters.waiting import Forever
from gateway.model.errors import NotConnected, NotTaken
from gateway.model.export.template import written
from gateway.model.network import is_loopback
from gateway.model.reading import Batch, Event

COLUMNS = {
    "time": "time",
    "origin": "origin",
    "device": "device",
    "source": "source",
    "resource": "resource",
    "value": "value",
    "text": "value",
    "units": "units",
    "quality": "quality",
    "reason": "reason",
    "code": "code",
    "id": "id",
}
"""Of the table that we make. `value` is a number; what is none, or is larger than 2^53, stands in `text`."""
TYPES = {"time": "timestamptz", "origin": "bigint", "value": "double precision", "id": "uuid"}
EXACT = 2**53
CONNECT_S = 5
STAGE = "southgate_new"
_TIMESCALE = (
    "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'timescaledb'"
)
"""Its schema need not be in the search path."""
_HYPERTABLE = "SELECT {}.create_hypertable(%s::regclass, 'time'::name, if_not_exists => true, migrate_data => true)"
_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_MISSING = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName, errors.UndefinedFunction)
_FORBIDDEN = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)
_Connection = psycopg.Connection[Any]


class Line(NamedTuple):
    """The rows of one record."""

    place: int
    text: bytes


class PostgresExporter:
    """Implements `gateway.model.contracts.Exporter`."""

    def __init__(self, name: str, settings: PostgresSettings, gateway: str) -> None:
        self.name = name
        self._settings = settings
        self._own = not settings.columns
        self._rows = Rows(settings.columns or COLUMNS, gateway)
        self._threads = Threads(f"export {name}")
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()
        self._all: set[_Connection] = set()
        self._lock = threading.Lock()
        self._open = False
        self._forever = Forever()
        parts = urlsplit(settings.url)
        self._where = f"PostgreSQL at {parts.hostname or 'this machine'}:{parts.port or 5432}"
        self._table = sql.SQL(".").join(map(sql.Identifier, settings.table.split(".")))

    async def connect(self) -> None:
        if not self._open:
            self._forever.begin()
            self._open = True
            try:
                await self._threads.call(self._begin)
            except BaseException:
                self._open = False
                raise

    def _begin(self) -> None:
        with self._connection() as connection, self._bounded(connection):
            if self._settings.create and self._own:
                there = connection.execute("SELECT to_regclass(%s)", (self._settings.table,)).fetchone()
                if there is None or there[0] is None:  # else we need not be allowed to make it
                    self._make(connection)

    def _make(self, connection: _Connection) -> None:
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(TYPES.get(name, "text"))) for name in COLUMNS
        )
        with connection.transaction():
            made = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY (id, time))")
            connection.execute(made.format(self._table, columns))
            schema = connection.execute(_TIMESCALE).fetchone()
            if schema is not None:
                connection.execute(sql.SQL(_HYPERTABLE).format(sql.Identifier(schema[0])), (self._settings.table,))

    # -------------------------------------------------------------------------------------------------------- send

    async def send(self, batch: Batch) -> None:
        if not self._open:
            raise NotConnected(f"{self._where}: not connected")
        raise_refused(await self._threads.call(self._send, batch))

    def _send(self, batch: Batch) -> Mapping[int, str]:
        lines = [Line(place, self._text(one)) for place, one in enumerate(batch) if isinstance(one, Event)]
        with self._connection() as connection:
            refused = isolated(lines, lambda some: self._store(connection, some))
        return {lines[at].place: why for at, why in refused.items()}

    def _text(self, event: Event) -> bytes:
        """Rows in the text format of COPY (PostgreSQL documentation, COPY, "Text Format")."""
        names = self._rows.names
        rows = self._rows.of(event)
        if self._own:
            value, text = names.index("value"), names.index("text")
            rows = (_divided(row, value, text) for row in rows)
        return "".join(["\t".join(map(_cell, row)) + "\n" for row in rows]).encode("utf-8", "replace")

    def _store(self, connection: _Connection, lines: Sequence[Line]) -> None:
        """Raises Refused; psycopg.Error."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self._rows.names))
        stage = sql.Identifier(STAGE)
        try:
            with self._bounded(connection), connection.transaction(), connection.cursor() as cursor:
                like = sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA")
                cursor.execute(like.format(stage, columns, self._table))
                with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(stage, columns)) as copy:
                    copy.write(b"".join([line.text for line in lines]))
                into = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING")
                cursor.execute(into.format(self._table, columns, columns, stage))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise Refused(400, f"{self._where} refuses it: {_said(error)}") from None

    # -------------------------------------------------------------------------------------------------- connections

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        """One that is kept, or another; whatever went wrong is told in words, and the connection closed."""
        connection: _Connection | None = None
        try:
            connection = self._taken()
            yield connection
        except BaseException as error:
            if connection is not None:
                with self._lock:
                    self._all.discard(connection)
                connection.close()
            if isinstance(error, psycopg.Error):
                raise self._told(error) from None
            if isinstance(error, TimeoutError):
                raise self._late() from None
            raise
        self._idle.put(connection)

    def _taken(self) -> _Connection:
        with contextlib.suppress(queue.Empty):
            while True:
                kept = self._idle.get_nowait()
                if not kept.closed:
                    return kept
        s = self._settings
        options: dict[str, Any] = {"connect_timeout": CONNECT_S, "application_name": f"southgate {self.name}"}
        if s.password_file:
            options["password"] = secret(s.password_file, "password")
        host = urlsplit(s.url).hostname or "localhost"
        if s.ca_file or not (s.allow_plain or is_loopback(host)):
            options |= {"sslmode": "verify-full", "sslrootcert": str(s.ca_file or "system")}
        options["options"] = f"-c statement_timeout={int(s.timeout_s * 1000)}"
        made = psycopg.connect(s.url, autocommit=True, **options)
        with self._lock:
            if not self._open:
                made.close()
                raise NotConnected("closed")
            self._all.add(made)
        return made

    def _told(self, error: psycopg.Error) -> NotConnected:
        said = _said(error)
        if isinstance(error, _MISSING):
            return NotTaken(f"{self._where} has no such table or column: {said}")
        if isinstance(error, _FORBIDDEN):
            return NotTaken(f"{self._where} does not allow it: {said}")
        if isinstance(error, errors.QueryCanceled):
            return self._late()
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            return NotConnected(f"{self._where} cannot be reached: {said}")
        return NotTaken(f"{self._where}: {said}")

    def _late(self) -> NotConnected:
        return NotConnected(f"{self._where} does not answer within {self._settings.timeout}")

    def _bounded(self, connection: _Connection) -> AbstractContextManager[None]:
        return bounded(self._settings.timeout_s, lambda: _hang_up(connection))

    async def lost(self) -> str:
        """A server that is asked now and then is found gone by the next request only."""
        return await self._forever.wait()

    async def close(self) -> None:
        self._open = False
        self._forever.end()
        with self._lock:
            connections, self._all = self._all, set()
        for connection in connections:
            _hang_up(connection)
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        self._threads.close()


def _hang_up(connection: _Connection) -> None:
    """Whoever waits for an answer hears of it, and closes: the library must not lose its memory while it is at work."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        hang_up(wire)


def _divided(row: list[Any], value: int, text: int) -> list[Any]:
    """A number in its column, what is none in that of text."""
    given = row[value]
    if isinstance(given, bool):
        row[value], row[text] = int(given), None
    elif isinstance(given, float) or (isinstance(given, int) and -EXACT <= given <= EXACT):
        row[text] = None
    elif isinstance(given, int):
        row[value] = float(given)
    else:
        row[value] = None
    return row


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "\\N" if value is None else ""
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    return written(value).translate(_ESCAPED)


def _said(error: psycopg.Error) -> str:
    """The first line of what the server or the library says."""
    text = error.diag.message_primary or str(error)
    context = error.diag.context or ""
    column = re.search(r"column (\w+)", context)
    return " ".join(text.split())[:300] + (f" (column {column[1]})" if column else "")
