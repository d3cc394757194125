"""EdgeX profiles from before v3."""

from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from tests.unit.importers.helpers import carry, lefts, resources, runs

V1 = """
name: "Meter"
manufacturer: "Acme"
model: 30
labels: [modbus]
deviceResources:
  - name: Current
    attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: "9", IsByteSwap: "false" }
    properties:
      value: { type: "UINT16", readWrite: "R", scale: "0.1", minimum: "", mask: "0x0FFF", floatEncoding: eNotation }
      units: { type: "String", readWrite: "R", defaultValue: "A" }
  - name: Mode
    attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: "10" }
    properties:
      value: { type: "Int16", readWrite: "RW", defaultValue: "1", size: "2" }
      units: { type: "String", readWrite: "R", defaultValue: "" }
  - name: Bad
    attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: "0" }
    properties:
      value: { type: "Int16", readWrite: "R" }
deviceCommands:
  - name: Mode
    get: [ { index: "1", operation: "get", deviceResource: "Mode", mappings: { "0": "off" } } ]
    set: [ { index: "1", operation: "set", deviceResource: "Mode", parameter: "1" } ]
  - name: All
    get: [ { deviceResource: "Current" }, { object: "Mode" } ]
    set: [ { deviceResource: "Mode" } ]
  - name: Lost
    get: [ { deviceResource: "Bad" } ]
coreCommands:
  - name: Mode
    get: { path: "/api/v1/device/{deviceId}/Mode", responses: [ { code: "200", expectedValues: ["Mode"] } ] }
  - name: Gone
"""
V2 = """
apiVersion: "v2"
name: Meter
deviceResources:
  -
    name: "Power"
    isHidden: false
    attributes: { primaryTable: "INPUT_REGISTERS", startingAddress: 4, rawType: "Int16" }
    properties: { valueType: "Float32", readWrite: "R", scale: "0.1", offset: "0", maximum: "100", units: "W" }
deviceCommands:
  - name: "Values"
    isHidden: true
    readWrite: "RW"
    resourceOperations: [ { deviceResource: "Power" } ]
"""


def test_v1(tmp_path: Path) -> None:
    found = carry("edgex-v2", V1, address="10.0.0.1")
    values = resources(found)
    assert values["Current"] == {
        "valueType": "Uint16", "readWrite": "R", "units": "A", "scale": 0.1, "mask": 0xFFF,
        "primaryTable": "HOLDING_REGISTERS", "startingAddress": "9", "isByteSwap": "false", "addressBase": 1,
    }  # fmt: skip
    assert values["Mode"]["defaultValue"] == "1"
    profile = found.profiles[0]
    assert (profile.manufacturer, profile.model, profile.labels) == ("Acme", "30", ["modbus"])
    commands = {command.name: command for command in profile.device_commands}
    assert {name: command.read_write.value for name, command in commands.items()} == {
        "Mode": "RW", "All": "R", "All-set": "W",
    }  # fmt: skip
    mode = commands["Mode"].resource_operations[0]
    assert (mode.default_value, mode.mappings) == ("1", {"0": "off"})
    assert commands["All"].is_hidden
    assert not commands["Mode"].is_hidden
    assert [left.partition(": ")[2][:60] for left in lefts(found)] == [
        "deviceResources[2]: Bad: attributes.startingAddress: is addr",
        "deviceCommands[2].get[0]: its resource 'Bad' was not carried",
        "coreCommands: 'Gone' names neither a resource nor a command ",
    ]
    assert runs(found, tmp_path) >= 1


def test_v2_counts_from_zero(tmp_path: Path) -> None:
    found = carry("edgex-v2", V2, address="10.0.0.1")
    values = resources(found)
    assert "addressBase" not in values["Power"]
    assert (values["Power"]["scale"], values["Power"]["maximum"]) == (0.1, 100)
    assert lefts(found) == ["11: deviceCommands[0]: Values is RW, not all of its resources are; it was made R"]
    assert runs(found, tmp_path) == 1
    assert resources(carry("edgex-v2", V2, address_base="1"))["Power"]["addressBase"] == 1


def test_other_protocols_keep_their_attributes() -> None:
    text = "name: p\ndeviceResources: [{name: a, attributes: {uuid: x}, properties: {type: INT16, readWrite: R}}]\n"
    found = carry("edgex-v2", text, address="10.0.0.1")
    assert resources(found)["a"] == {"valueType": "Int16", "readWrite": "R", "uuid": "x"}
    assert found.devices == []
    assert "not for Modbus" in lefts(found)[0]


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ("{type: INT17, readWrite: R}", "valueType: expected one of"),
        ("{type: INT16, readWrite: X}", "readWrite: expected one of"),
        ("{type: INT16, readWrite: R, scale: big}", "scale: expected a number, got 'big'"),
        ("{type: INT16, readWrite: R, colour: red}", "colour: has no counterpart"),
        ("none", "properties.valueType: is required"),
    ],
)
def test_resources_that_cannot_be_carried_over(properties: str, why: str) -> None:
    text = f"name: p\ndeviceResources:\n  - name: a\n    properties: {properties}\n"
    assert any(why in left and left.startswith("3:") for left in lefts(carry("edgex-v2", text)))


@pytest.mark.parametrize("text", ["", "a: [", "[]", "name: p", "name: p\ndeviceResources: 3", "\x00"])
def test_another_file(text: str) -> None:
    with pytest.raises(ConfigError):
        carry("edgex-v2", text)


def test_odd_parts_do_no_harm() -> None:
    text = "name: p\nlabels: x\ndeviceResources: [1, {name: [a], attributes: 3, properties: {value: {type: {}}}}]\n" \
           "deviceCommands: [1, {name: c, get: [1, {deviceResource: {}}]}, {}]\ncoreCommands: [1]\n"  # fmt: skip
    found = carry("edgex-v2", text)
    assert found.profiles == []
    assert len(lefts(found)) > 4
