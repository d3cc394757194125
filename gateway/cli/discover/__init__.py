"""`southgate discover PROTOCOL`: who is there, what it is, and a profile for it. One module per protocol."""

import argparse
from collections.abc import Mapping
from types import ModuleType

from gateway.cli.discover import modbus, opcua
from gateway.cli.output import Output

EXAMPLES = """  southgate discover modbus 192.168.1.0/24 --out found
  southgate discover opcua opc.tcp://192.168.1.5:4840 --out found
  southgate discover opcua --help"""
PROTOCOLS: Mapping[str, ModuleType] = {"modbus": modbus, "opcua": opcua}
"""Each has WHAT (a line of help), EXAMPLES, add and run."""


def add(parser: argparse.ArgumentParser) -> None:
    protocols = parser.add_subparsers(
        dest="protocol", metavar="PROTOCOL", title="protocols", required=True, help="what they speak"
    )
    for name, module in PROTOCOLS.items():
        own = protocols.add_parser(
            name,
            help=module.WHAT,
            description=module.WHAT[0].upper() + module.WHAT[1:] + ".",
            epilog="examples:\n" + module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        text = "machine-readable output on standard output"
        own.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=text)
        module.add(own)
        own.set_defaults(does=module.run)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when something was found, 1 when nothing was, 3 when nothing can be reached, 130 when it was interrupted."""
    code: int = options.does(options, output)
    return code
