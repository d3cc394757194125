"""Whatever is sent: an answer with a status that is not a bug, and nothing half applied."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.load import device_from_json, profile_from_json
from tests.unit.api.conftest import PROFILE, client_of, device_body, request
from tests.unit.api.fakes import House

SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8)
ANY = st.recursive(
    SCALAR, lambda i: st.lists(i, max_size=3) | st.dictionaries(st.text(max_size=6), i, max_size=3), max_leaves=8
)


def _mutated(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A good object with some of its members replaced by anything."""
    return st.dictionaries(st.sampled_from(sorted(whole)), ANY, max_size=3).map(lambda change: {**whole, **change})


def _ask(method: str, path: str, content: bytes) -> tuple[httpx.Response, House]:
    house = House()
    house.put(profile_from_json(PROFILE), device_from_json(device_body()))

    async def send() -> httpx.Response:
        async with client_of(house.parts) as api:
            return await api.request(method, path, content=content)

    return asyncio.run(send()), house


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


@settings(deadline=None, max_examples=60)
@given(_mutated(device_body("new")))
def test_devices(device: dict[str, Any]) -> None:
    answer, house = _ask("POST", "/core-metadata/api/v3/device", _json([request("device", device)]))
    assert answer.status_code in (207, 400), answer.text
    added = answer.status_code == 207 and answer.json()[0]["statusCode"] == 201
    assert set(house.registry.current.devices) - {"boiler"} == ({device["name"]} if added else set())


@settings(deadline=None, max_examples=60)
@given(_mutated({**PROFILE, "name": "New"}))
def test_profiles(profile: dict[str, Any]) -> None:
    answer, house = _ask("POST", "/core-metadata/api/v3/deviceprofile", _json([request("profile", profile)]))
    assert answer.status_code in (207, 400), answer.text
    added = answer.status_code == 207 and answer.json()[0]["statusCode"] == 201
    assert len(house.registry.current.profiles) == (2 if added else 1)


@settings(deadline=None, max_examples=60)
@given(_mutated(device_body()))
def test_patches(change: dict[str, Any]) -> None:
    answer, house = _ask("PATCH", "/core-metadata/api/v3/device", _json([request("device", change)]))
    assert answer.status_code in (207, 400), answer.text
    assert set(house.registry.current.devices) == {"boiler"}


@settings(deadline=None, max_examples=60)
@given(ANY)
def test_writes(body: Any) -> None:
    answer, house = _ask("PUT", "/core-command/api/v3/device/name/boiler/Setpoint", _json(body))
    if answer.status_code == 200:
        assert isinstance(body, dict)
        assert house.commands.ran[0].args == json.loads(json.dumps(body))
    else:
        assert answer.status_code == 400, answer.text
        assert not isinstance(body, dict) or "NaN" in str(json.dumps(body)) or "Infinity" in json.dumps(body)


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(["POST", "PUT", "PATCH"]),
    st.sampled_from(
        [
            "/core-metadata/api/v3/device",
            "/core-metadata/api/v3/deviceprofile",
            "/core-metadata/api/v3/deviceprofile/uploadfile",
            "/gateway/api/v1/commands",
            "/gateway/api/v1/config/apply",
        ]
    ),
    st.binary(max_size=60) | ANY.map(_json),
)
def test_any_bytes(method: str, path: str, content: bytes) -> None:
    answer, house = _ask(method, path, content)
    assert answer.status_code < 500, answer.text
    assert set(house.registry.current.devices) <= {"boiler"}


@settings(deadline=None, max_examples=80)
@given(st.text(min_size=1, max_size=12), st.text(max_size=6), st.text(max_size=6))
def test_any_name_and_query(name: str, key: str, value: str) -> None:
    path = quote(name.encode("utf-8", "surrogatepass"), safe="")
    query = f"{quote(key.encode('utf-8', 'surrogatepass'))}={quote(value.encode('utf-8', 'surrogatepass'))}"
    for where in (f"/core-metadata/api/v3/device/name/{path}", f"/core-data/api/v3/reading/resourceName/{path}"):
        answer, _ = _ask("GET", f"{where}?{query}&limit={quote(value.encode('utf-8', 'surrogatepass'))}", b"")
        assert answer.status_code in (200, 400, 404), answer.text
