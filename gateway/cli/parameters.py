"""Values for a profile's parameters among the arguments."""

import argparse
from typing import Any

from gateway.model.csvcell import value_of


def add_parameters(parser: argparse.ArgumentParser, more: str = "") -> None:
    """`--parameter NAME=VALUE`, as often as wanted."""
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help=f"a value for a parameter of the profile{more}; may be repeated",
    )


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value.strip():
        raise argparse.ArgumentTypeError(f"{text}: write it as NAME=VALUE, such as ct_ratio=80")
    try:
        return name.strip(), value_of(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None
