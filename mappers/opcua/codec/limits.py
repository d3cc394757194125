"""What a hostile server may make this process hold, and three holes of asyncua's decoder that are closed here."""

import functools
from collections.abc import Callable
from typing import IO, Any

from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from asyncua.ua.uaerrors import UaError

DEPTH = 32
"""Levels of structures, variants and data values inside one another."""
VALUES = 200_000
"""Values of one list or structure, but of bare numbers in a list: of those the bytes themselves are the bound."""
TYPES = 2_000
"""Data types of one server that are asked for at once."""
LEVELS = 64
"""Supertypes above one data type, and types inside one another, that are looked up."""
DICTIONARY = 4_000_000
"""Bytes of an OPC Binary type dictionary."""


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


def bounded(make: Callable[[Any], Any]) -> Any:
    """What asyncua makes to read lists reads `VALUES` at most, but of bare numbers: one byte each could be an object of
    hundreds."""

    @functools.cache
    def made(kind: Any) -> Any:
        unpack = make(kind)
        if hasattr(ua_binary.Primitives1, getattr(kind, "name", "")):
            return unpack

        def checked(data: Buffer) -> Any:
            count = ua_binary.Primitives.Int32.unpack(data.copy(4))
            if count > VALUES:
                raise UaError(f"a list of {count}; at most {VALUES} are taken")
            return unpack(data)

        return checked

    return made


def close_holes() -> None:
    """In every decoder that asyncua makes from now on, whatever it has made before."""
    ua_binary.Primitives1.Null = NoNulls  # type: ignore[attr-defined]
    ua_binary._Bytes.unpack = staticmethod(unpack_bytes)  # type: ignore[method-assign]  # noqa: SLF001
    for name in ("_create_uatype_array_deserializer", "_create_list_deserializer"):
        setattr(ua_binary, name, bounded(getattr(ua_binary, name).__wrapped__))
    for made in ("_uatype_deserializer", "_uatype_array_deserializer", "_list_deserializer", "_type_deserializer"):
        getattr(ua_binary, f"_create{made}").cache_clear()
    ua_binary._create_dataclass_deserializer.cache_clear()  # noqa: SLF001


close_holes()
