"""`southgate lines`: one connection and everything on it, in one look."""

import argparse
from collections.abc import Iterator
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate lines
  southgate lines /dev/ttyUSB0
  southgate lines 192.168.1
  southgate lines --json | jq '.[] | {connection, busy, busy_planned}'"""
HEAD = ["DEVICE", "UNIT", "STATE", "FED", "ASKED", "ACHIEVED", "CYCLE", "SHARE", "READS", "FAILED", "LATE", "REASON"]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("line", nargs="?", default="", help="only connections whose name has this text in it")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when every connection shown is up, nothing on it is silent and all of it fits, else 1."""
    found = Remote(options).get("/gateway/api/v1/lines")["lines"]
    shown = [line for line in found if options.line in line["connection"]]
    if options.line and not shown:
        there = ", ".join(line["connection"] for line in found) or "none"
        raise ConfigError(f"no connection has {options.line!r} in its name; there are: {there}")
    output.result(shown)
    for line in shown:
        output.line(_title(line))
        for note in line["notes"]:
            output.line(f"  {output.paint('note', 'note:')} {note}")
        for problem in line["problems"]:
            output.line(f"  {output.paint('warning', 'warning:')} {problem}")
        output.table(HEAD, [row for device in line["devices"] for row in _rows(device)])
        output.line()
    return 0 if all(map(_well, shown)) else 1


def _well(line: dict[str, Any]) -> bool:
    silent = any(device["quarantine"] for device in line["devices"])
    return line["state"] == "connected" and not silent and not line["problems"]


def _title(line: dict[str, Any]) -> str:
    """`/dev/ttyUSB0: connected, 63% busy (planned 58%), 1200 requests, errors: no_answer 2; connected once`."""
    state = line["state"]
    if line["reason"]:
        state += f" ({line['reason']}{_next(line)})"
    errors = ", ".join(f"{kind} {count}" for kind, count in sorted(line["errors"].items())) or "none"
    more = f", {line['commands_waiting']} commands wait" if line["commands_waiting"] else ""
    if line["filled"]:
        more += f", {line['filled']} missed values fetched"
    if line["skew_s"] is not None:
        more += f", its clock {-line['skew_s']:+.1f} s"
    return (
        f"{line['connection']}: {state}, {line['busy']:.0%} busy (planned {line['busy_planned']:.0%}), "
        f"{line['requests']} requests, errors: {errors}, tries to connect: {line['connects']}{more}"
    )


def _next(line: dict[str, Any]) -> str:
    return "" if line["next_try_s"] is None else f", next try in {line['next_try_s']:.0f} s"


def _rows(device: dict[str, Any]) -> Iterator[list[Any]]:
    """One for each poll; one without numbers for a device that is not polled."""
    about = [device["device"], device["unit"], "silent" if device["quarantine"] else device["state"]]
    for poll in device["polls"]:
        achieved, told = poll["achieved_s"], poll["mode"] == "subscribed"
        yield [
            *about,
            poll["mode"],
            f"{poll['requested_s']:g} s",
            "-" if achieved is None else f"{achieved:.3g} s",
            "-" if told else f"{1000 * poll['cycle_s']:.3g} ms",
            "-" if told else f"{poll['share']:.1%}",
            poll["reads"],
            poll["failures"],
            poll["overruns"],
            _reason(device),
        ]
    if not device["polls"]:
        yield [*about, *["-"] * 5, 0, 0, 0, _reason(device)]


def _reason(device: dict[str, Any]) -> str:
    silence = device["quarantine"]
    if silence is None:
        return str(device["reason"])
    cost = f"waiting for it takes {silence['cost']:.1%} of the line"
    return f"next probe in {silence['next_probe_s']:.0f} s, {cost}: {device['reason']}"
