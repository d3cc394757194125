"""Every exporter with somebody at the other side who takes all."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from datastore.exporters.build import Identity, open_exporter
from gateway.exporting import Export
from gateway.model.contracts import Exporter
from gateway.northbound.republish import MqttExporter
from gateway.northbound.republishing import MqttExportSettings
from gateway.runtime.clock import SystemClock
from tests.support import databases
from tests.support.broker import mosquitto
from tests.support.clock import MovingClock
from tests.support.fakehttp import fake_http

_settings: TypeAdapter[Any] = TypeAdapter(Export)


def made(kind: str, **settings: Any) -> Exporter:
    """As gateway.yaml's `exporters: {plant: {kind: KIND, …}}`."""
    return open_exporter(Identity("plant", "plant-7"), _settings.validate_python({"kind": kind, **settings}))


@contextlib.asynccontextmanager
async def influx(_: MovingClock, __: Path) -> AsyncIterator[Exporter]:
    pytest.importorskip("influxdb_client")
    async with fake_http() as fake:
        yield made("influx", url=fake.url, bucket="readings")


@contextlib.asynccontextmanager
async def http(_: MovingClock, __: Path) -> AsyncIterator[Exporter]:
    async with fake_http() as fake:
        yield made("http", url=fake.url, only={"messages": ["alarm"]})


@contextlib.asynccontextmanager
async def webhook(_: MovingClock, __: Path) -> AsyncIterator[Exporter]:
    async with fake_http() as fake:
        yield made("webhook", url=fake.url)


@contextlib.asynccontextmanager
async def csv(_: MovingClock, folder: Path) -> AsyncIterator[Exporter]:
    yield made("files", folder=folder / "out", only={"messages": ["alarm"]})


@contextlib.asynccontextmanager
async def parquet(_: MovingClock, folder: Path) -> AsyncIterator[Exporter]:
    pytest.importorskip("duckdb")
    yield made("files", folder=folder / "out", format="parquet")


@contextlib.asynccontextmanager
async def postgres(_: MovingClock, folder: Path) -> AsyncIterator[Exporter]:
    pytest.importorskip("psycopg")
    async with databases.postgres(folder) as server:
        (folder / "password").write_text("s3cret")
        yield made("postgres", url=server.url, password_file=folder / "password")


@contextlib.asynccontextmanager
async def mqtt(_: MovingClock, folder: Path) -> AsyncIterator[Exporter]:
    async with mosquitto(folder) as broker:
        settings = MqttExportSettings(kind="mqtt", url=broker.url)
        exporter = MqttExporter("second", settings, "plant-7", SystemClock())
        await exporter.connect()  # a mosquitto asked to stop before it has begun to listen to signals does not
        await exporter.close()
        yield exporter
