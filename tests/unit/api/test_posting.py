"""Events that others bring: the road that readings go, and what is refused."""

import asyncio
import base64
import uuid
from typing import Any

import cbor2
import httpx
import pytest

from gateway.api import posting
from gateway.model.load import profile_from_json
from gateway.model.reading import Event
from tests.unit.api.conftest import PROFILE
from tests.unit.api.fakes import House

PATH = "/core-data/api/v3/event/device-modbus/Boiler/boiler/Both"
NOW = 1_763_635_300_000_000_000
REQUEST = "e6e8a2f4-eb14-4649-9e2b-175247911369"


@pytest.fixture
def house(journaled: House) -> House:
    return journaled


def reading(name: str, kind: str, value: Any = None, **more: Any) -> dict[str, Any]:
    said = {"value": value} if value is not None else {}
    return {
        "id": str(uuid.uuid4()), "origin": NOW, "deviceName": "boiler", "profileName": "Boiler", "resourceName": name,
        "valueType": kind, **said, **more,
    }  # fmt: skip


def posted(*readings: dict[str, Any], **more: Any) -> dict[str, Any]:
    event = {
        "apiVersion": "v3", "id": str(uuid.uuid4()), "deviceName": "boiler", "profileName": "Boiler",
        "sourceName": "Both", "origin": NOW,
        "readings": list(readings) or [reading("Setpoint", "Int16", "-5"), reading("Secret", "Uint64", str(2**64 - 1))],
    }  # fmt: skip
    return {"apiVersion": "v3", "requestId": REQUEST, "event": event | more}


def gone_up(house: House) -> Event:
    [event] = house.published
    assert isinstance(event, Event)
    return event


async def test_it_goes_up_and_is_found_by_the_id_of_the_answer(house: House, api: httpx.AsyncClient) -> None:
    answer = await api.post(PATH, json=posted())
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert list(said) == ["apiVersion", "requestId", "statusCode", "id"]
    assert (said["requestId"], said["statusCode"]) == (REQUEST, 201)
    event = gone_up(house)
    assert (event.values, event.which, event.quality, event.times, event.historical) == (
        [-5, 2**64 - 1], None, None, None, False,
    )  # fmt: skip
    assert event.source.name == "Both"
    found = (await api.get(f"/core-data/api/v3/event/id/{said['id']}")).json()["event"]
    assert [one["value"] for one in found["readings"]] == ["-5", str(2**64 - 1)]


async def test_only_some_readings_with_their_own_times_and_without_values(house: House, api: httpx.AsyncClient) -> None:
    body = posted({**reading("Secret", "uint64", origin=NOW - 7), "value": None}, origin=1_763_635_200_000_000_000)
    assert (await api.post(PATH, json=body)).status_code == 201
    event = gone_up(house)
    assert (event.values, event.which, event.times) == ([None], (1,), {0: NOW - 7})
    assert event.quality == {0: posting.NO_VALUE}
    assert event.historical, "the house has heard of the device since"


async def test_a_second_time_is_409(house: House, api: httpx.AsyncClient) -> None:
    body = posted()
    assert (await api.post(PATH, json=body)).status_code == 201
    assert (await api.post(PATH, json=body)).status_code == 409
    body["event"]["id"] = str(uuid.uuid4())
    assert (await api.post(PATH, json=body)).status_code == 409, "of this moment there is one already"
    assert len(house.published) == 1


async def test_binary_and_cbor(house: House, api: httpx.AsyncClient) -> None:
    picture = {
        "name": "Picture",
        "properties": {"valueType": "Binary", "readWrite": "R", "mediaType": "image/png"},
        "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 9},
    }
    house.put(profile_from_json({**PROFILE, "deviceResources": [*PROFILE["deviceResources"], picture]}))
    path = PATH.replace("Both", "Picture")
    told = reading("Picture", "Binary", binaryValue=base64.b64encode(b"\x89PNG").decode(), mediaType="image/png")
    assert (await api.post(path, json=posted(told, sourceName="Picture"))).status_code == 201
    told["binaryValue"] = b"\x89CBOR"
    body = posted(told, sourceName="Picture", origin=NOW + 1)
    answer = await api.post(path, content=cbor2.dumps(body), headers={"Content-Type": "application/cbor"})
    assert answer.status_code == 201, answer.text
    assert [event.values for event in house.published if isinstance(event, Event)] == [[b"\x89PNG"], [b"\x89CBOR"]]
    state = {
        "name": "State", "properties": {"valueType": "Object", "readWrite": "R"},
        "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 9},
    }  # fmt: skip
    house.put(profile_from_json({**PROFILE, "deviceResources": [*PROFILE["deviceResources"], state]}))
    huge = posted(reading("State", "Object", objectValue={"x": 2**70}), sourceName="State")
    refused = await api.post(PATH.replace("Both", "State"), json=huge)
    assert (refused.status_code, "cannot be kept" in refused.json()["message"]) == (400, True)
    for kind in ("String", "Bool"):
        text = posted(reading("State", kind, "true"), sourceName="State")
        refused = await api.post(PATH.replace("Both", "State"), json=text)
        assert (refused.status_code, "is not that of State" in refused.json()["message"]) == (400, True)
    broken = await api.post(path, content=cbor2.dumps(body)[:-1], headers={"Content-Type": "application/cbor"})
    assert (broken.status_code, "CBOR" in broken.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"deviceName": "other"}, 400, "mismatches boiler in path"),
        ({"profileName": "other"}, 400, "mismatches Boiler in path"),
        ({"sourceName": "other"}, 400, "mismatches Both in path"),
        ({"sourceName": " "}, 400, "SourceName field is required"),
        ({"id": "7"}, 400, "Event.Id field needs a uuid"),
        ({"origin": 0}, 400, "Origin field is required"),
        ({"origin": 1.5}, 400, "Origin field is required"),
        ({"origin": 2**62}, 400, "Origin field is required"),
        ({"readings": []}, 400, "greater than 0"),
        ({"readings": [7]}, 400, "expected an object"),
        ({"readings": [reading("Temperature", "Float32", "1")]}, 400, "no resource Temperature; there is Setpoint"),
        ({"readings": [reading("Setpoint", "Float32", "1")]}, 400, "is not that of Setpoint, Int16"),
        ({"readings": [reading("Setpoint", "Int16", "70000")]}, 400, "value out of range"),
        ({"readings": [reading("Setpoint", "Int16", "x")]}, 400, "invalid syntax"),
        ({"readings": [reading("Setpoint", "Int16")]}, 400, "it has no value"),
        ({"readings": [reading("Setpoint", "Int16", "1", origin=0)]}, 400, "Readings[0].Origin"),
        ({"readings": [reading("Setpoint", "Int16", "1", deviceName="x")]}, 400, "deviceName x is not"),
        ({"readings": [reading("Setpoint", "Int16", "1")] * 2}, 400, "has a reading already"),
    ],
)
async def test_what_is_refused(
    change: dict[str, Any], status: int, said: str, house: House, api: httpx.AsyncClient
) -> None:
    answer = await api.post(PATH, json=posted(**change))
    assert answer.status_code == status, answer.text
    assert said in answer.json()["message"]
    assert not house.published


SHARED = b"\xd8\x1c\x82\xd8\x1d\x00\xd8\x1d\x00"
"""A list (tag 28) of itself, twice (tag 29)."""
LONG = b"\xd9\x01\x00\x9a\x00\x01\x00\x00\x59\x40\x00" + bytes(0x4000) + b"\xd8\x19\x00" * 0xFFFF
"""A text of 16 KB (tag 256) that stands for itself 65,535 times (tag 25)."""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (cbor2.dumps({1: 2}), "not valid CBOR"),
        (cbor2.dumps({"apiVersion": "v3", "event": {b"x": 1}}), "a key is no text"),
        (cbor2.dumps({"event": {1, 2}}), "not valid CBOR"),
        (cbor2.dumps({"event": cbor2.CBORTag(6000, 1)}), "CBORTag means nothing"),
        (b"\xa1\x65event" + SHARED, "refers to parts of itself"),
        (b"\xa1\x65event" + LONG, "refers to parts of itself"),
        (b"\xc5\x82\x1b" + b"\xff" * 8 + b"\x03", "not valid CBOR"),
        (b"\xd8\x1e\x82\x01\x00", "not valid CBOR"),
    ],
)
async def test_what_only_cbor_can_say_is_refused(
    content: bytes, said: str, house: House, api: httpx.AsyncClient
) -> None:
    answer = await api.post(PATH, content=content, headers={"Content-Type": "application/cbor"})
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["message"]


async def test_the_same_twice_at_once_is_kept_once(house: House, api: httpx.AsyncClient) -> None:
    body = posted()
    answers = await asyncio.gather(api.post(PATH, json=body), api.post(PATH, json=body))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(house.published) == 1


async def test_what_is_not_known_or_too_large(
    house: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for old, new, status in (("boiler/", "ghost/", 404), ("Both", "None", 404), ("Boiler", "Other", 409)):
        names = dict(
            zip(("profileName", "deviceName", "sourceName"), PATH.replace(old, new).split("/")[-3:], strict=True)
        )
        answer = await api.post(PATH.replace(old, new), json=posted(**names))
        assert answer.status_code == status, answer.text
    assert (await api.post(PATH.replace("device-modbus", "device-x"), json=posted())).status_code == 409
    for bad in ("", "[]", "{}", '{"apiVersion":"v3"}', '{"apiVersion":"v3","requestId":"x","event":{}}'):
        assert (await api.post(PATH, content=bad)).status_code == 400, bad
    monkeypatch.setattr(posting, "MAX_EVENT_KB", 0)
    assert (await api.post(PATH, json=posted())).status_code == 413
    assert not house.published


async def test_only_so_many_ids_are_remembered(
    house: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "REMEMBERED", 2)
    for n in range(4):
        assert (await api.post(PATH, json=posted(origin=NOW + n))).status_code == 201
    assert len(house.parts.posted) == 2
