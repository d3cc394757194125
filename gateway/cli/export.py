"""`southgate export`: sends an exporter again what was read in a stretch of time."""

import argparse
import re
import sys
import time
from datetime import datetime
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options
from gateway.model.duration import parse_duration
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate export plant-db --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z
  southgate export files --from 6h               the last six hours
  southgate export plant-db --from 2d --to 1d    the same again goes on where it was
  southgate export plant-db --from 2d --to 1d --stop"""
PATH = "/gateway/api/v1/exports"
LOOK_S = 0.5
WIDTH = 40
_AGO = re.compile(r"[0-9.]+[a-zµ].*")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("exporter", help="name of an exporter in gateway.yaml")
    when = "a time (2026-11-20T06:00:00Z; without zone: local), or how long ago (6h, 2d)"
    parser.add_argument("--from", dest="start", required=True, metavar="TIME", help=when)
    parser.add_argument("--to", dest="end", default="0s", metavar="TIME", help="the same; default: now")
    parser.add_argument("--stop", action="store_true", help="stop it; the same command without --stop goes on")
    parser.add_argument("--no-wait", action="store_true", help="begin it and do not wait for its end")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when all was sent; 1 when some was refused or it failed; 130 when interrupted: then it goes on."""
    now = time.time_ns()
    start, end = moment(options.start, now), moment(options.end, now)
    if start >= end:
        raise ConfigError("--from must be before --to")
    remote = Remote(options)
    job = _running(remote, options, start, end) or remote.ask(
        "POST", PATH, {"exporter": options.exporter, "start": start, "end": end}
    )
    if options.stop:
        job = remote.ask("DELETE", f"{PATH}/{job['id']}")
    elif not options.no_wait:
        job = _watch(remote, job, output)
    output.result(job)
    output.line(_said(job))
    return 1 if job["state"] == "failed" or job["refused"] else 0


def moment(text: str, now: int) -> int:
    """ns UTC of a time, or of so long ago, whole seconds. Raises ConfigError."""
    try:
        if _AGO.fullmatch(text) and "-" not in text and ":" not in text:
            return now - int(parse_duration(text) * 1e9)
        return round(datetime.fromisoformat(text).timestamp()) * 10**9
    except ValueError:
        raise ConfigError(f"{text!r} is no time; write 2026-11-20T06:00:00Z, or how long ago: 6h, 2d") from None


def _running(remote: Remote, options: argparse.Namespace, start: int, end: int) -> dict[str, Any] | None:
    """The job that is meant where a time was told as how long ago, which moves on."""
    if not (_AGO.fullmatch(options.start) and "-" not in options.start):
        return None
    for job in reversed(remote.get(PATH)["exports"]):
        apart = abs((job["end"] - job["start"]) - (end - start))
        if job["exporter"] == options.exporter and job["state"] != "done" and apart < 10**9:
            again = {key: job[key] for key in ("exporter", "start", "end")}
            found: dict[str, Any] = remote.ask("POST", PATH, again)
            return found
    return None


def _watch(remote: Remote, job: dict[str, Any], output: Output) -> dict[str, Any]:
    """Until it has ended, with a bar on a terminal."""
    bar = sys.stderr.isatty() and not output.json
    began, first = time.monotonic(), job["progress"]
    try:
        while job["state"] in ("running", "waiting"):
            if bar:
                print(f"\r{_bar(job, began, first)}\x1b[K", end="", file=sys.stderr, flush=True)
            time.sleep(LOOK_S)
            job = remote.get(f"{PATH}/{job['id']}")
    except KeyboardInterrupt:
        output.error("it goes on in the gateway; the same command shows it again, --stop ends it")
        raise
    finally:
        if bar:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return job


def _bar(job: dict[str, Any], began: float, first: float) -> str:
    done = job["progress"]
    filled = round(done * WIDTH)
    text = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done:4.0%}  {job['sent']} records"
    if job["state"] == "waiting":
        return f"{text}  waiting: {job['reason']}"[:200]
    if done > first:
        left = (time.monotonic() - began) / (done - first) * (1 - done)
        text += f"  about {left:.0f} s left"
    return text


def _said(job: dict[str, Any]) -> str:
    text = f"{job['exporter']}: {job['state']}, {job['sent']} records sent"
    if job["refused"]:
        text += f", {job['refused']} refused: southgate deadletter list {job['exporter']}"
    return f"{text} ({job['reason']})" if job["reason"] else text
