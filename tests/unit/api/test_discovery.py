"""Discovery and profile scans as EdgeX's own clients ask for them (contract, sections 5 and 7.5)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from gateway.api.parts import Parts
from gateway.model.contracts import Clock
from gateway.model.device import AutoEvent, Device
from gateway.model.errors import ConfigError, NotConnected
from gateway.model.load import profile_from_json
from gateway.model.profile import DeviceProfile
from tests.support.clock import settle
from tests.unit.api.conftest import PROFILE, client_of
from tests.unit.api.fakes import SERVICE, FakeProtocol, FakeProtocols, House

OWN = "/device-modbus/api/v3"
RID = "e6e8a2f4-eb14-4649-9e2b-175247911369"


class Asking:
    """A scan that ends when it is told to."""

    def __init__(self, name: str) -> None:
        self.name, self.go = name, asyncio.Event()
        self.progress = "3 nodes"
        self.error: Exception | None = None
        self.resources = PROFILE["deviceResources"]

    async def run(self) -> None:
        await self.go.wait()
        if self.error is not None:
            raise self.error

    def describe(self) -> tuple[DeviceProfile, Sequence[str]]:
        found = {**PROFILE, "name": self.name, "deviceResources": self.resources}
        if self.resources != PROFILE["deviceResources"]:
            found["deviceCommands"] = []
        return profile_from_json(found), ["one was left out"]


class Able(FakeProtocol):
    """Scans and discovers."""

    def __init__(self) -> None:
        self.scans: list[Asking] = []
        self.go = asyncio.Event()

    def scan(self, device: Device, profile: str, options: Mapping[str, Any], clock: Clock) -> Asking:
        if "wrong" in options:
            raise ConfigError("wrong: there is no such option")
        self.scans.append(Asking(profile))
        return self.scans[-1]

    async def discover(self, place: str, clock: Clock) -> Sequence[Device]:
        await self.go.wait()
        if place == "nowhere":
            raise NotConnected("nowhere: refused")
        return [Device(name=f"at-{place}", protocols={"modbus-tcp": {"Address": place}})]


class Protocols(FakeProtocols):
    def __init__(self, one: Any) -> None:
        self.one = one

    def by_service(self, service: str) -> Any:
        return self.one if service == SERVICE else super().by_service(service)


@pytest.fixture
def able() -> Able:
    return Able()


@pytest.fixture
def parts(house: House, able: Able) -> Parts:
    return house.with_compat({"protocols": Protocols(able), "places": {SERVICE: ["here", "nowhere"]}})


@pytest.fixture
async def asked(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(parts) as client:
        yield client
    await parts.scanning.close()


async def scan(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post(f"{OWN}/profilescan", json={"apiVersion": "v3", "deviceName": "boiler", **body})


async def seen(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/gateway/api/v1/discovered")).json()
    return found


async def test_a_scan_becomes_the_profile_of_the_device(asked: httpx.AsyncClient, able: Able, house: House) -> None:
    events = [AutoEvent(interval="1s", source_name=name) for name in ("Both", "Gone")]
    house.registry.current = house.registry.current.with_devices(
        [house.registry.current.devices["boiler"].model_copy(update={"auto_events": events})]
    )
    answer = await scan(asked, profileName="New", requestId=RID)
    assert answer.status_code == 202
    assert answer.json() == {
        "apiVersion": "v3", "requestId": RID, "message": "Device ProfileScan is triggered.", "statusCode": 202
    }  # fmt: skip
    again = await scan(asked)
    assert again.status_code == 409
    assert again.json()["message"] == "Another profile scan process for boiler is currently running"
    (running,) = (await seen(asked))["scans"]
    assert (running["state"], running["progress"], running["requestId"]) == ("running", "3 nodes", RID)
    able.scans[0].go.set()
    await _until(asked, "done")
    device = house.registry.current.devices["boiler"]
    assert device.profile_name == "New"
    assert [event.source_name for event in device.auto_events or ()] == ["Both"]
    assert "New" in house.registry.current.profiles
    assert (await seen(asked))["scans"][0]["notes"] == ["one was left out"]


async def _until(client: httpx.AsyncClient, state: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (found := (await seen(client))["scans"][0])["state"] != state:
            await settle(1)
    return dict(found)


@pytest.mark.parametrize(("number", "words"), [(1, "1 resource"), (2, "2 resources")])
async def test_the_log_says_how_many_resources_were_found(
    asked: httpx.AsyncClient, able: Able, caplog: pytest.LogCaptureFixture, number: int, words: str
) -> None:
    caplog.set_level(logging.INFO, "gateway.runtime.scanning")
    await scan(asked, profileName="New")
    able.scans[0].resources = able.scans[0].resources[:number]
    able.scans[0].go.set()
    await _until(asked, "done")
    assert caplog.messages == [f"boiler has the profile New now: {words}"]


async def test_without_a_name_the_profile_gets_edgexs(asked: httpx.AsyncClient, able: Able) -> None:
    correlation = {"X-Correlation-ID": "abc"}
    answer = await asked.post(f"{OWN}/profilescan", json={"deviceName": "boiler"}, headers=correlation)
    assert answer.json()["requestId"] == "abc"
    assert able.scans[0].name == "boiler_profile_1763635200000"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"deviceName": "nobody"}, 404, "device nobody not found"),
        ({"profileName": "Boiler"}, 409, "profile name Boiler is duplicated"),
        ({"options": {"wrong": 1}}, 400, "there is no such option"),
        ({"options": []}, 202, ""),
        ({"options": [1]}, 400, "failed to parse request body -> deviceName"),
        ({"deviceName": ""}, 400, "DeviceName field is required"),
        ({"requestId": "7"}, 400, "RequestId field needs a uuid"),
    ],
)
async def test_what_is_refused(asked: httpx.AsyncClient, body: dict[str, Any], status: int, words: str) -> None:
    answer = await scan(asked, **body)
    assert answer.status_code == status
    assert words in answer.json()["message"]


async def test_a_body_that_is_none(asked: httpx.AsyncClient) -> None:
    answer = await asked.post(f"{OWN}/profilescan", content=b"{")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("failed to parse request body -> ")
    assert (await asked.post(f"{OWN}/profilescan", json=[])).status_code == 400


async def test_a_scan_that_is_stopped_or_fails_changes_nothing(
    asked: httpx.AsyncClient, able: Able, house: House
) -> None:
    before = house.registry.current
    await scan(asked)
    stopped = await asked.delete(f"{OWN}/profilescan/device/name/boiler")
    assert (stopped.status_code, stopped.json()) == (200, {"apiVersion": "v3", "statusCode": 200})
    assert (await seen(asked))["scans"][0]["state"] == "stopped"
    assert (await asked.delete(f"{OWN}/profilescan/device/name/boiler")).status_code == 200
    assert (await asked.delete(f"{OWN}/profilescan/device/name/nobody")).status_code == 404
    await scan(asked)
    able.scans[1].error = NotConnected("127.0.0.1: refused")
    able.scans[1].go.set()
    assert (await _until(asked, "failed"))["reason"] == "127.0.0.1: refused"
    await scan(asked)
    able.scans[2].resources = []
    able.scans[2].go.set()
    assert (await _until(asked, "failed"))["reason"].startswith("nothing was found")
    assert house.registry.current is before


async def test_few_scans_at_once(asked: httpx.AsyncClient, house: House) -> None:
    boiler = house.registry.current.devices["boiler"]
    house.put(
        house.registry.current.profiles["Boiler"], *(boiler.model_copy(update={"name": f"b{n}"}) for n in range(5))
    )
    answers = [(await scan(asked, deviceName=f"b{n}")).status_code for n in range(5)]
    assert answers == [202, 202, 202, 202, 429]


async def test_discovery_lists_what_it_finds(asked: httpx.AsyncClient, able: Able) -> None:
    first = await asked.post(f"{OWN}/discovery", headers={"X-Correlation-ID": RID})
    assert (first.status_code, first.json()["message"]) == (202, "Device Discovery is triggered.")
    assert first.json()["requestId"] == RID
    assert (await asked.post(f"{OWN}/discovery")).status_code == 202  # it goes on
    able.go.set()
    async with asyncio.timeout(10):
        while (found := await seen(asked))["discoveries"][0]["state"] == "running":
            await settle(1)
    assert [(one["name"], one["service"], one["device"]) for one in found["devices"]] == [("at-here", SERVICE, None)]
    assert found["discoveries"] == [{"name": SERVICE, "requestId": RID, "state": "done", "reason": "nowhere: refused"}]


async def test_a_discovery_can_be_stopped(asked: httpx.AsyncClient) -> None:
    assert (await asked.delete(f"{OWN}/discovery")).status_code == 200
    assert (await asked.delete(f"{OWN}/discovery/requestId/{RID}")).status_code == 404
    await asked.post(f"{OWN}/discovery", headers={"X-Correlation-ID": RID})
    stopped = await asked.delete(f"{OWN}/discovery/requestId/{RID}")
    assert (stopped.status_code, stopped.json()["requestId"]) == (200, RID)
    assert (await seen(asked))["discoveries"][0]["state"] == "stopped"


async def test_a_service_that_is_not_told_where_to_look(house: House, able: Able) -> None:
    async with client_of(house.with_compat({"protocols": Protocols(able)})) as client:
        answer = await client.post(f"{OWN}/discovery")
    assert (answer.status_code, answer.json()["message"]) == (503, "device discovery disabled")


async def test_a_protocol_that_can_neither(api: httpx.AsyncClient, house: House) -> None:
    assert (await api.post(f"{OWN}/discovery")).status_code == 503
    for answer in (await scan(api), await api.delete(f"{OWN}/profilescan/device/name/boiler")):
        assert (answer.status_code, answer.json()["message"]) == (501, "Profile scan is not implemented")
    assert (await api.delete(f"{OWN}/discovery")).status_code == 501
    async with client_of(house.with_compat({"places": {SERVICE: ["here"]}})) as client:
        assert (await client.post(f"{OWN}/discovery")).status_code == 501
