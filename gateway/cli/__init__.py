"""The command line: one file per command, loaded only when it is called.

Exit codes: 0 done; 1 it was tried and did not work (a device refused, something is unhealthy); 2 wrong use or a
configuration that will never work; 3 the gateway or the device cannot be reached; 130 interrupted.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Protocol

from gateway.cli.output import Output
from gateway.model.errors import ConfigError, GatewayError, NoAnswer, NotConnected

COMMANDS: dict[str, str] = {
    "run": "run the gateway",
    "check": "read and plan everything, connect to nothing",
    "plan": "show what will happen on the wire: requests, bytes, time per cycle",
    "apply": "make a running gateway take over changed files",
    "devices": "list the devices of a running gateway: values, quality, age, rate",
    "lines": "show connections with everything on them: load, errors, periods asked for and achieved, who is silent",
    "history": "show what is kept for long, and how long the room for it lasts",
    "read": "read a device now, through a running gateway",
    "write": "write to a device, through a running gateway, and read back",
    "query": "ask all that is kept, with SQL: a table to look at, CSV, JSON or Arrow",
    "completeness": "show what should have come of every source, what came, and the gaps with their cause",
    "import": "carry over what other programs have: profiles, devices, and a report of what was left out",
    "effective": "show what the profile of a device comes to, and where each value comes from",
    "rules": "list the rules over readings: what they watch, what they raised, why one does nothing",
    "alarms": "list what is raised, and acknowledge it",
    "facts": "show what was learned about devices: answer times, holes, limits",
    "decode": "show every type and byte order of register values, or find the one that fits the display",
    "record": "keep what goes over a line, byte by byte, to replay it",
    "replay": "show the readings that a recorded line gives, or what differs from others",
    "discover": "find devices, ask what they are, and write their profiles",
    "export": "send an exporter again what was read in a stretch of time",
    "deadletter": "records that an exporter's other side refused for good: list, send again, drop",
    "ports": "list the serial ports: names that last, and whether the gateway could open them",
    "opcua": "certificates of OPC UA: list them, trust a server's, trust it no more",
    "simulate": "serve simulated devices from their profiles",
    "demo": "simulated devices, a broker and the gateway, to look at",
}
"""Name → one line of help; the code is in the module of that name."""
MODULES = {"import": "importing"}
"""Where the command is a word that Python keeps for itself."""


class Command(Protocol):
    """What a module of this package offers."""

    EXAMPLES: str

    def add(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, options: argparse.Namespace, output: Output) -> int: ...


def run_command(arguments: Sequence[str]) -> int:
    """Runs one command line and gives the exit code. Never raises for what the user or a device did."""
    parser = _parser()
    name = next((a for a in arguments if not a.startswith("-")), None)
    command = _load(parser, name) if name and name in COMMANDS else None
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    if command is None:
        parser.print_help()
        return 2
    output = Output(json=options.json)
    try:
        code = command.run(options, output)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        output.problems(error.problems)
        return 2
    except (NotConnected, NoAnswer) as error:
        output.error(str(error))
        return 3
    except GatewayError as error:
        output.error(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _nobody_reads()
    except BaseExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is None:
            return _nobody_reads()
        raise


def _nobody_reads() -> int:
    """`southgate … | head` has what it wanted; Python would still complain when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="southgate",
        description="Modbus, OPC UA and BLE devices, from their YAML profiles to an MQTT cloud and back.",
        epilog="southgate COMMAND --help shows examples. Exit codes: 0 done, 1 did not work, 2 wrong use or "
        "configuration, 3 not reachable.",
    )
    parser.add_argument("--version", action="version", version=f"southgate {version('southgate')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, text in COMMANDS.items():
        commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    return parser


def parser_of(name: str) -> tuple[argparse.ArgumentParser, Command]:
    """The parser of one command, and its module; for the reference page."""
    parser = _parser()
    return _own(parser, name), _load(parser, name)


def _load(parser: argparse.ArgumentParser, name: str) -> Command:
    module: Any = importlib.import_module(f"gateway.cli.{MODULES.get(name, name)}")
    command: Command = module
    own = _own(parser, name)
    own.epilog = "examples:\n" + command.EXAMPLES
    own.add_argument("--json", action="store_true", help="machine-readable output on standard output")
    command.add(own)
    return command


def _own(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))  # noqa: SLF001
    own: argparse.ArgumentParser = commands.choices[name]
    return own
