"""Methods of a simulated server, called by asyncua's own client."""

import pytest
from asyncua import Client, Node, ua

from tests.unit.simulators.opcua.profiles import NAME, node, served

V = ua.VariantType
ON = "objectId: ns=2;s=Press, methodId: ns=2;s="
START = node(
    "Start", f"{ON}Start", "valueType: Object, readWrite: W, optional: {dataType: {Recipe: String, Counts: 'UInt16[]'}}"
)


def press(client: Client) -> Node:
    return client.get_node(ua.NodeId("Press", 2))


async def test_a_method_gives_back_what_it_took_and_says_which_types() -> None:
    async with served(START) as (running, client):
        method = client.get_node(ua.NodeId("Start", 2))
        inputs = await (await method.get_child("0:InputArguments")).read_value()
        assert [(one.Name, one.DataType.Identifier, one.ValueRank) for one in inputs] == [
            ("Recipe", V.String.value, -1),
            ("Counts", V.UInt16.value, 1),
        ]
        found = await press(client).call_method(
            method.nodeid, ua.Variant("steel", V.String), ua.Variant([1, 2], V.UInt16, is_array=True)
        )
        assert found == ["steel", [1, 2]]
        assert running.get(NAME, "Start") == {"Recipe": "steel", "Counts": [1, 2]}
        assert running.requests(NAME) == 1


async def test_a_method_is_where_its_browse_path_says() -> None:
    where = "objectId: /2:Press/2:Axis, methodId: /2:Press/2:Axis/2:Home"
    async with served(node("GoHome", where, "valueType: Int32, readWrite: W")) as (running, client):
        axis = await client.nodes.objects.get_child(["2:Press", "2:Axis"])
        assert await axis.call_method("2:Home", ua.Variant(7, V.Int32)) == 7
        assert running.get(NAME, "GoHome") == {"Value": 7}


@pytest.mark.parametrize("on", ["/2:Axis", "ns=2;s=Axis"])
async def test_a_method_that_is_named_on_its_object_is_there(on: str) -> None:
    where = f"objectId: '{on}', methodId: ./2:Home"
    async with served(node("GoHome", where, "valueType: Int32, readWrite: W")) as (_, client):
        found = await client.nodes.objects.get_children()
        (axis,) = [each for one in found for each in (one, *await one.get_children()) if await _name(each) == "Axis"]
        assert await axis.call_method("2:Home", ua.Variant(7, V.Int32)) == 7


async def _name(node: Node) -> str:
    return (await node.read_browse_name()).Name or ""


async def test_wrong_arguments_are_refused_each_with_its_code() -> None:
    async with served(START) as (running, client):
        text, other = ua.Variant("steel", V.String), ua.Variant(1, V.Int32)
        for given, error in (
            ([text], ua.uaerrors.BadArgumentsMissing),
            ([text, text, text], ua.uaerrors.BadTooManyArguments),
            ([text, other], ua.uaerrors.BadInvalidArgument),
        ):
            with pytest.raises(error):
                await press(client).call_method(ua.NodeId("Start", 2), *given)
        request = ua.CallMethodRequest(ua.NodeId("Press", 2), ua.NodeId("Start", 2), [text, other])
        (result,) = await client.uaclient.session.call([request])
        assert [one.name for one in result.InputArgumentResults] == ["Good", "BadTypeMismatch"]
        assert running.get(NAME, "Start") is None


@pytest.mark.parametrize(
    ("properties", "where", "given", "outputs"),
    [
        ("valueType: Bool, readWrite: W", "", [], []),
        ("valueType: Int32, readWrite: W", "", [ua.Variant(-5, V.Int32)], [-5]),
        ("valueType: Object, readWrite: W, defaultValue: '{\"N\": 1.5}'", "", [ua.Variant(2.5, V.Double)], [2.5]),
        (
            "valueType: Float32, readWrite: R",
            ", inputMap: ['7', 'x', 'true']",
            [ua.Variant(7, V.Int64), ua.Variant("x", V.String), ua.Variant(True, V.Boolean)],
            [7.0, 7, "x", True],
        ),
        ("valueType: String, readWrite: R", ", inputMap: [abc]", [ua.Variant("abc", V.String)], ["abc", "abc"]),
    ],
)
async def test_arguments_follow_the_value_type_where_no_hint_says_more(
    properties: str, where: str, given: list[ua.Variant], outputs: list[object]
) -> None:
    async with served(node("M", f"{ON}M{where}", properties)) as (_, client):
        found = await press(client).call_method(ua.NodeId("M", 2), *given)
        assert (found if isinstance(found, list) else [] if found is None else [found]) == outputs


async def test_the_result_of_a_method_that_is_read_can_be_set() -> None:
    async with served(node("M", f"{ON}M", "valueType: Uint16, readWrite: R")) as (running, client):
        assert await press(client).call_method(ua.NodeId("M", 2)) == 0
        running.set(NAME, "M", 77)
        assert await press(client).call_method(ua.NodeId("M", 2)) == 77


async def test_methods_may_hang_on_objects_that_every_server_has() -> None:
    on_server = "objectId: i=2253, methodId: nsu=urn:acme;i=7"
    async with served(node("Reset", on_server, "valueType: Bool, readWrite: W")) as (running, client):
        index = await client.get_namespace_index("urn:acme")
        await client.nodes.server.call_method(ua.NodeId(7, index))
        assert running.get(NAME, "Reset") == {}
