"""Where a gateway lives: what a protocol needs to know of it."""

from dataclasses import dataclass
from pathlib import Path

from gateway.model.profile import Compat


@dataclass(frozen=True, slots=True)
class Place:
    """Of one gateway. Nothing here need exist before a connection is opened."""

    name: str = "southgate"
    """The gateway's."""
    data: Path = Path("data")
    """What the gateway keeps: certificates of its own and those that it trusts."""
    folder: Path = Path()
    """Relative names of files in device lists start here: the folder of gateway.yaml."""
    compat: Compat = Compat.NONE
    """The gateway's own; a profile's counts as well."""
