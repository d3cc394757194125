"""modbus.json of ThingsBoard Gateway."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import ConfigError
from tests.unit.importers.helpers import carry, lefts, resources, runs


def slave(**more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": 5021, "type": "tcp", "method": "socket", "timeout": 35, "byteOrder": "BIG",
        "wordOrder": "LITTLE", "retries": True, "pollPeriod": 5000, "unitId": 1, "deviceName": "Temp Sensor",
    } | more  # fmt: skip


def tag(name: str, kind: str, code: int, address: Any, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"tag": name, "type": kind, "functionCode": code, "objectsCount": count, "address": address} | more


def file(*slaves: Any) -> str:
    return json.dumps({"master": {"slaves": slaves}}, indent=1)


def test_every_section(tmp_path: Path) -> None:
    given = slave(
        sendDataOnlyOnChange=True,
        attributes=[
            tag("text", "string", 4, 1, 4), tag("byte", "8int", 4, 6), tag("div", "32int", 4, 8, 2, divider=10),
        ],
        timeseries=[
            tag("f", "float", 3, 26, 2), tag("bit", "bits", 3, 30, bit=3), tag("all", "bits", 4, 31),
            tag("coils", "bits", 1, 5, 3), tag("raw", "bytes", 3, 40, 2), tag("mul", "16uint", 3, 50, multiplier=2.5),
        ],
        attributeUpdates=[tag("f", "32float", 16, 26, 2)],
        rpc=[tag("set", "bits", 5, 31), tag("get", "bits", 1, 31), tag("fan", "16int", 16, 60)],
    )  # fmt: skip
    found = carry("thingsboard", file(given))
    assert lefts(found) == []
    values = resources(found)
    assert values["text"]["stringRegisterSize"] == 4
    assert (values["byte"]["valueType"], values["byte"]["byteOrder"]) == ("Int8", "BADC")
    assert (values["div"]["scale"], values["div"]["byteOrder"]) == (0.1, "CDAB")
    assert (values["f"]["readWrite"], values["f"]["valueType"]) == ("RW", "Float32")
    assert values["bit"]["startingAddress"] == "30.3"
    assert values["all"]["valueType"] == "Uint16"
    assert (values["coils"]["valueType"], values["coils"]["arrayLength"]) == ("BoolArray", 3)
    assert (values["raw"]["valueType"], values["raw"]["arrayLength"]) == ("Uint8Array", 4)
    assert values["mul"]["scale"] == 2.5
    assert (values["set"]["readWrite"], values["set"]["writeFunction"]) == ("W", 5)
    assert values["fan"]["writeFunction"] == 16
    (device,) = found.devices
    assert device.auto_events[0].on_change
    assert device.protocols == {"modbus-tcp": {"UnitID": 1, "Timeout": "35s", "Address": "127.0.0.1", "Port": 5021}}
    polled = [o.device_resource for o in found.profiles[0].device_commands[0].resource_operations]
    assert "get" not in polled
    assert runs(found, tmp_path) > 2


def test_orders_where_nothing_is_said() -> None:
    given = slave(timeseries=[tag("a", "32int", 3, 0, 2), tag("b", "16int", 3, 4)], byteOrder=None, wordOrder=None)
    found = carry("thingsboard", file(given))
    values = resources(found)
    assert (values["a"]["byteOrder"], values["b"]["byteOrder"]) == ("DCBA", "BADC")
    assert sum("LITTLE was taken" in note.what for note in found.report.notes()) == 2


def test_serial_lines_and_the_old_form() -> None:
    old = {
        "server": {
            "type": "serial", "method": "rtu", "port": "/dev/ttyUSB0", "baudrate": 9600, "parity": "E", "timeout": 3,
            "byteOrder": "BIG", "wordOrder": "BIG",
            "devices": [{"unitId": 2, "deviceName": "a", "timeseriesPollPeriod": 1500,
                         "timeseries": [tag("x", "16int", 3, 0)], "rpc": {"set": {"type": "16int", "functionCode": 6,
                                                                                   "address": 1}}}],
        }
    }  # fmt: skip
    found = carry("thingsboard", json.dumps(old))
    assert lefts(found) == []
    assert found.devices[0].protocols["modbus-rtu"]["Address"] == "/dev/ttyUSB0"
    assert found.devices[0].auto_events[0].interval == "1500ms"
    assert resources(found)["set"]["readWrite"] == "W"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (tag("a", "16float", 3, 0), "16-bit floats"),
        (tag("a", "16int", 9, 0), "functionCode"),
        (tag("a", "16int", 6, 0), "6 writes"),
        (tag("a", "16int", 3, "0-10"), "is a range"),
        (tag("a", "16int", 3, None), "is missing"),
        (tag("a", "16int", 1, 0), "they hold bits"),
        (tag("a", "bits", 3, 0, 2, bit=20), "bit 20 of 2 registers"),
        (tag("a", "bits", 1, 0, bit=2), "give the coil its own address"),
        (tag("", "16int", 3, 0), "no name"),
        (tag("a", "16int", 3, 0, divider="x"), "is no number"),
        (tag("a", "16int", 3, 0, byteOrder="MIDDLE"), "neither LITTLE nor BIG"),
        (tag("a", "16int", 3, 0, colour="red"), "has no counterpart"),
        ("text", "expected an object"),
        (tag("a", "16int", 3, 70000), "startingAddress"),
    ],
)
def test_tags_that_cannot_be_carried_over(entry: Any, why: str) -> None:
    found = carry("thingsboard", file(slave(timeseries=[tag("ok", "16int", 3, 9), entry])))
    (left,) = lefts(found)
    assert "master.slaves[0].timeseries[1]" in left
    assert why in left
    assert not left.startswith("0:")


def test_slaves_that_cannot_be_carried_over() -> None:
    tags = {"timeseries": [tag("a", "16int", 3, 0)]}
    found = carry("thingsboard", file(slave(type="udp", **tags), slave(unitId=999, **tags), slave(), 5, slave(**tags)))
    assert len(found.devices) == 1
    said = " ".join(lefts(found))
    for why in ("'udp' is not spoken", "UnitID", "no value of it", "slaves[3]: expected an object"):
        assert why in said


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"master": []}', "{", '{"master": {"slaves": {}}}'])
def test_another_file(text: str) -> None:
    with pytest.raises(ConfigError):
        carry("thingsboard", text)
