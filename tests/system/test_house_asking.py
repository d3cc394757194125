"""A gateway's history is asked: over REST and the command line, with the last second in every answer; whatever is
asked, polling goes on (tests T27 and T28 of the asks: nothing written, nothing read, no formula)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from simulators.world import World, serve
from tests.support.house import Gateway, house, southgate

pytest.importorskip("duckdb")
WORLD = """
devices:
  - { profile: xy-md02, name: climate, autoEvents: { Climate: 100ms } }
  - { profile: xy-md02, name: cellar, autoEvents: { Climate: 100ms } }
"""
ENDLESS = "SELECT count(*) FROM range(1000000000000) a(i), range(1000) b(j) WHERE i % 7 = j % 5"


async def count(gateway: Gateway, device: str) -> int:
    told = await gateway.ask("GET", f"/core-data/api/v3/event/count/device/name/{device}")
    assert told.status_code == 200, told.text
    return int(told.json()["count"])


async def test_the_history_is_asked_while_it_grows(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD, "utf-8")
    async with (
        serve(World.from_file(tmp_path / "world.yaml")) as world,
        house(tmp_path, world, history={"flush": "1s", "ask": {"timeout": "2s"}}) as gateway,
    ):

        async def taken() -> Any:
            told = await gateway.own("history")
            return told if told["tiers"].get("raw", {}).get("rows", 0) >= 240 else None

        await gateway.until(taken, 30)
        await _values(gateway)
        await _sql(gateway, tmp_path)
        await _edgex(gateway)
        await _endless(gateway)


async def _values(gateway: Gateway) -> None:
    path = "/gateway/api/v1/history/climate/Temperature"
    raw = (await gateway.ask("GET", f"{path}?start=-1h")).json()
    assert raw["rows"] == len(raw["time"]) == len(raw["value"]) > 10
    assert raw["time"] == sorted(set(raw["time"])), "in order, none twice: files and journal do not overlap"
    hour = (await gateway.ask("GET", f"{path}?start=-1h&bucket=1h&of=count,min,max,good")).json()
    assert sum(hour["count"]) >= raw["rows"]
    assert min(hour["min"]) <= min(raw["value"])
    cells = (await gateway.ask("GET", f"{path}?start=-1h&format=csv")).text.splitlines()
    assert cells[0] == "time,value,quality"
    missing = await gateway.ask("GET", "/gateway/api/v1/history/climate/Nothing")
    assert missing.status_code == 404
    report = (await gateway.ask("GET", "/gateway/api/v1/completeness?start=-1s")).json()
    assert {source["device"] for source in report["sources"]} == {"climate", "cellar"}


async def _sql(gateway: Gateway, folder: Path) -> None:
    sql = "SELECT device, count(*) AS n FROM readings GROUP BY device ORDER BY device"
    said = await southgate("query", sql, "--url", gateway.url)
    assert said.code == 0, said.err
    assert [line.split()[0] for line in said.out.splitlines()[:3]] == ["device", "cellar", "climate"]
    said = await southgate("query", sql, "--format", "csv", "--out", folder / "n.csv", "--url", gateway.url)
    assert said.code == 0, said.err
    assert (folder / "n.csv").read_text("utf-8").startswith("device,n\ncellar,")
    for wrong in ("DROP TABLE series", "SELECT * FROM read_text('/etc/passwd')", "SET threads = 9"):
        said = await southgate("query", wrong, "--url", gateway.url)
        assert (said.code, bool(said.err)) == (1, True)


async def _edgex(gateway: Gateway) -> None:
    told = (await gateway.ask("GET", "/core-data/api/v3/event/device/name/climate?limit=3")).json()
    assert told["totalCount"] >= 10
    newest = told["events"][0]
    assert newest["origin"] > told["events"][1]["origin"]
    again = (await gateway.ask("GET", f"/core-data/api/v3/event/id/{newest['id']}")).json()
    assert again["event"] == newest
    gone = await gateway.ask("DELETE", f"/core-data/api/v3/event/id/{newest['id']}")
    assert gone.status_code == 200
    assert (await gateway.ask("GET", f"/core-data/api/v3/event/id/{newest['id']}")).status_code == 404
    behind = await gateway.ask("GET", "/core-data/api/v3/event/all?offset=10000000")
    assert behind.status_code == 416
    before = await count(gateway, "cellar")
    assert (await gateway.ask("DELETE", "/core-data/api/v3/event/device/name/climate")).status_code == 202
    assert await count(gateway, "climate") < 30, "of 60"
    assert await count(gateway, "cellar") >= before


async def _endless(gateway: Gateway) -> None:
    """Others are answered meanwhile, and nothing is late."""
    question = asyncio.create_task(gateway.ask("GET", f"/gateway/api/v1/query?sql={ENDLESS.replace(' ', '%20')}"))
    await asyncio.sleep(0.3)
    assert await count(gateway, "cellar") > 0
    refused = await question
    assert refused.status_code == 504
    assert "longer than 2 s" in json.loads(refused.text)["message"]


async def test_without_a_history_the_journal_answers(tmp_path: Path) -> None:
    """As JSON and CSV, and what is missing; what it cannot says what to install; polling goes on meanwhile."""
    (tmp_path / "world.yaml").write_text(WORLD, "utf-8")
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, house(tmp_path, world) as gateway:

        async def enough() -> Any:
            return await count(gateway, "climate") >= 30

        await gateway.until(enough, 30)
        await _values(gateway)
        path = "/gateway/api/v1/history/climate/Temperature"
        cells = await gateway.ask("GET", f"{path}?start=-1m&bucket=1s&of=mean,count,gaps&format=csv")
        assert cells.text.splitlines()[0] == "time,mean,count"
        sums = await gateway.ask(
            "GET", "/core-data/api/v3/reading/device/name/climate?aggregateFunc=COUNT&numeric=true"
        )
        assert {one["resourceName"]: one["value"] >= 30 for one in sums.json()["readings"]} == {
            "Temperature": True, "Humidity": True,
        }  # fmt: skip
        await _edgex(gateway)
        for question in ("query?sql=SELECT%201", "history/climate/Temperature?format=arrow"):
            refused = await gateway.ask("GET", f"/gateway/api/v1/{question}")
            assert (refused.status_code, "southgate[history]" in refused.text) == (501, True)
        said = await southgate("completeness", "climate", "--start", "2s", "--url", gateway.url)
        assert "climate" in said.out, said.err
