"""`southgate alarms`: what is raised, and that somebody has seen it."""

import argparse
from datetime import UTC, datetime
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate alarms                                      everything that is raised, newest first
  southgate alarms ack overload-1763635200123456789
  southgate alarms ack overload-1763635200123456789 --comment "on my way"
  southgate alarms ack all"""
HEAD = ["ID", "SEVERITY", "SINCE", "ABOUT", "SEEN BY", "WHY"]
API = "/gateway/api/v1/alarms"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", nargs="?", default="list", choices=["list", "ack"], help="what to do; default: list")
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="which alarm to acknowledge, or all")
    parser.add_argument("--comment", default="", help="with ack: what to say about it")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it was acknowledged, or nothing is raised that nobody has seen; 1 when something is."""
    remote = Remote(options)
    if options.do == "ack":
        return _acknowledge(remote, options, output)
    found = remote.get(API)["alarms"]
    output.result(found)
    if not found:
        output.line("nothing is raised")
        return 0
    output.table(HEAD, [_row(one) for one in found])
    return 1 if any(not one["acknowledged"] for one in found) else 0


def _acknowledge(remote: Remote, options: argparse.Namespace, output: Output) -> int:
    if not options.id:
        raise ConfigError("ack needs the id of an alarm, as `southgate alarms` shows it, or all")
    ids = [one["id"] for one in remote.get(API)["alarms"]] if options.id == "all" else [options.id]
    body = {"comment": options.comment}
    done = [remote.ask("POST", f"{API}/{segment(identity)}/acknowledge", body) for identity in ids]
    output.result(done)
    for one in done:
        output.line(f"{one['id']} was seen by {one['by'] or 'somebody'}; it stays raised until it is over")
    if not done:
        output.line("nothing is raised")
    return 0


def _row(one: dict[str, Any]) -> list[Any]:
    about = f"{one['device']}/{one['resource']}" if one["device"] else "the gateway"
    since = f"{datetime.fromtimestamp(one['since'] / 1e9, UTC):%Y-%m-%d %H:%M:%S}Z" if one["since"] else "-"
    said = f": {one['comment']}" if one["comment"] else ""
    seen = f"{one['by'] or 'somebody'}{said}" if one["acknowledged"] else "-"
    return [one["id"], one["severity"], since, about, seen, one["why"]]
