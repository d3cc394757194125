"""One profile for many like devices: what is declared, what a device gives, what comes out, and what is said when it
cannot be."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.device import Device
from gateway.model.dump import dump_profile, edgex_json
from gateway.model.effective import explained
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices, load_profile, profile_from_json
from gateway.model.profile import DeviceProfile
from gateway.model.scalar import literal_text
from gateway.model.template import Template, by_default, effective

METER = """\
name: Multi
parameters:
  circuit: { valueType: Uint8, minimum: 1, maximum: 12, description: number of the circuit }
  ct_ratio: { valueType: Float64, defaultValue: 1, minimum: 1 }
  table: { valueType: String, defaultValue: HOLDING_REGISTERS, choices: [HOLDING_REGISTERS, INPUT_REGISTERS] }
  swapped: { valueType: Bool, defaultValue: no }
  unit: { valueType: String, defaultValue: "" }
deviceResources:
  - name: Current
    description: of circuit $(circuit)
    attributes: { primaryTable: $(table), startingAddress: $(1000 + 100 * (circuit - 1)), isByteSwap: $(swapped) }
    properties: { valueType: Uint16, readWrite: RW, scale: $(0.01 * ct_ratio), maximum: $(ct_ratio * 5),
                  units: $(unit)A }
    tags: { circuit: $(circuit) }
  - name: Frequency
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 4 }
    properties: { valueType: Uint16, readWrite: R, scale: 0.1, units: Hz }
deviceCommands:
  - name: All
    readWrite: RW
    tags: { circuit: $(circuit) }
    resourceOperations: [{ deviceResource: Current, defaultValue: $(ct_ratio), mappings: { "0": $(unit)none } }]
"""


def load(text: str = METER) -> DeviceProfile:
    return load_profile(text, "p.yaml", strict=True).value


def device(parameters: Any = None, overrides: Any = None) -> Device:
    given = {"parameters": parameters, "overrides": overrides}
    return Device.model_validate({"name": "d", "properties": {k: v for k, v in given.items() if v is not None}})


def wrong_of(profile: DeviceProfile, one: Device) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        effective(profile, one)
    return [f"{problem.where}: {problem.what}" for problem in refused.value.problems]


def test_a_device_puts_its_values_in() -> None:
    made = effective(load(), device({"circuit": 3, "ct_ratio": 80, "swapped": True, "unit": "k"}))
    current, frequency = made.device_resources
    assert made.parameters == {}
    assert current.attributes == {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 1200, "isByteSwap": True}
    assert (current.properties.scale, current.properties.maximum, current.properties.units) == (0.8, 400.0, "kA")
    assert current.properties.optional == {}
    assert (current.description, current.tags) == ("of circuit 3", {"circuit": 3})
    (command,) = made.device_commands
    assert command.tags == {"circuit": 3}
    assert command.resource_operations[0].default_value == "80"
    assert command.resource_operations[0].mappings == {"0": "knone"}
    assert frequency == load().device_resources[1]
    assert load_profile(dump_profile(made), "p.yaml", strict=True).value == made


def test_what_has_no_references_is_shared() -> None:
    profile = load()
    made = effective(profile, device({"circuit": 3}))
    assert made.device_resources[1] is profile.device_resources[1]
    plain = load("name: p\ndeviceResources: [{name: a, properties: {valueType: Int16, readWrite: R, units: $(x)}}]")
    assert effective(plain, device()) is plain
    assert plain.device_resources[0].properties.units == "$(x)"  # without parameters nothing is a reference


def test_it_goes_through_json_and_yaml_and_edgex_can_read_it() -> None:
    """What REST shows has numbers or nothing in number fields, so that an EdgeX client can read it."""
    profile = load()
    body = json.loads(json.dumps(edgex_json(profile)))
    properties = body["deviceResources"][0]["properties"]
    assert "scale" not in properties
    assert properties["optional"] == {"parameters": {"maximum": "$(ct_ratio * 5)", "scale": "$(0.01 * ct_ratio)"}}
    assert body["parameters"]["unit"]["defaultValue"] == ""
    assert profile_from_json(body) == profile
    text = dump_profile(profile)
    assert "scale: $(0.01 * ct_ratio)" in text
    assert load_profile(text, "p.yaml", strict=True).value == profile
    as_given = profile_from_json(
        {**body, "deviceResources": [{**body["deviceResources"][0], "properties": {
            "valueType": "Uint16", "readWrite": "RW", "units": "$(unit)A",
            "scale": "$(0.01 * ct_ratio)", "maximum": "$(ct_ratio * 5)"}}, body["deviceResources"][1]]}
    )  # fmt: skip
    assert as_given == profile


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "properties.parameters.circuit: is required by profile Multi (number of the circuit): "
             "a whole number of 1 to 12"),
        ({"circut": 1, "circuit": 1}, "properties.parameters.circut: profile Multi has no parameter circut; "
                                      "did you mean circuit?"),
        ({"circuit": 13}, "properties.parameters.circuit: expected a whole number of 1 to 12, got 13"),
        ({"circuit": 1.5}, "expected a whole number of 1 to 12, got 1.5"),
        ({"circuit": "1"}, "expected a whole number of 1 to 12, got '1'"),
        ({"circuit": True}, "expected a whole number of 1 to 12, got true"),
        ({"circuit": 1, "ct_ratio": 0.5}, "properties.parameters.ct_ratio: expected a number of 1 or more, got 0.5"),
        ({"circuit": 1, "ct_ratio": 10**400}, "expected a number of 1 or more, got a number of too many digits"),
        ({"circuit": 1, "swapped": 1}, "expected true or false, got 1"),
        ({"circuit": 1, "unit": [1]}, "expected text, got a list"),
        ({"circuit": 1, "table": "INPUT_REGISTER"}, "expected one of HOLDING_REGISTERS, INPUT_REGISTERS, "
                                                   "got 'INPUT_REGISTER'; did you mean INPUT_REGISTERS?"),
        ([1], "properties.parameters: expected a mapping such as {circuit: …}, got a list"),
    ],
)  # fmt: skip
def test_wrong_values(given: Any, said: str) -> None:
    (found,) = wrong_of(load(), device(given))
    assert said in found


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"Curent": {}}, "properties.overrides.Curent: profile Multi has no such resource; did you mean Current?"),
        ({"Current": {"name": "x"}}, "overrides.Current.name: expected one of attributes, properties, tags, descr"),
        ({"Current": {"attributes": 4}}, "overrides.Current.attributes: expected a mapping, got 4"),
        ({"Current": {"properties": {"valueType": "Int16"}}}, "properties.valueType: cannot be overridden; the names"),
        ({"Current": {"properties": {"scael": 1}}}, "scael: unknown key 'scael'; did you mean scale?"),
        ({"Current": 5}, "overrides.Current: expected a mapping with attributes, properties, tags, description, got 5"),
        (5, "properties.overrides: expected such as {Current: {properties: {scale: 0.01}}}, got 5"),
        (
            {"Current": {"properties": {"scale": "a lot"}}},
            "deviceResources[0].properties.scale: expected a number, got 'a lot'",
        ),
        (
            {"Current": {"tags": {"a": ["$(ct_rato)"]}}},
            "properties.overrides.Current.tags.a[0]: $(ct_rato): there is no parameter ct_rato; did you mean ct_ratio?",
        ),
        (
            {"Current": {"properties": {"scale": "$(table * 2)"}}},
            "properties.overrides.Current.properties.scale: $(table * 2): table is a String, which cannot be part of",
        ),
        ({"Frequency": {"description": "$(("}}, "overrides.Frequency.description: $((: the bracket is not closed"),
    ],
)
def test_wrong_overrides(overrides: Any, said: str) -> None:
    (found,) = wrong_of(load(), device({"circuit": 1}, overrides))
    assert said in found


def test_overrides_are_for_one_resource_of_one_device_with_or_without_parameters() -> None:
    other = {
        "Frequency": {"attributes": {"startingAddress": 10.5}, "properties": {"scale": None, "units": 7, "mask": 15}}
    }
    made = effective(load(), device({"circuit": 1}, other)).device_resources[1]
    assert made.attributes == {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 10.5}
    assert (made.properties.scale, made.properties.units, made.properties.mask) == (None, "7", 15)
    plain = load("name: p\ndeviceResources: [{name: a, properties: {valueType: Int16, readWrite: R}}]")
    made = effective(
        plain, device(None, {"a": {"properties": {"units": "$(x)"}, "attributes": {"at": 1}}})
    ).device_resources[0]
    assert (made.properties.units, made.attributes) == ("$(x)", {"at": 1})


def test_without_parameters_what_looks_like_a_reference_is_text() -> None:
    """Also where somebody asks where the values come from."""
    text = (
        "name: p\ndeviceResources: [{name: a, description: $(x) $(, properties: {valueType: Int16, readWrite: R}},"
        "{name: b, properties: {valueType: Int16, readWrite: R}}]"
    )
    own = {"a": {"properties": {"scale": 2}}, "b": {"description": "$(y"}}
    found = explained(load_profile(text, "p.yaml").value, device(None, own))
    assert [resource.description for resource in found.profile.device_resources] == ["$(x) $(", "$(y"]
    assert set(found.origins.values()) == {"override of the device"}


def test_an_override_may_use_parameters_and_wins() -> None:
    own = device({"circuit": 2, "ct_ratio": 3}, {"Current": {"properties": {"scale": "$(ct_ratio)"}}})
    assert effective(load(), own).device_resources[0].properties.scale == 3.0


def test_spelling_of_numbers_is_kept() -> None:
    text = "name: p\ndeviceResources: [{name: a, attributes: {at: 1}, properties: {valueType: Int16, readWrite: R}}]"
    (one,) = load_devices("[{name: d, properties: {overrides: {a: {attributes: {at: 10.10}}}}}]", "d.yaml").value
    assert literal_text(effective(load(text), one).device_resources[0].attributes["at"]) == "10.10"


def test_by_default() -> None:
    assert by_default(load()) is None
    defaults = by_default(load(METER.replace("Uint8, minimum: 1,", "Uint8, defaultValue: 2, minimum: 1,")))
    assert defaults is not None
    assert defaults.device_resources[0].attributes["startingAddress"] == 1100


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("$(table)", "$(tabel)", "p.yaml:11: deviceResources[0].attributes.primaryTable: $(tabel): there is no "
                                 "parameter tabel; did you mean table?"),
        ("$(table)", "$(table + 1)", "table is a String, which cannot be part of a sum"),
        ("$(table)", "$(table", "the bracket is not closed"),
        ("name: Frequency", "name: F$(circuit)", "deviceResources[1].name: F$(circuit) cannot stand here; the names"),
        ("readWrite: RW, scale", "readWrite: $(table), scale", "expected one of R, W, RW, WR, got $(table)"),
        ("scale: 0.1,", "scale: 0.1, optional: { twin: $(swapped) },", "twin: expected true or false"),
        ("Bool, defaultValue: no", "Bool, defaultValue: 7", "p.yaml:6: parameters.swapped.defaultValue: "
                                                           "expected true or false, got 7"),
        ("Bool, default", "Bool, minimum: 1, default", "swapped.valueType: Bool has neither minimum nor maximum"),
        ("maximum: 12", "maximum: 0", "parameters.circuit.minimum: no value lies between 1 and 0"),
        ("[HOLDING_REGISTERS,", "[[1],", "parameters.table.choices: a list is no String"),
        ("valueType: Bool", "valueType: Binary", "a parameter is a single value: Bool, String, or a type of numbers"),
        ("  unit:", "  un-it:", "'un-it' cannot be used in a sum; a name is letters, digits and _"),
        ("  unit:", "  lambda:", "'lambda' cannot be used in a sum"),
        ("description: number", "descripton: number", "unknown key 'descripton'; did you mean description?"),
    ],
)  # fmt: skip
def test_a_template_is_checked_when_it_is_read(old: str, new: str, said: str) -> None:
    assert old in METER
    with pytest.raises(ConfigError) as refused:
        load(METER.replace(old, new, 1))
    assert said in str(refused.value)


def test_what_is_nearly_a_reference() -> None:
    loaded = load_profile(METER.replace("Hz", '"${unit}Hz"'), "p.yaml")
    assert [str(problem) for problem in loaded.problems] == [
        "p.yaml:17: warning: deviceResources[1].properties.units: ${unit}Hz: a parameter is written $(name) here, in "
        "round brackets"
    ]
    with pytest.raises(ConfigError, match=r"got \$\(a\); what \$\(…\) stands for is declared under parameters"):
        load("name: p\ndeviceResources: [{name: a, properties: {valueType: Int16, readWrite: R, scale: $(a)}}]")


def test_a_parameter_for_nothing_is_a_warning() -> None:
    loaded = load_profile(METER.replace("$(swapped)", "true"), "p.yaml")
    assert [str(problem) for problem in loaded.problems] == [
        "p.yaml:6: warning: parameters.swapped: nothing in the profile uses $(swapped)"
    ]


def test_where_every_value_comes_from() -> None:
    own = device({"circuit": 3}, {"Current": {"properties": {"units": "mA"}}})
    found = explained(load(), own)
    assert found.parameters["circuit"] == (3, "device")
    assert found.parameters["ct_ratio"] == (1.0, "default")
    shown = found.as_yaml()
    assert shown.startswith("# Multi as it is for the device d: circuit 3 (device), ct_ratio 1 (default), ")
    assert "    startingAddress: 1200  # $(1000 + 100 * (circuit - 1)): circuit 3 (device)\n" in shown
    assert "    scale: 0.01  # $(0.01 * ct_ratio): ct_ratio 1 (default)\n" in shown
    assert "    units: mA  # override of the device\n" in shown
    assert "    units: Hz\n" in shown
    assert load_profile(shown, "p.yaml", strict=True).value == found.profile
    body = found.as_json()
    assert body["origins"]["deviceResources[0].properties.maximum"] == "$(ct_ratio * 5): ct_ratio 1 (default)"
    assert body["profile"]["deviceResources"][0]["properties"]["scale"] == 0.01
    assert json.dumps(body)


def test_a_text_of_several_lines_has_no_room_for_a_comment() -> None:
    profile = load(METER.replace("of circuit $(circuit)", '"a\\n\\nb # $(circuit) \\n"'))
    found = explained(profile, device({"circuit": 3}))
    assert load_profile(found.as_yaml(), "p.yaml", strict=True).value == found.profile


@pytest.mark.parametrize("unit", ["\a", "\0", "\x1b[31m", "\x7f", "\ufffe", "a\nb: c", "\x85x", "\u2028x"])
def test_what_no_file_can_hold_does_not_stand_in_a_comment(unit: str) -> None:
    """T27: nor does it reach the terminal of whoever looks."""
    found = explained(load(), device({"circuit": 3, "unit": unit}))
    shown = found.as_yaml()
    assert load_profile(shown, "p.yaml", strict=True).value == found.profile
    assert all(character.isprintable() for line in shown.split("\n") for character in line.partition("#")[2])


def test_values_for_a_profile_without_parameters_are_doubtful() -> None:
    plain = load("name: p\ndeviceResources: [{name: a, properties: {valueType: Int16, readWrite: R}}]")
    (doubt,) = Template(plain).doubts(device({"x": 1}))
    assert (doubt.severity, doubt.where) == ("warning", "properties.parameters")
    assert effective(plain, device({"x": 1})) is plain
    assert Template(plain).doubts(Device(name="d", properties={"parameters": "mine"})) == []


TEXTS = st.lists(
    st.sampled_from(["$(n)", "$(t)", "$(n * 2)", "$(n", "$$(", "a", "5", "0.50", " ", "$(b)",
                     "${n}", "#", ": ", '"', "\n"]),
    min_size=1, max_size=4,
).map("".join)  # fmt: skip


SCALES = st.sampled_from(["$(n)", "$(n / 4 + 0.1)", " $(n)", "$(n)0"])


@given(
    units=TEXTS,
    scale=st.one_of(SCALES, TEXTS),
    address=TEXTS,
    mapping=TEXTS,
    n=st.integers(0, 99),
    t=TEXTS,
    b=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_template_it_is_the_same_in_every_form(
    units: str, scale: str, address: str, mapping: str, n: int, t: str, b: bool
) -> None:
    """T25: as YAML, as JSON and as a plain profile; or it is refused in words when it is read or used."""
    parameters = {
        "n": {"valueType": "Uint8", "defaultValue": n},
        "t": {"valueType": "String", "defaultValue": t},
        "b": {"valueType": "Bool", "defaultValue": b},
    }
    properties = {"valueType": "Int16", "readWrite": "RW", "units": units, "scale": scale}
    body = {
        "name": "p",
        "parameters": parameters,
        "deviceResources": [{"name": "a", "attributes": {"at": address}, "properties": properties}],
        "deviceCommands": [
            {"name": "c", "readWrite": "R", "resourceOperations": [{"deviceResource": "a", "mappings": {"1": mapping}}]}
        ],
    }
    try:
        profile = profile_from_json(body)
    except ConfigError:
        return
    assert load_profile(dump_profile(profile), "p.yaml").value == profile
    assert profile_from_json(edgex_json(profile)) == profile
    wrong, made = [], None
    try:
        made = by_default(profile)
    except ConfigError as refused:
        wrong = [problem.where for problem in refused.problems]
    if made is None:
        assert wrong == ["deviceResources[0].properties.scale"]
        return
    assert load_profile(dump_profile(made), "p.yaml").value == made
    assert profile_from_json(edgex_json(made)) == made
    own = Device(name="d", properties={"parameters": {"n": n, "t": t, "b": b}})
    assert effective(profile, own) == made
    assert load_profile(explained(profile, own).as_yaml(), "p.yaml").value == made
