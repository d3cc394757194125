"""`southgate demo`: simulated devices, a broker and the gateway itself, started as a user would start them."""

import argparse
import asyncio
from pathlib import Path

from gateway.cli.output import Output
from gateway.cli.stop import until_stopped

EXAMPLES = """  southgate demo                 live on a terminal, one line per value elsewhere; Ctrl-C ends all of it
  southgate demo --for 20        end after 20 seconds
  southgate demo --dir /tmp/d    keep settings, devices and data there"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, default=Path("southgate-demo"), help="folder for settings and data")
    parser.add_argument("--for", dest="seconds", type=float, help="end after so many seconds")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it was ended by the user or the time, and a value had come."""
    from gateway.cli.demo.show import show

    return asyncio.run(until_stopped(show(options.dir, output), options.seconds))
