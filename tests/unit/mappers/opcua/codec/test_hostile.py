"""T22: structures of hostile servers cost little and end as bad values."""

import struct
from contextlib import suppress

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary, variant_from_binary
from asyncua.ua.uaerrors import UaError
from hypothesis import given, settings
from hypothesis import strategies as st

from mappers.opcua.codec import limits
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.codec.structure import Field, Structure, Types
from tests.unit.mappers.opcua.codec.peer import NAMESPACE

V = ua.VariantType


def types_of(*structures: Structure) -> Types:
    return Types({one.encoding: one for one in structures if one.encoding is not None})


def wrapped(one: Structure, data: bytes) -> ua.ExtensionObject:
    return ua.ExtensionObject(one.encoding, data)


def refused(ours: Structure, data: bytes) -> str:
    with pytest.raises(Misfit) as found:
        types_of(ours).natural(wrapped(ours, data))
    assert found.value.quality.level == "bad"
    return found.value.quality.code


@pytest.mark.parametrize("kind", [V.Double, V.String, V.Variant, V.NodeId, V.ByteString])
@pytest.mark.parametrize("count", [2**31 - 1, 1_000_000])
def test_lists_that_claim_more_than_there_is_cost_nothing(kind: ua.VariantType, count: int) -> None:
    """huge arrays."""
    ours = Structure("Long", ua.NodeId(8, NAMESPACE), (Field("All", kind, 1),))

    assert refused(ours, struct.pack("<i", count) + b"\0" * 16)


def test_lists_of_structures_without_fields_are_bounded() -> None:
    """elements of no bytes."""
    empty = Structure("Empty", ua.NodeId(10, NAMESPACE))
    ours = Structure("Long", ua.NodeId(8, NAMESPACE), (Field("All", empty, 1),))

    assert "more than 200000 values" in refused(ours, struct.pack("<i", 2**31 - 1))


@pytest.mark.parametrize("sizes", [[2**31 - 1] * 32, [2**31 - 1, 2**31 - 1], [1] * 33, [-1, 2**31 - 1]])
def test_dimensions_that_claim_more_than_there_is_cost_nothing(sizes: list[int]) -> None:
    ours = Structure("Wide", ua.NodeId(8, NAMESPACE), (Field("All", V.Double, 2), Field("Next", V.Double)))

    assert refused(ours, struct.pack(f"<i{len(sizes)}i", len(sizes), *sizes))


def test_structures_inside_themselves_end_at_a_depth() -> None:
    """nested structures."""
    ours = Structure("Tree", ua.NodeId(8, NAMESPACE))
    ours.fields = (Field("Inner", ours, 1),)

    assert f"more than {limits.DEPTH} levels" in refused(ours, struct.pack("<i", 1) * 5_000)


def test_extension_objects_inside_one_another_end_at_a_depth() -> None:
    """nested ExtensionObjects."""
    ours = Structure("Tree", ua.NodeId(8, NAMESPACE), (Field("Inner", V.ExtensionObject),))
    data = b"\0\0\0"
    for _ in range(40):
        data = struct.pack("<BBHB", 1, NAMESPACE, 8, 1) + struct.pack("<i", len(data)) + data

    assert "levels" in refused(ours, data)


def test_variants_inside_one_another_end_at_a_depth() -> None:
    ours = Structure("Tree", ua.NodeId(8, NAMESPACE), (Field("Inner", V.Variant),))

    assert refused(ours, b"\x18" * 100_000)


@pytest.mark.parametrize("kind", [V.String, V.ByteString, V.XmlElement, V.LocalizedText])
def test_text_of_a_negative_length_is_none_and_does_not_go_back(kind: ua.VariantType) -> None:
    """asyncua's own reader would read the same eight bytes two thousand million times."""
    data = bytes([0x80 | kind]) + struct.pack("<i", limits.ELEMENTS) + struct.pack("<i", -4)
    with pytest.raises(NotEnoughData):
        variant_from_binary(Buffer(data))


def test_a_list_of_nulls_is_not_believed() -> None:
    """nine bytes for two thousand million Nulls."""
    with pytest.raises(UaError, match="2147483647 Nulls"):
        variant_from_binary(Buffer(b"\x80" + struct.pack("<i", 2**31 - 1)))
    ours = Structure("Any", ua.NodeId(8, NAMESPACE), (Field("It", V.Variant),))
    assert "Nulls" in refused(ours, b"\x80" + struct.pack("<i", 2**31 - 1))


NOTHING = b"\0"
"""A Variant without a value, a DataValue of which nothing is there."""


def a_list(kind: ua.VariantType, count: int) -> bytes:
    return bytes([0x80 | kind]) + struct.pack("<i", count) + NOTHING * count


@pytest.mark.parametrize("kind", [V.Variant, V.DataValue])
def test_a_message_has_so_many_elements_and_no_more(kind: ua.VariantType) -> None:
    """Sixteen megabytes, all that is taken of one message, would be gigabytes of objects."""
    for count in (limits.ELEMENTS, 1000):
        assert len(variant_from_binary(Buffer(a_list(kind, count))).Value) == count, "each message anew"
    with pytest.raises(UaError, match=f"more than {limits.ELEMENTS} elements"):
        variant_from_binary(Buffer(a_list(kind, limits.ELEMENTS + 1)))


def test_the_lists_of_a_message_count_together() -> None:
    half = limits.ELEMENTS // 2 + 1
    lists = struct.pack("<i", 2) + a_list(V.Variant, half) + a_list(V.Variant, half)
    with pytest.raises(UaError, match="elements"):
        variant_from_binary(Buffer(bytes([0x80 | V.Variant]) + lists))


def test_lists_that_are_none_give_nothing_back() -> None:
    none = bytes([0x80 | V.Variant]) + struct.pack("<i", -(2**31))
    lists = struct.pack("<i", 2) + none + a_list(V.Variant, limits.ELEMENTS)
    with pytest.raises(UaError, match="elements"):
        variant_from_binary(Buffer(bytes([0x80 | V.Variant]) + lists))


def test_lists_of_structures_of_a_message_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ELEMENTS", 3)
    results = ua.BrowseResponse(Results=[ua.BrowseResult() for _ in range(4)])
    data = struct_to_binary(results)
    with pytest.raises(UaError, match="more than 3 elements"):
        struct_from_binary(ua.BrowseResponse, Buffer(data))


def test_bare_numbers_are_bounded_by_their_bytes_alone() -> None:
    count = limits.ELEMENTS + 1
    data = bytes([0x80 | V.Byte]) + struct.pack("<i", count) + b"\1" * count
    assert len(variant_from_binary(Buffer(data)).Value) == count


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_bad(data: bytes) -> None:
    ours = Structure("Mixed", ua.NodeId(8, NAMESPACE), masked=True)
    inner = Structure("Either", ua.NodeId(9, NAMESPACE), (Field("T", V.String), Field("M", ours, 1)), union=True)
    kinds = [
        V.String,
        V.Variant,
        V.DataValue,
        V.NodeId,
        V.DateTime,
        V.LocalizedText,
        V.ExtensionObject,
        V.DiagnosticInfo,
    ]
    ours.fields = (
        *(Field(kind.name, kind, 1 if kind is V.Variant else -1, bit) for bit, kind in enumerate(kinds)),
        Field("Inner", inner),
        Field("Cells", V.Float, 3),
    )
    with suppress(Misfit):
        assert isinstance(types_of(ours, inner).natural(wrapped(ours, data)), dict)
