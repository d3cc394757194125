"""Why a TCP connection cannot be opened, and what to try."""

import errno
import socket

import pytest

from mappers.shared.reaching import why


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ECONNREFUSED, "x"), "Connection refused: nothing listens there; look at address and port"),
        (OSError(errno.EHOSTUNREACH, "x"), "No route to host: look at the address, at the device's power"),
        (OSError(errno.ENETUNREACH, "x"), "Network is unreachable: look at the address, and at this machine's own"),
        (OSError(errno.EMFILE, "x"), "Too many open files"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known: look at how the"),
        (OSError("no number"), "no number"),
    ],
)
def test_it_says_what_is_wrong_and_what_to_try(error: OSError, says: str) -> None:
    assert why(error, "Modbus TCP").startswith(says)
