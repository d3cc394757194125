"""Reading and writing: outcomes and refusals as statuses."""

import json
from typing import Any

import httpx
import pytest

from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.errors import CommandRejected, NoAnswer, NotConnected
from gateway.model.profile import Compat
from gateway.model.reading import DISCONNECTED, NAN, OVERFLOW, Event, refused
from tests.unit.api.conftest import client_of
from tests.unit.api.fakes import House, outcome

CORE = "/core-command/api/v3/device"
OWN = "/device-modbus/api/v3/device"


async def test_commands_are_listed_without_the_hidden(api: httpx.AsyncClient) -> None:
    body = (await api.get(f"{CORE}/name/boiler")).json()
    listed = {c["name"]: c for c in body["deviceCoreCommand"]["coreCommands"]}
    assert set(listed) == {"Both", "Temperature", "Setpoint"}
    assert listed["Setpoint"] == {
        "name": "Setpoint",
        "get": True,
        "set": True,
        "path": "/api/v3/device/name/boiler/Setpoint",
        "url": "http://localhost:8080/core-command",
        "parameters": [{"resourceName": "Setpoint", "valueType": "Int16"}],
    }
    assert "set" not in listed["Both"]
    every = (await api.get(f"{CORE}/all")).json()
    assert (every["totalCount"], len(every["deviceCoreCommands"])) == (1, 1)
    assert (await api.get(f"{CORE}/name/ghost")).status_code == 404


@pytest.mark.parametrize("base", [CORE, OWN])
async def test_a_read_gives_the_event(base: str, house: House, api: httpx.AsyncClient) -> None:
    body = (await api.get(f"{base}/name/boiler/Temperature")).json()
    assert list(body) == ["apiVersion", "statusCode", "event"]
    assert body["event"]["readings"][0]["value"] == "1.5e+00"
    assert body["event"]["tags"] == {"site": "north"}
    silent = await api.get(f"{base}/name/boiler/Temperature?ds-returnevent=false&ds-pushevent=true")
    assert (silent.status_code, silent.content) == (200, b"")
    await api.get(f"{base}/name/boiler/Temperature?ds-regexcmd=false")
    assert house.commands.asked[-1] == ("boiler", "Temperature", False)


@pytest.mark.parametrize("base", [CORE, OWN])
@pytest.mark.parametrize("query", ["ds-pushevent=yes", "ds-returnevent=no", "ds-returnevent="])
async def test_switches_are_true_or_false(base: str, query: str, api: httpx.AsyncClient) -> None:
    assert (await api.get(f"{base}/name/boiler/Temperature?{query}")).status_code == 400


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (CommandRejected(404, "DeviceResource X not found"), 404, "DeviceResource X not found"),
        (CommandRejected(405, "X is marked as write-only"), 405, "X is marked as write-only"),
        (CommandRejected(423, "device boiler locked"), 423, "device boiler locked"),
        (NoAnswer("no answer within 1 s"), 500, "error reading DeviceCommand X for boiler -> no answer within 1 s"),
        (NotConnected("gone"), 500, "error reading DeviceCommand X for boiler -> gone"),
    ],
)
async def test_a_failed_read(error: Exception, status: int, message: str, house: House, api: httpx.AsyncClient) -> None:
    house.commands.event = error
    own = await api.get(f"{OWN}/name/boiler/X")
    assert (own.status_code, own.json()["message"]) == (status, message)
    core = await api.get(f"{CORE}/name/boiler/X")
    raw = own.content.decode()
    assert (core.status_code, core.json()["message"]) == (status, f"request failed, status code: {status}, err: {raw}")


async def test_a_read_of_which_nothing_came_is_an_error_and_a_part_is_not(house: House, api: httpx.AsyncClient) -> None:
    both = house.registry.planned["boiler"].sources["Both"]
    house.commands.event = Event(both, 5, [None, None], quality={0: refused("2"), 1: DISCONNECTED})
    answer = await api.get(f"{OWN}/name/boiler/Both")
    assert (answer.status_code, "the device gave no value: refused 2" in answer.json()["message"]) == (500, True)
    for values, quality in (([None, 4], {0: refused("2")}), ([None, None], {0: OVERFLOW, 1: NAN})):
        house.commands.event = Event(both, 5, values, quality=quality)
        readings = (await api.get(f"{OWN}/name/boiler/Both")).json()["event"]["readings"]
        assert readings[0]["value"] is None
        assert readings[0]["tags"]["quality"] == "bad"


async def test_a_device_of_another_service_is_not_found(house: House, api: httpx.AsyncClient) -> None:
    assert (await api.get("/device-opcua/api/v3/device/name/boiler/Both")).status_code == 404
    assert (await api.get(f"{OWN}/name/ghost/Both")).json()["message"] == "device ghost not found"


@pytest.mark.parametrize("base", [CORE, OWN])
async def test_a_write_becomes_a_command(base: str, house: House, api: httpx.AsyncClient) -> None:
    answer = await api.put(f"{base}/name/boiler/Setpoint", json={"Setpoint": "21", "Other": 2**63})
    assert (answer.status_code, answer.json()) == (200, {"apiVersion": "v3", "statusCode": 200})
    command = house.commands.ran[0]
    assert (command.device, command.name, command.args) == ("boiler", "Setpoint", {"Setpoint": "21", "Other": 2**63})
    assert (command.actor, command.received, command.expires_at) == ("rest 10.0.0.9", house.clock.now(), None)
    await api.put(f"{base}/name/boiler/Setpoint", json={"Setpoint": 1}, headers={"Idempotency-Key": "mine-1"})
    assert house.commands.ran[1].id == "mine-1"
    assert command.id == "", "the road makes one that it need not remember"
    too_long = await api.put(
        f"{base}/name/boiler/Setpoint", json={"Setpoint": 1}, headers={"Idempotency-Key": "x" * 129}
    )
    assert too_long.status_code == 400


@pytest.mark.parametrize("base", [CORE, OWN])
@pytest.mark.parametrize(
    "body",
    [
        *("{", "[1]", '"x"', "1", '{"Setpoint": NaN}', '{"Setpoint": 1e999}', b"\xff", "null"),
        *('{"Setpoint": "3", "Setpoint": "9"}', '{"Setpoint": "\\ud800"}', '{"Setpoint": ["\\ud800"]}'),
    ],
)
async def test_a_write_of_a_bad_body_is_400_and_runs_nothing(
    base: str, body: str | bytes, house: House, api: httpx.AsyncClient
) -> None:
    answer = await api.put(f"{base}/name/boiler/Setpoint", content=body)
    assert answer.status_code == 400
    assert "failed to parse request body" in answer.json()["message"]
    assert not house.commands.ran


async def test_a_value_that_nobody_gives_is_edgex_s_500(house: House, api: httpx.AsyncClient) -> None:
    text = "DeviceResource Setpoint not found in request body and no default value defined"
    house.commands.result = lambda command: outcome(command, Outcome.REJECTED, 400, text)
    answer = await api.put(f"{OWN}/name/boiler/Setpoint", content=b"")
    assert (answer.status_code, answer.json()["message"]) == (500, text)
    for name, body in (("Setpoint", {"Setpont": 1}), ("Setpoint", {"Setpoint": "x"}), ("Secret", {}), ("Nope", {})):
        assert (await api.put(f"{OWN}/name/boiler/{name}", json=body)).status_code == 400, (name, body)


REFUSALS: list[tuple[Outcome, int, int]] = [
    *((Outcome.REJECTED, code, code) for code in (400, 403, 404, 405, 409, 412, 413, 423, 429, 503)),
    (Outcome.REJECTED, 422, 400),
    (Outcome.FAILED, 502, 500),
    (Outcome.FAILED, 504, 500),
    (Outcome.UNCONFIRMED, 409, 500),
    (Outcome.EXPIRED, 410, 410),
]


@pytest.mark.parametrize(("how", "code", "status"), REFUSALS)
async def test_outcomes_as_statuses(how: Outcome, code: int, status: int, house: House, api: httpx.AsyncClient) -> None:
    def result(command: Command) -> CommandResult:
        return outcome(command, how, code, "why", wanted={"Setpoint": 21}, readback={"Setpoint": 20})

    house.commands.result = result
    own = await api.put(f"{OWN}/name/boiler/Setpoint", json={"Setpoint": 21})
    assert own.status_code == status
    assert "why" in own.json()["message"]
    if how in (Outcome.FAILED, Outcome.UNCONFIRMED):
        assert own.json()["message"].startswith("error writing DeviceCommand Setpoint for boiler -> ")
    if how is Outcome.UNCONFIRMED:
        assert "{'Setpoint': 21}" in own.json()["message"]
        assert "{'Setpoint': 20}" in own.json()["message"]
    core = await api.put(f"{CORE}/name/boiler/Setpoint", json={"Setpoint": 21})
    assert core.status_code == status
    relayed = core.json()["message"].partition("err: ")[2]
    assert json.loads(relayed) == own.json()


@pytest.mark.parametrize("base", [CORE, OWN])
async def test_what_was_sent_to_where_nobody_answers_is_202(base: str, house: House, api: httpx.AsyncClient) -> None:
    house.commands.result = lambda command: outcome(command, Outcome.UNCONFIRMED, 202, "sent, and nobody confirms it")
    answer = await api.put(f"{base}/name/boiler/Setpoint", json={"Setpoint": 21})
    said = {"apiVersion": "v3", "message": "sent, and nobody confirms it", "statusCode": 202}
    assert (answer.status_code, answer.json()) == (202, said)


async def test_compat_edgex_takes_an_unconfirmed_write(house: House) -> None:
    house.commands.result = lambda command: outcome(command, Outcome.UNCONFIRMED, 409, "differs")
    for parts, status in ((house.parts, 500), (house.with_compat({"compat": Compat.EDGEX}), 200)):
        async with client_of(parts) as api:
            assert (await api.put(f"{OWN}/name/boiler/Setpoint", json={"Setpoint": 1})).status_code == status


async def test_device_services_end_their_json_without_a_newline(api: httpx.AsyncClient) -> None:
    for path in ("/version", "/device/name/boiler/Both", "/device/name/ghost/Both"):
        assert not (await api.get(f"/device-modbus/api/v3{path}")).content.endswith(b"\n"), path
    assert (await api.get("/core-data/api/v3/version")).content.endswith(b"}\n")


def result_of(command: Command) -> Any:
    return outcome(command, Outcome.UNCONFIRMED, 409, "differs", wanted={"Setpoint": 21.0}, readback={"Setpoint": 20})


async def test_the_gateway_s_own_commands_give_the_full_result(house: House, api: httpx.AsyncClient) -> None:
    house.commands.result = result_of
    body = {
        "id": "k1",
        "device": "boiler",
        "name": "Setpoint",
        "args": {"Setpoint": 21},
        "expires_at": 5,
        "if_version": 7,
    }
    answer = await api.post("/gateway/api/v1/commands", json=body)
    assert answer.status_code == 409
    shown = answer.json()
    assert (shown["id"], shown["outcome"], shown["wanted"]) == ("k1", "unconfirmed", {"Setpoint": 21})
    command = house.commands.ran[0]
    assert (command.expires_at, command.if_version) == (5, 7)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"device": "boiler"},
        {"device": "boiler", "name": "S", "args": []},
        {"device": "boiler", "name": "S", "expires_at": 1.5},
        {"device": "boiler", "name": "S", "expires_at": True},
        {"device": "boiler", "name": "S", "expires": 1},
        {"device": 3, "name": "S"},
        {"device": "boiler", "name": "S", "id": "x" * 200},
    ],
)
async def test_a_bad_command_is_400(body: Any, house: House, api: httpx.AsyncClient) -> None:
    assert (await api.post("/gateway/api/v1/commands", json=body)).status_code == 400
    assert not house.commands.ran
