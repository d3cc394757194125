"""Status codes: what they mean for a value, what to try, and when they say that the session is gone. Pure.

Names and numbers: OPC UA Part 4, 7.38 and Part 6, A.2.
"""

from gateway.model.reading import Quality, refused

GONE = frozenset(
    {
        "BadSessionIdInvalid", "BadSessionClosed", "BadSessionNotActivated", "BadSecureChannelIdInvalid",
        "BadSecureChannelClosed", "BadSecureChannelTokenUnknown", "BadConnectionClosed", "BadServerHalted",
        "BadShutdown", "BadCommunicationError", "BadTcpSecureChannelUnknown", "BadTcpInternalError",
        "BadServerNotConnected",
    }
)  # fmt: skip
"""A whole request that ends so: there is no session any more."""
TOO_MUCH = frozenset(
    {
        "BadTooManyOperations", "BadEncodingLimitsExceeded", "BadRequestTooLarge", "BadResponseTooLarge",
        "BadTcpMessageTooLarge",
    }
)  # fmt: skip
"""A whole request that ends so may pass in halves."""
WHEN_READ = {
    "BadNodeIdUnknown": "the server has no such node; look at nodeId, and at its namespace: an index (ns=2) may have "
    "moved, a URI (nsu=...) does not",
    "BadNodeIdInvalid": "the server does not take such a node id; look at nodeId",
    "BadNoMatch": "the browse path leads nowhere; look at its names and at their namespaces",
    "BadTooManyMatches": "the browse path leads to several nodes; give nodeId instead",
    "BadBrowseNameInvalid": "a name of the browse path is not taken; look at browsePath",
    "BadAttributeIdInvalid": "the node holds no value; it is a folder, an object or a method, look at nodeId",
    "BadNotReadable": "the node cannot be read; make readWrite W, or change its access on the server",
    "BadUserAccessDenied": "this user may not; look at UserName, or at the rights of this user on the server",
    "BadSecurityModeInsufficient": "the server gives it over an encrypted session only; see SecurityMode",
    "BadNotSupported": "the server does not do this with this node",
    "BadNotImplemented": "the server does not do this with this node",
    "BadDeadbandFilterInvalid": "the node has no such deadband: one of a share (2%) wants a node with an EURange",
    "BadFilterNotAllowed": "the server does not watch this node so; leave deadband and trigger out",
    "BadMonitoredItemFilterUnsupported": "the server does not watch nodes so; leave deadband and trigger out",
    "BadMonitoredItemFilterInvalid": "the server does not take this deadband, trigger or eventType; leave it out",
    "BadEventFilterInvalid": "the server does not take these events; look at eventType",
    "BadTooManyMonitoredItems": "the server watches no more nodes; name fewer, or let some be read (subscribe: false)",
    "BadDataEncodingUnsupported": "the server cannot send this value in the binary encoding",
    "BadResponseTooLarge": "the value is too large for one message",
    "BadEncodingLimitsExceeded": "the value is too large for one message",
}
"""By name, what to try when the server refuses to read a node."""
WHEN_WRITTEN = {
    "BadNotWritable": "the node cannot be written; make readWrite R, or change its access on the server",
    "BadUserAccessDenied": "this user may not write it; look at UserName, or at the rights of this user on the server",
    "BadTypeMismatch": "the node holds another type; look at valueType",
    "BadOutOfRange": "the server does not take this value; look at the range of the node, at minimum and maximum",
    "BadWriteNotSupported": "the server writes no status and no timestamps with a value",
    "BadLocked": "the node is locked on the server",
    "BadNotExecutable": "the method cannot be called now",
    "BadArgumentsMissing": "the method wants more arguments",
    "BadTooManyArguments": "the method takes fewer arguments",
    "BadInvalidArgument": "an argument is not taken; look at its type and range",
    "BadInvalidState": "the server cannot do this in its present state",
    "BadEventIdUnknown": "the server does not know this event any more; take the newest EventId of the condition",
    "BadConditionBranchAlreadyAcked": "somebody has acknowledged it before",
    "BadConditionAlreadyShelved": "it is shelved already",
}
"""The same for writes and calls, beside those of reads."""


WHEN_CALLED = dict.fromkeys(
    ("BadNodeIdUnknown", "BadNodeIdInvalid", "BadMethodInvalid"),
    "the object has no such method; look at methodId and objectId, and at their namespaces",
)
"""What to try when a call ended so, where it is something else than for a write."""


def said(name: str, *, called: bool = False) -> str:
    """A refused write or call, in words, with what to try where that is known."""
    found = (WHEN_CALLED.get(name) if called else "") or WHEN_WRITTEN.get(name) or WHEN_READ.get(name)
    return f"{name}: {found}" if found else name


def name_of(code: int) -> str:
    """Its name in the standard; its number where it has none. The lower half says more of a value, never what is wrong
    with it."""
    from asyncua.ua.status_codes import code_to_name_doc

    found: tuple[str, str] | None = code_to_name_doc.get(code & 0xFFFF0000)
    return found[0] if found else f"0x{code & 0xFFFF0000:08X}"


def quality(code: int) -> Quality | None:
    """Of a value with this status; None: good. With a bad one there is no value, with an uncertain one there is."""
    if not code >> 30:
        return None
    name = name_of(code)
    if code >> 30 == 1:
        return Quality("uncertain", "device", name)
    return refused(name) if name in WHEN_READ else Quality("bad", "device", name)
