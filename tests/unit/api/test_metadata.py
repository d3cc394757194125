"""core-metadata: what is let in, what is refused and how it is said."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.api import bodies, devices, gateway, profiles
from gateway.model.load import device_from_json
from gateway.model.scalar import literal_text
from tests.unit.api.conftest import PROFILE, device_body, request
from tests.unit.api.fakes import House

META = "/core-metadata/api/v3"
RID = "e6e8a2f4-eb14-4649-9e2b-175247911369"


def statuses(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 207, answer.text
    return [entry["statusCode"] for entry in answer.json()]


async def test_a_batch_of_devices_is_answered_one_by_one_in_order(house: House, api: httpx.AsyncClient) -> None:
    bodies = [
        device_body("one"),
        device_body("boiler"),
        device_body("two", serviceName="device-teapot"),
        device_body("three", profileName="Nope"),
        device_body("four", autoEvents=[{"interval": "1s", "sourceName": "Nope"}]),
    ]
    answer = await api.post(f"{META}/device", json=[request("device", b) for b in bodies])
    assert statuses(answer) == [201, 409, 400, 400, 400]
    first, second, third, _, fifth = answer.json()
    assert list(first) == ["apiVersion", "requestId", "statusCode", "id"]
    assert list(second) == ["apiVersion", "requestId", "message", "statusCode"]
    assert third["message"] == "device service 'device-teapot' does not exists"
    assert fifth["message"] == "auto event source 'Nope' cannot be found in the device profile 'Boiler'"
    assert set(house.registry.current.devices) == {"boiler", "one"}
    shown = (await api.get(f"{META}/device/id/{first['id']}")).json()["device"]
    assert (shown["name"], shown["id"]) == ("one", first["id"])


async def test_what_the_planner_refuses_does_not_keep_the_others_out(house: House, api: httpx.AsyncClient) -> None:
    bad = device_body("bad", protocols={"modbus-tcp": {"Address": "x", "Refuse": True}})
    answer = await api.post(
        f"{META}/device", json=[request("device", b) for b in (device_body("a"), bad, device_body("b"))]
    )
    assert statuses(answer) == [201, 400, 201]
    assert "no such address" in answer.json()[1]["message"]
    assert set(house.registry.current.devices) == {"boiler", "a", "b"}


async def test_the_literal_text_of_an_address_counts(house: House, api: httpx.AsyncClient) -> None:
    """Bit 10 of register 10 and bit 1 of it are one number and two addresses."""
    resource = '{"name": "A", "properties": {"valueType": "Bool", "readWrite": "R"}, "attributes": {"at": 10.10}}'
    profile = f'{{"apiVersion": "v3", "name": "Bits", "deviceResources": [{resource}]}}'
    answer = await api.post(f"{META}/deviceprofile", content=f'[{{"apiVersion": "v3", "profile": {profile}}}]')
    assert statuses(answer) == [201]
    (found,) = house.registry.current.profiles["Bits"].device_resources
    assert literal_text(found.attributes["at"]) == "10.10"


async def test_force_replaces(house: House, api: httpx.AsyncClient) -> None:
    body = [request("device", device_body("boiler", description="new"))]
    assert statuses(await api.post(f"{META}/device?force=true&bypassValidation=true", json=body)) == [201]
    assert house.registry.current.devices["boiler"].description == "new"
    assert (await api.post(f"{META}/device?force=maybe", json=body)).status_code == 400


async def test_a_device_of_a_file_without_a_service_is_shown_and_patched(house: House, api: httpx.AsyncClient) -> None:
    """A file may leave serviceName out, then the protocol says whose it is; EdgeX's clients always find it filled."""
    named = device_body("heat-1")
    del named["serviceName"]
    house.put(house.registry.current.profiles["Boiler"], device_from_json(named, required=()))
    assert (await api.get(f"{META}/device/name/heat-1")).json()["device"]["serviceName"] == "device-modbus"
    listed = (await api.get(f"{META}/device/service/name/device-modbus")).json()["devices"]
    assert {d["serviceName"] for d in listed} == {"device-modbus"}
    lock = [request("device", {"name": "heat-1", "adminState": "LOCKED"})]
    assert statuses(await api.patch(f"{META}/device", json=lock)) == [200]
    assert house.registry.current.devices["heat-1"].admin_state.value == "LOCKED"
    assert house.registry.current.devices["heat-1"].service_name == "", "the file stays as its author wrote it"
    nobody = [request("device", {"name": "heat-1", "protocols": {"smoke": {"Address": "hill"}}})]
    answer = await api.patch(f"{META}/device", json=nobody)
    assert statuses(answer) == [400]
    assert "smoke" in answer.json()[0]["message"]


async def test_an_alias_names_the_service(house: House, api: httpx.AsyncClient) -> None:
    body = [request("device", device_body("aliased", serviceName="my-modbus"))]
    assert statuses(await api.post(f"{META}/device", json=body)) == [201]
    for service in ("my-modbus", "device-modbus"):
        names = [d["name"] for d in (await api.get(f"{META}/device/service/name/{service}")).json()["devices"]]
        assert "aliased" in names


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[1, 2",
        '[{"apiVersion": "v3", "device": {"name": NaN}}]',
        '[{"apiVersion": "v3", "device": {"name": "x", "x": 1e9999}}]',
        "[" * 100_000,
        '[{"apiVersion":"v3","device":' + '{"a":' * 80 + "1" + "}" * 80 + "}]",
        b"[\xff]",
        "{}",
        "[3]",
        '[{"device": {}}]',
        '[{"apiVersion": "", "device": {}}]',
        '[{"apiVersion": "v3"}]',
        '[{"apiVersion": "v3", "requestId": "not-a-uuid", "device": {}}]',
        '[{"apiVersion": "v3", "requestId": 7, "device": {}}]',
        '[{"apiVersion": "v3", "device": {"name": 5}}]',
        '[{"apiVersion": "v3", "device": {"name": "a\\u0000b", "serviceName": "device-modbus",'
        ' "adminState": "UNLOCKED", "operatingState": "UP", "protocols": {}}}]',
        "[] []",
        "",
    ],
)
async def test_a_bad_body_is_400_and_changes_nothing(body: str | bytes, house: House, api: httpx.AsyncClient) -> None:
    good = '[{"apiVersion": "v3", "device": {}},'
    for content in (body, good.encode() + body[1:].encode() if isinstance(body, str) else body):
        answer = await api.post(f"{META}/device", content=content)
        assert answer.status_code == 400, answer.text
        assert answer.json()["message"]
    assert house.registry.changes == 0


async def test_patch_changes_what_is_given(house: House, api: httpx.AsyncClient) -> None:
    changes = [
        {"name": "boiler", "description": "warm", "labels": ["x"], "location": None},
        {"name": "ghost", "description": "?"},
        {"name": "boiler", "id": RID, "description": "?"},
        {"description": "?"},
        {"name": "boiler", "profileName": "Nope"},
    ]
    answer = await api.patch(f"{META}/device", json=[request("device", c) for c in changes])
    assert statuses(answer) == [200, 404, 400, 404, 400]
    device = house.registry.current.devices["boiler"]
    assert (device.description, device.labels, device.profile_name) == ("warm", ["x"], "Boiler")
    shown = (await api.get(f"{META}/device/name/boiler")).json()["device"]
    by_id = [request("Device", {"id": shown["id"], "description": "by id", "name": None})]
    assert statuses(await api.patch(f"{META}/device", json=by_id)) == [200]
    assert house.registry.current.devices["boiler"].description == "by id"


async def test_devices_are_listed_by_page_label_profile_and_service(house: House, api: httpx.AsyncClient) -> None:
    profile = house.registry.current.profiles["Boiler"]
    house.put(
        profile, *(device_from_json(device_body(f"d{i}", labels=["odd" if i % 2 else "even", "all"])) for i in range(5))
    )

    async def names(path: str) -> tuple[int, list[str]]:
        body = (await api.get(META + path)).json()
        return body["totalCount"], [d["name"] for d in body["devices"]]

    assert await names("/device/all?offset=1&limit=2") == (6, ["d0", "d1"])
    assert await names("/device/all?limit=0") == (6, [])
    assert (await names("/device/all?limit=-1"))[0] == 6
    assert await names("/device/all?labels=odd,all") == (2, ["d1", "d3"])
    assert (await names("/device/profile/name/Boiler"))[0] == 6
    assert await names("/device/profile/name/Nope?offset=5") == (0, [])
    assert (await names("/device/service/name/device-modbus"))[0] == 6


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("offset=7", 416, "query objects bounds out of range. length:1 offset:7"),
        ("limit=1025", 400, "querystring limit's value 1025 is out of min -1 ~ max 1024 range."),
        ("limit=-2", 400, "querystring limit's value -2 is out of min -1 ~ max 1024 range."),
        ("limit=x", 400, "failed to parse querystring limit's value x into integer"),
        ("limit=1_0", 400, "failed to parse querystring limit's value 1_0 into integer"),
        ("limit=%201", 400, "failed to parse querystring limit's value  1 into integer"),
        ("limit=%D9%A1", 400, "failed to parse querystring limit's value ١ into integer"),
        ("offset=-1", 400, "querystring offset's value -1 is out of min 0 ~ max 2147483647 range."),
        ("offset=" + "9" * 400, 400, ""),
    ],
)
async def test_paging_out_of_range(query: str, status: int, message: str, api: httpx.AsyncClient) -> None:
    for path in ("/device/all", "/deviceprofile/all", "/deviceservice/all"):
        answer = await api.get(f"{META}{path}?{query}")
        assert (answer.status_code, answer.json()["statusCode"]) == (status, status)
        assert message in answer.json()["message"]


async def test_devices_are_found_checked_and_deleted(house: House, api: httpx.AsyncClient) -> None:
    shown = (await api.get(f"{META}/device/name/boiler")).json()["device"]
    assert list(shown)[:4] == ["created", "modified", "id", "name"]
    assert (await api.get(f"{META}/device/check/name/boiler")).json() == {"apiVersion": "v3", "statusCode": 200}
    assert (await api.get(f"{META}/device/check/name/ghost")).status_code == 404
    child = device_from_json(device_body("child", parent="boiler"))
    house.put(house.registry.current.profiles["Boiler"], child)
    refused = await api.delete(f"{META}/device/name/boiler")
    assert (refused.status_code, refused.json()["message"]) == (409, "cannot delete device with children")
    assert (await api.delete(f"{META}/device/name/child")).status_code == 200
    assert (await api.delete(f"{META}/device/name/boiler")).status_code == 200
    assert (await api.delete(f"{META}/device/name/boiler")).status_code == 404
    assert not house.registry.current.devices


async def test_profiles_are_added_replaced_found_and_deleted(house: House, api: httpx.AsyncClient) -> None:
    new = {**PROFILE, "name": "New", "manufacturer": "Other"}
    answer = await api.post(f"{META}/deviceprofile", json=[request("profile", new), request("profile", PROFILE)])
    assert statuses(answer) == [201, 409]
    replaced = [request("profile", {**new, "model": "M/2"}), request("profile", {**new, "name": "Ghost"})]
    assert statuses(await api.put(f"{META}/deviceprofile", json=replaced)) == [200, 404]
    shown = (await api.get(f"{META}/deviceprofile/name/New")).json()["profile"]
    assert (shown["model"], shown["id"]) == ("M/2", answer.json()[0]["id"])
    for path, count in (
        ("/manufacturer/Other", 1),
        ("/model/M%2F2", 1),
        ("/manufacturer/Other/model/M%2F2", 1),
        ("/manufacturer/Acme/model/M%2F2", 0),
        ("/all?labels=heat", 2),
    ):
        assert (await api.get(f"{META}/deviceprofile{path}")).json()["totalCount"] == count, path
    used = await api.delete(f"{META}/deviceprofile/name/Boiler")
    assert (used.status_code, "associated device exists" in used.json()["message"]) == (409, True)
    assert (await api.delete(f"{META}/deviceprofile/name/New")).status_code == 200
    assert (await api.get(f"{META}/deviceprofile/name/New")).status_code == 404
    assert set(house.registry.current.profiles) == {"Boiler"}


async def test_one_invalid_profile_refuses_the_whole_request(house: House, api: httpx.AsyncClient) -> None:
    wrong = {"name": "W", "deviceResources": [{"name": "r", "properties": {"valueType": "Int17", "readWrite": "R"}}]}
    answer = await api.post(
        f"{META}/deviceprofile", json=[request("profile", {**PROFILE, "name": "N"}), request("profile", wrong)]
    )
    assert answer.status_code == 400
    assert house.registry.changes == 0


YAML = b"""name: Uploaded
deviceResources:
  - name: Level
    attributes: {primaryTable: INPUT_REGISTERS, startingAddress: 1}
    properties: {valueType: uint16, readWrite: R, defaultValue: 0.0}
"""


async def test_a_yaml_file_is_uploaded_and_replaced(house: House, api: httpx.AsyncClient) -> None:
    made = await api.post(f"{META}/deviceprofile/uploadfile", files={"file": ("p.yaml", YAML)})
    assert (made.status_code, list(made.json())) == (201, ["apiVersion", "statusCode", "id"])
    resource = house.registry.current.profiles["Uploaded"].device_resources[0]
    assert (resource.properties.value_type.value, resource.properties.default_value) == ("Uint16", "0.0")
    assert (await api.post(f"{META}/deviceprofile/uploadfile", files={"file": ("p.yaml", YAML)})).status_code == 409
    changed = YAML.replace(b"Level", b"Depth")
    assert (await api.put(f"{META}/deviceprofile/uploadfile", files={"file": ("p.yaml", changed)})).status_code == 200
    assert house.registry.current.profiles["Uploaded"].device_resources[0].name == "Depth"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"file": ("p.yaml", b"name: [")}, "*dtos.DeviceProfile yaml decoding failed"),
        ({"file": ("p.yaml", b"\xff\xfe\x00")}, "*dtos.DeviceProfile yaml decoding failed"),
        ({"file": ("p.yaml", b"a: &a [x]\n" + b"b: [*a, *a]\n" * 3)}, "*dtos.DeviceProfile yaml decoding failed"),
        ({"other": ("p.yaml", YAML)}, "missing yaml file"),
        ({"file": (None, YAML)}, "missing yaml file"),
    ],
)
async def test_a_bad_upload_is_400(files: Any, message: str, house: House, api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{META}/deviceprofile/uploadfile", files=files)
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert house.registry.changes == 0


async def test_a_bad_upload_says_what_is_wrong_and_where(
    api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = YAML.replace(b"uint16", b"uint17").replace(b"readWrite: R,", b"readWrite: X,")
    answer = await api.post(f"{META}/deviceprofile/uploadfile", files={"file": ("level\u2028.yaml", wrong)})
    body = answer.json()
    assert (body["statusCode"], body["message"]) == (400, "*dtos.DeviceProfile yaml decoding failed"), "EdgeX's words"
    assert {(p["file"], p["line"], p["where"]) for p in body["problems"]} == {
        ("level?.yaml", 5, "deviceResources[0].properties.valueType"),
        ("level?.yaml", 5, "deviceResources[0].properties.readWrite"),
    }
    logged = [r for r in caplog.records if r.levelname == "WARNING"]
    assert len(logged) == 2
    assert "level?.yaml:5: deviceResources[0].properties.valueType" in caplog.text


async def test_definitions_are_read_beside_the_loop(
    house: House, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A legal profile of 100,000 resources took eight seconds in which no value came."""
    where: list[bool] = []

    def beside(what: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **more: Any) -> Any:
            where.append(threading.current_thread() is threading.main_thread())
            return what(*given, **more)

        return noted

    for module, name in (
        *((profiles, "load_profile"), (profiles, "profile_from_json"), (devices, "device_from_json")),
        *((gateway, "profile_from_json"), (gateway, "device_from_json"), (bodies, "parse_json")),
    ):
        monkeypatch.setattr(module, name, beside(getattr(module, name)))
    assert (await api.post(f"{META}/deviceprofile/uploadfile", files={"file": ("p.yaml", YAML)})).status_code == 201
    profile = {**PROFILE, "apiVersion": "v3"}
    assert statuses(await api.put(f"{META}/deviceprofile", json=[request("profile", profile)])) == [200]
    assert statuses(await api.post(f"{META}/device", json=[request("device", device_body("new"))])) == [201]
    both = {"profiles": [PROFILE], "devices": [device_body("newer")]}
    assert (await api.post("/gateway/api/v1/config/apply", json=both)).status_code == 200
    assert where == [False] * 8


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_an_upload_that_is_no_form_is_400(content_type: str, api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{META}/deviceprofile/uploadfile", content=YAML, headers={"Content-Type": content_type})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\x.yaml", "/etc/passwd", "a\x00b", "x" * 5000])
async def test_the_name_of_an_upload_is_only_a_name(
    name: str, house: House, api: httpx.AsyncClient, tmp_path: Any
) -> None:
    answer = await api.post(f"{META}/deviceprofile/uploadfile", files={"file": (name, YAML)})
    assert answer.status_code in (201, 400)
    assert set(house.registry.current.profiles) <= {"Boiler", "Uploaded"}
    assert "passwd" not in answer.text


async def test_device_services(api: httpx.AsyncClient) -> None:
    listed = (await api.get(f"{META}/deviceservice/all")).json()
    assert (listed["totalCount"], listed["services"][0]["baseAddress"]) == (1, "http://localhost:8080/device-modbus")
    assert (await api.get(f"{META}/deviceservice/all?labels=x")).json()["totalCount"] == 0
    assert (await api.get(f"{META}/deviceservice/name/device-modbus")).json()["service"]["adminState"] == "UNLOCKED"
    assert (await api.get(f"{META}/deviceservice/name/nope")).status_code == 404
