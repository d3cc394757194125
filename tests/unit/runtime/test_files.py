"""The folders that are the truth: reading them, and writing changes without harm to what people wrote."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.configuration import Configuration
from gateway.model.device import AdminState, Device
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices
from gateway.runtime.configuration.cutting import without_devices
from gateway.runtime.configuration.edit import changes, file_name
from gateway.runtime.configuration.files import Folders

PROFILE = """\
# the meter in the cellar
name: {name}
deviceResources:
  - name: Voltage
    properties: {{ valueType: Float32, readWrite: R }}
"""
LIST = """\
# written by hand
deviceList:
  # boiler room
  - name: boiler   # the old one
    profileName: meter
    protocols: { scripted: { Line: L1 } }

  # cellar, "do not touch"
  - name: cellar
    profileName: meter
    protocols:
      scripted: { Line: L1, Unit: 2 }
    # more to come here
  - profileName: meter
    name: attic
    protocols: { scripted: { Line: L1, Unit: 3 } }
# end of list
"""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "devices").mkdir()
    (tmp_path / "profiles" / "meter.yaml").write_text(PROFILE.format(name="meter"))
    (tmp_path / "devices" / "plant.yaml").write_text(LIST)
    return Folders([tmp_path / "profiles"], tmp_path / "devices", library=False)


def edited(folders: Folders, edit: Callable[[Configuration], Configuration]) -> Configuration:
    """Does what the registry does with an edit; gives what the folders say then."""
    before = folders.read().configuration()
    changes(folders, before, edit(before)).apply()
    again = folders.read()
    assert [p for p in again.problems if p.severity == "error"] == []
    return again.configuration()


def locked(configuration: Configuration, *names: str) -> Configuration:
    devices = [configuration.devices[n].model_copy(update={"admin_state": AdminState.LOCKED}) for n in names]
    return configuration.with_devices(devices)


def test_reads_profiles_and_devices(folders: Folders) -> None:
    contents = folders.read()
    assert list(contents.profiles) == ["meter"]
    assert list(contents.devices) == ["boiler", "cellar", "attic"]
    assert contents.problems == []


def test_equal_files_give_the_same_objects(folders: Folders) -> None:
    first, second = folders.read().configuration(), folders.read().configuration()
    assert first.profiles["meter"] is second.profiles["meter"]
    assert first.devices["attic"] is second.devices["attic"]


def test_the_shipped_library_is_there_and_own_profiles_win(tmp_path: Path) -> None:
    shipped = Folders([tmp_path], tmp_path / "none").read()
    assert shipped.configuration().profiles.keys() == shipped.library.keys() != set()
    name = next(iter(shipped.library))
    (tmp_path / "mine.yaml").write_text(PROFILE.format(name=f"'{name}'"))
    own = Folders([tmp_path], tmp_path / "none").read()
    assert own.profiles[name].path == tmp_path / "mine.yaml"
    assert [p.severity for p in own.problems if p.file.endswith("mine.yaml")] == ["note"]


def test_every_broken_file_is_named_at_once(folders: Folders) -> None:
    (folders.profiles[0] / "bad.yaml").write_text("name: [\n")
    (folders.devices / "bad.yaml").write_text("deviceList:\n  - profileName: meter\n")
    (folders.devices / "latin.yaml").write_bytes(b"deviceList: [{name: caf\xe9}]")
    files = {Path(p.file).relative_to(folders.devices.parent).as_posix() for p in folders.read().problems}
    assert files == {"profiles/bad.yaml", "devices/bad.yaml", "devices/latin.yaml"}


def test_one_name_twice_is_an_error_naming_both_files(folders: Folders) -> None:
    (folders.devices / "zz.yaml").write_text("deviceList: [{name: boiler, profileName: meter}]")
    problem = next(p for p in folders.read().problems if p.severity == "error")
    assert "plant.yaml" in problem.what
    assert problem.file.endswith("zz.yaml")


def test_a_device_list_among_profiles_is_passed_over(folders: Folders) -> None:
    (folders.profiles[0] / "list.yaml").write_text(LIST)
    contents = folders.read()
    assert list(contents.profiles) == ["meter"]
    assert [p.severity for p in contents.problems] == ["warning"]


@pytest.mark.parametrize(
    "text",
    [
        "# mine\n[{name: a}]\n",
        "---\n[\n  {name: a}]\n",
        "\ufeff[{name: a}]",
        '{\n "deviceList": []}',
        "x-note: 1\ndeviceList: []\n",
    ],
)
def test_every_writing_of_a_device_list_is_known(folders: Folders, text: str) -> None:
    (folders.profiles[0] / "list.yaml").write_text(text, "utf-8")
    assert [p.severity for p in folders.read().problems] == ["warning"]


def test_lists_inside_a_profile_make_no_device_list_of_it(folders: Folders) -> None:
    """As prettier writes them."""
    labels = "name: pretty\nlabels:\n  [modbus, meter]\ndescription: >\n  deviceList: none\ndeviceResources:\n  []\n"
    (folders.profiles[0] / "pretty.yaml").write_text(labels)
    contents = folders.read()
    assert list(contents.profiles) == ["meter", "pretty"]
    assert contents.problems == []


def test_hidden_and_foreign_files_do_not_count(folders: Folders) -> None:
    (folders.devices / ".plant.yaml.new").write_text("{")
    (folders.devices / "plant.yaml.before").write_text("{")
    (folders.devices / "README.md").write_text("{")
    assert folders.read().problems == []


def test_a_new_device_gets_its_own_file(folders: Folders) -> None:
    new = Device(name="a/b #1%", profile_name="meter", protocols={"scripted": {"Line": "L1"}})
    after = edited(folders, lambda c: c.with_devices([new]))
    assert after.devices["a/b #1%"] == new
    assert (folders.devices / "api" / "a%2Fb %231%25.yaml").exists()
    assert (folders.devices / "plant.yaml").read_text() == LIST


def test_a_changed_device_leaves_the_list_and_nothing_else_does(folders: Folders) -> None:
    after = edited(folders, lambda c: locked(c, "cellar"))
    assert after.devices["cellar"].admin_state is AdminState.LOCKED
    text = (folders.devices / "plant.yaml").read_text()
    cut = LIST.splitlines(keepends=True)
    assert text == "".join(cut[:8] + cut[12:])
    assert not (folders.devices / "plant.yaml.before").exists()


def test_removing_all_leaves_the_comments(folders: Folders) -> None:
    after = edited(folders, lambda c: c.without_device("boiler").without_device("attic").without_device("cellar"))
    assert dict(after.devices) == {}
    text = (folders.devices / "plant.yaml").read_text()
    assert "# written by hand" in text
    assert "# end of list" in text


def test_own_file_is_changed_in_place_and_removed(folders: Folders) -> None:
    new = Device(name="x", profile_name="meter")
    edited(folders, lambda c: c.with_devices([new]))
    edited(folders, lambda c: locked(c, "x"))
    assert [p.name for p in (folders.devices / "api").iterdir()] == ["x.yaml"]
    after = edited(folders, lambda c: c.without_device("x"))
    assert "x" not in after.devices
    assert list((folders.devices / "api").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plant.json", '[{"name": "a", "profileName": "meter"}, {"name": "b", "profileName": "meter"}]'),
        ("flow.yaml", "deviceList: [{name: a, profileName: meter}, {name: b, profileName: meter}] # mine\n"),
        ("crlf.yaml", "deviceList: [{name: a, profileName: meter}, {name: b, profileName: meter}]\r\n"),
    ],
)
def test_what_cannot_be_cut_is_written_anew_and_the_old_one_kept(folders: Folders, name: str, text: str) -> None:
    (folders.devices / name).write_bytes(text.encode())
    after = edited(folders, lambda c: locked(c, "a"))
    assert after.devices["b"].profile_name == "meter"
    assert (folders.devices / f"{name}.before").read_bytes() == text.encode()


def test_power_cut_between_two_files_leaves_the_newer_device(folders: Folders) -> None:
    """The own file is written before the list is cut; found twice, the API's counts."""
    before = folders.read().configuration()
    edit = changes(folders, before, locked(before, "cellar"))
    written = {path: text for path, text in edit.files.items() if path.parent.name == "api"}
    edit.files = dict(written)
    edit.apply()
    contents = folders.read()
    assert contents.devices["cellar"].value.admin_state is AdminState.LOCKED
    assert [p.severity for p in contents.problems] == ["warning"]


def test_full_disk_leaves_every_file_as_it_was(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folders.read().configuration()
    edit = changes(folders, before, locked(before, "cellar", "boiler").without_device("attic"))
    calls = iter(range(100))
    sync = os.fsync

    def full(handle: int) -> None:
        if next(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device", "x")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device; nothing was changed"):
        edit.apply()
    assert (folders.devices / "plant.yaml").read_text() == LIST
    assert [p for p in folders.devices.rglob("*") if p.is_file()] == [folders.devices / "plant.yaml"]


def test_names_that_differ_in_case_only_get_files_that_do_not_meet(folders: Folders) -> None:
    one, other = Device(name="pump", profile_name="meter"), Device(name="Pump", profile_name="meter")
    after = edited(folders, lambda c: c.with_devices([one]).with_devices([other]))
    assert {"pump", "Pump"} <= set(after.devices)
    names = [p.name.casefold() for p in (folders.devices / "api").iterdir()]
    assert len(set(names)) == 2
    after = edited(folders, lambda c: locked(c, "Pump"))
    assert after.devices["Pump"].admin_state is AdminState.LOCKED
    assert after.devices["pump"].admin_state is AdminState.UNLOCKED


def test_profiles_through_the_api(folders: Folders) -> None:
    before = folders.read().configuration()
    new = before.profiles["meter"].model_copy(update={"name": "other"})
    after = edited(folders, lambda c: c.with_profiles([new]))
    assert after.profiles["other"] == new
    changed = before.profiles["meter"].model_copy(update={"model": "M2"})
    after = edited(folders, lambda c: c.with_profiles([changed]))
    assert after.profiles["meter"].model == "M2"
    assert "the meter in the cellar" in (folders.profiles[0] / "meter.yaml.before").read_text()
    after = edited(folders, lambda c: c.without_profile("other"))
    assert set(after.profiles) == {"meter"}


def test_a_shipped_profile_needs_no_file(tmp_path: Path) -> None:
    folders = Folders([tmp_path / "profiles"], tmp_path / "devices")
    before = folders.read().configuration()
    name, shipped = next(iter(before.profiles.items()))
    after = edited(folders, lambda c: c.with_profiles([shipped.model_copy(update={"model": "mine"})]))
    assert after.profiles[name].model == "mine"
    after = edited(folders, lambda c: c.with_profiles([shipped]))
    assert after.profiles[name] is shipped
    assert list((tmp_path / "profiles").rglob("*.yaml")) == []


def test_a_removed_profile_is_removed_wherever_it_stands(folders: Folders) -> None:
    (folders.profiles[0] / "api").mkdir()
    (folders.profiles[0] / "api" / "meter.yaml").write_text(PROFILE.format(name="meter"))
    after = edited(folders, lambda c: c.without_profile("meter"))
    assert dict(after.profiles) == {}


@pytest.mark.parametrize("broken", [b"deviceList: [", b"deviceList: [{name: caf\xe9}]"])
def test_what_stands_in_a_file_that_is_broken_now_is_not_said_to_be_removed(folders: Folders, broken: bytes) -> None:
    before = folders.read().configuration()
    (folders.devices / "plant.yaml").write_bytes(broken)
    with pytest.raises(ConfigError, match=r"device cellar stands in .*plant\.yaml, which cannot be read"):
        changes(folders, before, before.without_device("cellar"))
    new = Device(name="new", profile_name="meter")
    assert [path.name for path in changes(folders, before, before.with_devices([new])).files] == ["new.yaml"]


def test_what_would_be_too_large_to_be_read_again_is_not_written(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folders.read().configuration()
    monkeypatch.setattr("gateway.model.document.MAX_BYTES", 10_000)
    large = Device(name="large", profile_name="meter", labels=["x" * 1000] * 20)
    with pytest.raises(ConfigError, match=r"large\.yaml would have 20,\d+ bytes; at most 10,000 are read"):
        changes(folders, before, before.with_devices([large]))


@pytest.mark.parametrize("name", ["..", ".", "a" * 300, "ü" * 200, "con:", "a\\b", "x.", " "])
def test_file_names_are_safe(name: str, tmp_path: Path) -> None:
    path = tmp_path / file_name(name)
    path.write_text("x")
    assert path.parent == tmp_path
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert not path.name.startswith(".")


def test_long_names_do_not_meet() -> None:
    assert file_name("a" * 300) != file_name("a" * 301)


def test_cutting_with_the_dash_on_its_own_line() -> None:
    text = "deviceList:\n-\n  name: a\n  profileName: p\n-\n  name: b\n  profileName: p\n"
    rest = without_devices(text.encode(), "x.yaml", {"a"})
    assert [d.name for d in load_devices(rest.text, "x.yaml").value] == ["b"]


def test_cutting_leaves_a_byte_order_mark_and_line_ends() -> None:
    text = "\ufeff- name: a\r\n  profileName: p\r\n- name: b\r\n"
    rest = without_devices(text.encode(), "x.yaml", {"a"})
    assert rest.text == "\ufeff- name: b\r\n"


def test_cutting_with_anchors_keeps_what_others_need() -> None:
    text = "deviceList:\n- name: a\n  profileName: p\n  protocols: &x {s: {Line: L}}\n- name: b\n  protocols: *x\n"
    rest = without_devices(text.encode(), "x.yaml", {"a"})
    left = load_devices(rest.text, "x.yaml").value
    assert [d.protocols["s"]["Line"] for d in left] == ["L"]
    assert not rest.faithful


def test_what_a_person_wrote_is_kept_through_any_number_of_changes(folders: Folders) -> None:
    for model in ("M2", "M3"):
        profile = folders.read().configuration().profiles["meter"].model_copy(update={"model": model})
        edited(folders, lambda c, p=profile: c.with_profiles([p]))  # type: ignore[misc]
    assert "the meter in the cellar" in (folders.profiles[0] / "meter.yaml.before").read_text()


def test_a_changed_json_profile_spares_the_file_beside_it(folders: Folders) -> None:
    (folders.profiles[0] / "meter.json").write_text('{"name": "other", "deviceResources": []}')
    profile = folders.read().configuration().profiles["other"].model_copy(update={"model": "M2"})
    after = edited(folders, lambda c: c.with_profiles([profile]))
    assert after.profiles["other"].model == "M2"
    assert "meter" in after.profiles
    assert "meter in the cellar" in (folders.profiles[0] / "meter.yaml").read_text()


def test_a_list_in_the_apis_own_folder_loses_nobody(folders: Folders) -> None:
    (folders.devices / "api").mkdir()
    (folders.devices / "plant.yaml").rename(folders.devices / "api" / "plant.yaml")
    after = edited(folders, lambda c: locked(c, "cellar"))
    assert set(after.devices) == {"boiler", "cellar", "attic"}
    assert after.devices["cellar"].admin_state is AdminState.LOCKED
