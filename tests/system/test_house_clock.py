"""Somebody sets the wall clock while the gateway runs: schedules and ages do not care, and the step is told."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from gateway.api.server import Listener
from gateway.app import House, build
from gateway.config import load_settings
from gateway.model.command import Outcome
from gateway.model.health import FlowReport
from simulators.world import World, serve
from tests.support.house import furnish

WORLD = """
devices:
  - { profile: moxa-iologik-e1214, name: io, autoEvents: { Inputs: 100ms } }
"""
STEP_1970_S = -1_700_000_000.0


async def test_steps_of_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    real, offset = time.time_ns, 0.0
    monkeypatch.setattr(time, "time_ns", lambda: real() + int(offset * 1e9))
    async with serve(World.from_file(tmp_path / "world.yaml")) as world:
        config = furnish(tmp_path / "plant", world.device_list())
        async with build(load_settings(config)) as house:
            found: asyncio.Future[list[Listener]] = asyncio.get_running_loop().create_future()
            running = asyncio.create_task(house.run(found.set_result))
            try:
                async with asyncio.timeout(50), httpx.AsyncClient(base_url=f"http://{(await found)[0].address}") as api:
                    await _reads_more(house, 5)
                    for number, step in enumerate((3600.0, -7200.0, STEP_1970_S + 3600.0), 1):
                        offset += step
                        await _goes_on(house, api, number)
                    await _refuses_what_expires(house, api)
                    offset = 0.0
                    await _goes_on(house, api, 4)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def _goes_on(house: House, api: httpx.AsyncClient, steps: int) -> None:
    """The step is noticed, and meanwhile polls go on, no more of them than the time that really passes has room for."""
    before, began = _flow(house), time.monotonic()
    while house.watch.steps < steps:  # noqa: ASYNC110  the watch looks by itself
        await asyncio.sleep(0.01)
    await _reads_more(house, 10)
    after, passed = _flow(house), time.monotonic() - began
    assert after.reads - before.reads <= passed / 0.1 + 3
    assert after.failures == before.failures
    twin = (await api.get("/gateway/api/v1/twin/io")).json()
    assert twin["state"] == "online"
    ages = [row["age_s"] for row in twin["values"].values() if row["period_s"] is not None]
    assert ages
    assert all(0 <= age < 1 for age in ages)
    metrics = (await api.get("/metrics")).text
    assert f"clock_steps {float(steps)}" in metrics
    assert "clock_trusted 0.0" in metrics


async def _refuses_what_expires(house: House, api: httpx.AsyncClient) -> None:
    body = {"device": "io", "name": "Relay1", "args": {"Relay1": "true"}}
    late = await api.post("/gateway/api/v1/commands", json={**body, "expires_at": time.time_ns() + 10**10})
    assert (late.status_code, late.json()["outcome"]) == (412, Outcome.REJECTED)
    without = await api.post("/gateway/api/v1/commands", json=body)
    assert without.json()["outcome"] == Outcome.CONFIRMED


async def _reads_more(house: House, count: int) -> None:
    wanted = (_flow(house).reads if house.lanes.flows() else 0) + count
    while not house.lanes.flows() or _flow(house).reads < wanted:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def _flow(house: House) -> FlowReport:
    return house.lanes.flows()[0]
