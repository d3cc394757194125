"""A real PostgreSQL: the table we make, a table of somebody's own, what it refuses, and what it does not take now."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.model.contracts import Exporter
from gateway.model.errors import NotConnected, NotTaken, PartialSend
from gateway.model.ids import event_id
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Quality, Source
from tests.contract.exporter_peers import made
from tests.support.databases import Postgres, postgres
from tests.support.records import ORIGIN, event, resource, source

pytest.importorskip("psycopg")
V = ValueType


def exporter_of(server: Postgres, folder: Path, password: str = "s3cret", **settings: Any) -> Exporter:
    (folder / "password").write_text(password)
    return made("postgres", url=server.url, password_file=folder / "password", **settings)


async def test_the_table_we_make_keeps_everything_once(tmp_path: Path) -> None:
    async with postgres(tmp_path) as server:
        exporter = exporter_of(server, tmp_path)
        await exporter.connect()
        names = {"f": V.FLOAT64, "i": V.UINT64, "t": V.STRING, "b": V.BOOL, "o": V.OBJECT, "x": V.UINT16}
        of = Source("s", "p", "me\\ter", "all", tuple(resource(n, kind) for n, kind in names.items()))
        values = [0.1 + 0.2, 2**64 - 1, "tab\t line\n back\\slash 'ü'", True, {"k": [1, None]}, None]
        one = Event(of, ORIGIN + 1234, values, quality={5: Quality("bad", "refused", "2")}, times={0: ORIGIN - 1000})
        await exporter.send([one, event(source(), 1)])
        await exporter.send([one])
        await exporter.close()
        rows = await server.query(
            "SELECT resource, value, text, quality, reason, code, origin, time, id::text FROM readings "
            "WHERE source = 'all' AND device LIKE 'me_ter' ORDER BY id"
        )
        assert len(rows) == 6
        by = {row[0]: row[1:] for row in rows}
        assert by["f"][:2] == (0.1 + 0.2, None)
        assert by["f"][5] == ORIGIN - 1000
        assert by["i"][:2] == (float(2**64 - 1), str(2**64 - 1))
        assert by["t"][:2] == (None, values[2])
        assert by["b"][:2] == (1.0, None)
        assert by["o"][:2] == (None, '{"k":[1,null]}')
        assert by["x"][:5] == (None, None, "bad", "refused", "2")
        assert by["x"][6] == datetime.fromtimestamp((ORIGIN + 1234) / 1e9, UTC).replace(microsecond=1)
        assert by["x"][7] == event_id("me\\ter", "all", ORIGIN + 1234, 6)


TIMESCALE = """
SET allow_system_table_mods = on;
CREATE SCHEMA "Time Scale";
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 99999, 'timescaledb', 10, oid, false, '2' FROM pg_namespace WHERE nspname = 'Time Scale';
CREATE TABLE hypertables (made regclass, key text);
CREATE FUNCTION "Time Scale".create_hypertable(relation regclass, time_column_name name,
    partitioning_column name DEFAULT NULL, if_not_exists boolean DEFAULT false, migrate_data boolean DEFAULT false)
    RETURNS record LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.hypertables SELECT relation, pg_get_indexdef(indexrelid) FROM pg_index
        WHERE indrelid = relation AND indisunique AND time_column_name = 'time' AND if_not_exists;
    RETURN NULL; END $$
"""
"""What of TimescaleDB the exporter sees: its row among the extensions, and its function, in a schema of its own."""


async def test_where_timescaledb_is_the_table_becomes_a_hypertable(tmp_path: Path) -> None:
    """Not against TimescaleDB itself, which is not to be had here. Its one demand, that every unique index has the time
    in it, is looked at."""
    async with postgres(tmp_path) as server:
        await server.query(TIMESCALE)
        exporter = exporter_of(server, tmp_path, table="public.values")
        await exporter.connect()
        await exporter.send([event(source(), 1)])
        await exporter.close()
        ((made, key),) = await server.query("SELECT made::text, key FROM hypertables")
        assert made in ("values", '"values"', "public.values")
        assert key.endswith('(id, "time")')
        await exporter.connect()
        await exporter.close()
        assert await server.query("SELECT count(*) FROM hypertables") == [(1,)], "once"
        assert await server.query("SELECT count(*) FROM public.values") == [(2,)]


async def test_a_server_that_stands_still_has_its_time_and_no_more(tmp_path: Path) -> None:
    async with postgres(tmp_path) as server:
        exporter = exporter_of(server, tmp_path, timeout="500ms")
        await exporter.connect()
        await exporter.send([event(source(), 1)])
        server.freeze()
        try:
            async with asyncio.timeout(5):
                with pytest.raises(NotConnected, match="does not answer within 500ms"):
                    await exporter.send([event(source(), 2)])
        finally:
            server.freeze(False)
        await exporter.send([event(source(), 2)])
        server.freeze()
        sending = asyncio.create_task(exporter.send([event(source(), 3)]))
        await asyncio.sleep(0.1)
        try:
            sending.cancel()
            await exporter.close()
        finally:
            server.freeze(False)


OWN = "CREATE TABLE own.values (ts timestamptz, tag text CHECK (tag <> 'poison'), v float8, i uuid UNIQUE)"


async def test_a_table_of_ones_own_and_what_it_refuses(tmp_path: Path) -> None:
    """T7: a record that the table does not take is refused alone, with the server's words."""
    async with postgres(tmp_path) as server:
        columns = {"ts": "time", "tag": "resource", "v": "value", "i": "id"}
        exporter = exporter_of(server, tmp_path, table="own.values", columns=columns)
        await exporter.connect()
        with pytest.raises(NotTaken, match="has no such table"):
            await exporter.send([event(source(), 1)])
        await server.query("CREATE SCHEMA own")
        await server.query(OWN)
        poison, text = source(names=["poison"]), Source("s", "p", "d", "t", (resource("t", V.STRING),))
        batch = [event(source(), n) for n in range(20)]
        batch[3:3] = [event(poison, 50)]
        batch[11:11] = [event(text, 60, ["not a number"])]
        with pytest.raises(PartialSend) as raised:
            await exporter.send(batch)
        assert raised.value.indices == [3, 11]
        assert "check constraint" in raised.value.reasons[3]
        assert "invalid input syntax for type double precision" in raised.value.reasons[11]
        assert (await server.query("SELECT count(*), count(DISTINCT tag) FROM own.values")) == [(40, 2)]
        await exporter.close()


async def test_wrong_password_no_right_and_a_restart(tmp_path: Path) -> None:
    async with postgres(tmp_path) as server:
        wrong = exporter_of(server, tmp_path, password="wrong")
        with pytest.raises(NotConnected, match="password authentication failed"):
            await wrong.connect()
        await wrong.close()
        exporter = exporter_of(server, tmp_path)
        await exporter.connect()
        await exporter.send([event(source(), 1)])
        await server.stop()
        with pytest.raises(NotConnected):
            await exporter.send([event(source(), 2)])
        await exporter.close()
        with pytest.raises(NotConnected, match="cannot be reached"):
            await exporter.connect()
        await exporter.close()
        await server.start()
        await exporter.connect()
        await exporter.send([event(source(), 2)])
        await exporter.close()
        await server.query("ALTER DATABASE postgres SET default_transaction_read_only = on")
        await exporter.connect()
        with pytest.raises(NotTaken, match="does not allow it"):
            await exporter.send([event(source(), 3)])
        await exporter.close()
