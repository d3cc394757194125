"""`southgate read`: one read, now, through a running gateway (which alone owns the connection)."""

import argparse
from typing import Any

from gateway.cli.output import Output
from gateway.cli.remote import Remote, add_options, segment

EXAMPLES = """  southgate read meter-1 Voltage
  southgate read meter-1 'Current.*'          a regular expression reads all that match, in one go
  southgate read meter-1 AllValues --json"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", help="name of the device")
    parser.add_argument("name", help="deviceCommand or deviceResource of its profile, or a regular expression")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when every value is good, else 1."""
    path = f"/core-command/api/v3/device/name/{segment(options.device)}/{segment(options.name)}?ds-raw=true"
    event = Remote(options).get(path)["event"]
    output.result(event)
    output.table(["RESOURCE", "VALUE", "UNITS", "TYPE", "RAW"], [_row(reading) for reading in event["readings"]])
    return 0 if all(_shown(reading) is not None for reading in event["readings"]) else 1


def _row(reading: dict[str, Any]) -> list[Any]:
    value = _shown(reading)
    if reading["valueType"].startswith("Float") and isinstance(value, str) and not value.startswith("["):
        value = _plain(value)
    return [reading["resourceName"], value, reading.get("units", ""), reading["valueType"], _raw(reading)]


def _raw(reading: dict[str, Any]) -> str:
    """What came, where the profile makes something else of it."""
    return str(reading.get("tags", {}).get("raw", ""))


def _plain(text: str) -> str:
    """EdgeX writes 2.15e+01; people read 21.5."""
    value = float(text)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _shown(reading: dict[str, Any]) -> Any:
    return next((reading[key] for key in ("value", "objectValue", "binaryValue") if reading.get(key) is not None), None)
