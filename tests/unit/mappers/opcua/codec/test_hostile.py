"""T22: structures of hostile servers cost little and end as bad values."""

import struct
from contextlib import suppress

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua.ua_binary import variant_from_binary
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
    """asyncua's own reader would read the same bytes as often as the array claims."""
    data = bytes([0x80 | kind]) + struct.pack("<i", 100_000) + struct.pack("<i", -4)
    with pytest.raises(NotEnoughData):
        variant_from_binary(Buffer(data))


def test_a_list_of_nulls_is_not_believed() -> None:
    """nine bytes for two thousand million Nulls."""
    with pytest.raises(UaError, match="2147483647 Nulls"):
        variant_from_binary(Buffer(b"\x80" + struct.pack("<i", 2**31 - 1)))
    ours = Structure("Any", ua.NodeId(8, NAMESPACE), (Field("It", V.Variant),))
    assert "Nulls" in refused(ours, b"\x80" + struct.pack("<i", 2**31 - 1))


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
