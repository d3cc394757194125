"""Device profiles: what the text means, what is refused, and with which words."""

import textwrap
from pathlib import Path

import pytest

from gateway.model.dump import edgex_json
from gateway.model.errors import ConfigError
from gateway.model.extensions import Extensions
from gateway.model.load import load_profile, profile_from_json
from gateway.model.profile import Compat, DeviceProfile, ReadWrite, ValueType
from gateway.model.scalar import literal_text

DATA = Path(__file__).parent / "data"

MINIMAL = """\
name: p
deviceResources:
  - name: a
    properties: {valueType: Int16, readWrite: RW}
"""


def load(text: str, strict: bool = False) -> DeviceProfile:
    return load_profile(textwrap.dedent(text), "p.yaml", strict).value


def refusal(text: str, strict: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_profile(textwrap.dedent(text), "p.yaml", strict)
    return [str(problem) for problem in caught.value.problems]


def test_every_rule_of_the_reader() -> None:
    loaded = load_profile((DATA / "quirks.yaml").read_bytes(), "quirks.yaml", strict=True)
    profile = loaded.value
    assert not loaded.problems
    assert (profile.name, profile.manufacturer, profile.model) == ("0x10", "yes", "2024-01-31")
    assert profile.labels == ["on", "1.50", "x"]
    bits, level = profile.device_resources
    assert bits.properties.value_type is ValueType.UINT16
    assert bits.properties.read_write is ReadWrite.R
    assert (bits.is_hidden, level.is_hidden) == (False, True)
    assert bits.attributes == {
        "primaryTable": "COILS", "startingAddress": bits.attributes["startingAddress"],
        "flag": "yes", "hex": 31, "octal": 511, "when": "1:30", "none": None,
    }  # fmt: skip
    assert literal_text(bits.attributes["startingAddress"]) == "10.10"
    assert level.attributes["startingAddress"] == "10.1"
    assert level.description == ""
    properties = level.properties
    assert properties.value_type is ValueType.FLOAT32
    assert (properties.units, properties.default_value, properties.assertion) == ("1e3", "0.0", "true")
    assert (properties.minimum, properties.maximum, properties.scale) == (-1000.0, 1000.0, 0.1)
    assert (properties.mask, properties.shift) == (0x0F00, -8)
    assert properties.extensions == Extensions(True, True, 0.5, 10.0, 3600.0)
    assert properties.extensions is properties.extensions
    assert properties.optional["other"] == [1, {"a": "on"}]
    first = profile.device_commands[0].resource_operations[0]
    assert (first.default_value, first.mappings) == ("007", {"0": "off", "1": "on", "2.0": ""})


def test_null_leaves_a_field_as_it_is() -> None:
    profile = load(MINIMAL + "    tags: ~\n    attributes:\nlabels: null\ndeviceCommands: ~\ncompat:\n")
    assert profile.device_resources[0].attributes == {}
    assert profile == load(MINIMAL)


def test_all_problems_of_a_file_at_once_with_file_line_key_and_what_was_expected() -> None:
    problems = refusal("""\
        name: " "
        deviceResources:
          - name: a
            properties:
              valueType: Uint17
              readWrite: rw
              scale: "0.1"
              offset: ten
              mask: -1
              shift: 1.5
              minimum: .inf
              optional: {minInterval: soon}
          - properties: {valueType: Bool, readWrite: R}
            isHidden: maybe
            attributes: [1]
        deviceCommands:
          - {name: c, readWrite: RW, resourceOperations: [{deviceResource: b}, {deviceResource: a, mappings: 3}]}
          - {name: d, readWrite: R, resourceOperations: []}
          - {name: d, readWrite: R}
    """)
    assert problems == [
        "p.yaml:1: name: a name must not be blank",
        "p.yaml:5: deviceResources[0].properties.valueType: expected one of Bool, String, Uint8, Uint16, Uint32, "
        "Uint64, Int8, Int16, Int32, Int64, Float32, Float64, Binary, Object, ObjectArray, BoolArray, StringArray, "
        "Uint8Array, Uint16Array, Uint32Array, Uint64Array, Int8Array, Int16Array, Int32Array, Int64Array, "
        "Float32Array, Float64Array, got Uint17; did you mean Uint16?",
        "p.yaml:6: deviceResources[0].properties.readWrite: expected one of R, W, RW, WR, got rw; did you mean RW?",
        "p.yaml:7: deviceResources[0].properties.scale: expected a number, got '0.1'; write it without quotes",
        "p.yaml:8: deviceResources[0].properties.offset: expected a number, got ten",
        "p.yaml:9: deviceResources[0].properties.mask: expected a number of 0 or more, got -1",
        "p.yaml:10: deviceResources[0].properties.shift: expected a whole number, got 1.5",
        "p.yaml:11: deviceResources[0].properties.minimum: expected a finite number, got inf",
        "p.yaml:12: deviceResources[0].properties.optional.minInterval: expected a duration such as 500ms, 10s or "
        "1h30m, got 'soon'",
        "p.yaml:13: deviceResources[1].name: is required: text",
        "p.yaml:14: deviceResources[1].isHidden: expected true or false, got maybe",
        "p.yaml:15: deviceResources[1].attributes: expected a mapping, got a list",
        "p.yaml:17: deviceCommands[0].resourceOperations[1].mappings: expected a mapping, got 3",
        "p.yaml:17: deviceCommands[0].resourceOperations[0].deviceResource: device command's resource b doesn't match "
        "any device resource; add the resource or remove this operation",
        "p.yaml:18: deviceCommands[1].resourceOperations: expected at least 1 of them, got 0",
        "p.yaml:19: deviceCommands[2].resourceOperations: is required: a list of at least one {deviceResource: …}",
        "p.yaml:19: deviceCommands[2].name: device command d is duplicated; rename or remove one",
    ]


def test_unknown_keys_are_warnings_with_the_nearest_known_key_and_errors_when_strict() -> None:
    text = MINIMAL + "    isHiden: true\nvendor: 3\nx-mine: 1\n$schema: s\nlinkedDeviceCount: 2\n"
    warnings = [str(problem) for problem in load_profile(text, "p.yaml").problems]
    assert warnings == [
        "p.yaml:5: warning: deviceResources[0].isHiden: unknown key 'isHiden', which is ignored; "
        "did you mean isHidden?",
        "p.yaml:6: warning: vendor: unknown key 'vendor', which is ignored; known here: apiVersion, id, name, "
        "manufacturer, description, model, labels, compat, parameters, deviceResources, deviceCommands, "
        "autoEvents",
    ]
    assert refusal(text, strict=True)[0] == (
        "p.yaml:5: deviceResources[0].isHiden: unknown key 'isHiden'; did you mean isHidden?"
    )


def test_yaml_keys_are_case_sensitive_and_the_hint_knows() -> None:
    problems = refusal("name: p\ndeviceResources: [{name: a, properties: {ValueType: Bool, readWrite: R}}]")
    assert any("unknown key 'ValueType', which is ignored; did you mean valueType?" in one for one in problems)


def test_structure_that_is_no_profile_at_all() -> None:
    assert refusal("") == ["p.yaml:1: expected a mapping, got null"]
    assert refusal("- a") == ["p.yaml:1: expected a mapping, got a list"]
    assert refusal("deviceList: []")[0].startswith("p.yaml:1: ")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("resources: {a: Binary RW}", "write permission not support Binary value type for resource 'a'"),
        ("resources: {a: binary W}", "write permission not support Binary value type for resource 'a'"),
        ("resources: {a: Bool R, a2: Bool R}, rename: a2", "device resource a is duplicated"),
    ],
)
def test_cross_checks_of_resources(parts: str, expected: str) -> None:
    twice = "rename" in parts
    kinds = {"Binary RW": ("Binary", "RW"), "binary W": ("binary", "W"), "Bool R": ("Bool", "R")}
    value_type, read_write = next(kind for text, kind in kinds.items() if text in parts)
    one = f"  - {{name: a, properties: {{valueType: {value_type}, readWrite: {read_write}}}}}\n"
    problems = refusal("name: p\ndeviceResources:\n" + one * (2 if twice else 1))
    assert len(problems) == 1
    assert expected in problems[0]
    assert problems[0].startswith(f"p.yaml:{4 if twice else 3}: deviceResources")


def test_upstream_overlooks_a_binary_in_lower_case() -> None:
    text = "name: p\ncompat: edgex\ndeviceResources: [{name: a, properties: {valueType: binary, readWrite: W}}]"
    assert load(text).compat is Compat.EDGEX
    assert "write permission" in refusal(text.replace("binary", "Binary"))[0]


@pytest.mark.parametrize(
    ("resource", "command", "fits"),
    [
        ("RW", "R", True), ("WR", "W", True), ("RW", "WR", True), ("R", "R", True), ("W", "W", True),
        ("R", "RW", False), ("R", "W", False), ("W", "R", False), ("W", "RW", False),
    ],
)  # fmt: skip
def test_a_command_asks_no_more_than_its_resources_allow(resource: str, command: str, fits: bool) -> None:
    text = (
        f"name: p\ndeviceResources: [{{name: a, properties: {{valueType: Bool, readWrite: {resource}}}}}]\n"
        f"deviceCommands: [{{name: c, readWrite: {command}, resourceOperations: [{{deviceResource: a}}]}}]\n"
    )
    if fits:
        assert load(text)
        return
    assert refusal(text) == [
        f"p.yaml:3: deviceCommands[0].resourceOperations[0].deviceResource: device command's ReadWrite permission "
        f"'{command}' doesn't align the device resource; a is '{resource}': make the command '{resource}' too, or the "
        f"resource 'RW'"
    ]


def test_a_command_may_have_the_name_of_a_resource() -> None:
    load(MINIMAL + "deviceCommands: [{name: a, readWrite: R, resourceOperations: [{deviceResource: a}]}]")


def test_a_misspelled_resource_gets_a_hint() -> None:
    problems = refusal(
        MINIMAL.replace("name: a", "name: Voltage")
        + "deviceCommands: [{name: c, readWrite: R, resourceOperations: [{deviceResource: Votlage}]}]"
    )
    assert "did you mean Voltage?" in problems[0]


@pytest.mark.parametrize("name", ['"a\\x07b"', '"a\\nb"', '"\\0"'])
def test_names_with_control_characters_are_refused(name: str) -> None:
    assert "control character" in refusal(MINIMAL.replace("name: a", f"name: {name}"))[0]


def test_integer_ranges() -> None:
    def text(mask: int, shift: int) -> str:
        return MINIMAL.replace("readWrite: RW", f"readWrite: RW, mask: {mask}, shift: {shift}")

    top = load(text(2**64 - 1, -(2**63))).device_resources[0].properties
    assert (top.mask, top.shift) == (2**64 - 1, -(2**63))
    assert len(refusal(text(2**64, 2**63))) == 2


def test_json_is_strict_about_types_and_lenient_about_case() -> None:
    properties = {"VALUETYPE": "int16", "readwrite": "R", "Scale": 2, "mask": 1, "units": None}
    profile = profile_from_json({"Name": "p", "DEVICERESOURCES": [{"name": "a", "properties": properties}], "zzz": 1})
    assert profile.device_resources[0].properties.scale == 2.0
    for key, value in (("Scale", "0.1"), ("mask", 1.0), ("mask", "1"), ("units", 5), ("Scale", True)):
        with pytest.raises(ConfigError, match="expected"):
            profile_from_json(
                {"name": "p", "deviceResources": [{"name": "a", "properties": {**properties, key: value}}]}
            )


def test_json_files_keep_the_text_of_addresses_and_know_lines() -> None:
    text = '{"name": "p", "deviceResources": [\n{"name": "a", "attributes": {"startingAddress": 10.10}, "properties":\n'
    loaded = load_profile(text + '{"valueType": "Bool", "readWrite": "R"}}]}', "p.json")
    assert literal_text(loaded.value.device_resources[0].attributes["startingAddress"]) == "10.10"
    with pytest.raises(ConfigError, match=r"p\.json:3: deviceResources\[0\]\.properties\.readWrite"):
        load_profile(text + '{"valueType": "Bool", "readWrite": "r"}}]}', "p.json")


@pytest.mark.parametrize("body", [None, 5, "x", [], {}, {"name": None}, {"name": 5}, {"name": "\ud800"}])
def test_bodies_that_are_no_profile(body: object) -> None:
    with pytest.raises(ConfigError):
        profile_from_json(body)


def test_edgex_shape_has_edgex_order_and_leaves_out_what_is_empty() -> None:
    resource = {"name": "a", "isHidden": False, "properties": {"valueType": "Int16", "readWrite": "RW"}}
    found = edgex_json(load(MINIMAL), created=5, modified=6)
    assert list(found.items()) == [
        ("apiVersion", "v3"), ("created", 5), ("modified", 6), ("name", "p"),
        ("deviceResources", [resource]),
        ("deviceCommands", []),
    ]  # fmt: skip


def test_edgex_shape_writes_whole_floats_as_integers_and_sorts_free_maps() -> None:
    text = MINIMAL.replace("readWrite: RW", "readWrite: RW, scale: 5.0, minimum: 0, maximum: 1e21")
    found = edgex_json(load(text + "    attributes: {z: 0x10, a: 10.10, b: {d: 1e3, c: 1}}\n"))
    resource = found["deviceResources"][0]
    assert list(resource["attributes"]) == ["a", "b", "z"]
    assert resource["attributes"] == {"a": 10.1, "b": {"c": 1, "d": 1000}, "z": 16}
    assert {type(value) for value in resource["attributes"].values()} == {float, dict, int}
    assert repr(resource["properties"]["scale"]) == "5"
    assert repr(resource["properties"]["minimum"]) == "0"
    assert repr(resource["properties"]["maximum"]) == "1e+21"
    assert profile_from_json(found).device_resources[0].properties == load(text).device_resources[0].properties
