"""core-data: events and readings by device, resource and time."""

from typing import Any

import httpx
import pytest

from datastore.history.asking.recent import records
from gateway.model.load import device_from_json
from tests.unit.api.conftest import device_body
from tests.unit.api.fakes import House

DATA = "/core-data/api/v3"
NOW = 1_763_635_200_000_000_000


@pytest.fixture
def house(journaled: House) -> House:
    return journaled


@pytest.fixture
def kept(house: House) -> House:
    """Ten events of two readings, ten of one; two devices; newest last."""
    house.put(house.registry.current.profiles["Boiler"], device_from_json(device_body("a/b", tags={})))
    for i in range(10):
        house.event("boiler", "Both", [i, 100 + i], NOW - 1000 + i)
        house.event("a/b", "Temperature", [i + 0.5], NOW - 1000 + i)
    return house


async def get(api: httpx.AsyncClient, path: str) -> Any:
    answer = await api.get(DATA + path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_events_are_listed_newest_first_by_device_and_time(kept: House, api: httpx.AsyncClient) -> None:
    everything = await get(api, "/event/all")
    assert (everything["totalCount"], len(everything["events"])) == (20, 20)
    assert list(everything) == ["apiVersion", "statusCode", "totalCount", "events"]
    own = await get(api, "/event/device/name/a%2Fb?limit=3&offset=1")
    assert [e["readings"][0]["value"] for e in own["events"]] == ["8.5e+00", "7.5e+00", "6.5e+00"]
    span = await get(api, f"/event/start/{NOW - 999}/end/{NOW - 998}")
    assert [e["origin"] for e in span["events"]] == [NOW - 998, NOW - 998, NOW - 999, NOW - 999]
    assert (await get(api, "/event/all?limit=0"))["events"] == []
    assert (await get(api, "/event/device/name/ghost?offset=7")) == {
        "apiVersion": "v3",
        "statusCode": 200,
        "totalCount": 0,
        "events": [],
    }
    assert (await api.get(f"{DATA}/event/all?offset=21")).status_code == 416


async def test_an_event_is_found_by_the_id_it_was_shown_with(kept: House, api: httpx.AsyncClient) -> None:
    for event in (await get(api, "/event/all"))["events"]:
        assert (await get(api, f"/event/id/{event['id']}"))["event"] == event
        assert (await api.get(f"{DATA}/event/id/{event['readings'][0]['id']}")).status_code == 404
    read_now = (await api.get("/core-command/api/v3/device/name/boiler/Both")).json()["event"]
    source = kept.registry.planned["boiler"].sources["Both"]
    kept.event("boiler", "Both", [1.5, 1.5], read_now["origin"])
    assert source.names == ("Setpoint", "Secret")
    assert (await get(api, f"/event/id/{read_now['id']}"))["event"] == read_now


async def test_an_event_of_a_device_that_is_gone_is_found_too(kept: House, api: httpx.AsyncClient) -> None:
    shown = (await get(api, "/event/device/name/a%2Fb?limit=1"))["events"][0]
    kept.registry.current = kept.registry.current.without_device("a/b")
    assert (await get(api, f"/event/id/{shown['id']}"))["event"] == shown


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/event/id/nope", 400),
        ("/event/id/6ba7b810-9dad-11d1-80b4-00c04fd430c8", 404),
        ("/event/id/b0a7b810-9dad-41d1-80b4-00c04fd430c8", 404),
        ("/event/start/x/end/1", 400),
        ("/event/start/5/end/4", 400),
        ("/event/start/1/end/" + "9" * 30, 400),
        ("/event/start/-1/end/4", 400),
        ("/event/start/1.5/end/4", 400),
        ("/reading/start/²/end/4", 400),
    ],
)
async def test_bad_questions(path: str, status: int, api: httpx.AsyncClient) -> None:
    assert (await api.get(DATA + path)).status_code == status


async def test_counts(kept: House, api: httpx.AsyncClient) -> None:
    assert await get(api, "/event/count") == {"apiVersion": "v3", "statusCode": 200, "count": 20}
    assert (await get(api, "/event/count/device/name/boiler"))["count"] == 10
    assert (await get(api, "/reading/count"))["count"] == 30
    assert (await get(api, "/reading/count/device/name/boiler"))["count"] == 20


async def test_readings_are_paged_one_by_one(
    kept: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "CHUNK", 3)
    whole = await get(api, "/reading/all?limit=-1")
    assert (whole["totalCount"], len(whole["readings"])) == (30, 30)
    assert [r["origin"] for r in whole["readings"]] == sorted((r["origin"] for r in whole["readings"]), reverse=True)
    for offset in (0, 1, 2, 7, 29, 30):
        part = await get(api, f"/reading/all?offset={offset}&limit=4")
        assert part["readings"] == whole["readings"][offset : offset + 4], offset
    assert (await api.get(f"{DATA}/reading/all?offset=31")).status_code == 416
    assert len({r["id"] for r in whole["readings"]}) == 30


async def test_many_events_of_one_origin_are_each_seen_once(
    house: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "CHUNK", 3)
    for i in range(11):
        house.event("boiler", "Both", [i, i], NOW - (5 if i < 9 else 4))
    body = await get(api, "/reading/all?limit=-1")
    assert (body["totalCount"], len(body["readings"])) == (22, 22)
    assert {r["value"] for r in body["readings"]} == {str(i) for i in range(11)}


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/reading/device/name/boiler", 20),
        ("/reading/device/name/a%2Fb", 10),
        ("/reading/resourceName/Setpoint", 10),
        ("/reading/resourceName/Nope", 0),
        ("/reading/device/name/boiler/resourceName/Secret", 10),
        ("/reading/device/name/a%2Fb/resourceName/Secret", 0),
        (f"/reading/start/{NOW - 1000}/end/{NOW - 999}", 6),
        (f"/reading/resourceName/Setpoint/start/{NOW - 999}/end/{NOW}", 9),
        (f"/reading/device/name/boiler/resourceName/Secret/start/{NOW - 995}/end/{NOW - 995}", 1),
        (f"/reading/device/name/boiler/start/{NOW - 995}/end/{NOW - 995}", 2),
    ],
)
async def test_readings_are_selected(path: str, count: int, kept: House, api: httpx.AsyncClient) -> None:
    body = await get(api, path + "?limit=-1")
    assert (body["totalCount"], len(body["readings"])) == (count, count)


async def test_a_body_names_the_resources(kept: House, api: httpx.AsyncClient) -> None:
    path = f"{DATA}/reading/device/name/boiler/start/0/end/{NOW}"

    async def ask(body: str) -> httpx.Response:
        return await api.request("GET", path, content=body)

    named = (await ask('{"resourceNames": ["Secret"]}')).json()
    assert (named["totalCount"], {r["resourceName"] for r in named["readings"]}) == (10, {"Secret"})
    assert (await ask('{"resourceNames": []}')).json()["totalCount"] == 20
    assert (await ask("{}")).json()["totalCount"] == 20
    for bad in ('{"resourceNames": [1]}', "[]", "{"):
        assert (await ask(bad)).status_code == 400


async def test_deletes(kept: House, api: httpx.AsyncClient) -> None:
    newest = (await get(api, "/event/all"))["events"][0]
    assert (await api.delete(f"{DATA}/event/id/{newest['id']}")).status_code == 200
    assert (await api.delete(f"{DATA}/event/id/{newest['id']}")).status_code == 404
    gone = await api.delete(f"{DATA}/event/device/name/boiler")
    assert (gone.status_code, gone.json()) == (202, {"apiVersion": "v3", "statusCode": 202})
    assert {e["deviceName"] for e in (await get(api, "/event/all"))["events"]} == {"a/b"}
    assert (await api.delete(f"{DATA}/event/age/996")).status_code == 202
    assert min(e["origin"] for e in (await get(api, "/event/all"))["events"]) == NOW - 995
    assert (await api.delete(f"{DATA}/event/age/{2**63 - 1}")).status_code == 202
    assert (await api.delete(f"{DATA}/event/age/x")).status_code == 400


async def test_numbers_as_numbers(kept: House, api: httpx.AsyncClient) -> None:
    events = await get(api, "/event/device/name/a%2Fb?limit=1&numeric=true")
    assert events["events"][0]["readings"][0]["value"] == 9.5
    readings = await get(api, "/reading/device/name/boiler/resourceName/Setpoint?limit=1&numeric=TRUE")
    assert readings["readings"][0]["value"] == 9
    assert (await api.get(DATA + "/event/all?numeric=yes")).status_code == 400


@pytest.mark.parametrize(
    ("how", "value", "kind"),
    [
        ("min", 0, "Int16"),
        ("MAX", 9, "Int16"),
        ("Count", 10, "Int64"),
        ("SUM", 45, "Int64"),
        ("AVG", 4.5, "Float64"),
    ],
)
async def test_one_number_of_all(kept: House, api: httpx.AsyncClient, how: str, value: float, kind: str) -> None:
    found = await get(api, f"/reading/device/name/boiler/resourceName/Setpoint?aggregateFunc={how}")
    assert list(found) == ["apiVersion", "statusCode", "aggregateFunc", "readings"]
    assert found["aggregateFunc"] == how.upper()
    assert found["readings"] == [
        {
            "deviceName": "boiler", "resourceName": "Setpoint", "profileName": "Boiler", "valueType": kind,
            "value": value,
        }
    ]  # fmt: skip
    everything = await get(api, f"/reading/all?aggregateFunc={how}&limit=2&offset=1")
    assert [one["resourceName"] for one in everything["readings"]] == ["Secret", "Setpoint"]
    assert (await api.get(DATA + "/reading/all?aggregateFunc=MEDIAN")).status_code == 400
