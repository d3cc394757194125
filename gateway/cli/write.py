"""`southgate write`: one command through a running gateway, with the read-back as evidence."""

import argparse
import json

from gateway.cli.output import Output, json_text
from gateway.cli.remote import Refused, Remote, add_options
from gateway.model.command import SENT
from gateway.model.errors import ConfigError

EXAMPLES = """  southgate write relay-1 Relay1=true
  southgate write drive-1 Setpoint=42.5 Run=true --command Start
  southgate write relay-1 Relay1=true --id 2024-11-03-a        the same id twice does it once"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", help="name of the device")
    parser.add_argument("values", nargs="+", metavar="RESOURCE=VALUE", help="what to write; as people see it, scaled")
    parser.add_argument(
        "--command", metavar="NAME", help="deviceCommand to use; default: the one resource that is named"
    )
    parser.add_argument("--id", help="id of this command; a repeated id is answered with the first result")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when the value was read back and is equal (or cannot be read and was accepted), or was sent to a device that
    never answers; else 1."""
    args: dict[str, str] = {}
    for name, value in map(_pair, options.values):
        if name in args:
            raise ConfigError(f"{name} is given twice; which of the values shall it be?")
        args[name] = value
    if len(args) > 1 and not options.command:
        raise ConfigError("several resources are written together through a deviceCommand: name it with --command")
    body = {"device": options.device, "name": options.command or next(iter(args)), "args": args}
    if options.id:
        body["id"] = options.id
    try:
        result = Remote(options).ask("POST", "/gateway/api/v1/commands", body)
    except Refused as refused:
        if "outcome" not in refused.body:
            raise
        result = refused.body
    output.result(result)
    done = result["outcome"] == "confirmed" or result["code"] == SENT
    colour = "good" if done else "error"
    output.line(f"{output.paint(colour, result['outcome'])} ({result['code']}) {result['error']}".rstrip())
    for name, value in result["readback"].items():
        output.line(f"  {name} reads {json_text(value)}")
    for name, value in result.get("outputs", {}).items():
        output.line(f"  {name} gave {json.dumps(value, ensure_ascii=False)}")
    return 0 if done else 1


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"{text}: RESOURCE=VALUE was expected, such as Relay1=true")
    return name, value
