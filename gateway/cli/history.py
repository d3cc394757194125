"""`southgate history`: what a running gateway keeps for long, and how long the room for it lasts."""

import argparse
from datetime import UTC, datetime

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options
from gateway.model.amount import bytes_words

EXAMPLES = """  southgate history
  southgate history --json | jq .capacity_s"""
HEAD = ["KEPT", "ROWS", "SIZE", "FILES", "FROM", "TO"]


def add(parser: argparse.ArgumentParser) -> None:
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when the history is well, else 1."""
    found = Remote(options).get("/gateway/api/v1/history")
    output.result(found)
    used = f"{bytes_words(found['bytes'])} of {bytes_words(found['max_bytes'])}"
    output.line(f"history: {found['state']}, {used}, {found['readings_per_s']:.0f} readings/s")
    for said in found["words"]:
        output.line(f"  {said}")
    if found["moved_aside"]:
        output.line(f"  {output.paint('warning', 'warning:')} damaged, set aside: {found['moved_aside']}")
    rows = [
        [name, one["rows"], bytes_words(one["bytes"]), one["files"], _day(one["oldest"]), _day(one["newest"])]
        for name, one in found["tiers"].items()
    ]
    output.table(HEAD, rows)
    return 0 if found["state"] == "ok" else 1


def _day(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M")
