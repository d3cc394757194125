"""What pymodbus has to know of requests and answers: their bytes, and how long an RTU frame is."""

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU


class Call(ModbusPDU):
    """A request whose bytes are known."""

    def __init__(self, pdu: bytes, unit: int) -> None:
        super().__init__(dev_id=unit)
        self.function_code = pdu[0]
        self._data = pdu[1:]

    def encode(self) -> bytes:
        return self._data


class Answer(ModbusPDU):
    """An answer as it came."""

    def __init__(self, pdu: bytes) -> None:
        super().__init__()
        self.pdu = pdu


class _Counted(ModbusPDU):
    """Size of the answer to a read on a serial line."""

    rtu_byte_count_pos = 2


class _Echo(ModbusPDU):
    """Size of the answer to a write."""

    rtu_frame_size = 8


class _MaskEcho(ModbusPDU):
    rtu_frame_size = 10


class _Identity(ModbusPDU):
    """Size of a device identification: unit, six bytes of header, how many objects, then each with its length."""

    @classmethod
    def calculateRtuFrameSize(cls, data: bytes) -> int:  # noqa: N802  pymodbus's name
        """0: more bytes must come before it can be told."""
        size = 8
        for _ in range(data[7] if len(data) > 7 else 256):
            if len(data) < size + 2:
                return 0
            size += 2 + data[size + 1]
        return size + 2


_SIZES: dict[int, type[ModbusPDU]] = {
    **dict.fromkeys((1, 2, 3, 4), _Counted),
    **dict.fromkeys((5, 6, 15, 16), _Echo),
    22: _MaskEcho,
    43: _Identity,
}


class Decoder(DecodePDU):
    """Judges nothing and decodes nothing, so that no answer, however odd, can raise inside the event loop."""

    def lookupPduClass(self, data: bytes) -> type[ModbusPDU] | None:  # noqa: N802  pymodbus's name
        known = _SIZES.get(data[1] & 0x7F)
        return ExceptionResponse if known and data[1] & 0x80 else known

    def decode(self, frame: bytes) -> ModbusPDU:
        return Answer(frame)


class WholeRtu(FramerRTU):
    """Takes one frame at a time: pymodbus throws away what came right behind one, such as the answer that is waited for
    behind a late one of another unit."""

    def decode(self, data: bytes) -> tuple[int, int, int, bytes]:
        """Used bytes, unit, 0, PDU; no PDU: more must come, or there is none."""
        used, unit, number, pdu = super().decode(data)
        if pdu:
            body = bytes((unit,)) + pdu
            used = data.index(body) + len(body) + 2
        return used, unit, number, pdu


def rtu_sizes(data: bytes) -> list[tuple[int, bool]]:
    """How long an RTU frame that begins here may be: as an answer, and as a request that cannot be one (True)."""
    kind = Decoder(False).lookupPduClass(data)
    if kind is None:
        return []
    sizes = [(kind.calculateRtuFrameSize(data), False)]
    function = data[1]
    if function in (1, 2, 3, 4):
        sizes.append((8, True))
    elif function in (15, 16) and len(data) > 6:
        sizes.append((9 + data[6], True))
    return sizes
