"""T45: the same recorded traffic gives byte-equal readings across versions, for every shipped Modbus profile."""

import difflib
from collections import Counter
from pathlib import Path

import pytest

from gateway.model.recording import load_recording
from gateway.runtime.replay import replay
from mappers import Switchboard
from simulators.library import find_profile
from tests.profiles.golden import FOLDER, NAMES, as_text, main, make, readings_of, recording_of


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_traffic_gives_the_same_readings_byte_for_byte(name: str) -> None:
    """T45. What differs on purpose is made anew by `python -m tests.profiles.golden NAME`."""
    recording = load_recording(recording_of(name).read_bytes(), recording_of(name).name)
    found = replay(recording, Switchboard(), lambda _: find_profile(name))
    assert (found.missing, found.silent, found.left) == ([], [], []), "other requests than those recorded"
    text, expected = as_text(found), readings_of(name).read_text("utf-8")
    assert text == expected, "\n".join(difflib.unified_diff(expected.splitlines(), text.splitlines(), lineterm="", n=0))


def test_every_shipped_modbus_profile_has_a_recording_and_nothing_else_has() -> None:
    expected = Counter(path.name for name in NAMES for path in (recording_of(name), readings_of(name)))
    assert Counter(path.name for path in FOLDER.iterdir()) == expected


def test_they_are_small_and_say_something() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2**20
    for name in NAMES:
        lines = readings_of(name).read_text("utf-8").splitlines()
        assert len({line.partition('"value": ')[2] for line in lines}) > 1, name
        assert not any('"quality"' in line for line in lines), name


def test_made_anew_they_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the day nor the machine is in them."""
    monkeypatch.setattr("tests.profiles.golden.FOLDER", tmp_path / "golden")
    for name in ("eastron-sdm630", "waveshare-modbus-rtu-relay"):
        make(name)
        for made, kept in ((f"{name}.jsonl", recording_of), (f"{name}.readings.jsonl", readings_of)):
            assert (tmp_path / "golden" / made).read_bytes() == (FOLDER / kept(name).name).read_bytes()
    assert main(["eastron-sdm-630"]) == 2
