"""Dead letters, exports and values for Prometheus over REST."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.app import create_app
from gateway.runtime.exports import Exports, Given
from tests.support.letters import MemoryLetters
from tests.support.records import event, message, source
from tests.support.state import MemoryState
from tests.unit.api.fakes import House
from tests.unit.runtime.test_exports import Feeds

OWN = "/gateway/api/v1"


@pytest.fixture
def feeds() -> Feeds:
    return Feeds()


@pytest.fixture
def letters() -> MemoryLetters:
    return MemoryLetters()


@pytest_asyncio.fixture
async def asked(house: House, feeds: Feeds, letters: MemoryLetters) -> AsyncIterator[httpx.AsyncClient]:
    one, two = event(source(), 1), replace(message(2), offset=7)
    one.offset = 5
    await letters.put("export-db", [(one, "no such field"), (two, "not now")])
    made = Exports(Given(house.store, feeds, letters, MemoryState()), house.clock)
    app = create_app(replace(house.parts, exports=made))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8080") as client:
        yield client
    await asyncio.sleep(0)


async def test_letters_are_listed_with_what_they_hold(asked: httpx.AsyncClient) -> None:
    body = (await asked.get(f"{OWN}/deadletters")).json()
    assert body["total"] == 2
    first, second = body["letters"]
    assert (first["exporter"], first["why"], first["record"]["deviceName"]) == ("db", "no such field", "meter")
    assert second["record"]["body"]["state"] == "raised"
    assert len((await asked.get(f"{OWN}/deadletters?limit=1&exporter=db")).json()["letters"]) == 1
    assert (await asked.get(f"{OWN}/deadletters?after=1")).json()["letters"] == [second]
    assert (await asked.get(f"{OWN}/deadletters?exporter=ghost")).status_code == 404


async def test_retry_and_drop(asked: httpx.AsyncClient, feeds: Feeds, letters: MemoryLetters) -> None:
    feeds.poison = {5}
    done = (await asked.post(f"{OWN}/deadletters/retry", json={"exporter": "db"})).json()
    assert (done["sent"], done["refused"]) == (1, [{"number": 1, "why": "poison"}])
    feeds.away = True
    assert (await asked.post(f"{OWN}/deadletters/retry", json={"numbers": [1]})).status_code == 503
    assert (await asked.post(f"{OWN}/deadletters/drop", json={"numbers": [1, 9]})).json() == {"dropped": 1}
    assert letters.letters == {}


@pytest.mark.parametrize("body", [{}, {"exporter": ""}, {"numbers": []}, {"numbers": ["1"]}, {"numbers": [0]}, []])
async def test_what_is_not_meant_is_refused(asked: httpx.AsyncClient, body: Any, letters: MemoryLetters) -> None:
    assert (await asked.post(f"{OWN}/deadletters/drop", json=body)).status_code == 400
    assert len(letters.letters) == 2


async def test_exports(asked: httpx.AsyncClient) -> None:
    body = {"exporter": "db", "start": 5, "end": 10}
    made = await asked.post(f"{OWN}/exports", json=body)
    assert made.status_code == 202
    job = made.json()
    assert (job["exporter"], job["state"], job["progress"]) == ("db", "running", 0.0) or job["progress"] == 1.0
    assert (await asked.post(f"{OWN}/exports", json=body)).json()["id"] == job["id"]
    assert (await asked.get(f"{OWN}/exports/{job['id']}")).json() == job
    assert (await asked.delete(f"{OWN}/exports/{job['id']}")).json()["state"] == "stopped"
    assert [one["state"] for one in (await asked.get(f"{OWN}/exports")).json()["exports"]] == ["stopped"]
    assert (await asked.get(f"{OWN}/exports/ghost")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"exporter": "ghost", "start": 1, "end": 2}, 404),
        ({"start": 1, "end": 2}, 400),
        ({"exporter": "db", "start": 2, "end": 2}, 400),
        ({"exporter": "db", "start": "1"}, 400),
        ({"exporter": "db", "from": 1}, 400),
    ],
)
async def test_an_export_that_cannot_be(asked: httpx.AsyncClient, body: Any, status: int) -> None:
    assert (await asked.post(f"{OWN}/exports", json=body)).status_code == status


async def test_without_exports(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"{OWN}/deadletters")).status_code == 503


async def test_values_for_prometheus(api: httpx.AsyncClient) -> None:
    text = (await api.get("/metrics/values")).text
    found = {one.name: one.samples for one in text_string_to_metric_families(text)}
    (sample,) = found["southgate_value"]
    assert sample.labels == {"device": "boiler", "resource": "Temperature", "units": "C"}
    assert sample.value == 21.5
    assert [one.value for one in found["southgate_value_good"]] == [1.0]
    assert found["southgate_value_timestamp_seconds"][0].value == 1_763_635_200.0
