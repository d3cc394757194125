"""Modbus frames made from the specifications alone, to check those who read them with."""

import struct


def crc(data: bytes) -> bytes:
    """CRC-16 of Modbus over Serial Line V1.02, 2.5.1.2: low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def lrc(data: bytes) -> bytes:
    """Modbus over Serial Line V1.02, 2.5.2.2."""
    return bytes((-sum(data) & 0xFF,))


def framed(framing: str, unit: int, pdu: bytes, transaction: int = 0) -> bytes:
    """`tcp`, `rtu` or `ascii`."""
    body = bytes((unit,)) + pdu
    if framing == "tcp":
        return struct.pack(">HHH", transaction, 0, len(body)) + body
    if framing == "rtu":
        return body + crc(body)
    return b":" + (body + lrc(body)).hex().upper().encode() + b"\r\n"


def unframed(framing: str, frame: bytes) -> tuple[int, int, bytes]:
    """Transaction, unit and PDU of a frame that is whole."""
    if framing == "tcp":
        return int.from_bytes(frame[:2]), frame[6], frame[7:]
    body = frame[:-2] if framing == "rtu" else bytes.fromhex(frame[1:-4].decode())
    return 0, body[0], body[1:]
