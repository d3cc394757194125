"""`southgate facts`: what a running gateway has learned about its devices."""

import argparse
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment
from gateway.model.facts import in_words

EXAMPLES = """  southgate facts                    answer times, holes and limits of every device
  southgate facts meter-1            with what to write into its files
  southgate facts meter-1 --forget   ask as the files say, and learn anew"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", nargs="?", help="only this one")
    parser.add_argument("--forget", action="store_true", help="forget what was learned about the device")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it was shown or forgotten, 2 when it is not said whose to forget."""
    remote = Remote(options)
    if options.forget:
        if not options.device:
            output.error("--forget needs the name of a device")
            return 2
        remote.ask("DELETE", f"/gateway/api/v1/facts/{segment(options.device)}")
        output.result({"forgotten": options.device})
        output.line(f"{options.device}: forgotten; it is learned anew")
        return 0
    if options.device:
        found = [remote.get(f"/gateway/api/v1/facts/{segment(options.device)}")]
    else:
        found = remote.get("/gateway/api/v1/facts")["devices"]
    output.result(found)
    for one in found:
        _show(one, output)
    return 0


def _show(one: dict[str, Any], output: Output) -> None:
    output.line(f"{one['device']}: {in_words(one['facts']) or 'nothing learned yet'}")
    for line in one["advice"]:
        output.line(f"  to keep it in the files: {line}")
