"""Reference pages made from the program: `python -m gateway.cli.reference [--check]`.

The command line from its parsers; the keys of gateway.yaml, profiles and device lists from their types; the JSON Schema
of gateway.yaml.
"""

import argparse
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from datastore.analysis.settings import Rule
from gateway import cli
from gateway.exporting import WithExporters
from gateway.model.device import Device
from gateway.model.profile import DeviceProfile
from gateway.model.schema import model_schema, text_of

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
NOTE = "\nMade from the program by `python -m gateway.cli.reference`; change the {what}, not this page.\n"
WORDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "map", "number": "number"}
ANY_TEXT = {"string", "number", "boolean"}


class Page(NamedTuple):
    """A page of keys: the type it is made of, what stands above, what every section is called after."""

    title: str
    model: type[BaseModel]
    head: str


class Whole(WithExporters):
    """The whole of gateway.yaml."""

    rules: list[Rule] = Field(
        default=[], description="Rules over the live stream; each has a `name` and a `kind`: docs/reference/rules.md"
    )


KEYS = {
    "settings.md": Page(
        "gateway.yaml",
        WithExporters,
        """
The settings of one gateway. Every key may be left out. Unknown keys are an error. Relative paths are relative to the
file. Durations are written as Go writes them (`500ms`, `10s`, `1h30m`) or in days (`30d`). Secrets are in files of
their own and are never part of this one. Changed settings take effect at the next start; changed profiles and devices
at `southgate apply`. An editor helps when the file begins with
`# yaml-language-server: $schema=…/docs/reference/schemas/gateway.json`.

```yaml
gateway: { name: plant-7 }
api: { listen: "127.0.0.1:8080" }
journal: { max_bytes: 2GB, max_age: 30d }
cloud:
  mqtt:
    url: mqtts://broker.example:8883
    user: plant-7
    password_file: secrets/mqtt
exporters:
  plant-db: { kind: influx, url: "https://influx.example:8086", bucket: readings, token_file: secrets/influx }
```

How exporters are used: [export values](../how-to/export-values.md).
""",
    ),
    "profile.md": Page(
        "Device profiles",
        DeviceProfile,
        """
A profile is EdgeX's own (v3, as in EdgeX 3.1 to 4.x), in YAML 1.2 or JSON: EdgeX's files work here, and ours work
there, because EdgeX ignores what it does not know. Keys of ours are `compat`, `parameters` ([how to
use them](../how-to/one-profile-many-devices.md)), `autoEvents` ([classes of
rates](../how-to/one-profile-many-devices.md#classes-of-rates)) and those under `optional`. The keys of
`attributes` belong to the protocol: [Modbus](../../mappers/modbus/README.md), [OPC UA](../../mappers/opcua/README.md).
A key that is not known is a
warning with the nearest known one, with `--strict` an error; keys that begin with `x-` are yours. What comes with the
program: [shipped profiles](profiles.md). How a value is worked out: [values](values.md).
""",
    ),
    "devices.md": Page(
        "Device lists",
        Device,
        """
Files in the folder of devices, YAML or JSON: `deviceList:` with devices, or a bare list of them. The folder is the
truth: what is changed through the API is written to it. The keys of `protocols` belong to the protocol:
[Modbus](../../mappers/modbus/README.md), [OPC UA](../../mappers/opcua/README.md).
The rules for unknown keys are those of [profiles](profile.md).

```yaml
deviceList:
  - name: meter-1
    profileName: Eastron-SDM630
    protocols: { modbus-tcp: { Address: 192.168.1.5, Port: 502, UnitID: 1 } }
    autoEvents:
      - { sourceName: Instantaneous, interval: 1s }
  - name: meter-2
    profileName: Eastron-SDM230
    protocols: { modbus-rtu: { Address: usb:0403:6001:A50285BI, BaudRate: 9600, Parity: N, UnitID: 2 } }
    autoEvents:
      - { sourceName: Instantaneous, interval: 5s }
```

A device without the key `autoEvents` is read as its profile's own [`autoEvents`](profile.md) say. One that has the
key is read as it says and nothing else: nothing is added from the profile, and of `autoEvents: []` nothing is read.
Over REST, too, an empty list is one; in a `POST` without the key, or with `null`, the profile's count. To a broadcast
device, of which nothing can be read, those of a profile do not apply.

A serial port is named by its path or, as `southgate ports` shows it, by its
[USB adapter](../../mappers/modbus/README.md#serial-ports).

What a device has of its own, beside its address, stands under `properties`: `parameters` for a profile that has
[parameters](profile.md), `overrides` for any. `southgate effective meter-1` shows what its profile comes to
([one profile for many devices](../how-to/one-profile-many-devices.md)).

```yaml
    properties:
      parameters: { ct_ratio: 80 }
      overrides:
        PhaseACurrent: { properties: { scale: 0.01, units: kA }, attributes: { startingAddress: 9 } }
```
""",
    ),
}


def pages() -> Mapping[str, str]:
    """Path below docs/reference → text."""
    texts = {
        name: f"# {page.title}\n" + NOTE.format(what="types' descriptions") + page.head + "".join(_sections(page))
        for name, page in KEYS.items()
    }
    return texts | {
        "cli.md": "".join(_command_line()),
        "schemas/gateway.json": text_of(model_schema(Whole, "gateway.yaml of Southgate")),
    }


def _sections(page: Page) -> Iterator[str]:
    schema = model_schema(page.model, page.title)
    models = schema["$defs"]
    told: set[int] = set()

    def below(one: Mapping[str, Any], path: str, kind: str = "") -> Iterator[str]:
        told_apart = f" of kind `{kind}`" if kind else ""
        yield f"\n## {f'`{path}`' if path else 'Top level'}{told_apart}\n\n{one['description']}\n"
        yield "\n| Key | Type | Default | |\n|---|---|---|---|\n"
        yield from (_row(key, about, one, models) for key, about in one["properties"].items() if _told(about))
        for key, about in one["properties"].items():
            for inner, which in _insides(about, models):
                if id(inner) in told:  # what several kinds have alike
                    continue
                told.add(id(inner))
                many, _, kind = which.partition(" ")
                yield from below(inner, f"{path}.{key}{many}".lstrip("."), kind)

    yield from below(schema, "")


def _told(about: Mapping[str, Any]) -> bool:
    """Not one of the keys that mean nothing here."""
    return bool(about)


def _insides(about: Mapping[str, Any], models: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    """What a key holds, if that has keys of its own, and how many of it, with its `kind` where that tells several
    apart."""
    if "properties" in about:
        return [({"description": about.get("description", ""), **about}, "")]
    for one in _alternatives(about):
        for inside, many in ((one, ""), (one.get("items"), "[]"), (one.get("additionalProperties"), ".NAME")):
            if not isinstance(inside, dict):
                continue
            kinds = inside.get("discriminator", {}).get("mapping", {"": inside.get("$ref", "")})
            found = [(models.get(ref.rpartition("/")[2]), kind) for kind, ref in kinds.items()]
            if all(model and "properties" in model for model, _ in found):
                return [(model, f"{many} {kind}".rstrip()) for model, kind in found if model]
    return []


def _alternatives(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in about.get("anyOf", [about]) if one.get("type") != "null"]


def _row(key: str, about: Mapping[str, Any], model: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    inner = next((model for model, _ in _insides(about, models)), None)
    text = about.get("description") or (inner or {}).get("description", "")
    default = about.get("default", "")
    if key in model.get("required", ()):
        shown = "**required**"
    elif inner is not None or default in ("", [], {}):
        shown = ""
    else:
        shown = f"`{_plain(default)}`"
    return f"| `{key}` | {_kind(about, models)} | {shown} | {_cell(text)} |\n"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_plain(one) for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind(about: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    found = [_one_kind(one, models) for one in _alternatives(about)]
    return " or ".join(dict.fromkeys(kind for kind in found if kind)) or "anything"


def _one_kind(one: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    if "anyOf" in one:
        return _kind(one, models)
    if "$ref" in one:
        return _kind(models[one["$ref"].rpartition("/")[2]], models)
    if "const" in one:
        return f"`{one['const']}`"
    if "enum" in one:
        return "" if set(one["enum"]) & {"yes"} else ", ".join(f"`{word}`" for word in one["enum"])
    kinds = one.get("type", "")
    kinds = set(kinds if isinstance(kinds, list) else [kinds]) - {"null"}
    if kinds >= ANY_TEXT:
        return "text"
    if kinds == {"array"}:
        return f"list of {_kind(one.get('items', {}), models)}"
    if one.get("format") == "path":
        return "path"
    if "pattern" in one:
        return ""
    return " or ".join(WORDS[kind] for kind in sorted(kinds) if kind)


def _command_line() -> Iterator[str]:
    yield "# Command line\n" + NOTE.format(what="parsers and docstrings in `gateway/cli`")
    yield """
Results go to standard output, everything else to standard error; `--json` makes the result JSON. Colours only on a
terminal, and not with `NO_COLOR`. `southgate COMMAND --help` shows this page's part.

| Exit code | |
|---|---|
"""
    codes = (inspect.getdoc(cli) or "").partition("Exit codes: ")[2].rstrip(".").replace("\n", " ")
    for code in codes.split("; "):
        number, _, text = code.partition(" ")
        yield f"| {number} | {text} |\n"
    for name, text in cli.COMMANDS.items():
        yield from _command(name, text)


def _command(name: str, text: str) -> Iterator[str]:
    parser, module = cli.parser_of(name)
    yield from _parser(name, text, parser, module.EXAMPLES, inspect.getdoc(module.run) or "")


def _parser(name: str, text: str, parser: argparse.ArgumentParser, examples: str, code: str) -> Iterator[str]:
    """A command; then those below it, whose `run` is their default `does`."""
    actions = [a for a in parser._actions if a.dest != "help"]  # noqa: SLF001  argparse has no public list
    below = [a for a in actions if isinstance(a, argparse._SubParsersAction)]  # noqa: SLF001
    places = "".join(f" {_place(a)}" for a in actions if not a.option_strings)
    yield f"\n## southgate {name}\n\n{text[0].upper() + text[1:]}.\n\n"
    yield f"```\nsouthgate {name}{places} [OPTIONS]\n\n{examples}\n```\n\n| | |\n|---|---|\n"
    yield from (_option(action) for action in actions)
    yield f"\nExit code: {_cell(code)}\n"
    for action in below:
        for word, own in action.choices.items():
            examples = (own.epilog or "").removeprefix("examples:\n")
            code = inspect.getdoc(own.get_default("does")) or ""
            yield from _parser(f"{name} {word}", (own.description or "").rstrip("."), own, examples, code)


def _place(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest).upper()
    if action.nargs == "*":
        return f"[{name}…]"
    return {"?": f"[{name}]", "+": f"{name}…"}.get(str(action.nargs), name)


def _option(action: argparse.Action) -> str:
    takes = "" if action.nargs == 0 or not action.option_strings else f" {action.metavar or action.dest.upper()}"
    name = ", ".join(f"`{option}{takes}`" for option in action.option_strings) or f"`{_place(action)}`"
    text = action.help or ""
    if action.choices:
        text += f": {', '.join(f'`{choice}`' for choice in action.choices)}"
    if action.default not in (None, False, "", []) and action.nargs != 0 and "default" not in text:
        text += f"; default `{action.default}`"
    return f"| {name} | {_cell(text)} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Writes what is not current; with --check only names it (exit 1: something is not)."""
    check = "--check" in arguments
    stale = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    if check and stale:
        sys.stderr.write(f"not current: {', '.join(stale)}; run python -m gateway.cli.reference\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
