"""The full variant of the image: everything the extras bring works inside, without rights and on a read-only disk."""

import asyncio
import os
from pathlib import Path

import pytest

from simulators.world import World, serve
from tests.support.container import Container, build, composed, running
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
KEPT = "/var/lib/southgate"
METER = "eastron-sdm630"
UID = 10001
OWN_LAYERS_MB = 330
LIBRARIES = "import duckdb, influxdb_client, nanoarrow, numpy, onnxruntime, psycopg"
SETTINGS = """
gateway: {{ name: plant-7, profiles: [{kept}/profiles], devices: {kept}/devices, data: {kept}/data }}
api: {{ listen: "{api}" }}
history: {{ flush: 1s }}
exporters:
  files: {{ kind: files, format: parquet, folder: {kept}/data/out, max_age: 1s }}
rules:
  - {{ name: double, kind: formula, value: "2 * p", of: {{ p: {meter}/Power }}, into: plant/double }}
"""

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]


async def test_history_exporters_and_rules_work_inside(tmp_path: Path) -> None:
    image = build(ROOT, "localhost/southgate:full", LOCK="requirements-full.lock")
    assert image.own_size < OWN_LAYERS_MB * 1e6
    async with serve(World.from_profiles([METER])) as world:
        world.set(METER, "Power", 21.0)
        options = _prepared(tmp_path, world.device_list())
        async with running(image, f"southgate-test-full-{os.getpid()}", options) as container:
            code, text = await container.exec("/opt/southgate/bin/python", "-c", LIBRARIES)
            assert code == 0, text
            await _until_asked(container, "SELECT max(value) FROM readings WHERE device = 'plant'", "42")
            await _until_there(container, f"{KEPT}/data/out", ".parquet")
            assert await container.stop(15) == 0, await container.logs()


def _prepared(folder: Path, devices: str) -> list[str]:
    settings, kept = folder / "gateway.yaml", folder / "kept"
    settings.write_text(SETTINGS.format(kept=KEPT, api=f"127.0.0.1:{free_port()}", meter=METER))
    (kept / "devices").mkdir(parents=True)
    (kept / "devices" / "meter.yaml").write_text(devices)
    for path in (kept, *kept.rglob("*")):
        os.chown(path, UID, UID)
    return composed(ROOT / "compose.yaml", settings, kept)


async def _until_asked(container: Container, sql: str, answer: str) -> None:
    """The command line inside, asked until it says so."""
    said = ""
    async with asyncio.timeout(60):
        while answer not in said:
            _, said = await container.exec("southgate", "query", sql, "--config", "/etc/southgate/gateway.yaml")


async def _until_there(container: Container, folder: str, suffix: str) -> None:
    said = ""
    async with asyncio.timeout(60):
        while suffix not in said:
            _, said = await container.exec("ls", "-R", folder)
