"""`southgate devices`: what a running gateway knows of its devices."""

import argparse
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment

EXAMPLES = """  southgate devices
  southgate devices meter-1
  southgate devices --json | jq '.[].state'"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", nargs="?", help="only this one, with every value")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when every device shown is online, else 1."""
    remote = Remote(options)
    if options.device:
        return _one(remote, output, options.device)
    return _all(remote, output)


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
    return 0 if found["state"] == "online" else 1
