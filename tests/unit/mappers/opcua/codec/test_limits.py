"""Lists that a few bytes of a hostile server could blow up."""

import struct

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import from_binary, struct_from_binary, variant_from_binary
from asyncua.ua.uaerrors import UaError

from mappers.opcua.codec import limits
from mappers.opcua.codec.structure import Types

XML = b"<a>\xc3\xbc</a>"
MANY = limits.ELEMENTS + 1
ARRAY = 0x80


@pytest.mark.parametrize("kind", [ua.VariantType.Variant, ua.VariantType.DataValue, ua.VariantType.String])
def test_an_array_of_more_than_anybody_needs_is_not_read(kind: ua.VariantType) -> None:
    data = struct.pack("<Bi", ARRAY | kind.value, MANY) + bytes(4 * MANY)
    with pytest.raises(UaError, match=f"more than {limits.ELEMENTS} elements"):
        variant_from_binary(Buffer(data))


def test_numbers_are_bounded_by_their_bytes() -> None:
    data = struct.pack("<Bi", ARRAY | ua.VariantType.Byte.value, MANY) + bytes(MANY)
    assert len(variant_from_binary(Buffer(data)).Value) == MANY


def test_a_list_in_an_answer_is_bounded_and_shorter_ones_are_read() -> None:
    with pytest.raises(UaError, match="elements"):
        from_binary("list[ua.DataValue]", Buffer(struct.pack("<i", MANY) + bytes(MANY)))
    results = from_binary("list[ua.DataValue]", Buffer(struct.pack("<i", 3) + bytes(3)))
    assert results == [ua.DataValue()] * 3
    header = struct_from_binary(ua.ResponseHeader, Buffer(bytes(24)))
    assert header.StringTable == []


def test_a_structure_in_xml_is_kept_and_what_follows_it_is_read() -> None:
    """Part 6, 5.2.2.15."""
    one = struct.pack("<BBHBi", 1, 2, 7, 2, len(XML)) + XML
    data = Buffer(struct.pack("<Bi", ARRAY | ua.VariantType.ExtensionObject.value, 2) + one * 2 + b"rest")

    found = variant_from_binary(data)

    assert Types().natural(found) == [{"TypeId": "ns=2;i=7", "Body": "<a>ü</a>"}] * 2
    assert bytes(data) == b"rest"
