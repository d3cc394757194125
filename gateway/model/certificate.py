"""A certificate as people see it: whose it is, how long it is good, whether it is trusted."""

from dataclasses import dataclass
from typing import Literal

Standing = Literal["own", "trusted", "refused"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """An X.509 certificate that a protocol shows or was shown."""

    service: str
    """The device service whose devices it is for."""
    standing: Standing
    thumbprint: str
    """SHA-1 of the DER form in upper-case hex: how OPC UA names certificates (Part 4, 7.3.1)."""
    subject: str
    application_uri: str
    hosts: tuple[str, ...]
    """DNS names and IP addresses that it is made for."""
    not_before: int
    """ns UTC."""
    not_after: int
    """ns UTC."""
    shown_by: str = ""
    """Endpoints that showed it, newest first; empty for our own."""
    file: str = ""
    """Where it is kept."""
