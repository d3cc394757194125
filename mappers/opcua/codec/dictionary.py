"""OPC Binary type dictionaries (OPC UA 1.03, Part 3, annex C): what structures are on servers that do not say it in
DataTypeDefinition. Pure. asyncua's own reader of them makes Python code of what the server wrote and runs it."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Hashable
from typing import Any

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from mappers.opcua.codec import limits, standard
from mappers.opcua.codec.natural import clean
from mappers.opcua.codec.structure import Field, Kind, Structure

V = ua.VariantType
_OPC = "{http://opcfoundation.org/BinarySchema/}"
_UA = "http://opcfoundation.org/UA/"
_NAMES = {
    "Boolean": V.Boolean, "SByte": V.SByte, "Byte": V.Byte, "Int16": V.Int16, "UInt16": V.UInt16, "Int32": V.Int32,
    "UInt32": V.UInt32, "Int64": V.Int64, "UInt64": V.UInt64, "Float": V.Float, "Double": V.Double, "String": V.String,
    "CharArray": V.String, "DateTime": V.DateTime, "Guid": V.Guid, "ByteString": V.ByteString,
}  # fmt: skip
_ANY = {"Variant": V.Variant, "ExtensionObject": V.ExtensionObject}
"""What is called otherwise as a data type (BaseDataType, Structure)."""
MASK = 32
"""Bits that say which optional fields are there (Part 6, 5.2.7)."""


class Dictionaries:
    """Of one server."""

    def __init__(self) -> None:
        self._books: dict[Hashable, _Book] = {}

    def add(self, key: Hashable, text: Any) -> None:
        """A dictionary, as its node's value; one that cannot be read has no structures."""
        data = text.encode() if isinstance(text, str) else text
        if not isinstance(data, bytes) or len(data) > limits.DICTIONARY or b"<!DOCTYPE" in data or 0 in data:
            return
        try:
            root = ET.fromstring(data)  # noqa: S314 - bounded, UTF-8 and without a DOCTYPE: no entities
        except ET.ParseError:
            return
        self._books[key] = _Book(root, _prefixes(data))

    def structure(self, key: Hashable, name: str) -> Structure | None:
        """By the name a dictionary has for it; None: not there, or not to be understood."""
        book = self._books.get(key)
        try:
            return None if book is None else book.structure(name, 0)
        except ValueError:
            return None


def _prefixes(data: bytes) -> dict[str, str]:
    """Names of types have prefixes inside attributes, which ElementTree forgets."""
    found = re.findall(rb"""xmlns:([\w.-]+)\s*=\s*["']([^"']*)["']""", data)
    return {prefix.decode(): uri.decode(errors="replace") for prefix, uri in found}


class _Book:
    """One dictionary."""

    def __init__(self, root: ET.Element, prefixes: dict[str, str]) -> None:
        self._target = root.get("TargetNamespace", "")
        self._prefixes = prefixes
        self._elements = {one.get("Name", ""): one for one in root if one.get("Name")}
        self._known: dict[str, Structure | None] = {}

    def structure(self, name: str, depth: int) -> Structure | None:
        """None: there is none of this name, or it has what we do not understand (bits that are no mask, lengths in
        bytes, types of other dictionaries)."""
        element = self._elements.get(name)
        if element is None or element.tag != f"{_OPC}StructuredType" or depth > limits.DEPTH:
            return None
        if name not in self._known:
            before = set(self._known)
            found = self._known[name] = Structure(clean(name), None)
            if not self._fill(found, element, depth):
                for other in self._known.keys() - before:  # it may be inside them
                    del self._known[other]
                self._known[name] = None
        return self._known[name]

    def _fill(self, found: Structure, element: ET.Element, depth: int) -> bool:
        bits: dict[str, int] = {}
        fields: list[Field] = []
        width = 0
        members = [one for one in element if one.tag == f"{_OPC}Field"]
        lengths = {one.get("LengthField") for one in members}
        for one in members:
            name = one.get("Name", "")
            if one.get("TypeName", "").endswith(":Bit"):
                bits[name] = width
                width += int(one.get("Length", "1"))
                if fields or width > MASK:
                    return False
            elif name not in lengths and not self._is_switch(one, members):
                field = self._field(one, bits, depth)
                if field is None:
                    return False
                fields.append(field)
        chosen = [one.get("SwitchValue") for one in members if one.get("SwitchValue")]
        found.union = bool(chosen)
        found.masked = bool(width)
        found.fields = tuple(fields)
        in_order = chosen == [str(at) for at in range(1, len(fields) + 1)] or not chosen
        return width in (0, MASK) and in_order and not (found.union and found.masked)

    def _is_switch(self, one: ET.Element, members: list[ET.Element]) -> bool:
        """The number that says which field of a union is there."""
        return any(m.get("SwitchField") == one.get("Name") and m.get("SwitchValue") for m in members)

    def _field(self, one: ET.Element, bits: dict[str, int], depth: int) -> Field | None:
        kind = self._kind(one.get("TypeName", ""), depth)
        if kind is None or one.get("Length") or one.get("IsLengthInBytes") == "true" or one.get("Terminator"):
            return None
        switch = one.get("SwitchField")
        bit = None
        if switch and not one.get("SwitchValue"):
            if switch not in bits:
                return None
            bit = bits[switch]
        return Field(clean(one.get("Name", "")), kind, 1 if one.get("LengthField") else -1, bit)

    def _kind(self, type_name: str, depth: int) -> Kind | None:
        prefix, _, name = type_name.rpartition(":")
        uri = self._prefixes.get(prefix, "")
        if f"{{{uri}}}" == _OPC:
            return _NAMES.get(name)
        if uri == _UA and uri != self._target:
            if name in _ANY:
                return _ANY[name]
            number = getattr(ObjectIds, name, None)
            return standard.kind_of(ua.NodeId(ua.Int32(number))) if isinstance(number, int) else None
        if uri != self._target:
            return None
        element = self._elements.get(name)
        if element is not None and element.tag == f"{_OPC}EnumeratedType":
            return {"8": V.Byte, "16": V.Int16, "32": V.Int32}.get(element.get("LengthInBits", "32"))
        return self.structure(name, depth + 1)
