"""T46: whether what was read back is what was wanted, and what a name in a request means."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.model.errors import CommandRejected
from gateway.model.profile import Compat
from gateway.runtime.commands import lookup
from gateway.runtime.commands.lookup import Wanted, arguments, device_of, equals, to_read, to_write
from gateway.runtime.commands.tolerance import same, same_of
from gateway.runtime.sources import sources_of
from tests.unit.runtime.house import command, planned, profile, resource, source
from tests.unit.runtime.road import FakeRegistry


@pytest.mark.parametrize(
    ("one", "other", "within", "are"),
    [
        (21.5, 21.5, 0, True), (21.5, 21.6, 0, False), (21.5, 22.0, 0.5, True), (21.5, 21.0, 0.5, True),
        (21.5, 22.0001, 0.5, False), (0.3, 0.1, 0.2, True), (1, 1.0, 0, True), ("on", "on", 0, True),
        ("on", "off", 5, False), (True, 5, 10, False), (None, 1, 10, False), ([1, 2], [1, 2], 0, True),
    ],
)  # fmt: skip
def test_the_limit_itself_confirms(one: Any, other: Any, within: float, are: bool) -> None:
    assert same(one, other, within) is are


@pytest.mark.parametrize(
    ("kind", "more", "wanted", "read", "are"),
    [
        ("Float32", {}, 0.1, 0.10000000149011612, True),
        ("Float32", {}, 0.1, 0.1000001, False),
        ("Float64", {}, 0.1, 0.10000000149011612, False),
        ("Float64", {"optional": {"tolerance": 0.01}}, 0.1, 0.10000000149011612, True),
        ("Int16", {"scale": 0.1}, 21.53, 21.5, True),
        ("Int16", {"scale": 0.1}, 21.53, 21.6, False),
        ("Int16", {}, 21.4, 21, False),
        ("Int16", {}, 99999, 21, False),
        ("Bool", {}, True, False, False),
        ("String", {}, "a", "b", False),
    ],
)
def test_as_the_resource_carries_it(kind: str, more: dict[str, Any], wanted: Any, read: Any, are: bool) -> None:
    assert same_of(resource("R", kind, "RW", **more), wanted, read) is are


def test_edgex_text_is_a_number_where_it_is_one() -> None:
    whole, text = resource("R", "Int16", "RW"), resource("T", "String", "RW")
    assert equals(whole, "21", 21, Compat.NONE)
    assert not equals(whole, "22", 21, Compat.NONE)
    assert not equals(whole, "warm", 21, Compat.NONE)
    assert equals(resource("B", "Bool", "RW"), "true", True, Compat.NONE)
    assert not equals(resource("B", "Bool", "RW"), "false", True, Compat.NONE)
    assert equals(text, "warm", "warm", Compat.NONE)
    assert not equals(text, "warm", "cold", Compat.NONE)


@pytest.mark.parametrize(
    ("kind", "wanted", "read", "are"),
    [
        ("String", "2026-11-21T21:08:05.5+01:00", "2026-11-21T20:08:05.500000000Z", True),
        ("String", "2026-11-21T20:08:05Z", "2026-11-21T20:08:05.000000000Z", True),
        ("String", "2026-11-21T20:08:05.1234567Z", "2026-11-21T20:08:05.123456000Z", False),
        ("String", "2026-11-21T20:08:05Z", "2026-11-21T20:08:06.000000000Z", False),
        ("String", "2026-13-21T20:08:05Z", "2026-13-21T20:08:05.000000000Z", False),
        ("String", "0001-01-01T00:00:00+14:00", "1601-01-01T00:00:00.000000000Z", False),
        ("String", "09087E75-8E5E-499B-954F-F2A9603DB28A", "09087e75-8e5e-499b-954f-f2a9603db28a", True),
        ("String", "ABC", "abc", False),
        ("StringArray", ["2026-11-21T20:08:05Z"], ["2026-11-21T20:08:05.000Z"], True),
        ("StringArray", ["a"], ["a", "b"], False),
        ("Object", {"At": "2026-11-21T20:08:05Z", "Note": None}, {"At": "2026-11-21T20:08:05.000000000Z"}, True),
        ("Object", {"X": 1}, {"X": 1, "Y": 2}, False),
        ("Object", {"X": [1, {"Y": 2}]}, {"X": [1.0, {"Y": 2}]}, True),
    ],
)
def test_a_value_is_confirmed_by_what_means_the_same(kind: str, wanted: Any, read: Any, are: bool) -> None:
    """A time that was written with its zone is read back in UTC, with nanoseconds; a GUID in lower case."""
    assert equals(resource("R", kind, "RW"), wanted, read, Compat.NONE) is are


OWNER = profile(
    resource("Mode", "Uint16", "RW"),
    resource("Pulse", "Uint16", "W"),
    resource("Seen", "Uint16"),
    commands=[
        command("Both", "Pulse", "Mode", Mode={"mappings": {"1": "ON"}}),
        command("Shot", "Pulse", read_write="W"),
        command("Look", "Seen", read_write="R"),
    ],
)
DEVICE = planned(OWNER)


def test_only_what_can_be_read_is_read_back_and_compared() -> None:
    both = sources_of(DEVICE.device, OWNER, "device-fake")["Both"]
    wanted = arguments(DEVICE, both, {"Pulse": 5, "Mode": "ON"}, Compat.NONE)
    assert wanted.values == {"Pulse": 5, "Mode": "1"}
    back = wanted.readable()
    assert back is not None
    assert (back.names, back.mappings, back.number) == (("Mode",), ({"1": "ON"},), 0)
    assert wanted.confirmed_by({"Mode": "ON"})
    assert wanted.confirmed_by({"Mode": 1})
    assert not wanted.confirmed_by({"Mode": 2})
    assert not wanted.confirmed_by({"Mode": None})


def test_all_or_nothing_to_read_back() -> None:
    mode, pulse = source(OWNER, "d1", "Mode"), source(OWNER, "d1", "Pulse")
    assert Wanted(mode, {"Mode": 1}, Compat.NONE).readable() is mode
    assert Wanted(pulse, {"Pulse": 1}, Compat.NONE).readable() is None
    mixed = source(OWNER, "d1", "Mixed", "Pulse", "Mode")
    back = Wanted(mixed, {"Pulse": 1, "Mode": 1}, Compat.NONE).readable()
    assert back is not None
    assert (back.names, back.mappings) == (("Mode",), ())


@pytest.mark.parametrize(
    ("name", "regex", "code", "says"),
    [
        ("Shot", True, 405, "DeviceCommand Shot is marked as write-only"),
        ("Pulse", False, 405, "DeviceResource Pulse is marked as write-only"),
        ("Mod", False, 404, "DeviceResource Mod not found; did you mean Mode?"),
        ("Qqqqqqqq", False, 404, "DeviceResource Qqqqqqqq not found"),
    ],
)
def test_what_cannot_be_read(name: str, regex: bool, code: int, says: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        to_read(DEVICE, name, regex)
    assert (refusal.value.code, str(refusal.value)) == (code, says)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("Look", 405, "DeviceCommand Look is marked as read-only"),
        ("Seen", 405, "DeviceResource Seen is marked as read-only"),
        ("Shott", 404, "DeviceResource Shott not found; did you mean Shot?"),
    ],
)
def test_what_cannot_be_written(name: str, code: int, says: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        to_write(DEVICE, name)
    assert (refusal.value.code, str(refusal.value)) == (code, says)


def test_a_name_is_a_command_first_then_a_pattern_then_a_resource() -> None:
    assert to_read(DEVICE, "Both", True) is DEVICE.sources["Both"]
    assert to_read(DEVICE, "Mode", True) is DEVICE.sources["Mode"]
    assert to_read(DEVICE, "(Mode|Seen)", True).names == ("Mode", "Seen")
    assert to_read(DEVICE, "Mode", False) is DEVICE.sources["Mode"]


def test_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "MAX_RESOURCES", 2)
    assert to_read(DEVICE, "Both", True) is DEVICE.sources["Both"]
    monkeypatch.setattr(lookup, "MAX_RESOURCES", 1)
    with pytest.raises(CommandRejected, match=r"GET command Both exceed device d1 MaxCmdOps \(1\)") as refusal:
        to_read(DEVICE, "Both", True)
    assert refusal.value.code == 500


def test_a_device_without_a_profile() -> None:
    registry: Any = FakeRegistry(DEVICE, owner=OWNER)
    assert device_of(registry, "d1") is DEVICE
    registry.planned = {}
    with pytest.raises(CommandRejected, match="no associated device profile") as refusal:
        device_of(registry, "d1")
    assert refusal.value.code == 423


def test_a_missing_value_a_misspelt_one_and_what_edgex_makes_of_it() -> None:
    mode = DEVICE.sources["Mode"]
    with pytest.raises(CommandRejected, match="DeviceResource Mode not found in request body") as missing:
        arguments(DEVICE, mode, {}, Compat.NONE)
    with pytest.raises(
        CommandRejected, match="Mode is missing and Mod is not a resource of Mode; it takes Mode"
    ) as miss:
        arguments(DEVICE, mode, {"Mod": 1}, Compat.NONE)
    with pytest.raises(CommandRejected, match="DeviceResource Mode not found") as edgex:
        arguments(DEVICE, mode, {"Mod": 1}, Compat.EDGEX)
    assert missing.value.code == miss.value.code == edgex.value.code == 400
    assert arguments(DEVICE, mode, {"Mode": 3, "Other": 1}, Compat.NONE).values == {"Mode": 3}
    other = replace(DEVICE, profile=OWNER.model_copy(update={"compat": Compat.EDGEX}))
    assert arguments(other, mode, {"Mode": 3}, Compat.NONE).compat is Compat.EDGEX
