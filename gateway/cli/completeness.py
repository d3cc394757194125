"""`southgate completeness`: of every source what should have come, what came, and where nothing did."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options

EXAMPLES = """  southgate completeness
  southgate completeness boiler --start 7d
  southgate completeness --start 2026-03-01 --end 2026-04-01 --gaps
  southgate completeness --json | jq '.sources[] | select(.percent < 99) | .device'"""
PATIENCE_S = 900.0


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", nargs="?", default="", help="only this device")
    parser.add_argument("--start", default="24h", help="an ISO time, or how long ago; default: %(default)s")
    parser.add_argument("--end", default="now", help="the same; default: %(default)s")
    parser.add_argument("--gaps", action="store_true", help="show every gap, not only how many there are")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when nothing is missing, else 1."""
    asked = urlencode({"start": options.start, "end": options.end, "device": options.device})
    body = Remote(options).exchange("GET", f"/gateway/api/v1/completeness?{asked}", timeout=PATIENCE_S)
    return show(body, output, options.gaps)


def show(body: bytes, output: Output, every_gap: bool) -> int:
    """Prints the report."""
    found = json.loads(body)
    output.result(found)
    output.table(["DEVICE", "SOURCE", "EVERY", "EXPECTED", "RECEIVED", "GOOD", "COMPLETE", "GAPS", "LONGEST"], [
        _row(source) for source in found["sources"]
    ])  # fmt: skip
    if every_gap:
        output.line()
        rows = [_gap(source, gap) for source in found["sources"] for gap in source["gaps"]]
        output.table(["DEVICE", "SOURCE", "FROM", "TO", "SECONDS", "CAUSE"], rows)
    return 1 if any(source["gaps"] for source in found["sources"]) else 0


def _row(source: dict[str, Any]) -> list[Any]:
    gaps = source["gaps"]
    return [
        source["device"],
        source["source"],
        "-" if source["interval_s"] is None else f"{source['interval_s']:g} s",
        source["expected"],
        source["received"],
        source["good"],
        "-" if source["percent"] is None else f"{source['percent']:g}%",
        len(gaps),
        f"{max(gap['seconds'] for gap in gaps):g} s" if gaps else "-",
    ]


def _gap(source: dict[str, Any], gap: dict[str, Any]) -> list[Any]:
    moments = [datetime.fromtimestamp(gap[end] / 1e9, UTC).isoformat(timespec="seconds") for end in ("start", "end")]
    return [source["device"], source["source"], *moments, gap["seconds"], gap["cause"]]
