"""A profile with parameters over REST: it comes back as it was, EdgeX clients can read it, devices show theirs."""

from typing import Any

import httpx
import pytest

from tests.unit.api.conftest import device_body, request
from tests.unit.api.fakes import House

PATH = "/gateway/api/v1/effective"
META = "/core-metadata/api/v3"
PROFILE = """\
name: Multi
parameters:
  circuit: { valueType: Uint8, minimum: 1, maximum: 12 }
  ct_ratio: { valueType: Float64, defaultValue: 1 }
deviceResources:
  - name: Current
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: $(1000 + 100 * (circuit - 1)) }
    properties: { valueType: Uint16, readWrite: R, scale: $(0.01 * ct_ratio), units: A }
"""


def circuit(**parameters: Any) -> dict[str, Any]:
    return device_body("c", profileName="Multi", autoEvents=[], properties={"parameters": parameters})


@pytest.fixture
async def multi(api: httpx.AsyncClient) -> httpx.AsyncClient:
    answer = await api.post(f"{META}/deviceprofile/uploadfile", files={"file": ("multi.yaml", PROFILE)})
    assert answer.status_code == 201
    added = await api.post(f"{META}/device", json=[request("device", circuit(circuit=3, ct_ratio=80))])
    assert added.json()[0]["statusCode"] == 201
    return api


async def test_a_profile_goes_through_rest_and_back(multi: httpx.AsyncClient, house: House) -> None:
    before = house.registry.current.profiles["Multi"]
    profile = (await multi.get(f"{META}/deviceprofile/name/Multi")).json()["profile"]
    (resource,) = profile["deviceResources"]
    assert resource["attributes"]["startingAddress"] == "$(1000 + 100 * (circuit - 1))"
    assert "scale" not in resource["properties"]  # an EdgeX client takes numbers only
    assert profile["parameters"]["circuit"] == {"valueType": "Uint8", "minimum": 1, "maximum": 12}
    profile["description"] = "edited"
    answer = await multi.put(f"{META}/deviceprofile", json=[request("profile", profile)])
    assert answer.json()[0]["statusCode"] == 200
    after = house.registry.current.profiles["Multi"]
    assert (after.description, after.parameters) == ("edited", before.parameters)
    assert after.device_resources == before.device_resources


async def test_what_a_profile_comes_to(multi: httpx.AsyncClient) -> None:
    found = (await multi.get(f"{PATH}/c")).json()
    assert found["parameters"] == {
        "circuit": {"value": 3, "from": "device"}, "ct_ratio": {"value": 80, "from": "device"},
    }  # fmt: skip
    (resource,) = found["profile"]["deviceResources"]
    assert (resource["attributes"]["startingAddress"], resource["properties"]["scale"]) == (1200, 0.8)
    assert "parameters" not in found["profile"]
    assert found["origins"]["deviceResources[0].properties.scale"] == "$(0.01 * ct_ratio): ct_ratio 80 (device)"
    assert "scale: 0.8  # $(0.01 * ct_ratio): ct_ratio 80 (device)\n" in found["yaml"]
    plain = (await multi.get(f"{PATH}/boiler")).json()
    assert (plain["parameters"], plain["origins"], plain["profile"]["name"]) == ({}, {}, "Boiler")


async def test_a_patch_changes_a_value(multi: httpx.AsyncClient) -> None:
    change = {"name": "c", "properties": {"parameters": {"circuit": 4}}}
    answer = await multi.patch(f"{META}/device", json=[request("device", change)])
    assert answer.json()[0]["statusCode"] == 200
    device = (await multi.get(f"{META}/device/name/c")).json()["device"]
    assert device["properties"] == {"parameters": {"circuit": 4}}
    found = (await multi.get(f"{PATH}/c")).json()
    assert found["parameters"]["ct_ratio"] == {"value": 1, "from": "default"}
    assert found["profile"]["deviceResources"][0]["attributes"]["startingAddress"] == 1300


async def test_who_has_none(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"{PATH}/nobody")).status_code == 404
    bare = device_body("bare", profileName="", autoEvents=[])
    assert (await api.post(f"{META}/device", json=[request("device", bare)])).json()[0]["statusCode"] == 201
    answer = await api.get(f"{PATH}/bare")
    assert (answer.status_code, answer.json()["message"]) == (404, "device bare has no profile")
