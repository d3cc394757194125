"""JSON Schemas made from the types, so that editors help while a profile or a device list is written.

`python -m gateway.model.schema` writes them to docs/reference/schemas; `--check` only says whether they are current.
They describe what `--strict` takes, as an editor reads YAML 1.2.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.model.device import Device
from gateway.model.fields import EdgeXModel
from gateway.model.profile import DeviceProfile, ValueType

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "schemas"


def model_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The schema of any model of ours; the docstrings of its fields are the descriptions."""
    _, found = models_json_schema([(model, "validation")], by_alias=True)
    definitions = found["$defs"]
    for each in _models(model):
        _finish(each, definitions[each.__name__])
    if "ValueType" in definitions:
        definitions["ValueType"] = {"anyOf": [{"enum": list(ValueType)}, {"type": "string", "pattern": _any_case()}]}
    top = definitions.pop(model.__name__)
    return {"$schema": DRAFT, **top, "title": title, "$defs": definitions}


def device_list_schema() -> dict[str, Any]:
    """`deviceList:` with devices, or a bare list of them."""
    device = model_schema(Device, "Device")
    definitions = device.pop("$defs")
    draft = device.pop("$schema")
    devices = {"type": ["array", "null"], "items": {"$ref": "#/$defs/Device"}}
    listed = {
        "type": "object",
        "properties": {"deviceList": devices, "$schema": {"type": "string"}},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
    return {
        "$schema": draft,
        "title": "Device list",
        "description": "Devices of a gateway, as EdgeX lists them (v3).",
        "anyOf": [listed, devices],
        "$defs": {"Device": device, **definitions},
    }


def schemas() -> Mapping[str, dict[str, Any]]:
    """File name → schema."""
    return {
        "device-profile.json": model_schema(DeviceProfile, "Device profile"),
        "device-list.json": device_list_schema(),
    }


def text_of(schema: Mapping[str, Any]) -> str:
    """As the file has it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    from gateway.model.shaping import children

    yield model
    for child in children(model).values():
        for one in child.models if child is not None else ():
            yield from _models(one)


def _finish(model: type[BaseModel], schema: dict[str, Any]) -> None:
    """Descriptions; null where it leaves a field as it is; only known keys, for EdgeX's models."""
    schema["description"] = _plain(inspect.getdoc(model) or "")
    docs = field_docs(model)
    required = set(schema.get("required", ()))
    for name, field in model.model_fields.items():
        key = field.alias or name
        one = schema["properties"][key]
        one.pop("title", None)
        if one.get("default", 0) is None:
            del one["default"]
        if key not in required:
            one = schema["properties"][key] = _nullable(one)
        if name in docs:
            one.setdefault("description", docs[name])
    if issubclass(model, EdgeXModel):
        schema["properties"].update((key, {}) for key in sorted(model.unread))
        schema["patternProperties"] = {"^x-": {}}
        schema["additionalProperties"] = False


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if "anyOf" in schema:
        nulled = [*schema["anyOf"], *([] if {"type": "null"} in schema["anyOf"] else [{"type": "null"}])]
        return {**schema, "anyOf": nulled}
    if isinstance(kind, str):
        return {**schema, "type": [kind, "null"]}
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {"anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}], **rest}
    return schema


def field_docs(model: type[BaseModel]) -> Mapping[str, str]:
    """The docstring below each field, by the field's name; inherited ones, too."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= _own_docs(each)
    return {name: text for name, text in found.items() if name in model.model_fields}


def _own_docs(model: type[BaseModel]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for statement, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            said = after.value if isinstance(after, ast.Expr) else None
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                found[statement.target.id] = _plain(said.value)
    return found


def _plain(docstring: str) -> str:
    return " ".join(docstring.split())


def _any_case() -> str:
    words = ("".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in kind) for kind in ValueType)
    return f"^(?:{'|'.join(words)})$"


def main(arguments: list[str]) -> int:
    """Writes the schemas, or checks them; the exit code says whether they are current."""
    check = "--check" in arguments
    stale = []
    for name, schema in schemas().items():
        path = FOLDER / name
        text = text_of(schema)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run python -m gateway.model.schema\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
