"""What people may ask of the records that are kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events; empty fields do not restrict."""

    device: str = ""
    source: str = ""
    resource: str = ""
    """Only events that carry this resource."""
    start: int = 0
    """ns UTC, inclusive."""
    end: int = 2**63 - 1
    """ns UTC, inclusive."""
    offset: int = 0
    limit: int = 20
    """-1: no limit."""
    newest_first: bool = True
    event: int = 0
    """One journal offset."""
