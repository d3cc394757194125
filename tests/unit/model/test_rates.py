"""What a profile says is read, and how often: classes of rates, whose values devices may set; whose events count."""

from typing import Any

import pytest

from gateway.model.device import Device
from gateway.model.devicecsv import columns, columns_of, row_of, tree_of
from gateway.model.dump import dump_devices, dump_profile, edgex_json
from gateway.model.effective import explained
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices, load_profile, patch_device, profile_from_json
from gateway.model.profile import DeviceProfile
from gateway.model.template import effective

RATES = """\
name: Meter
parameters:
  fast: { valueType: String, defaultValue: 1s }
  slow: { valueType: Uint16, defaultValue: 5, minimum: 1 }
deviceResources:
  - { name: Power, properties: { valueType: Int16, readWrite: R } }
  - { name: Energy, properties: { valueType: Int16, readWrite: R } }
autoEvents:
  - { sourceName: Power, interval: $(fast) }
  - { sourceName: Energy, interval: $(60 * slow)s, onChange: true, onChangeThreshold: 2 }
  - { sourceName: Energy, interval: 1h }
"""


def load(text: str = RATES) -> DeviceProfile:
    return load_profile(text, "p.yaml", strict=True).value


def device(**parameters: Any) -> Device:
    return Device.model_validate({"name": "d", "properties": {"parameters": parameters}})


def test_each_device_has_its_own_rates() -> None:
    made = effective(load(), device())
    assert [event.interval for event in made.auto_events] == ["1s", "300s", "1h"]
    made = effective(load(), device(fast="250ms", slow=2))
    assert [event.interval for event in made.auto_events] == ["250ms", "120s", "1h"]
    assert (made.auto_events[1].on_change, made.auto_events[1].on_change_threshold) == (True, 2)
    assert load_profile(dump_profile(made), "p.yaml", strict=True).value == made


def test_where_a_rate_comes_from_is_shown() -> None:
    shown = explained(load(), device(fast="250ms")).as_yaml()
    assert "interval: 250ms  # $(fast): fast 250ms (device)\n" in shown
    assert "interval: 300s  # $(60 * slow)s: slow 5 (default)\n" in shown


def test_the_profile_keeps_them_through_yaml_and_json() -> None:
    profile = load()
    assert load(dump_profile(profile)) == profile
    body = edgex_json(profile)
    assert body["autoEvents"][0]["interval"] == "$(fast)"
    assert profile_from_json(body) == profile
    assert "autoEvents" not in edgex_json(load("name: p"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("$(fast)", "$(fsat)", "p.yaml:9: autoEvents[0].interval: $(fsat): there is no parameter fsat; did you mean"),
        ("$(fast)", "fast", "p.yaml:9: autoEvents[0].interval: 'fast' is not a duration"),
        ("$(fast)", "100us", "autoEvents[0].interval: an interval must be 1ms or longer"),
        ("defaultValue: 1s", "defaultValue: often", "p.yaml:9: autoEvents[0].interval: with the defaults of its "
                                                    "parameters: 'often' is not a duration"),
        ("$(fast)", "$$(fast)", "autoEvents[0].interval: with the defaults of its parameters: '$(fast)' is not"),
        ("sourceName: Power", "sourceName: $(fast)", "autoEvents[0].sourceName: $(fast) cannot stand here"),
        ("onChangeThreshold: 2", "onChangeThreshold: $(slow)", "autoEvents[1].onChangeThreshold: expected a number"),
        ("onChange: true", "onchange: true", "unknown key 'onchange'; did you mean onChange?"),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_the_profile_has_them(old: str, new: str, said: str) -> None:
    assert old in RATES
    with pytest.raises(ConfigError) as refused:
        load(RATES.replace(old, new, 1))
    assert said in str(refused.value)


def test_without_parameters_there_is_nothing_to_refer_to() -> None:
    text = "name: p\nautoEvents: [{ sourceName: a, interval: $(fast) }]"
    with pytest.raises(ConfigError, match=r"p.yaml:2: autoEvents\[0\].interval: \$\(fast\): the profile has no para"):
        load(text)


@pytest.mark.parametrize("fast", ["soon", "", "0s", "$(fast)"])
def test_a_rate_that_cannot_be_is_the_devices_mistake(fast: str) -> None:
    with pytest.raises(ConfigError) as refused:
        effective(load(), device(fast=fast))
    (problem,) = refused.value.problems
    assert problem.where == "properties.parameters.fast"
    assert problem.what.endswith("(autoEvents[0].interval of profile Meter)")


def test_a_devices_own_count_alone_also_an_empty_list() -> None:
    text = (
        "[{name: a}, {name: b, autoEvents: []}, {name: c, autoEvents: [{sourceName: x, interval: 1m}]}, "
        "{name: n, autoEvents: null}]"
    )
    a, b, c, n = load_devices(text, "d.yaml", strict=True).value
    profile = load()
    assert profile.events_of(a) is profile.events_of(n) is profile.auto_events
    assert profile.events_of(b) == []
    assert [event.source_name for event in profile.events_of(c)] == ["x"]
    assert a != b.model_copy(update={"name": "a"}), "a file that says so is another device"


def test_none_and_an_empty_list_stay_apart_in_files_over_rest_and_in_tables() -> None:
    inherits, silent = Device(name="a"), Device(name="b", auto_events=[])
    assert load_devices(dump_devices([inherits, silent]), "d.yaml").value == [inherits, silent]
    assert "autoEvents" not in edgex_json(inherits)
    assert edgex_json(silent)["autoEvents"] == []
    assert patch_device(inherits, {"name": "a", "description": "x"}).auto_events is None
    assert patch_device(inherits, {"name": "a", "autoEvents": []}).auto_events == []
    head = columns_of([inherits, silent])
    assert [row_of(one, head)[-1] for one in (inherits, silent)] == ["", "none"]
    head = columns(["name", "autoEvents"])
    given = [Device.model_validate(tree_of(["d", cell], head, silent)).auto_events for cell in ("", "none")]
    assert given == [None, []]
