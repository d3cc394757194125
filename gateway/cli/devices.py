"""`southgate devices`: what a running gateway knows of its devices; all of them as a table, out and in."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate devices
  southgate devices meter-1
  southgate devices --json | jq '.[].state'
  southgate devices export devices.csv
  southgate devices import devices.csv --dry-run
  southgate devices import devices.csv --folder plant/gateway.yaml"""
TABLE = ("export", "import")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", nargs="?", help="only this one, with every value; or export, import and a file")
    parser.add_argument(
        "file", nargs="?", type=Path, help="CSV file to write or to read; - is standard output or input"
    )
    parser.add_argument("--dry-run", action="store_true", help="of an import: only show what would change")
    parser.add_argument("--partial", action="store_true", help="of an import: take the rows that are in order")
    parser.add_argument(
        "--folder", type=Path, help="gateway.yaml, or its folder, of a gateway that does not run: work on its files"
    )
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when every device shown is online, else 1. Of export and import: 0 when done, 1 when a row was refused; then
    nothing was changed, unless --partial."""
    if options.file is not None:
        return _table(options, output)
    if options.folder or options.dry_run or options.partial:
        raise ConfigError("--folder, --dry-run and --partial belong to export FILE and import FILE")
    remote = Remote(options)
    if options.device:
        return _one(remote, output, options.device)
    return _all(remote, output)


def _table(options: argparse.Namespace, output: Output) -> int:
    from gateway.cli import devicetable

    if options.device not in TABLE:
        raise ConfigError(f"{options.device} {options.file}: southgate devices export FILE, or import FILE")
    if options.device == "import":
        return devicetable.load(options, output)
    if options.dry_run or options.partial:
        raise ConfigError("--dry-run and --partial belong to import")
    return devicetable.export(options, output)


def _all(remote: Remote, output: Output) -> int:
    states = remote.get("/gateway/api/v1/twin")["devices"]
    flows = remote.get("/gateway/api/v1/flows")["flows"]
    output.result([state | {"flows": [f for f in flows if f["device"] == state["device"]]} for state in states])
    output.table(
        ["DEVICE", "STATE", "ASKED", "ACHIEVED", "READS", "FAILED", "REASON"], [_row(state, flows) for state in states]
    )
    return 0 if all(state["state"] == "online" for state in states) else 1


def _row(state: dict[str, Any], flows: list[dict[str, Any]]) -> list[Any]:
    own = [f for f in flows if f["device"] == state["device"]]
    return [
        state["device"],
        state["state"],
        ", ".join(f"{f['requested_s']:g} s" for f in own) or "-",
        ", ".join("-" if f["achieved_s"] is None else f"{f['achieved_s']:.3g} s" for f in own) or "-",
        sum(f["reads"] for f in own),
        sum(f["failures"] for f in own),
        state["reason"],
    ]


def _one(remote: Remote, output: Output, name: str) -> int:
    found = remote.get(f"/gateway/api/v1/twin/{segment(name)}")
    output.result(found)
    output.line(f"{name}: {found['state']}{', ' + found['reason'] if found['reason'] else ''}")
    output.table(
        ["RESOURCE", "VALUE", "QUALITY", "AGE", "FRESHNESS", "PERIOD"],
        [
            [
                resource,
                row["value"],
                " ".join(row["quality"]),
                "-" if row["age_s"] is None else f"{row['age_s']:.1f} s",
                row["freshness"],
                "-" if row["period_s"] is None else f"{row['period_s']:g} s",
            ]
            for resource, row in found["values"].items()
        ],
    )
    desired = found.get("desired")
    if desired:
        output.line("")
        _desired(output, desired)
    return 0 if found["state"] == "online" else 1


def _desired(output: Output, desired: dict[str, Any]) -> None:
    output.table(
        ["DESIRED", "WANTED", "STATUS", "CODE", "TRIES", "REASON"],
        [
            [name, desired["properties"][name], result["status"], result["code"], result["tries"], result["reason"]]
            for name, result in desired["results"].items()
        ],
    )
