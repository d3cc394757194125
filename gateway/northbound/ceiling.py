"""How large a message the broker takes: what it says, or what its hanging up teaches."""

from gateway.northbound.delivery import Outgoing

LARGEST = 268_435_455
"""Of MQTT itself."""
SURE = 64 * 1024
"""Bytes of payload that every broker takes."""
HANG_UPS = 5
"""So many connections in a row must end with the same large message under way before it counts as too large."""
TOO_LARGE = 0x95


class Ceiling:
    """A broker that hangs up at a large message, and says its limit nowhere, would get it again for ever."""

    def __init__(self) -> None:
        self.size = LARGEST
        """Bytes of payload, at most, on the connection that is up."""
        self._doubted: Outgoing | None = None
        self._hang_ups = 0
        self._learned = LARGEST

    def opened(self, announced: int) -> None:
        """What was learned holds for one connection: long enough to set the message aside."""
        self.size = min(announced, self._learned)
        self._learned = LARGEST

    def hung_up(self, largest: Outgoing | None, code: int) -> bool:
        """A connection ended with `largest` of all that was under way, and with the broker's `code`; True when that
        message must not be sent again."""
        large = largest is not None and len(largest.payload) > SURE
        self._hang_ups = 1 + (self._hang_ups if largest is self._doubted else 0) if large else 0
        self._doubted = largest
        if largest is None or not large or (self._hang_ups < HANG_UPS and code != TOO_LARGE):
            return False
        self._learned = len(largest.payload) - 1
        self._doubted = None
        return True
