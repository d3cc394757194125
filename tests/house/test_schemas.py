"""The JSON Schemas are current, and say what the loader says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.model.errors import ConfigError
from gateway.model.load import load_devices, load_profile
from gateway.model.scalar import free
from gateway.model.schema import FOLDER, field_docs, main, schemas, text_of
from gateway.model.shaping import children
from gateway.model.yaml import read

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "unit" / "model" / "data"
SAMPLES = ROOT.parent / "shared" / "data" / "edgex"
SHIPPED = sorted((ROOT / "profiles").rglob("*.yaml"))


def complaints(schema: str, text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schemas()[schema])
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(free(read(text, "x").value))]


def test_the_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    for name, schema in schemas().items():
        jsonschema.Draft202012Validator.check_schema(schema)
        stale = f"{name} is out of date; run python -m gateway.model.schema"
        assert (FOLDER / name).read_text(encoding="utf-8") == text_of(schema), stale
    assert main(["--check"]) == 0
    assert not capsys.readouterr().err


def test_check_notices_and_the_command_repairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.model.schema.FOLDER", tmp_path / "schemas")
    assert main(["--check"]) == 1
    assert "out of date: device-profile.json, device-list.json" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_pass_both_and_name_their_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    is_list = "deviceList" in read(text, path.name).value
    schema = "device-list.json" if is_list else "device-profile.json"
    assert not (load_devices if is_list else load_profile)(text, path.name, strict=True).problems
    assert complaints(schema, text) == []
    named = text.partition("$schema=")[2].partition("\n")[0].strip()
    assert (path.parent / named).resolve() == (FOLDER / schema).resolve()


def lines(name: str) -> list[str]:
    path = SAMPLES / name
    return sorted(set(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


@pytest.mark.parametrize("name", lines("MUST_ACCEPT_profiles.txt"))
def test_edgex_profiles_pass(name: str) -> None:
    text = (SAMPLES / name).read_text(encoding="utf-8")
    if name.endswith(".yaml") and not load_profile(text, name).problems:
        assert complaints("device-profile.json", text) == []


@pytest.mark.parametrize(
    ("name", "schema"), [("quirks.yaml", "device-profile.json"), ("devices.yaml", "device-list.json")]
)
def test_the_odd_but_right_passes(name: str, schema: str) -> None:
    assert complaints(schema, (FIXTURES / name).read_text(encoding="utf-8")) == []


TEMPLATE = (
    "name: p\nparameters: {n: {valueType: Uint16, defaultValue: 1, choices: [1, 2]}}\ndeviceResources: "
    "[{name: a, attributes: {at: $(n)}, properties: {valueType: Int16, readWrite: R, scale: $(n / 10), mask: $(n)}}]\n"
)


def test_a_profile_with_parameters_passes() -> None:
    assert load_profile(TEMPLATE, "p.yaml", strict=True).problems == ()
    assert complaints("device-profile.json", TEMPLATE) == []


PROFILE = "name: p\ndeviceResources: [{name: a, properties: {valueType: Int16, readWrite: R}}]\n"
WRONG = [
    "deviceResources: []",
    "name: p\nlabels: x",
    "name: p\nlable: []",
    PROFILE.replace("Int16", "Int17"),
    PROFILE.replace("readWrite: R", "readWrite: r"),
    PROFILE.replace("readWrite: R", 'readWrite: R, scale: "0.1"'),
    PROFILE.replace("readWrite: R", "readWrite: R, mask: -1"),
    PROFILE.replace("readWrite: R", "readWrite: R, optional: {twin: 1}"),
    PROFILE.replace("name: a", "name: a, attributes: []"),
    PROFILE.replace("name: a", "name: a, isHidden: maybe"),
    PROFILE + "deviceCommands: [{name: c, readWrite: R, resourceOperations: []}]",
    PROFILE + "compat: both",
    TEMPLATE.replace("choices", "choises"),
    TEMPLATE.replace("valueType: Uint16", "valueType: Number"),
    TEMPLATE.replace("valueType: Uint16, ", ""),
]


@pytest.mark.parametrize("text", WRONG)
def test_what_the_loader_refuses_the_schema_refuses(text: str) -> None:
    with pytest.raises(ConfigError):
        load_profile(text, "p.yaml", strict=True)
    assert complaints("device-profile.json", text)


def models(schema: Any) -> Iterator[dict[str, Any]]:
    for definition in (schema, *schema["$defs"].values()):
        if "properties" in definition:
            yield definition


@pytest.mark.parametrize("name", list(schemas()))
def test_every_key_is_described(name: str) -> None:
    silent = [
        f"{model.get('title')}.{key}"
        for model in models(schemas()[name])
        for key, about in model["properties"].items()
        if about and "description" not in about and key not in ("deviceList", "$schema")
    ]
    assert silent == []


def test_descriptions_are_the_docstrings_of_the_fields() -> None:
    from gateway.model.device import Device

    assert set(field_docs(Device)) <= set(Device.model_fields)
    assert len(field_docs(Device)) > len(children(Device)) // 2
