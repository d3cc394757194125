"""Methods of a real server (asyncua's): called by a read as EdgeX does, and by a write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Server, ua, uamethod
from asyncua.common.structures104 import new_struct, new_struct_field

from gateway.model.errors import CommandRejected, DeviceError
from gateway.model.place import Place
from gateway.model.profile import DeviceResource
from gateway.model.reading import Event, Quality
from gateway.runtime.clock import SystemClock
from mappers.opcua import plan as planning
from mappers.opcua.endpoint import reach
from mappers.opcua.mapper import OpcuaMapper
from tests.contract.opcua_peer import URI, device, resource, server
from tests.support.ports import free_port
from tests.unit.mappers.opcua.build import source

V = ua.VariantType
CALLED: list[Any] = []
TAKES = "the method takes Dividend (a number), Divisor (a whole number from -2147483648 to 2147483647)"
KINDS = {
    "At": V.DateTime, "Id": V.Guid, "Text": V.LocalizedText, "Data": V.ByteString, "Node": V.NodeId, "Any": V.Variant,
}  # fmt: skip
EVERYTHING = {
    "At": "2026-11-21T20:08:05.5Z",
    "Id": "09087e75-8e5e-499b-954f-f2a9603db28a",
    "Text": "schnell",
    "Data": "AQI=",
    "Node": "ns=2;s=Line1",
    "Any": {"Type": "Int16", "Value": 5},
    "Spot": {"X": 1.5, "Note": "here"},
    "Spots": [{"X": 2.5}],
}


@uamethod
def _divide(parent: Any, dividend: float, divisor: int) -> Any:
    if divisor == 0:
        return ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
    return dividend / divisor, int(dividend) % divisor


@uamethod
def _start(parent: Any) -> None:
    CALLED.append("start")


@uamethod
def _total(parent: Any, values: list[int]) -> int:
    CALLED.append(values)
    return sum(values)


def _echo(parent: Any, *given: ua.Variant) -> list[ua.Variant]:
    CALLED.append([one.VariantType for one in given])
    return list(given)


def _clamp(parent: Any, given: ua.Variant) -> ua.CallMethodResult:
    """Ran, though not as it was asked to."""
    CALLED.append(given.VariantType)
    said = ua.StatusCode(ua.StatusCodes.UncertainSubNormal)
    return ua.CallMethodResult(StatusCode=said, OutputArguments=[ua.Variant(5, V.Int16)])


def _argument(name: str, data_type: int, rank: int = -1) -> ua.Argument:
    return ua.Argument(Name=name, DataType=ua.NodeId(data_type), ValueRank=rank)


async def _methods(made: Server, index: int) -> None:
    press = await made.nodes.objects.add_object(ua.NodeId("Press", index), ua.QualifiedName("Press", index))
    double, int32 = int(ua.ObjectIds.Double), int(ua.ObjectIds.Int32)
    given = [_argument("Dividend", double), _argument("Divisor", int32)]
    gives = [_argument("Quotient", double), _argument("Rest", int32)]
    fields = [new_struct_field("X", V.Double), new_struct_field("Note", V.String, optional=True)]
    spot, _ = await new_struct(made, index, "Spot", fields)
    everything = [_argument(name, kind.value) for name, kind in KINDS.items()]
    everything += [
        ua.Argument(Name=n, DataType=spot.nodeid, ValueRank=rank) for n, rank in (("Spot", -1), ("Spots", 1))
    ]
    for name, method, inputs, outputs in (
        ("Echo", _echo, everything, everything),
        ("Spot", _echo, everything[-2:-1], everything[-2:-1]),
        ("Divide", _divide, given, gives),
        ("Start", _start, [], []),
        ("Clamp", _clamp, [_argument("Any", V.Variant.value, -2)], [_argument("Given", V.Int16.value)]),
        ("Total", _total, [_argument("Values", int32, 1)], [_argument("Sum", int32)]),
    ):
        await press.add_method(ua.NodeId(name, index), ua.QualifiedName(name, index), method, inputs, outputs)
    await _typed(made, index, given, gives)


async def _typed(made: Server, index: int, given: list[ua.Argument], gives: list[ua.Argument]) -> None:
    """An object without methods of its own: one stands on its type, one on the type above."""
    above = await made.nodes.base_object_type.add_object_type(index, "MachineType")
    await above.add_method(ua.NodeId("MachineType.Divide", index), f"{index}:Divide", _divide, given, gives)
    own = await above.add_object_type(index, "AxisType")
    await own.add_method(ua.NodeId("AxisType.Start", index), f"{index}:Start", _start, [], [])
    name = ua.QualifiedName("Axis", index)
    await made.nodes.objects.add_object(ua.NodeId("Axis", index), name, own.nodeid)


@pytest_asyncio.fixture
async def mapper() -> AsyncIterator[OpcuaMapper]:
    CALLED.clear()
    async with _opened() as made:
        yield made


@asynccontextmanager
async def _opened() -> AsyncIterator[OpcuaMapper]:
    port = free_port()
    async with server(port) as (made, index):
        await _methods(made, index)
        opened = OpcuaMapper(reach(device(port))[0], SystemClock(), Place())
        await opened.connect()
        try:
            yield opened
        finally:
            await opened.close()


def method(name: str, value_type: str, read_write: str, **more: Any) -> DeviceResource:
    where = {"objectId": f"nsu={URI};s=Press", "methodId": f"nsu={URI};s={name}"}
    return resource(name, value_type, read_write, **where | more)


async def read(mapper: OpcuaMapper, *resources: DeviceResource) -> Event:
    (event,) = await mapper.read(planning.plan(device(1), [source(*resources)]))
    return event


async def write(mapper: OpcuaMapper, one: DeviceResource, value: Any) -> Event | None:
    return await mapper.write(planning.plan(device(1), [source(one)]), {one.name: value})


async def test_a_read_calls_with_texts_and_takes_the_first_output(mapper: OpcuaMapper) -> None:
    """As EdgeX's device-opc-ua does."""
    event = await read(
        mapper,
        method("Divide", "Float64", "R", inputMap=["7.5", "3"]),
        method("Total", "Int32", "R", inputMap=["[1, 2, 3]"]),
    )
    assert (event.values, event.quality) == ([2.5, 6], None)


async def test_a_method_is_named_by_its_browse_path(mapper: OpcuaMapper) -> None:
    """On a machine of a companion specification whose node ids are the maker's own."""
    path = f"/nsu={URI};Press"
    named = {"objectId": path, "methodId": f"{path}/nsu={URI};Divide"}
    event = await read(mapper, resource("r", "Float64", "R", inputMap=["7.5", "3"], **named))
    assert (event.values, event.quality) == ([2.5], None)
    outcome = await write(mapper, resource("w", "Object", "W", **named), {"Dividend": 9, "Divisor": 4})
    assert outcome is not None
    assert outcome.values == [{"Quotient": 2.25, "Rest": 1}]
    with pytest.raises(DeviceError) as refused:
        await write(mapper, resource("w", "Bool", "W", **named | {"methodId": f"{path}/nsu={URI};Gone"}), True)
    says = f"w, {path}/nsu={URI};Gone: BadNoMatch: the browse path leads nowhere; look at its names and"
    assert str(refused.value).startswith(says)


async def test_a_method_of_the_type_is_named_relative_to_the_object(mapper: OpcuaMapper) -> None:
    """Part 4, 5.12.2; also one of a type above, and one of the object itself."""
    axis = f"nsu={URI};s=Axis"
    named = {"objectId": axis, "methodId": f"./nsu={URI};Divide"}
    assert (await read(mapper, resource("r", "Float64", "R", **named, inputMap=["9", "4"]))).values == [2.25]
    assert await write(mapper, resource("w", "Bool", "W", objectId=axis, methodId=f"./nsu={URI};Start"), True) is None
    assert CALLED == ["start"]
    press = {"objectId": f"/nsu={URI};Press", "methodId": f"./nsu={URI};Divide"}
    assert (await read(mapper, resource("r", "Float64", "R", **press, inputMap=["9", "2"]))).values == [4.5]
    for name, says in (
        (f"nsu={URI};Gone", "BadMethodInvalid: the object has no such method; look at methodId and objectId"),
        ("nsu=urn:none;Start", "the server has no namespace urn:none"),
    ):
        with pytest.raises(DeviceError) as refused:
            await write(mapper, resource("w", "Bool", "W", objectId=axis, methodId=f"./{name}"), True)
        assert str(refused.value).startswith(f"w, ./{name}: {says}")
        assert refused.value.request == f"Call ./{name}"


async def test_what_a_read_cannot_call_is_bad_and_spares_the_rest(mapper: OpcuaMapper) -> None:
    good = method("Divide", "Float64", "R", inputMap=["1", "1"])
    wrong = [
        (["1", "0"], "refused", "BadInvalidArgument"),
        (["1"], "config", "Divide: inputMap has 1 values; the method takes Dividend (a number), Divisor (a whole"),
        (["1", "x"], "config", "Divide, Divisor: expected a whole number"),
    ]
    for given, reason, code in wrong:
        event = await read(mapper, method("Divide", "Float64", "R", inputMap=given), good)
        assert event.values == [None, 1.0]
        assert event.quality is not None
        assert list(event.quality) == [0]
        assert event.quality[0].reason == reason
        assert event.quality[0].code.startswith(code)
    event = await read(mapper, method("Start", "Int32", "R"))
    assert event.quality == {0: Quality("bad", "config", "the method gives nothing back; make readWrite W")}
    event = await read(mapper, resource("gone", "Int32", "R", objectId=f"nsu={URI};s=Press", methodId="i=9999"))
    assert event.quality is not None
    assert event.quality[0].reason == "refused"


async def test_a_write_calls_with_an_object_and_outputs_come_back(mapper: OpcuaMapper) -> None:
    divide = method("Divide", "Object", "W")
    event = await write(mapper, divide, {"Divisor": 4, "Dividend": 10})
    assert event is not None
    assert (event.values, event.which) == ([{"Quotient": 2.5, "Rest": 2}], (0,))


async def test_arguments_of_every_kind_go_and_come_back(mapper: OpcuaMapper) -> None:
    event = await write(mapper, method("Echo", "Object", "W"), EVERYTHING)

    assert event is not None
    assert event.values == [{**EVERYTHING, "At": "2026-11-21T20:08:05.500000000Z", "Any": 5}]
    structures = [V.ExtensionObject, V.ExtensionObject]
    assert [[*(kind for kind in KINDS.values() if kind is not V.Variant), V.Int16, *structures]] == CALLED


async def test_an_argument_of_a_structure_is_refused_by_its_field(mapper: OpcuaMapper) -> None:
    for value, says in (
        ({**EVERYTHING, "Spot": {"Y": 1}}, "Echo, Spot: Spot has no field Y; it has X, Note"),
        ({**EVERYTHING, "Spots": [{"X": "a"}]}, "Echo, Spots: number 1 of the list: X: expected a number"),
    ):
        with pytest.raises(CommandRejected) as refused:
            await write(mapper, method("Echo", "Object", "W"), value)
        assert str(refused.value).startswith(says)
    assert CALLED == []


async def test_a_structure_of_inputmap_is_json_and_its_value_an_object(mapper: OpcuaMapper) -> None:
    event = await read(
        mapper,
        method("Spot", "Object", "R", inputMap=['{"X": 2.5}']),
        method("Spot", "Float64", "R", inputMap=['{"X": 2.5}']),
    )
    assert event.values == [{"Spot": {"X": 2.5}}, None]
    assert event.quality == {1: Quality("bad", "config", "the node holds a structure, the resource says Float64")}


async def test_a_method_that_ran_half_well_has_run(mapper: OpcuaMapper) -> None:
    """Only what is bad was refused (Part 4, 7.39); its outputs count."""
    event = await write(mapper, method("Clamp", "Int16", "W"), 9)
    assert event is not None
    assert event.values == [5]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("[1, 2]", V.Int64), ('{"Type": "Int16", "Value": 5}', V.Int16), ("5", V.String), ("[half", V.String)],
)
async def test_a_text_of_inputmap_may_be_a_list_where_one_may_stand(
    mapper: OpcuaMapper, text: str, kind: ua.VariantType
) -> None:
    assert (await read(mapper, method("Clamp", "Int16", "R", inputMap=[text]))).values == [5]
    assert [kind] == CALLED


async def test_a_write_of_one_value_to_a_method_that_takes_one_or_none(mapper: OpcuaMapper) -> None:
    assert await write(mapper, method("Start", "Bool", "W"), True) is None
    event = await write(mapper, method("Total", "Int32Array", "W"), [4, 5])
    assert event is None, "a sum is no array"
    assert CALLED == ["start", [4, 5]]


async def test_what_cannot_be_called_is_refused_before_anything_is_sent(mapper: OpcuaMapper) -> None:
    divide, start = method("Divide", "Object", "W"), method("Start", "Bool", "W")
    for one, value, says in (
        (divide, {"Divisor": 4}, f"Divide: {TAKES}, not Divisor"),
        (divide, {"Divisor": 2**31, "Dividend": 1}, "Divide, Divisor: 2147483648 does not fit Int32"),
        (divide, 5, f"Divide: {TAKES}: write an object with each by its name"),
        (start, False, "Start: the method takes nothing; write true, or an empty object"),
    ):
        with pytest.raises(CommandRejected) as refused:
            await write(mapper, one, value)
        assert refused.value.code == 422
        assert str(refused.value).startswith(says)
    assert CALLED == []


async def test_a_call_that_the_server_refuses_says_why(mapper: OpcuaMapper) -> None:
    with pytest.raises(DeviceError) as refused:
        await write(mapper, method("Divide", "Object", "W"), {"Divisor": 0, "Dividend": 1})
    assert refused.value.code == "BadInvalidArgument"
    assert str(refused.value).startswith("Divide: BadInvalidArgument: an argument is not taken; look at its type")
    assert refused.value.request.endswith("s=Divide")
    gone = resource("gone", "Bool", "W", objectId=f"nsu={URI};s=Press", methodId=f"nsu={URI};s=None")
    with pytest.raises(DeviceError) as refused:
        await write(mapper, gone, True)
    assert "the object has no such method; look at methodId and objectId" in str(refused.value)
