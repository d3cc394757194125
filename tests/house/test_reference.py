"""The reference pages are what the program is."""

import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import ValidationError

from gateway import cli
from gateway.cli import reference
from gateway.exporting import WithExporters as Settings
from gateway.model.command import Outcome
from gateway.model.device import Flow
from gateway.model.reading import Reason
from gateway.runtime.alarms import Alarms
from gateway.runtime.clock import SystemClock
from gateway.runtime.health import ClockWatch, LoopLag, gauges
from mappers.modbus.address import ATTRIBUTES
from mappers.modbus.line.connection import Properties, SerialProperties, TcpProperties
from mappers.opcua import address, endpoint

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_the_page_is_current(name: str) -> None:
    current = (PAGES / name).read_text("utf-8")
    assert current == reference.pages()[name], "run: python -m gateway.cli.reference"


def test_check_notices_and_the_command_repairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    assert reference.main(["--check"]) == 1
    assert "not current: settings.md, profile.md, devices.md, cli.md" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "cli.md").write_text("old")
    assert reference.main(["--check"]) == 1
    assert capsys.readouterr().err == "not current: cli.md; run python -m gateway.cli.reference\n"


def test_every_command_and_option_is_there() -> None:
    page = reference.pages()["cli.md"]
    for name in cli.COMMANDS:
        parser, module = cli.parser_of(name)
        section = page.partition(f"## southgate {name}\n")[2].partition("\n## ")[0]
        options = [option for action in parser._actions for option in action.option_strings]
        missing = [option for option in options if f"`{option}" not in section and option not in ("-h", "--help")]
        assert missing == []
        assert module.EXAMPLES in section
        assert re.search(r"^Exit code: 0 ", section, re.MULTILINE)


@pytest.mark.parametrize("name", ["settings.md", "profile.md", "devices.md"])
def test_every_key_is_explained(name: str) -> None:
    rows = [line for line in reference.pages()[name].splitlines() if line.startswith("| `")]
    assert len(rows) > 15
    assert [row for row in rows if row.endswith("|  |")] == []


def test_what_a_settings_table_says() -> None:
    page = reference.pages()["settings.md"]
    assert "| `url` | text | **required** |" in page
    assert "| `when_full` | `drop-oldest`, `drop-newest` | `drop-oldest` |" in page
    assert "| `max_inflight` | whole number | `50` |" in page
    assert "| `edgex_ports` | true or false | `false` |" in page
    assert "## `deviceResources[].properties.optional`" in reference.pages()["profile.md"]


def test_the_schema_takes_and_refuses_what_the_loader_does() -> None:
    import json

    schema = json.loads(reference.pages()["schemas/gateway.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = {"gateway": {"name": "p"}, "cloud": {"mqtt": {"url": "mqtt://127.0.0.1", "max_inflight": 5}}}
    assert Settings.model_validate(good).cloud.mqtt is not None
    assert validator.is_valid(good)
    wrong: list[dict[str, Any]] = [
        {"gatway": {}},
        {"cloud": {"mqtt": {}}},
        {"journal": {"when_full": "stop"}},
        {"exporters": {"a": 1}},
    ]
    for bad in wrong:
        assert not validator.is_valid(bad)


@pytest.mark.parametrize(
    ("key", "rule", "is_good"),
    [
        ("rules", {"name": "hot", "kind": "threshold", "of": "oven/T", "above": 90, "for": "10s"}, True),
        (
            "rules",
            {"name": "p", "kind": "formula", "of": {"u": "m/U", "i": "m/I"}, "value": "u * i", "into": "m/P"},
            True,
        ),
        ("rules", {"name": "odd", "kind": "score", "of": {"x": "m/X"}, "call": "a:b", "hard": {"keep": 5}}, True),
        ("rules", {"name": "hot", "kind": "treshold", "of": "oven/T", "above": 90}, False),
        ("rules", {"name": "hot", "kind": "threshold", "of": "oven/T", "abov": 90}, False),
        ("rules", {"name": "p", "kind": "formula", "of": "m/U", "value": "u"}, False),
        ("rules", {"name": "odd", "kind": "score", "of": {"x": "m/X"}, "call": "a:b", "hard": {"kep": 5}}, False),
        ("keep", {"device": "a*", "keep": {"while": "Power > 10"}, "messages": ["alarm"]}, True),
        ("keep", {"keep": {"around": {"event": "Hot", "before": "5m"}}}, True),
        ("keep", {"keep": {"deadband": 0.5}}, True),
        ("keep", {"keep": "on-change", "messages": False}, True),
        ("keep", {"keep": "on_change"}, False),
        ("keep", {"keep": {"deadband": 0}}, False),
        ("keep", {"keep": {"around": {"before": "5m"}}}, False),
        ("keep", {"keep": "everything", "messages": ["alarms"]}, False),
    ],
)
def test_the_schema_describes_every_rule(key: str, rule: dict[str, Any], is_good: bool) -> None:
    import json

    validator = jsonschema.Draft202012Validator(json.loads(reference.pages()["schemas/gateway.json"]))
    told = {"rules": [rule]} if key == "rules" else {"history": {"keep": [rule]}}
    assert validator.is_valid(told) == is_good
    if is_good:
        Settings.model_validate(told)
    else:
        with pytest.raises(ValidationError):
            Settings.model_validate(told)


def named(page: Path) -> set[str]:
    return set(re.findall(r"`([^`\s]+)`", page.read_text("utf-8")))


def test_the_modbus_page_names_every_attribute_and_property() -> None:
    properties = {
        field.alias
        for model in (TcpProperties, SerialProperties)
        for field in model.model_fields.values()
        if field.alias is not None
    }
    wanted = {*ATTRIBUTES, *properties, *Properties.unread} - {"Framing"}
    assert wanted - named(ROOT / "mappers" / "modbus" / "README.md") == set()


def test_the_opcua_page_names_every_attribute_and_property() -> None:
    properties = {field.alias for field in endpoint.Properties.model_fields.values()}
    words = {*address.ATTRIBUTES, *properties, *endpoint.POLICIES, *endpoint.MODES, *address.CONDITION_METHODS}
    assert words - named(ROOT / "mappers" / "opcua" / "README.md") == set()


def test_the_pages_about_values_and_commands_name_every_word() -> None:
    assert set(get_args(Reason)) - {""} - named(PAGES / "values.md") == set()
    assert {flow.value for flow in Flow} - named(PAGES / "values.md") == set()
    assert {outcome.value for outcome in Outcome} - named(PAGES / "commands.md") == set()


def test_the_page_of_metrics_names_every_metric_and_no_other() -> None:
    source = (ROOT / "gateway" / "api" / "metrics.py").read_text("utf-8")
    found = re.findall(r'_(gauge|counter)\(\s*"(\w+)"', source)
    clock = SystemClock()
    own = gauges(LoopLag(clock), ClockWatch(clock, Alarms(lambda _: None, clock)))
    served = [*own, *(f"{name}{'_total' if kind == 'counter' else ''}" for kind, name in found)]
    assert len(served) == len(set(served)), "Prometheus refuses a page that has a name twice"
    page = {
        name for name in named(PAGES / "metrics.md") if name.startswith("southgate_") and len(name) > len("southgate_")
    }
    assert page == {f"southgate_{name}" for name in served}
