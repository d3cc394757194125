"""`southgate deadletter`: what an exporter's other side refused for good."""

import argparse
from datetime import UTC, datetime
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate deadletter list                  what was refused, by whom, and why
  southgate deadletter list plant-db
  southgate deadletter retry plant-db        send all of that exporter again
  southgate deadletter retry 17 18           send two of them again
  southgate deadletter drop plant-db         forget them"""
PATH = "/gateway/api/v1/deadletters"
HEAD = ["NUMBER", "EXPORTER", "DEVICE", "WHAT", "READ AT", "WHY"]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=["list", "retry", "drop"], help="what to do")
    parser.add_argument("which", nargs="*", metavar="EXPORTER|NUMBER", help="an exporter's name, or letters' numbers")
    parser.add_argument("--limit", type=int, default=100, help="how many are listed (default 100)")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 done; 1 when something was refused again; 2 wrong use."""
    remote = Remote(options)
    if options.do == "list":
        return _list(remote, options, output)
    found = remote.ask("POST", f"{PATH}/{options.do}", _meant(options))
    output.result(found)
    if options.do == "drop":
        output.line(f"{found['dropped']} dropped")
        return 0
    output.line(f"{found['sent']} sent, {len(found['refused'])} refused again")
    for one in found["refused"]:
        output.line(f"  {one['number']}: {one['why']}")
    return 1 if found["refused"] else 0


def _meant(options: argparse.Namespace) -> dict[str, Any]:
    which = options.which
    if which and all(one.isdecimal() for one in which):
        return {"numbers": [int(one) for one in which]}
    if len(which) != 1:
        raise ConfigError(f"{options.do} needs the name of one exporter, or numbers of letters as `list` shows them")
    return {"exporter": which[0]}


def _list(remote: Remote, options: argparse.Namespace, output: Output) -> int:
    if len(options.which) > 1:
        raise ConfigError("list takes the name of one exporter, or nothing")
    only = f"&exporter={segment(options.which[0])}" if options.which else ""
    found = remote.get(f"{PATH}?limit={max(1, min(options.limit, 1000))}{only}")
    output.result(found)
    if not found["letters"]:
        output.line("no dead letters")
        return 0
    output.table(HEAD, [_cells(one) for one in found["letters"]])
    more = found["total"] - len(found["letters"])
    if more > 0:
        output.line(f"and {more} more: --limit shows up to 1000")
    return 0


def _cells(letter: dict[str, Any]) -> list[Any]:
    record = letter["record"]
    what = record.get("sourceName") or f"{record.get('kind')} {record.get('name')}"
    device = record.get("deviceName") or record.get("device") or "-"
    at = datetime.fromtimestamp(record["origin"] / 1e9, UTC)
    return [letter["number"], letter["exporter"], device, what, f"{at:%Y-%m-%d %H:%M:%S}Z", letter["why"]]
