"""Types of a real server (asyncua), read from its DataTypeDefinitions; values made and taken by its own classes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asyncua import Client, Node, Server, ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.ua.ua_binary import extensionobject_to_binary

from gateway.model.profile import ValueType
from mappers.opcua.codec import limits
from mappers.opcua.codec.learn import learn, learn_wanted
from mappers.opcua.codec.structure import Structure, Types
from mappers.opcua.codec.values import Decode
from mappers.opcua.codec.variants import Target, variant
from tests.unit.mappers.opcua.codec.conftest import Asked
from tests.unit.mappers.opcua.codec.peer import body, classes

V = ua.VariantType
IDX = 2


class World:
    """Types of one server: a colour, a spot, a line of spots, a size or a word, a tree, and a name for Double."""

    async def make(self, server: Server) -> "World":
        self.colour = await new_enum(server, IDX, "Colour", ["Red", "Green", "Blue"])
        self.metres = await server.get_node(ua.NodeId(V.Double.value)).add_data_type(IDX, "Metres")
        self.spot = await self._struct(
            server,
            "Spot",
            new_struct_field("X", self.metres),
            new_struct_field("Y", V.Double),
            new_struct_field("Note", V.String, optional=True),
        )
        self.line = await self._struct(
            server,
            "Line",
            new_struct_field("Name", V.String),
            new_struct_field("Start", self.spot),
            new_struct_field("Spots", self.spot, array=True),
            new_struct_field("Colour", self.colour),
            new_struct_field("Colours", self.colour, array=True),
            new_struct_field("Info", ua.NodeId(887)),
        )
        self.either, _ = await new_struct(
            server,
            IDX,
            "Either",
            [new_struct_field("Size", V.Int32), new_struct_field("Word", V.String)],
            is_union=True,
        )
        return self

    async def _struct(self, server: Server, name: str, *fields: ua.StructureField) -> Node:
        node, _ = await new_struct(server, IDX, name, list(fields))
        return node

    async def structures(self) -> dict[ua.NodeId, tuple[str, ua.StructureDefinition]]:
        found = {}
        for node in (self.spot, self.line, self.either):
            name = (await node.read_browse_name()).Name
            found[node.nodeid] = (name, await node.read_data_type_definition())
        return found


@pytest.fixture
async def world(server: Server) -> World:
    return await World().make(server)


@contextmanager
def python_of(
    world: World, structures: dict[ua.NodeId, tuple[str, ua.StructureDefinition]]
) -> Iterator[dict[ua.NodeId, type]]:
    """asyncua's classes; Metres are plain numbers to it."""
    spot = structures[world.spot.nodeid][1]
    plain = [
        ua.StructureField(f.Name, f.Description, f.DataType, f.ValueRank, [], 0, f.IsOptional) for f in spot.Fields
    ]
    plain[0].DataType = ua.NodeId(V.Double.value)
    known = {**structures}
    known[world.spot.nodeid] = (
        "Spot",
        ua.StructureDefinition(spot.DefaultEncodingId, spot.BaseDataType, spot.StructureType, plain),
    )
    colours = ua.EnumDefinition([ua.EnumField(at, Name=name) for at, name in enumerate(("Red", "Green", "Blue"))])
    with classes(known, {world.colour.nodeid: ("Colour", colours)}) as made:
        yield made


async def held(server: Server, world: World, what: str) -> tuple[Node, Any]:
    """A variable of the server that holds such a value, made by asyncua, and what people should see."""
    structures = await world.structures()
    with python_of(world, structures) as made:
        spot, line, either = (made[node.nodeid] for node in (world.spot, world.line, world.either))
        info = ua.EUInformation("", 1, ua.LocalizedText("m"), ua.LocalizedText("metre"))
        red, green, blue = made[world.colour.nodeid]
        word = either()
        word.Word = "nine"
        values: dict[str, tuple[Any, Any, Any]] = {
            "spot": (world.spot, spot(X=1.5, Y=2.5, Note=None), {"X": 1.5, "Y": 2.5}),
            "noted": (world.spot, spot(X=1.5, Y=2.5, Note="here"), {"X": 1.5, "Y": 2.5, "Note": "here"}),
            "either": (world.either, word, {"Word": "nine"}),
            "line": (
                world.line,
                line("edge", spot(X=1.0, Y=2.0), [spot(X=3.0, Y=4.0, Note="n")], blue, [red, green], info),
                {
                    "Name": "edge", "Start": {"X": 1.0, "Y": 2.0}, "Spots": [{"X": 3.0, "Y": 4.0, "Note": "n"}],
                    "Colour": 2, "Colours": [0, 1],
                    "Info": {"NamespaceUri": "", "UnitId": 1, "DisplayName": "m", "Description": "metre"},
                },
            ),
        }  # fmt: skip
        node, instance, seen = values[what]
        data = body(instance)
    encoding = structures[node.nodeid][1].DefaultEncodingId
    value = ua.Variant(ua.ExtensionObject(encoding, data), V.ExtensionObject)
    variable = await server.nodes.objects.add_variable(IDX, f"It{what}", value, datatype=node.nodeid)
    await variable.set_writable()
    return variable, seen


@pytest.mark.parametrize("what", ["spot", "noted", "either", "line"])
async def test_structures_are_learned_from_their_data_type_and_written_back(
    server: Server, client: Client, session: Asked, world: World, what: str
) -> None:
    variable, seen = await held(server, world, what)
    there = client.get_node(variable.nodeid)
    types = Types()
    data_type = await there.read_data_type()
    await learn(types, session, [data_type])
    before = await there.read_data_value()

    assert Decode(ValueType.OBJECT, (), types)(before.Value) == seen
    assert not types.wanted

    sent = variant(types, Target("it", types.kinds[data_type]), seen)
    await there.write_value(sent)
    assert (await variable.read_value()).Body == before.Value.Value.Body


async def test_structures_of_any_type_are_learned_from_what_came(
    server: Server, client: Client, session: Asked, world: World
) -> None:
    variable, seen = await held(server, world, "line")
    types = Types()
    decode = Decode(ValueType.OBJECT, (), types)
    value = (await client.get_node(variable.nodeid).read_data_value()).Value

    assert decode(value).keys() == {"TypeId", "Body"}
    assert await learn_wanted(types, session)
    assert decode(value) == seen
    assert not await learn_wanted(types, session)


async def test_what_is_learned_of_a_part_is_seen_in_the_value_that_came_before(
    server: Server, client: Client, session: Asked, world: World
) -> None:
    """A server may send a value once and never again."""
    box = await World()._struct(server, "Box", new_struct_field("What", V.ExtensionObject))
    encoding = (await box.read_data_type_definition()).DefaultEncodingId
    inside, seen = await held(server, world, "spot")
    inner = (await inside.read_value()).TypeId
    value = ua.Variant(ua.ExtensionObject(encoding, extensionobject_to_binary(await inside.read_value())))
    types = Types()
    decode = Decode(ValueType.OBJECT, (), types)

    while decode(value) and await learn_wanted(types, session):
        pass

    assert decode(value) == {"What": {"TypeId": inner.to_string(), **seen}}


async def test_each_type_is_asked_for_once(session: Asked, world: World) -> None:
    types = Types()
    await learn(types, session, [world.line.nodeid, world.spot.nodeid])
    asked = len(session.reads)

    await learn(types, session, [world.line.nodeid, world.colour.nodeid, world.metres.nodeid])

    assert len(session.reads) == asked
    assert types.kinds[world.colour.nodeid] is V.Int32
    assert types.kinds[world.metres.nodeid] is V.Double


async def test_what_the_server_does_not_explain_stays_as_it_came(server: Server, session: Asked, world: World) -> None:
    types = Types()
    lost = ua.ExtensionObject(ua.NodeId(4711, IDX), b"\1\2")

    assert types.natural(lost) == {"TypeId": "ns=2;i=4711", "Body": b"\1\2"}
    assert not await learn_wanted(types, session)
    assert types.natural(lost) == {"TypeId": "ns=2;i=4711", "Body": b"\1\2"}
    assert not types.wanted, "it was asked once"


async def test_a_data_type_that_is_not_there_is_not_known(session: Asked) -> None:
    types = Types()
    await learn(types, session, [ua.NodeId(4711, IDX)])

    assert types.kinds[ua.NodeId(4711, IDX)] is V.Null


async def test_types_inside_one_another_without_end_are_not_followed(
    server: Server, session: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T22: a chain of types longer than anything real."""
    monkeypatch.setattr(limits, "LEVELS", 5)
    inner: Any = V.Int16
    for number in range(8):
        inner, _ = await new_struct(server, IDX, f"Level{number}", [new_struct_field("Inner", inner)])
    types = Types()

    await learn(types, session, [inner.nodeid])

    known = types.kinds[inner.nodeid]
    assert isinstance(known, Structure)
    found = types.natural(ua.ExtensionObject(known.encoding, b"\1\0"))
    assert found.keys() == {"TypeId", "Body"}, "what was not followed is not guessed"


async def test_a_type_inside_itself_is_learned(server: Server, session: Asked) -> None:
    tree, _ = await new_struct(server, IDX, "Tree", [new_struct_field("Leaf", V.Int16)])
    of = await tree.read_data_type_definition()
    of.Fields.append(new_struct_field("Branches", tree, array=True))
    await tree.write_data_type_definition(of)
    types = Types()
    await learn(types, session, [tree.nodeid])
    data = b"\1\0" + b"\1\0\0\0" + b"\2\0" + b"\0\0\0\0"

    found = types.natural(ua.ExtensionObject(of.DefaultEncodingId, data))

    assert found == {"Leaf": 1, "Branches": [{"Leaf": 2, "Branches": []}]}
