"""Which profiles fit: by names, and by what registers hold."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.load import profile_from_json
from gateway.model.profile import DeviceProfile
from gateway.runtime.clock import SystemClock
from mappers.modbus.discovery.suggest import MOST_REQUESTS, Suggestion, by_name, fit, probes
from simulators.library import find_profile
from simulators.modbus.unit import Unit
from tests.unit.mappers.modbus.talk import talk


def meter(name: str, at: int = 0, **more: Any) -> DeviceProfile:
    """Volts and hertz as floats, amps."""
    resources = [
        {
            "name": label,
            "properties": {"valueType": "Float32", "readWrite": "R", "units": units},
            "attributes": {"primaryTable": "INPUT_REGISTERS", "startingAddress": at + 2 * index},
        }
        for index, (label, units) in enumerate((("Voltage", "V"), ("Frequency", "Hz"), ("Current", "A")))
    ]
    return profile_from_json({"name": name, "deviceResources": resources, **more})


def holds(values: dict[int, float], function: int = 4) -> Any:
    """A unit with floats at these addresses; everything else is refused."""

    def answer(request: bytes) -> bytes:
        code, first, count = struct.unpack(">BHH", request)
        if code != function:
            return bytes((code | 0x80, 1))
        if first not in values or count != 2:
            return bytes((code | 0x80, 2))
        return bytes((code, 4)) + struct.pack(">f", values[first])

    return answer


def names(found: list[Suggestion]) -> list[str]:
    return [one.profile for one in found]


def test_registers_that_make_sense_suggest_and_say_why() -> None:
    found, _ = talk(fit([meter("A")], "", ()), holds({0: 230.5, 2: 49.98, 4: 3.5}))
    assert [(s.profile, s.sure) for s in found] == [("A", False)]
    assert found[0].reasons == ("Frequency reads 49.98 Hz", "Voltage reads 230.5 V", "Current reads 3.5 A")


@pytest.mark.parametrize(
    "values",
    [
        {0: 230.5, 2: 4.5e20, 4: 1.0},
        {0: 230.5, 2: 1e-40, 4: 1.0},
        {0: 230.5, 2: 50.0},
        {0: 0.0, 2: 0.0, 4: 0.0},
        {0: float("nan"), 2: float("nan"), 4: float("inf")},
        {0: 0.0, 2: 50.0, 4: 0.0},
    ],
    ids=["huge", "denormal", "refused", "noughts", "not numbers", "one alone"],
)
def test_registers_that_do_not(values: dict[int, float]) -> None:
    assert talk(fit([meter("A")], "", ()), holds(values))[0] == []


def test_a_place_is_read_once_for_all_profiles() -> None:
    profiles = [meter("A"), meter("B"), meter("C", 100), meter("D", labels=["sunspec"])]
    found, asked = talk(fit(profiles, "", ()), holds({0: 230.5, 2: 49.98, 4: 3.5}))
    assert names(found) == ["A", "B", "D"]
    assert len(asked) == len(set(asked)) == 4


def test_an_unknown_function_is_asked_for_once() -> None:
    found, asked = talk(fit([meter(f"P{i}", 100 * i) for i in range(30)], "", ()), lambda _: b"\x84\x01")
    assert (found, len(asked)) == ([], 1)


def test_who_falls_silent_is_left_alone_and_nobody_is_asked_too_much() -> None:
    profiles = [meter(f"P{i}", 10 * i) for i in range(300)]
    assert len(talk(fit(profiles, "", ()), lambda _: None)[1]) == 2
    everywhere = dict.fromkeys(range(0, 3000, 2), 50.0) | dict.fromkeys(range(0, 3000, 10), 230.0)
    assert len(talk(fit(profiles, "", ()), holds(everywhere))[1]) <= MOST_REQUESTS


@pytest.mark.parametrize(
    ("maker", "said", "sure"),
    [
        ("Acme", ["HM4"], True),
        ("ACME GmbH", ["hm-4"], True),
        ("Acme", ["HM40"], False),
        ("", ["HM4"], False),
        ("Other", ["X"], False),
    ],
)
def test_names(maker: str, said: list[str], sure: bool) -> None:
    assert by_name(meter("A", manufacturer="Acme", model="HM4"), maker, said)[0] is sure


def test_nothing_is_within_everything() -> None:
    assert by_name(meter("A"), "Acme", ["HM4"]) == (False, [])
    assert by_name(meter("A", manufacturer="Acme", model="HM4"), "", [""]) == (False, [])


def test_who_says_what_it_is_spares_the_others_and_odd_values_are_said() -> None:
    mine = meter("Mine", manufacturer="Acme", model="HM4")
    found, asked = talk(fit([meter("Other", 100), mine], "Acme", ["HM4"]), holds({0: 1e30, 2: 50.0, 4: 1.0}))
    assert [(s.profile, s.sure) for s in found] == [("Mine", True)]
    assert "but Voltage reads" in " ".join(found[0].reasons)
    assert len(asked) == 3


@pytest.mark.parametrize("name", ["eastron-sdm630", "eastron-sdm230", "fronius-symo-sunspec-113"])
def test_a_simulated_meter_is_found_by_its_registers_alone(name: str) -> None:
    profile = find_profile(name)
    unit = Unit(profile, SystemClock())
    found, _ = talk(fit([profile, find_profile("xy-md02"), find_profile("abb-b23")], "", ()), unit.answer)
    assert names(found)[:1] == [profile.name]


def test_every_shipped_profile_can_be_asked() -> None:
    from gateway.cli.discover.modbusfound import library

    for profile in library():
        assert len(probes(profile)) <= 4
        talk(fit([profile], profile.manufacturer, [profile.model]), Unit(profile, SystemClock()).answer)


@given(st.binary(max_size=20))
def test_no_answer_raises(answer: bytes) -> None:
    profiles = [find_profile("eastron-sdm630"), find_profile("abb-b23"), meter("A")]
    talk(fit(profiles, "", ()), lambda request: answer or None)
    talk(fit(profiles, "", ()), lambda request: bytes((request[0], 2 * request[4])) + answer)
