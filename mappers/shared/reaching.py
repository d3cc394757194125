"""Why a TCP connection cannot be opened, and what to try."""

import errno
import os
import socket

_TO_TRY = {
    errno.ECONNREFUSED: "nothing listens there; look at address and port, and whether {service} is switched on",
    errno.EHOSTUNREACH: "look at the address, at the device's power, and at the cable",
    errno.ENETUNREACH: "look at the address, and at this machine's own network",
}
_NAME = "look at how the name is written, or give its IP address"
SILENT = "look at the address, at the device's power, and at firewalls between"


def why(error: OSError, service: str) -> str:
    """In words; `service` is what should listen there."""
    if isinstance(error, socket.gaierror):
        return f"{error.strerror or error}: {_NAME}"
    number = error.errno or 0
    if number <= 0:
        return str(error)
    hint = _TO_TRY.get(number, "").format(service=service)
    return f"{os.strerror(number)}{': ' + hint if hint else ''}"
