"""The profile of a SunSpec chain."""

import re
from typing import Any

import pytest

from gateway.model.load import load_profile
from gateway.model.profile import DeviceProfile, DeviceResource
from mappers import Switchboard
from mappers.modbus.discovery.describe import Description, describe, profile_name
from mappers.modbus.discovery.sunspec import Chain, Group, Item, layouts, walk
from tests.unit.mappers.modbus.talk import COMMON, END, at, holding, padded, talk

NO = 0xFFFF
"""Not implemented, of a uint16."""
INVERTER = (
    103, 50,
    1234, 411, 412, 411, -2, NO, NO, NO, 2301, 2302, 2303, -1, 5400, 0, 5001, -2, 5500, 0, 0x8000, 0x8000, 998, -1,
    0x0012, 0xD687, 1, 1700, -2, NO, 0x8000, 5600, 0, 412, 0x8000, 0x8000, 0x8000, -1, 4, NO, 0, 0, 0, 0,
    0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF,
)  # fmt: skip


def chain(*parts: Any) -> Chain:
    found, _ = talk(walk(), holding(at(40000, "SunS", *parts)))
    assert found is not None
    return found


def items(group: Group | None) -> list[Item]:
    """The points of a group and of those in it, once."""
    parts = group.parts if group else ()
    return [one for part in parts for one in ([part] if isinstance(part, Item) else items(part))]


def resources(profile: DeviceProfile) -> dict[str, DeviceResource]:
    return {resource.name: resource for resource in profile.device_resources}


def said(description: Description) -> str:
    return " ".join(description.notes)


@pytest.fixture
def inverter() -> Description:
    return describe(chain(*COMMON, *INVERTER, 64001, 2, 7, 7, *END), "Acme")


def test_scales_are_what_the_scale_factors_say(inverter: Description) -> None:
    found = resources(inverter.profile)
    amps, watts, energy = (found[f"Inverter_{name}"] for name in ("A", "W", "WH"))
    assert (amps.properties.value_type, amps.properties.scale, amps.properties.units) == ("Float32", 0.01, "A")
    assert amps.attributes == {"primaryTable": "HOLDING_REGISTERS", "startingAddress": 40072, "rawType": "Uint16"}
    assert (watts.properties.value_type, watts.properties.scale) == ("Int16", None)
    assert (energy.properties.value_type, energy.properties.scale) == ("Float64", 10.0)
    assert energy.attributes["rawType"] == "Uint32"
    assert found["Inverter_A_SF"].properties.default_value == "-2"
    assert found["Inverter_W"].properties.optional == {"twin": True}


def test_what_is_not_implemented_is_left_out_and_said(inverter: Description) -> None:
    found = resources(inverter.profile)
    assert "Inverter_DCV" not in found
    assert "Inverter_PhVphC" in found
    assert re.search(r"left out: Inverter_PPVphAB, .*Inverter_VAr,.*Inverter_DCV,", said(inverter))
    assert "Common_Opt" not in found


def test_the_chain_itself_and_unknown_models_are_there(inverter: Description) -> None:
    found = resources(inverter.profile)
    for name, address, value in (
        ("SunSpec_Marker", 40000, "SunS"), ("Common_ID", 40002, "1"), ("Common_L", 40003, "66"),
        ("Inverter_ID", 40070, "103"), ("Model64001_ID", 40122, "64001"), ("End_ID", 40126, "65535"),
    ):  # fmt: skip
        assert (found[name].attributes["startingAddress"], found[name].properties.default_value) == (address, value)
    assert "Model 64001 (address 40122, 2 registers) is present and not described" in said(inverter)


def test_commands_group_the_models(inverter: Description) -> None:
    commands = {c.name: c for c in inverter.profile.device_commands}
    assert list(commands) == ["Common", "Inverter", "Inverter-ScaleFactors", "SunSpec"]
    state = next(o for o in commands["Inverter"].resource_operations if o.device_resource == "Inverter_St")
    assert state.mappings["4"] == "MPPT"
    assert inverter.intervals["Inverter"] == "5s"
    assert set(inverter.intervals) == set(commands)


def test_the_text_warns_and_reads_back(inverter: Description) -> None:
    text = inverter.text("127.0.0.1:502 unit 1", "2026-01-02")
    head = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert "SCALE FACTORS ARE FIXED AT DISCOVERY" in head
    assert "127.0.0.1:502 unit 1, 2026-01-02" in head
    loaded = load_profile(text, "found.yaml", strict=True)
    assert (loaded.value, loaded.problems) == (inverter.profile, ())
    problems = Switchboard().by_service("device-modbus").check(loaded.value)
    assert [str(p) for p in problems if p.severity != "note"] == []


@pytest.mark.parametrize("exponent", [0x8000, 11, -11])
def test_a_scale_factor_that_cannot_be_leaves_the_value_raw(exponent: int) -> None:
    parts = list(INVERTER)
    parts[6] = exponent
    found = describe(chain(*COMMON, *parts, *END), "Acme")
    amps = resources(found.profile)["Inverter_A"]
    assert (amps.properties.value_type, amps.properties.scale) == ("Uint16", None)
    assert "no valid scale factor, so these are raw: Inverter_A, Inverter_AphA" in said(found)


def test_nothing_can_be_written_unless_asked_for() -> None:
    controls = chain(*COMMON, 123, 24, *[0] * 24, *END)
    assert not [r.name for r in describe(controls, "A").profile.device_resources if r.properties.read_write != "R"]
    written = [
        r.name for r in describe(controls, "A", True).profile.device_resources if r.properties.read_write == "RW"
    ]
    assert {"Controls_Conn", "Controls_WMaxLimPct"} <= set(written)
    assert "Controls_WMaxLimPct_SF" not in written


def test_two_meters_and_two_inputs_have_names_of_their_own() -> None:
    mppt = (160, 48, 0, 0, 0, 0, 0, 0, 2, 0, *([1, *[0x4141] * 8, *[5] * 11] * 2))
    meter = (213, 124, *[0x4248] * 124)
    found = resources(describe(chain(*COMMON, *mppt, *meter, *meter, *END), "A").profile)
    assert {"MPPT_1_DCA", "MPPT_2_DCA", "Meter_W", "Meter-2_W"} <= set(found)
    assert found["MPPT_2_DCA"].attributes["startingAddress"] == 40072 + 8 + 20 + 9


def test_curves_have_scales_words_and_names_of_their_own() -> None:
    """Volt-var with one curve of two points, and trip settings with one point in each of their three curves."""
    volt_var = (
        705,
        27,
        1,
        0,
        1,
        2,
        1,
        0,
        0,
        0,
        0,
        0,
        -1,
        -2,
        0,
        2,
        1,
        1,
        1000,
        NO,
        0,
        5,
        0,
        10,
        0,
        920,
        44,
        NO,
        0x8000,
    )
    trip = (707, 7 + 13, 1, 0, 1, 1, 1, -1, -2, 0, 1, 880, 0, 200, 0, NO, NO, NO, 0, 1, 500, 0, 16)
    found = describe(chain(*COMMON, *volt_var, *trip, *END), "A", writable=True)
    by_name = resources(found.profile)
    point = by_name["DERVoltVar_1_Pt_1_V"]
    assert (point.attributes["startingAddress"], point.properties.scale) == (40072 + 13 + 10, 0.1)
    assert by_name["DERVoltVar_1_Pt_1_Var"].properties.scale == 0.01
    assert by_name["DERVoltVar_1_Pt_1_Var"].properties.read_write == "RW"
    assert by_name["DERVoltVar_NPt"].properties.default_value == "2"
    assert "DERVoltVar_1_Pt_2_V" not in by_name, "it holds what means not implemented"
    operations = {c.name: c.resource_operations for c in found.profile.device_commands}["DERVoltVar"]
    assert {o.device_resource: o.mappings for o in operations}["DERVoltVar_1_ReadOnly"] == {"0": "RW", "1": "R"}
    assert by_name["DERTripLV_1_MustTrip_Pt_1_Tms"].attributes["startingAddress"] == 40072 + 27 + 2 + 7 + 3
    assert by_name["DERTripLV_1_MomCess_Pt_1_V"].properties.scale == 0.1
    assert "DERTripLV_1_MayTrip_Pt_1_V" not in by_name
    assert not [note for note in found.notes if "not described" in note]


@pytest.mark.parametrize("number", sorted(layouts()))
def test_every_model_of_the_table_makes_a_profile_without_a_warning(number: int) -> None:
    layout = layouts()[number]
    size = sum(item.size for item in (*layout.points, *items(layout.each)))
    first = COMMON if number != 1 else ()
    body = COMMON[2:] if number == 1 else [1] * size
    found = describe(chain(*first, number, 66 if number == 1 else size, *body, *END), "A", writable=True)
    loaded = load_profile(found.text("here", "now"), "found.yaml", strict=True)
    problems = [*loaded.problems, *Switchboard().by_service("device-modbus").check(loaded.value)]
    assert [str(p) for p in problems if p.severity != "note"] == []
    assert len(loaded.value.device_resources) > 6


def test_names_of_profiles_are_harmless() -> None:
    evil = (1, 66, padded("../../etc", 16), padded("pass\x1bwd\n#: {", 16), padded("", 48), 1, 0)
    found = chain(*evil, *END)
    assert profile_name(found) == "etc-pass-wd-SunSpec"
    described = describe(found, profile_name(found))
    assert load_profile(described.text("x", "y"), "f.yaml", strict=True).value == described.profile
    nameless = (1, 66, *[0] * 66)
    assert profile_name(chain(*nameless, *END)) == "Unnamed-SunSpec"
