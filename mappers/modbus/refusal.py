"""Exception responses: what they are called, what they mean for a request, and what to try. Pure.

Modbus Application Protocol V1.1b3, section 7.
"""

EXCEPTIONS = {
    1: "ILLEGAL FUNCTION",
    2: "ILLEGAL DATA ADDRESS",
    3: "ILLEGAL DATA VALUE",
    4: "SERVER DEVICE FAILURE",
    5: "ACKNOWLEDGE",
    6: "SERVER DEVICE BUSY",
    8: "MEMORY PARITY ERROR",
    10: "GATEWAY PATH UNAVAILABLE",
    11: "GATEWAY TARGET DEVICE FAILED TO RESPOND",
}
"""Names of the exception codes."""
_TO_TRY = {
    1: "it does not read this table; look at primaryTable",
    2: "there is no such register; look at startingAddress, addressBase and primaryTable",
    3: "it does not read so many at once; try MaxRegisters",
    4: "it has a fault; look at the device itself",
    5: "it is busy with something that takes long; ask less often",
    6: "it has no time; ask less often, or set BusyRetries",
    8: "it has a fault in its memory; look at the device itself",
}
WHEN_READ = {str(code): f"{EXCEPTIONS[code]}: {what}" for code, what in _TO_TRY.items()} | {
    "timeout": "it answers other requests; one that is asked too fast wants RequestDelay: 50ms, "
    "a slow one a longer Timeout"
}
"""By code, the name and what to try when a read is refused; 10 and 11 are silence. By `timeout`, the same for an
answer that did not come though others did."""
_OF_WRITES = {
    2: "there is no such register to be written; look at startingAddress, addressBase and primaryTable",
    3: "it does not take this value; look at its range, at scale and byteOrder",
    4: "it cannot do that now; is its remote control switched on?",
}
ACKNOWLEDGE, BUSY = 5, 6
NOT_THERE = (10, 11)
"""Codes by which a gateway says that the unit behind it is silent."""
READS = (1, 2, 3, 4)
_OTHER = {5: 15, 6: 16, 15: 5, 16: 6}
"""The function that writes the same values, where one is enough for the other."""


def code_of(answer: bytes) -> int | None:
    """The code of a whole exception response; None: the answer is none."""
    return answer[1] if len(answer) == 2 and answer[0] & 0x80 else None


def is_accepted(pdu: bytes, code: int | None) -> bool:
    """A write that the device took and is still busy with; a read has nothing to show yet."""
    return code == ACKNOWLEDGE and pdu[0] not in READS


def is_worth_asking_again(pdu: bytes, code: int | None) -> bool:
    """Whether the device only has no time now. A write that it acknowledged is not sent twice."""
    return code == BUSY or (code == ACKNOWLEDGE and pdu[0] in READS)


def said(pdu: bytes, code: int) -> str:
    """Of a refused request, in words, with what to try."""
    name = EXCEPTIONS.get(code, "unknown exception")
    hint = _hint(pdu, code)
    return f"exception {code} {name}{'; ' + hint if hint else ''}"


def _hint(pdu: bytes, code: int) -> str:
    function = pdu[0]
    if code == 1 and function in _OTHER and _writes_one(pdu):
        return f"it has no function {function}; try writeFunction: {_OTHER[function]}"
    if code == 1 and function == 22:
        return "it has no function 22; leave writeFunction out, and the register is read, changed and written"
    if code == BUSY:
        return "it has no time now; try again, or set BusyRetries"
    return "" if function in READS else _OF_WRITES.get(code, "")


def _writes_one(pdu: bytes) -> bool:
    return pdu[0] in (5, 6) or int.from_bytes(pdu[3:5]) == 1
