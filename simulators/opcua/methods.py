"""Methods of a simulated server: they take typed arguments and give them back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from asyncua import ua

from simulators.opcua.ids import status
from simulators.opcua.points import Call
from simulators.opcua.types import FLOATS, INTEGERS, Leaf, Shape, empty, from_variant, to_variant
from simulators.opcua.unit import Unit

Called = Callable[..., Awaitable[ua.CallMethodResult]]


def arguments(shapes: Mapping[str, Shape], unit: Unit) -> list[ua.Argument]:
    """As a server describes them (Part 3, 8.6)."""
    found = []
    for name, shape in shapes.items():
        one = ua.Argument()
        one.Name = name
        one.DataType = unit.data_type(shape)
        one.ValueRank = ua.ValueRank.OneDimension if shape.array else ua.ValueRank.Scalar
        found.append(one)
    return found


def answering(call: Call, unit: Unit) -> Called:
    """What asyncua calls, with the object's id and the arguments."""

    async def answer(_: ua.NodeId, *given: ua.Variant) -> ua.CallMethodResult:
        unit.requests += 1
        result = ua.CallMethodResult()
        if len(given) != len(call.inputs):
            short = len(given) < len(call.inputs)
            code = ua.StatusCodes.BadArgumentsMissing if short else ua.StatusCodes.BadTooManyArguments
            result.StatusCode = status(code)
            return result
        values, wrong = _taken(call.inputs, given)
        if wrong:
            result.StatusCode = status(ua.StatusCodes.BadInvalidArgument)
            bad = status(ua.StatusCodes.BadTypeMismatch)
            result.InputArgumentResults = [bad if name in wrong else status(0) for name in call.inputs]
            return result
        unit.called[call.resource.name] = values
        outputs = {**values, **({} if call.result is None else {call.result: _result(call, unit, values)})}
        shapes = call.outputs.items()
        result.OutputArguments = [to_variant(outputs[name], shape, unit.types) for name, shape in shapes]
        return result

    return answer


def _taken(inputs: Mapping[str, Shape], given: Sequence[ua.Variant]) -> tuple[dict[str, Any], set[str]]:
    """The arguments by name, and those of another type."""
    values: dict[str, Any] = {}
    wrong = set()
    for (name, shape), variant in zip(inputs.items(), given, strict=True):
        try:
            values[name] = from_variant(variant, shape)
        except ValueError:
            wrong.add(name)
    return values, wrong


def _result(call: Call, unit: Unit, values: Mapping[str, Any]) -> Any:
    """What was set; else the first argument, as far as it can be of this type."""
    name = call.resource.name
    if name in unit.results:
        return unit.results[name]
    shape = call.outputs[call.result or ""]
    first = next(iter(values.values()), None)
    if isinstance(shape, Leaf) and not shape.array and first is not None:
        number = shape.kind in INTEGERS or shape.kind in FLOATS
        if number and isinstance(first, int | float):
            return first if shape.kind in FLOATS else int(first)
        if shape.kind == ua.VariantType.String:
            return str(first)
    return empty(shape)
