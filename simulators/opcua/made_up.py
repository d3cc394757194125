"""Values for what no behaviour is made for: times, ids, bytes, structures, texts in arrays."""

import base64
import json
import uuid
from typing import Any

from asyncua.ua import VariantType as V

from simulators.behaviour import Behaviour, constant, echo
from simulators.opcua.node import moment
from simulators.opcua.points import Point
from simulators.opcua.types import Leaf, Shape, Structure, empty, from_ua


def made_up(point: Point, started: int) -> Behaviour:
    """The default value of the profile, else something; `started`: ns, when the simulation began."""
    text = point.resource.properties.default_value
    first = _given(text, point.shape) if text else None
    if point.writable:
        return echo(empty(point.shape) if first is None else first)
    if first is not None:
        return constant(first)
    if isinstance(point.shape, Leaf) and point.shape.kind == V.DateTime and not point.shape.array:
        return lambda t: from_ua(moment(started + int(t) * 10**9))
    return constant(_sample(point.shape, point.resource.name))


def _given(text: str, shape: Shape) -> Any:
    """Raises ValueError."""
    if shape.array or isinstance(shape, Structure):
        return json.loads(text)
    return base64.b64decode(text, validate=True) if shape.kind == V.ByteString else text


def _sample(shape: Shape, name: str) -> Any:
    if shape.array:
        return [_one(shape, f"{name}{n + 1}", n + 1) for n in range(3)]
    return _one(shape, name, 1)


def _one(shape: Shape, name: str, number: int) -> Any:
    if isinstance(shape, Structure):
        return {key: _sample(field, key) for key, field in shape.fields.items()}
    samples: dict[V, Any] = {
        V.Boolean: True, V.String: name, V.LocalizedText: name, V.QualifiedName: f"1:{name}", V.NodeId: "i=85",
        V.Guid: str(uuid.uuid5(uuid.NAMESPACE_URL, name)), V.ByteString: name.encode(),
        V.DateTime: "2026-01-01T00:00:00.000000000Z",
    }  # fmt: skip
    return samples.get(shape.kind, number)
