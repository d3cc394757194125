"""How values of a resource are taken from data values of the server."""

from typing import Any

from gateway.model.reading import Quality
from mappers.opcua import status
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.codec.structure import Types
from mappers.opcua.codec.values import Decode
from mappers.opcua.point import Point
from mappers.opcua.subscription.outlet import Data, Reader


def reader(point: Point, types: Types) -> Reader:
    """`types`: what is known of the server's."""
    value_of = Decode(point.value_type, point.field, types)

    def decode(data: Data) -> tuple[Any, Quality | None]:
        said = status.quality(data.StatusCode.value)
        if said is not None and said.level == "bad":
            return None, said
        try:
            return value_of(data.Value), said
        except Misfit as misfit:
            return None, misfit.quality

    return Reader(value_of.passes, decode)
