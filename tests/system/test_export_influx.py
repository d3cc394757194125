"""InfluxDB's line protocol at servers that are not ours: VictoriaMetrics, and InfluxDB 1.6's own engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import NotTaken, PartialSend
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Quality, Source
from tests.contract.exporter_peers import made
from tests.support.databases import influx, victoria_metrics
from tests.support.records import ORIGIN, event, resource, source

V = ValueType
MS = 10**6


def of(names: dict[str, ValueType], device: str = "meter", profile: str = "plain") -> Source:
    return Source("s", profile, device, "all", tuple(resource(name, kind) for name, kind in names.items()))


async def test_victoria_metrics_gives_back_what_was_sent(tmp_path: Path) -> None:
    async with victoria_metrics(tmp_path) as server:
        exporter = made("influx", url=server.url, bucket="any", measurement="{profile}")
        await exporter.connect()
        mixed = of({"u": V.FLOAT64, "n": V.INT32, "on": V.BOOL}, 'we ird,"=\\')
        batch = [Event(mixed, ORIGIN + n * MS, [n / 8, -n, bool(n % 2)]) for n in range(1000)]
        await exporter.send(batch)
        await exporter.send(batch[:10])
        await exporter.close()
        found = await server.exported('{source="all"}')
        times = [ORIGIN // MS + n for n in range(1000)]
        assert sorted(set(found["plain_u"])) == [(t, n / 8) for n, t in enumerate(times)]
        assert sorted(set(found["plain_n"])) == [(t, -n) for n, t in enumerate(times)]
        assert [v for _, v in sorted(set(found["plain_on"]))] == [n % 2 for n in range(1000)]


async def rows(server: Any, text: str) -> Sequence[Sequence[Any]]:
    found = await server.query(text)
    return found["series"][0]["values"] if "series" in found else []


async def test_influxdb_keeps_exact_values_times_and_names(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    async with influx(tmp_path) as server:
        exporter = made("influx", url=server.url, bucket="readings", token_file=tmp_path / "token")
        await exporter.connect()
        names = {"f": V.FLOAT64, "i": V.INT64, "t": V.STRING, "b": V.BOOL, "x y,=\\z": V.UINT16}
        device = 'we ird,=\\ "ü"'
        values = [0.1 + 0.2, -(2**63), 'say "a\\b"\nü,= \\', True, 7]
        one = Event(of(names, device), ORIGIN + 123, values, times={4: ORIGIN + 77})
        bad = Event(of(names, device), ORIGIN + 999, [None, 5, "", False, 1], quality={0: Quality("bad", "timeout")})
        await exporter.send([one, bad])
        await exporter.send([one, bad])  # twice counts once
        found = await server.query('SELECT * FROM "plain"')
        (series,) = found["series"]
        at = {name: index for index, name in enumerate(series["columns"])}
        assert [row[0] for row in series["values"]] == [ORIGIN + 77, ORIGIN + 123, ORIGIN + 999]
        first = series["values"][1]
        assert [first[at[name]] for name in ("f", "i", "t", "b")] == values[:4]
        assert series["values"][0][at["x y,=\\z"]] == 7
        assert series["values"][2][at["f.quality"]] == "bad timeout"
        assert first[at["device"]] == device
        await exporter.close()


async def test_a_field_of_another_type_and_a_bucket_that_is_missing(tmp_path: Path) -> None:
    """T7: exactly the poisonous records are refused, in the words of the real engine; the rest is stored."""
    (tmp_path / "token").write_text("s3cret")
    (tmp_path / "wrong").write_text("wrong")
    async with influx(tmp_path) as server:
        exporter = made("influx", url=server.url, bucket="readings", token_file=tmp_path / "token")
        await exporter.connect()
        whole, text = of({"n": V.INT32}), of({"n": V.STRING})
        await exporter.send([Event(whole, ORIGIN, [1])])
        batch = [
            Event(text if n in (7, 30) else whole, ORIGIN + 1 + n, ["x" if n in (7, 30) else n]) for n in range(50)
        ]
        with pytest.raises(PartialSend, match="field type conflict") as raised:
            await exporter.send(batch)
        assert raised.value.indices == [7, 30]
        assert (await rows(server, "SELECT count(n) FROM plain"))[0][1] == 49
        await exporter.close()
        for settings, words in (
            ({"bucket": "missing", "token_file": tmp_path / "token"}, "database not found"),
            ({"bucket": "readings", "token_file": tmp_path / "wrong"}, "is the token right"),
        ):
            exporter = made("influx", url=server.url, **settings)
            await exporter.connect()
            with pytest.raises(NotTaken, match=words):
                await exporter.send([event(source(), 1)])
            await exporter.close()
