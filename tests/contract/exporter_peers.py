"""Every exporter with somebody at the other side who takes all."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from datastore.exporters.build import Identity, open_exporter
from gateway.config import Export
from gateway.model.contracts import Exporter
from tests.support.clock import MovingClock
from tests.support.fakehttp import fake_http

_settings: TypeAdapter[Any] = TypeAdapter(Export)


def made(kind: str, **settings: Any) -> Exporter:
    """As gateway.yaml's `exporters: {plant: {kind: KIND, …}}`."""
    return open_exporter(Identity("plant", "plant-7"), _settings.validate_python({"kind": kind, **settings}))


@contextlib.asynccontextmanager
async def influx(_: MovingClock, __: Path) -> AsyncIterator[Exporter]:
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
