"""What people have, into EdgeX profiles and device lists: one file per format, loaded only when it is asked for.

An importer is pure: bytes in, profiles, devices and a report out. Nothing is connected, nothing is written.
"""

import importlib
from typing import Any, Protocol

from gateway.importers.report import Imported
from gateway.importers.wishes import Wishes

FORMATS: dict[str, tuple[str, str]] = {
    "edgex-v2": ("edgexv2", "an EdgeX profile from before v3"),
    "table": ("table", "a vendor's register table as CSV"),
    "kepware": ("kepware", "tags exported from KEPServerEX as CSV"),
    "thingsboard": ("thingsboard", "modbus.json of ThingsBoard Gateway"),
    "telegraf": ("telegraf", "inputs.modbus of telegraf.conf"),
}
"""Name → module, and one line about it."""


class Importer(Protocol):
    """What a module of this package offers."""

    def read(self, raw: bytes, file: str, wishes: Wishes) -> Imported:
        """Raises ConfigError when the file as a whole is not of this format."""


def importer(name: str) -> Importer:
    """The importer of a format. Raises KeyError."""
    module: Any = importlib.import_module(f"{__name__}.{FORMATS[name][0]}")
    found: Importer = module
    return found
