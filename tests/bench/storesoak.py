"""Does it grow? A hundred million readings through the real gateway (no wire: its bus is fed): a journal that is full,
history, ten rules, an exporter that works and one whose server is dead.

`python -m tests.bench.storesoak CONFIG` is the gateway: it says how far it is, a JSON line now and then."""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.app import House
from gateway.model.reading import Event, Source
from tests.bench.rig import Figure, process, rss_mb
from tests.bench.store import STEPS, TURN, walk
from tests.support.dataservice import behind, running, sources, written
from tests.support.ports import free_port

READINGS = 100_000_000
WARM = 10_000_000
"""By then the journal is full, every window of a rule, too, and everything has been at work."""
LOOKS = 10
"""At either end: one every `LOOK` readings."""
LOOK = 1_000_000
VALUES, DEVICES = 100, 100
JOURNAL = "50MB"
AHEAD = 20_000
"""Events that may wait for the history before the load waits for it: a journal that drops what no keeper has taken has
nothing to prove here."""
RULES: list[dict[str, Any]] = [
    {"name": "hot", "kind": "threshold", "of": "d0/R0", "above": 20.6, "into": "calc/hot"},
    {"name": "cold", "kind": "threshold", "of": "d1/R0", "below": -1e6},
    {"name": "rate", "kind": "rate", "of": "d2/R0", "above": 1e9, "into": "calc/rate"},
    {"name": "stuck", "kind": "stuck", "of": "d3/R0", "for": "10s"},
    {"name": "missing", "kind": "missing", "of": "d4/R0", "for": "10s"},
    {"name": "mean", "kind": "rolling", "of": "d5/R0", "over": "1s", "into": "calc/mean"},
    {"name": "std", "kind": "rolling", "of": "d6/R0", "stat": "std", "over": "1s", "into": "calc/std"},
    {"name": "odd", "kind": "zscore", "of": "d7/R0", "limit": 1000.0, "into": "calc/odd"},
    {"name": "total", "kind": "rollover", "of": "d8/R0", "modulo": 1000.0, "into": "calc/total"},
    {"name": "sum", "kind": "formula", "of": {"a": "d9/R0", "b": "d9/R1"}, "value": "a + b", "into": "calc/sum"},
]


def soak() -> Iterator[Figure]:
    """`store.soak.rss_growth_percent`, and what the process that keeps the history has."""
    began = time.monotonic()
    looks = _looks()
    before, after = looks[:LOOKS], looks[-LOOKS:]
    end = looks[-1]
    conditions = (
        f"{end['readings']} Float64 in events of {VALUES}, {DEVICES} devices, through the whole gateway without a wire "
        f"in {time.monotonic() - began:.0f} s; journal of {JOURNAL}, full: {end['dropped']} events dropped unsent; "
        f"history ({end['kept']} readings kept), {len(RULES)} rules, one exporter to files ({end['sent']} events), one "
        f"to a closed port; of {LOOKS} looks from {WARM} readings on and at the end "
    )
    first, last = (statistics.median(one["gateway"] for one in looks) for looks in (before, after))
    told = f"{conditions}the median: {first:.1f} MB and {last:.1f} MB"
    yield Figure("store.soak.rss_growth_percent", 100 * (last / first - 1), "%", told)
    most = max(one["keeper"] for one in looks)
    told = "as above; the most that the history's process had, after merges, too"
    yield Figure("store.soak.history_rss_mb", most, "MB", told)


def _looks() -> list[dict[str, Any]]:
    """What was seen every `LOOK` readings, when it was warm."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        config = str(_config(Path(name)))
        with process(sys.executable, "-m", "tests.bench.storesoak", config) as gateway:
            assert gateway.stdout is not None
            looks = []
            for line in gateway.stdout:
                told = json.loads(line)
                looks.append(told | {"gateway": rss_mb(gateway.pid), "keeper": rss_mb(told["pid"])})
            assert gateway.wait(30) == 0
    _check(looks[-1])
    return [look for look in looks if look["readings"] >= WARM]


def _check(end: dict[str, Any]) -> None:
    """All that it is about did happen."""
    assert end["kept"] >= READINGS, end
    assert end["dropped"] > 0, end
    assert not end["dead"], end
    assert end["sent"] > 0, end
    assert end["state"] == ["ok", "ok"], end


def _config(folder: Path) -> Path:
    dead = f"http://127.0.0.1:{free_port()}"
    return written(
        folder,
        DEVICES,
        VALUES,
        journal={"max_bytes": JOURNAL},
        history={"flush": "1s"},
        rules=RULES,
        exporters={
            "dead": {"kind": "http", "url": dead},
            "files": {
                "kind": "files", "folder": "out", "format": "jsonl", "keep": 3, "max_bytes": "10MB",
                "only": {"devices": ["d0", "calc"], "messages": ["alarm"]},
            },
        },
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- its own process


async def _gateway(config: Path) -> None:
    async with running(config) as house:
        of = sources(house)
        walks = [walk(n, VALUES) for n in range(DEVICES)]
        for turn in range(READINGS // (TURN * VALUES)):
            await _turn(house, of, walks, turn)
            done = (turn + 1) * TURN * VALUES
            if done % LOOK == 0:
                print(json.dumps(_seen(house, done)), flush=True)
        while behind(house, "history") or _seen(house, done)["kept"] < READINGS:  # noqa: ASYNC110  cursors set no event of ours
            await asyncio.sleep(0.05)
        print(json.dumps(_seen(house, done)), flush=True)


async def _turn(house: House, of: list[Source], walks: list[list[list[float]]], turn: int) -> None:
    bus, journal = house.memory.bus, house.memory.journal
    now = time.time_ns()
    bus.publish([Event(of[n % DEVICES], now, walks[n % DEVICES][(turn + n) % STEPS]) for n in range(TURN)])
    await journal.commit()
    while behind(house, "history") > AHEAD:  # noqa: ASYNC110  as above
        await asyncio.sleep(0.005)


def _seen(house: House, done: int) -> dict[str, Any]:
    journal, history = house.memory.journal.report(), house.memory.history
    assert history is not None
    told, consumers = history.report(), {one.name: one for one in house.forwarders.report()}
    return {
        "readings": done,
        "pid": history.process.pid,
        "kept": told.taken.get("kept", 0),
        "dropped": sum(journal.dropped.values()),
        "sent": consumers["export-files"].sent,
        "dead": consumers["export-dead"].connected,
        "state": [journal.state, told.state],
    }


if __name__ == "__main__":
    asyncio.run(_gateway(Path(sys.argv[1])))
