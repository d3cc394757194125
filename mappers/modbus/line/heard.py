"""What came instead of an answer, and what that says about the line: baud rate, framing, unit id, another master."""

from dataclasses import dataclass, field
from typing import NamedTuple

from pymodbus.framer.rtu import FramerRTU

from mappers.modbus.line.connection import Serial, Tcp
from mappers.modbus.line.frames import rtu_sizes

MOST = 512
"""Bytes that are looked at."""
_SERIAL = "look at the unit id, at baud rate and parity, and at the wires (A and B swapped?)"
_TCP = "look at the unit id"
_HASTE = "one that is asked too fast wants RequestDelay: 50ms"
_REST = "one that needs a rest after connecting wants ConnectDelay: 1s"
_FRESH = f"this may not be the port for Modbus, or it serves another program already and takes one only; {_REST}"
_OFTEN = f": {_HASTE}, one that hangs up by itself IdleTimeout: 5s"
FEW = 20
"""Answers, at most, after which a lost connection looks like the device's own way."""
_BEHIND = "look at the unit id, and at the serial settings of what stands between"


class Frame(NamedTuple):
    """An RTU frame whose check sum is right."""

    unit: int
    is_request: bool
    """It can only be one."""
    bytes: bytes


@dataclass(slots=True)
class Heard:
    """Of one connection: the last request, what came since, and what came when nothing was asked."""

    settings: Tcp | Serial
    sent: bytes = b""
    came: bytes = b""
    uninvited: bytes = b""
    answered: set[int] = field(default_factory=set)
    """Units that answered."""
    answers: int = 0
    _held: bytes = b""

    def opened(self) -> None:
        """A connection begins."""
        self.sent = self.came = self.uninvited = self._held = b""
        self.answered.clear()
        self.answers = 0

    def asks(self, frame: bytes) -> None:
        """A request goes out."""
        self.sent, self.came, self._held = frame, b"", b""

    def answer(self, unit: int) -> None:
        """A unit answered what it was asked."""
        self.answered.add(unit)
        self.answers += 1

    def hears(self, buffer: bytes, invited: bool) -> None:
        """pymodbus gives what came together with what it has not used yet of what came before."""
        new = buffer[len(self._held) :] if self._held and buffer.startswith(self._held) else buffer
        self._held = buffer
        if invited:
            self.came = (self.came + new)[:MOST]
        else:
            self.uninvited = (self.uninvited + new)[-MOST:]

    # ---------------------------------------------------------------------------------------------------- in words

    def why(self, unit: int, framing: str) -> str:
        """Why a unit seems not to answer, and what to try. `framing`: in which it was asked."""
        if not self.came:
            return self._silence(unit)
        told = _other_framing(self.came, framing, isinstance(self.settings, Serial))
        if told:
            return told
        return self._among_tcp(unit) if framing == "tcp" else self._among_rtu(unit)

    def hung_up(self) -> str:
        """Why the connection may have ended, and what to try."""
        if isinstance(self.settings, Serial):
            return "the connection was lost"
        if not self.answers:
            return f"the connection was lost before any answer: {_FRESH}"
        count = f"{self.answers} answer{'s' if self.answers > 1 else ''}"
        return f"the connection was lost after {count}{_OFTEN if self.answers <= FEW else ''}"

    def _silence(self, unit: int) -> str:
        if unit in self.answered:
            return f"nothing at all was heard, and it answered before: look at its power, and at its Timeout; {_HASTE}"
        if self.answered:
            return "nothing at all was heard, and others here answer: look at the unit id, and whether it has power"
        if isinstance(self.settings, Serial):
            return f"nothing at all was heard: {_SERIAL}"
        if self.settings.framing == "rtu":
            return f"nothing at all was heard: {_BEHIND}; or it wants Framing: tcp"
        hint = "; a plain serial server wants Framing: rtu" if self.settings.framing == "tcp" else ""
        rest = "" if self.settings.connect_delay else f"; {_REST}"
        return f"nothing at all was heard: {_TCP}{hint}{rest}"

    def _among_tcp(self, unit: int) -> str:
        others = {other for other in _mbap_units(self.came) if other != unit}
        if others:
            return f"unit {min(others)} answered in its place: that may be its unit id"
        return "an answer to an earlier request came: its Timeout is too short"

    def _among_rtu(self, unit: int) -> str:
        if self.sent and self.came == self.sent:
            return "only our own request came back: the adapter echoes what it sends; switch that off"
        frames = frames_in(self.came.removeprefix(self.sent))
        asking = [frame.unit for frame in [*frames, *frames_in(self.uninvited)] if frame.is_request]
        if asking:
            return f"another master is on the line, it asks unit {asking[0]}: a serial line has one; stop the other"
        others = [frame.unit for frame in frames if frame.unit != unit]
        if others:
            return f"unit {others[0]} answered in its place: that may be its unit id, or another master asks that one"
        if self.answered - {unit}:
            return (
                "what came is no frame, and others here answer well: its baud rate or parity is another, "
                "or two devices have this unit id"
            )
        return "what came is no frame: wrong baud rate, parity or stop bits, or two masters or devices talk at once"


def _other_framing(came: bytes, framing: str, serial: bool) -> str:
    """What is said when the other side speaks, but in other frames."""
    text = came[:1] == b":" and all(byte in b"0123456789ABCDEF\r\n:" for byte in came)
    if text and framing != "ascii":
        return "it speaks Modbus ASCII" + (": write modbus-ascii instead of modbus-rtu" if serial else "")
    if framing == "rtu" and not serial and _mbap_units(came):
        return "it answers in Modbus TCP frames: leave Framing: rtu out"
    if framing != "rtu" and frames_in(came):
        where = "write modbus-rtu instead of modbus-ascii" if serial else "write Framing: rtu"
        return f"it answers in RTU frames: {where}"
    if framing == "tcp" and not _mbap_units(came):
        start = came[:20].split(b"\r")[0].decode("ascii", "replace")
        shown = f"; it says {start!r}" if start.isprintable() and len(start) > 3 else ""
        return f"what came is no whole Modbus TCP frame{shown}: this may not be the port for Modbus"
    return ""


def frames_in(data: bytes) -> list[Frame]:
    """All RTU frames among other bytes."""
    found, at = [], 0
    while at + 4 <= len(data):
        frame = _frame_at(data[at : at + 260])
        if frame is None:
            at += 1
        else:
            found.append(frame)
            at += len(frame.bytes)
    return found


def _frame_at(data: bytes) -> Frame | None:
    for size, is_request in rtu_sizes(data):
        whole = data[:size]
        if 4 <= size <= len(data) and FramerRTU.compute_CRC(whole[:-2]).to_bytes(2) == whole[-2:]:
            return Frame(whole[0], is_request, whole)
    return None


def _mbap_units(data: bytes) -> list[int]:
    """Units of all Modbus TCP frames that follow each other from the beginning."""
    units = []
    while len(data) >= 8 and data[2:4] == b"\0\0" and 2 <= (length := int.from_bytes(data[4:6])) <= 254:
        if len(data) < 6 + length:
            break
        units.append(data[6])
        data = data[6 + length :]
    return units
