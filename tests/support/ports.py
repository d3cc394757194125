"""Free TCP ports on loopback."""

import random
import socket
from contextlib import suppress

FIRST, LAST = 10_000, 32_000
"""Below what systems give to connections that go out: a port from there may be somebody's before it is listened on."""
_given: set[int] = set()
_chance = random.SystemRandom()


def free_port() -> int:
    """One that nobody listens on and that this process was not given before."""
    while True:
        port = _chance.randrange(FIRST, LAST)
        with suppress(OSError), socket.socket() as s:
            if port not in _given:
                s.bind(("127.0.0.1", port))
                _given.add(port)
                return port
