"""Commands that ask a running gateway: `devices`, `read`, `write`, `apply`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.unit.cli.conftest import Gateway, Run

TWIN = {"device": "meter", "state": "online", "reason": "", "since": 1}
FLOW = {"device": "meter", "requested_s": 1.0, "achieved_s": 1.0004, "reads": 9, "failures": 1}


@pytest.mark.parametrize(
    "arguments", [["devices"], ["read", "meter", "Power"], ["write", "relay", "Relay1=true"], ["apply"]]
)
def test_no_gateway_is_3(arguments: list[str], southgate: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = southgate(*arguments, "--url", url)
    assert ran.code == 3
    assert ran.out == ""
    assert ran.err.startswith(f"error: no gateway answers at {url} (")
    assert "southgate run" in ran.err


def test_something_else_answers(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/twin", b"<html>hello</html>")
    ran = southgate("devices", "--url", gateway.url)
    assert ran.code == 3
    assert "is not this gateway's API" in ran.err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--url", "ftp://x", "an address like http://127.0.0.1:8080"), ("--token-file", "none", "token file none")],
)
def test_wrong_options(option: str, value: str, said: str, southgate: Run) -> None:
    ran = southgate("devices", option, value)
    assert ran.code == 2
    assert said in ran.err


def test_address_and_token_come_from_gateway_yaml(southgate: Run, gateway: Gateway) -> None:
    Path("token").write_text("a-token-of-sixteen\n")
    listen = gateway.url.removeprefix("http://")
    Path("gateway.yaml").write_text(f"api: {{listen: '{listen}', token_file: token}}\n")
    gateway.says("/gateway/api/v1/twin", {"devices": [TWIN]})
    gateway.says("/gateway/api/v1/flows", {"flows": [FLOW]})
    ran = southgate("devices")
    assert (ran.code, ran.err) == (0, "")
    assert {asked.authorization for asked in gateway.asked} == {"Bearer a-token-of-sixteen"}


def test_devices(southgate: Run, gateway: Gateway) -> None:
    gateway.says(
        "/gateway/api/v1/twin", {"devices": [TWIN, {**TWIN, "device": "b", "state": "offline", "reason": "x"}]}
    )
    gateway.says("/gateway/api/v1/flows", {"flows": [FLOW]})
    ran = southgate("devices", "--url", gateway.url)
    assert ran.code == 1, "one is not online"
    head, meter, other = (line.split() for line in ran.out.splitlines())
    assert head == ["DEVICE", "STATE", "ASKED", "ACHIEVED", "READS", "FAILED", "REASON"]
    assert meter == ["meter", "online", "1", "s", "1", "s", "9", "1"]
    assert other == ["b", "offline", "-", "-", "0", "0", "x"]
    found = southgate("devices", "--url", gateway.url, "--json").json
    assert found[0]["flows"] == [FLOW]


def test_one_device(southgate: Run, gateway: Gateway) -> None:
    values = {
        "Power": {"value": 42.5, "quality": ["good"], "age_s": 0.32, "freshness": "fresh", "period_s": 1.0},
        "Mode": {"value": None, "quality": ["bad", "timeout"], "age_s": None, "freshness": "stale", "period_s": None},
    }
    gateway.says("/gateway/api/v1/twin/a%2Fb", {**TWIN, "values": values})
    ran = southgate("devices", "a/b", "--url", gateway.url)
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "a/b: online"
    assert ran.out.splitlines()[2].split() == ["Power", "42.5", "good", "0.3", "s", "fresh", "1", "s"]
    assert ran.out.splitlines()[3].split() == ["Mode", "-", "bad", "timeout", "-", "stale", "-"]
    assert "DESIRED" not in ran.out


def test_one_device_shows_what_is_desired_and_why_it_is_not_so(southgate: Run, gateway: Gateway) -> None:
    result = {"status": "pending", "code": 504, "value": None, "ts": 1, "tries": 3, "reason": "it did not answer"}
    desired = {"properties": {"Setpoint": 21}, "results": {"Setpoint": result}}
    gateway.says("/gateway/api/v1/twin/meter", {**TWIN, "values": {}, "desired": desired})
    ran = southgate("devices", "meter", "--url", gateway.url)
    row = next(line for line in ran.out.splitlines() if line.startswith("Setpoint"))
    assert row.split() == ["Setpoint", "21", "pending", "504", "3", "it", "did", "not", "answer"]


def reading(**more: Any) -> dict[str, Any]:
    return {"resourceName": "Power", "valueType": "Float32", "value": "4.25e+01", "units": "W", **more}


def test_read(southgate: Run, gateway: Gateway) -> None:
    path = "/core-command/api/v3/device/name/meter/Power"
    gateway.says(path, {"event": {"readings": [reading()]}})
    ran = southgate("read", "meter", "Power", "--url", gateway.url)
    assert ran.code == 0
    assert ran.out.splitlines()[1].split() == ["Power", "42.5", "W", "Float32"]
    mapped = reading(value="winter", valueType="String", units="", tags={"raw": "2"})
    gateway.says(path, {"event": {"readings": [mapped]}})
    ran = southgate("read", "meter", "Power", "--url", gateway.url)
    assert ran.out.splitlines()[1].split() == ["Power", "winter", "String", "2"], (
        "a label, and the number it stands for"
    )
    gateway.says(path, {"event": {"readings": [reading(value=None)]}})
    assert southgate("read", "meter", "Power", "--url", gateway.url).code == 1


def test_what_the_gateway_refuses_is_1_in_its_words(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/core-command/api/v3/device/name/m/P", {"message": "device m not found"}, status=404)
    ran = southgate("read", "m", "P", "--url", gateway.url)
    assert (ran.code, ran.out, ran.err) == (1, "", "error: device m not found\n")


RESULT = {"outcome": "confirmed", "code": 200, "error": "", "readback": {"Relay1": True}}


def test_write(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/commands", RESULT)
    ran = southgate("write", "relay", "Relay1=a=b", "--id", "7", "--url", gateway.url)
    assert ran.code == 0
    assert ran.out == "confirmed (200)\n  Relay1 reads True\n"
    assert gateway.asked[0].body == {"device": "relay", "name": "Relay1", "args": {"Relay1": "a=b"}, "id": "7"}


def test_a_read_that_fails_says_what_the_device_service_said(southgate: Run, gateway: Gateway) -> None:
    inner = {"apiVersion": "v3", "message": "error reading Power -> no answer", "statusCode": 500}
    said = f"request failed, status code: 500, err: {json.dumps(inner)}"
    path = "/core-command/api/v3/device/name/meter/Power"
    gateway.says(path, {"apiVersion": "v3", "message": said, "statusCode": 500}, 500)
    ran = southgate("read", "meter", "Power", "--url", gateway.url)
    assert (ran.code, ran.err) == (1, "error: error reading Power -> no answer\n")
    gateway.says(path, {"message": "request failed, status code: 500, err: not JSON"}, 500)
    assert southgate("read", "meter", "Power", "--url", gateway.url).err.endswith("err: not JSON\n")


def test_a_token_that_is_missing_is_asked_for(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/twin", {"message": "Unauthorized"}, 401)
    ran = southgate("devices", "--url", gateway.url)
    assert ran.code == 1
    assert ran.err.startswith("error: Unauthorized: this gateway asks for a token; give --token-file")


def test_a_resource_given_twice_writes_nothing(southgate: Run, gateway: Gateway) -> None:
    ran = southgate("write", "relay", "Relay1=1", "Relay1=2", "--url", gateway.url)
    assert (ran.code, gateway.asked) == (2, [])
    assert "Relay1 is given twice" in ran.err


def test_a_write_that_nobody_ever_confirms_is_0_and_says_so(southgate: Run, gateway: Gateway) -> None:
    sent = {**RESULT, "outcome": "unconfirmed", "code": 202, "error": "sent, and nobody confirms it: why"}
    gateway.says("/gateway/api/v1/commands", {**sent, "readback": {}})
    ran = southgate("write", "all", "Relay1=1", "--url", gateway.url)
    assert (ran.code, ran.out) == (0, "unconfirmed (202) sent, and nobody confirms it: why\n")


def test_a_write_that_is_not_confirmed_is_1(southgate: Run, gateway: Gateway) -> None:
    refused = {**RESULT, "outcome": "rejected", "code": 422, "error": "out of range", "readback": {}}
    gateway.says("/gateway/api/v1/commands", refused, status=422)
    ran = southgate("write", "drive", "Setpoint=999", "--url", gateway.url)
    assert (ran.code, ran.out) == (1, "rejected (422) out of range\n")
    assert southgate("write", "drive", "Setpoint=999", "--url", gateway.url, "--json").json == refused


@pytest.mark.parametrize("values", [["Relay1"], ["=1"], ["A=1", "B=2"]])
def test_wrong_values_reach_nobody(values: list[str], southgate: Run, gateway: Gateway) -> None:
    ran = southgate("write", "relay", *values, "--url", gateway.url)
    assert ran.code == 2
    assert gateway.asked == []


def difference(**more: Any) -> dict[str, Any]:
    kinds: dict[str, Any] = {f"{k}_{w}": [] for k in ("added", "changed", "removed") for w in ("profiles", "devices")}
    return {"changed": bool(more), "digest": "abc", "problems": [], **kinds, **more}


def test_apply(southgate: Run, gateway: Gateway) -> None:
    gateway.says("/gateway/api/v1/config/reload", difference(added_devices=["pump-1"], changed_profiles=["Pump"]))
    ran = southgate("apply", "--dry-run", "--url", gateway.url)
    assert ran.code == 0
    assert ran.out == (
        "changed  profile Pump\nadded    device pump-1\nsomething would change\nconfiguration in force: abc\n"
    )
    assert gateway.asked[0].path.endswith("?dry_run=true")
    gateway.says("/gateway/api/v1/config/reload", difference())
    assert "nothing changed" in southgate("apply", "--url", gateway.url).out


def test_a_refused_configuration_is_2_with_file_and_line(southgate: Run, gateway: Gateway) -> None:
    problem = {"where": "name", "what": "must not be blank", "file": "devices/a.yaml", "line": 2, "severity": "error"}
    gateway.says("/gateway/api/v1/config/reload", {"message": "refused", "problems": [problem]}, status=400)
    ran = southgate("apply", "--url", gateway.url)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "devices/a.yaml:2: error: name: must not be blank\n"
