"""Device lists, request bodies and changes."""

from pathlib import Path
from typing import Any

import pytest

from gateway.model.device import AdminState, Device, OperatingState, Retention
from gateway.model.dump import edgex_json
from gateway.model.errors import ConfigError
from gateway.model.load import device_from_json, load_devices, patch_device
from gateway.model.scalar import literal_text

DATA = Path(__file__).parent / "data"
BODY: dict[str, Any] = {
    "name": "d",
    "adminState": "UNLOCKED",
    "operatingState": "UP",
    "serviceName": "device-modbus",
    "profileName": "p",
    "protocols": {"modbus-tcp": {"Address": "h"}},
}


def refusal(text: str, strict: bool = False, file: str = "d.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_devices(text, file, strict)
    return [str(problem) for problem in caught.value.problems]


def test_a_device_list() -> None:
    loaded = load_devices((DATA / "devices.yaml").read_text(encoding="utf-8"), "devices.yaml", strict=True)
    assert not loaded.problems
    meter, other = loaded.value
    assert (meter.description, meter.labels) == ("5.0", ["1", "yes"])
    assert literal_text(meter.location["lat"]) == "47.50"
    tcp = meter.protocols["modbus-tcp"]
    assert (tcp["Address"], tcp["Port"], tcp["UnitID"], tcp["IdleTimeout"]) == ("192.168.1.5", 502, 1, "5s")
    assert float(tcp["Timeout"]) == 1.5
    first, second = meter.auto_events
    assert (first.interval, first.on_change, first.on_change_threshold, first.retention) == ("500ms", False, 0.0, None)
    assert (second.on_change, second.on_change_threshold) == (True, 0.5)
    assert second.retention == Retention(max_cap=10, duration="24h")
    assert (meter.admin_state, meter.operating_state) == (AdminState.UNLOCKED, OperatingState.UP)
    assert (other.admin_state, other.operating_state) == (AdminState.LOCKED, OperatingState.DOWN)
    assert other.protocols == {"opcua": {"Endpoint": "opc.tcp://h:4840"}, "other": {}}


def test_a_bare_json_list() -> None:
    loaded = load_devices((DATA / "devices.json").read_bytes(), "devices.json", strict=True)
    assert [device.name for device in loaded.value] == ["meter-1", "meter-2"]
    assert loaded.value[0].admin_state is AdminState.LOCKED


@pytest.mark.parametrize("text", ["", "deviceList:", "deviceList: []", "[]"])
def test_no_devices(text: str) -> None:
    assert load_devices(text, "d.yaml").value == []


def test_a_bare_yaml_list_is_a_device_list_too() -> None:
    assert load_devices("- name: a\n", "d.yaml").value == [Device(name="a")]


@pytest.mark.parametrize("text", ["5", "name: a", "deviceList: {name: a}", "deviceList: x"])
def test_what_is_no_list(text: str) -> None:
    assert any("expected a list of devices" in one for one in refusal(text))


def test_all_problems_of_a_list_at_once() -> None:
    assert refusal("""\
deviceList:
  - name: a
    adminState: unlocked
    autoEvents:
      - {interval: 10, sourceName: x}
      - {interval: 10us, sourceName: x}
      - {onChange: "yes", onChangeThreshold: -1}
  - {name: b, parent: b, protocols: {modbus-tcp: 5}}
  - {name: b, id: nonsense, autoEvents: {}}
  - 7
""") == [
        "d.yaml:3: deviceList[0].adminState: expected one of LOCKED, UNLOCKED, got unlocked; did you mean UNLOCKED?",
        "d.yaml:5: deviceList[0].autoEvents[0].interval: '10' is not a duration; write a number with its unit, such as "
        "500ms, 10s or 1h30m",
        "d.yaml:6: deviceList[0].autoEvents[1].interval: an interval must be 1ms or longer, got '10us'",
        "d.yaml:7: deviceList[0].autoEvents[2].interval: is required: a duration such as 500ms, 10s or 1h30m",
        "d.yaml:7: deviceList[0].autoEvents[2].onChange: expected true or false, got 'yes'",
        "d.yaml:7: deviceList[0].autoEvents[2].onChangeThreshold: expected a number of 0 or more, got -1",
        "d.yaml:7: deviceList[0].autoEvents[2].sourceName: is required: the name of a device command or a device "
        "resource",
        "d.yaml:8: deviceList[1].protocols.modbus-tcp: expected a mapping, got '5'",
        "d.yaml:9: deviceList[2].id: 'nonsense' is not a UUID",
        "d.yaml:9: deviceList[2].autoEvents: expected a list, got a mapping",
        "d.yaml:10: deviceList[3]: expected a mapping, got 7",
    ]


def test_devices_listed_twice_and_devices_that_are_their_own_parent() -> None:
    assert refusal("- name: a\n- {name: b, parent: b}\n- name: a\n") == [
        "d.yaml:2: [1].parent: a device cannot be its own parent",
        "d.yaml:3: [2].name: device a is listed twice; rename or remove one",
    ]


def test_a_wrong_entry_does_not_move_the_lines_of_the_others() -> None:
    text = "- {name: a, adminState: x}\n- {name: b}\n- {name: b}\n"
    assert [line.split(":")[:2] for line in refusal(text)] == [["d.yaml", "1"], ["d.yaml", "3"]]


def test_what_is_said_of_half_a_surrogate_pair_can_be_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        device_from_json({**BODY, "protocols": {"\ud800": {}}})
    assert str(caught.value).encode()


def test_unknown_keys_of_a_list() -> None:
    text = "devicelist: []\ndeviceList:\n  - {name: a, profilName: b, lastReported: 5}\n"
    assert [str(problem) for problem in load_devices(text, "d.yaml").problems] == [
        "d.yaml:1: warning: devicelist: unknown key 'devicelist', which is ignored; did you mean deviceList?",
        "d.yaml:3: warning: deviceList[0].profilName: unknown key 'profilName', which is ignored; "
        "did you mean profileName?",
    ]
    assert len(refusal(text, strict=True)) == 2


def test_a_body_needs_what_edgex_requires() -> None:
    assert device_from_json(BODY).name == "d"
    assert device_from_json({**BODY, "protocols": {}}).protocols == {}
    for key in ("name", "adminState", "operatingState", "serviceName", "protocols"):
        with pytest.raises(ConfigError, match=f"^{key}: is required"):
            device_from_json({**BODY, key: None})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 5), ("adminState", "unlocked"), ("labels", "x"), ("protocols", []), ("autoEvents", [{"interval": 5}]),
        ("tags", {"a": float("nan")}), ("location", "\ud800"), ("parent", "d"), ("id", "x"),
        ("description", "\ud800"), ("labels", ["\ud800"]), ("profileName", "\udfff"), ("protocols", {"\ud800": {}}),
    ],
)  # fmt: skip
def test_bodies_with_wrong_types_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=key):
        device_from_json({**BODY, key: value})


def test_a_body_nested_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    with pytest.raises(ConfigError, match="levels"):
        device_from_json({**BODY, "location": deep})


def test_a_change_replaces_lists_and_maps_whole_and_leaves_the_rest() -> None:
    device = load_devices((DATA / "devices.yaml").read_bytes(), "d.yaml").value[0]
    body = {"Name": "meter-1", "labels": [], "protocols": {"modbus-rtu": {"Address": "/dev/ttyS0"}}, "tags": None}
    changed = patch_device(device, {**body, "description": "new", "location": None, "adminState": "LOCKED"})
    assert changed.labels == []
    assert changed.protocols == {"modbus-rtu": {"Address": "/dev/ttyS0"}}
    assert (changed.description, changed.admin_state) == ("new", AdminState.LOCKED)
    assert changed.location == device.location
    assert changed.auto_events == device.auto_events
    assert (device.description, device.admin_state) == ("5.0", AdminState.UNLOCKED)


def test_a_change_needs_the_devices_own_name_or_id() -> None:
    device = Device(name="a", id="9b2e6a4e-1111-4222-8333-444455556666")
    assert patch_device(device, {"id": device.id, "description": "x"}).description == "x"
    with pytest.raises(ConfigError, match="id or name"):
        patch_device(device, {"description": "x"})
    with pytest.raises(ConfigError) as caught:
        patch_device(device, {"id": device.id, "name": "b"})
    assert caught.value.problems[0].what == "device name 'b' not match the exsting 'a' "
    with pytest.raises(ConfigError):
        patch_device(device, ["x"])


@pytest.mark.parametrize("change", [{"adminState": "x"}, {"autoEvents": [{}]}, {"labels": [5]}, {"parent": "a"}])
def test_a_wrong_change_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        patch_device(Device(name="a"), {"name": "a", **change})


def test_edgex_shape_of_a_device() -> None:
    device = device_from_json({**BODY, "autoEvents": [{"interval": "1s", "sourceName": "x", "onChangeThreshold": 2.0}]})
    assert list(edgex_json(device, modified=7).items()) == [
        ("modified", 7), ("name", "d"), ("adminState", "UNLOCKED"), ("operatingState", "UP"),
        ("serviceName", "device-modbus"), ("profileName", "p"),
        ("autoEvents", [{
            "interval": "1s", "onChange": False, "onChangeThreshold": 2, "sourceName": "x",
            "retention": {"maxCap": 0, "minCap": 0, "duration": ""},
        }]),
        ("protocols", {"modbus-tcp": {"Address": "h"}}), ("properties", {}),
    ]  # fmt: skip
    assert device_from_json(edgex_json(device)).name == "d"
