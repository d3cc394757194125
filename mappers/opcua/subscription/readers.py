"""How values of a resource are taken from data values of the server."""

from collections import Counter
from typing import Any

from gateway.model.reading import Quality
from mappers.opcua import status
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.codec.structure import Types
from mappers.opcua.codec.values import Decode
from mappers.opcua.point import Point
from mappers.opcua.subscription.outlet import Data, Reader

OVERFLOW_MASK, OVERFLOW = 0x0C80, 0x0480
"""Info type DataValue with its overflow bit: values were lost before this one (Part 4, 7.39.1)."""


def reader(point: Point, types: Types, counts: "Counter[str]") -> Reader:
    """`types`: what is known of the server's; `counts`: where overflows are counted."""
    value_of = Decode(point.value_type, point.field, types)

    def decode(data: Data) -> tuple[Any, Quality | None]:
        code = data.StatusCode.value
        if code & OVERFLOW_MASK == OVERFLOW:
            counts["overflow"] += 1
        said = status.quality(code)
        if said is not None and said.level == "bad":
            return None, said
        try:
            return value_of(data.Value), said
        except Misfit as misfit:
            return None, misfit.quality

    return Reader(value_of.passes, decode)
