"""pymodbus's ASCII frames on a line that garbles: pymodbus raises where the unit is not two hex digits."""

import re

from pymodbus.framer import FramerAscii

_WHOLE = re.compile(rb":(?:[0-9A-Fa-f]{2}){3,}\r\n")


class SafeAscii(FramerAscii):
    """Passes over everything that is no frame of hex digits, and leaves a beginning to wait for its end."""

    def decode(self, data: bytes) -> tuple[int, int, int, bytes]:
        """Used bytes, unit, 0, PDU; no PDU: more must come."""
        used = 0
        while (found := _WHOLE.search(data, used)) is not None:
            _, unit, number, pdu = super().decode(found.group())
            used = found.end()
            if pdu:
                return used, unit, number, pdu
        begin = data.rfind(self.START, used)
        return (len(data) if begin < 0 else begin), 0, 0, self.EMPTY
