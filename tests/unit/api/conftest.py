"""A house with one boiler, and a client that asks it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.app import create_app
from gateway.api.border import Token
from gateway.api.parts import Parts
from gateway.model.load import device_from_json, profile_from_json
from tests.support.answers import Directly
from tests.support.clock import MovingClock
from tests.support.journals import journal
from tests.unit.api.fakes import House

PROFILE: dict[str, Any] = {
    "name": "Boiler",
    "manufacturer": "Acme",
    "model": "B-7",
    "labels": ["heat", "test"],
    "deviceResources": [
        {
            "name": "Temperature",
            "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 0},
            "properties": {"valueType": "Float32", "readWrite": "R", "units": "C"},
        },
        {
            "name": "Setpoint",
            "tags": {"room": "cellar"},
            "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 2},
            "properties": {"valueType": "Int16", "readWrite": "RW", "minimum": 5, "maximum": 90.5},
        },
        {
            "name": "Secret",
            "isHidden": True,
            "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 3},
            "properties": {"valueType": "Uint64", "readWrite": "RW", "defaultValue": "7"},
        },
    ],
    "deviceCommands": [
        {
            "name": "Both",
            "readWrite": "R",
            "tags": {"group": "all"},
            "resourceOperations": [{"deviceResource": "Setpoint"}, {"deviceResource": "Secret"}],
        }
    ],
}


def device_body(name: str = "boiler", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "adminState": "UNLOCKED",
        "operatingState": "UP",
        "labels": ["hall"],
        "tags": {"site": "north"},
        "serviceName": "device-modbus",
        "profileName": "Boiler",
        "protocols": {"modbus-tcp": {"Address": "127.0.0.1", "Port": 502, "UnitID": 1}},
        "autoEvents": [{"interval": "1s", "sourceName": "Both"}],
        **more,
    }


def request(key: str, content: Any, request_id: str = "e6e8a2f4-eb14-4649-9e2b-175247911369") -> dict[str, Any]:
    return {"apiVersion": "v3", "requestId": request_id, key: content}


@pytest.fixture
def house() -> House:
    house = House()
    house.put(profile_from_json(PROFILE), device_from_json(device_body()))
    return house


@pytest.fixture
async def journaled(tmp_path: Path) -> AsyncIterator[House]:
    """The same with a real journal, which answers."""
    clock = MovingClock()
    async with journal(tmp_path / "journal", clock) as store:
        house = House(clock, store=store, answers=Directly(tmp_path, store))
        house.put(profile_from_json(PROFILE), device_from_json(device_body()))
        yield house


def client_of(parts: Parts, token: Token | None = None, **more: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(parts, token, **more), client=("10.0.0.9", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8080")


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(house.parts) as client:
        yield client


@pytest.fixture
def client() -> Callable[..., httpx.AsyncClient]:
    return client_of
