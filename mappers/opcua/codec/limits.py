"""What a hostile server may make this process hold, and four holes of asyncua's decoder that are closed here."""

from collections.abc import Callable
from functools import cache
from typing import IO, Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from asyncua.ua.uaerrors import UaError

DEPTH = 32
"""Levels of structures, variants and data values inside one another."""
VALUES = 200_000
"""Values of one structure that are no bare numbers in a list: of those the bytes themselves are the bound."""
TYPES = 2_000
"""Data types of one server that are asked for at once."""
LEVELS = 64
"""Supertypes above one data type, and types inside one another, that are looked up."""
DICTIONARY = 4_000_000
"""Bytes of an OPC Binary type dictionary."""
ELEMENTS = 300_000
"""Of all lists in one message that are no bare numbers: one byte may be an object of hundreds."""


class NoNulls:
    """An array of Null takes no bytes, so asyncua would believe nine bytes that there are two thousand million of
    them. No such array has a meaning: Null is no type that a value has (Part 6, 5.1.2)."""

    @staticmethod
    def unpack_array(_: Any, length: int) -> list[Any]:
        if length > 0:
            raise UaError(f"an array of {length} Nulls")
        return []

    @staticmethod
    def pack_array(data: Any) -> bytes:
        return b"\xff\xff\xff\xff" if data is None else len(data).to_bytes(4, "little", signed=True)


def unpack_bytes(data: Buffer | IO[bytes]) -> bytes | None:
    """asyncua would go back by a negative length and read the same bytes again, as often as an array claims."""
    length = ua_binary.Primitives.Int32.unpack(data)
    if length < 0:
        return None
    found: bytes = data.read(length)
    return found


class XmlBody(ua.ByteString):
    """Of a structure that the server has in XML, which we do not read."""


_XML = 2
_unpack_extension = ua_binary.extensionobject_from_binary


def unpack_extension(data: Buffer) -> Any:
    """asyncua would take the bytes of an XML body (Part 6, 5.2.2.15) for what comes after it, and the whole message
    would be lost."""
    ahead = data.copy()
    type_id = ua_binary.nodeid_from_binary(ahead)
    if ahead.read(1)[0] != _XML:
        return _unpack_extension(data)
    body = unpack_bytes(ahead)
    data.skip(len(data) - len(ahead))
    return ua.ExtensionObject(type_id, XmlBody(body or b""))


class _Budget:
    """Elements that the message which is being decoded may still have."""

    def __init__(self) -> None:
        self._message: object = None
        self._left = 0

    def spend(self, data: Buffer) -> None:
        """On the list that begins here. Raises UaError."""
        if data._data is not self._message:  # noqa: SLF001 - shared by all parts of one message
            self._message, self._left = data._data, ELEMENTS  # noqa: SLF001
        self._left -= max(0, ua_binary.Primitives.Int32.unpack(data.copy(4)))
        if self._left < 0:
            raise UaError(f"a message with lists of more than {ELEMENTS} elements")


_budget = _Budget()
Decoder = Callable[[Any], Any]


def _bounded(make: Callable[[Any], Decoder]) -> Callable[[Any], Decoder]:
    """Of what makes decoders of lists, by the type of an element."""

    @cache
    def made(kind: Any) -> Decoder:
        decode = make(kind)
        if hasattr(ua_binary.Primitives1, getattr(kind, "name", "")):
            return decode

        def bounded(data: Any) -> Any:
            _budget.spend(data)
            return decode(data)

        return bounded

    return made


def close_holes() -> None:
    """In every decoder that asyncua makes from now on, whatever it has made before."""
    ua_binary.Primitives1.Null = NoNulls  # type: ignore[attr-defined]
    ua_binary._Bytes.unpack = staticmethod(unpack_bytes)  # type: ignore[method-assign]  # noqa: SLF001
    ua_binary.extensionobject_from_binary = unpack_extension
    for name in ("_create_uatype_array_deserializer", "_create_list_deserializer"):
        setattr(ua_binary, name, _bounded(getattr(ua_binary, name).__wrapped__))
    for made in ("_create_uatype_deserializer", "_create_type_deserializer"):
        getattr(ua_binary, made).cache_clear()
    ua_binary._create_dataclass_deserializer.cache_clear()  # noqa: SLF001


close_holes()
