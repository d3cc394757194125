"""From nodes to a device profile: types, directions, units, ranges, texts, names, methods."""

from collections.abc import Sequence
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from gateway.model.load import load_profile
from gateway.model.profile import DeviceProfile, DeviceResource
from mappers.opcua.discovery.describe import Description, Product, describe, profile_name
from mappers.opcua.discovery.glob import Globs
from mappers.opcua.discovery.inquire import Inquiry
from mappers.opcua.discovery.walk import OBJECT, OBJECTS, Found, Limits, Walk
from mappers.opcua.point import locate
from tests.support.clock import MovingClock
from tests.unit.mappers.opcua.discovery.fake import METHOD, URIS, Fake, node

START = "i=85"
PRODUCT = Product("Press Server", "Acme", "1.2")


def base(number: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number))


async def described(server: Fake, *paths: str, writable: bool = False) -> Description:
    walk = Walk(server, URIS, Globs(paths), Limits(), MovingClock())
    inquiry = Inquiry(server, URIS)

    async def ask() -> None:
        await inquiry.run(walk.take())

    await walk.run(Found(OBJECTS, OBJECT, 0, "Objects", "Objects"), ask)
    await ask()
    return describe(inquiry.variables, inquiry.methods, PRODUCT, "Press", writable)


def resources(made: Description) -> dict[str, DeviceResource]:
    """By name; every one of them is taken by the mapper."""
    for resource in made.profile.device_resources:
        point, problems = locate(resource)
        assert point is not None, problems
        assert not problems
    return {resource.name: resource for resource in made.profile.device_resources}


def press() -> Fake:
    server = Fake()
    server.add(START, "ns=2;s=Press")
    return server


async def test_a_value_with_everything_that_a_server_says_of_it() -> None:
    server = press()
    server.variable(
        "ns=2;s=Press", "ns=2;s=Press.Speed", "2:Speed", Description=ua.LocalizedText("Of the ram"), UserAccessLevel=3,
        MinimumSamplingInterval=2500.0, Historizing=True,
    )  # fmt: skip
    server.about("ns=2;s=Press.Speed", "EURange", ua.Range(ua.Double(0.0), ua.Double(120.5)))
    units = ua.EUInformation(DisplayName=ua.LocalizedText("mm/s"), UnitId=ua.Int32(4403255))
    server.about("ns=2;s=Press.Speed", "EngineeringUnits", units)
    made = await described(server)
    speed = resources(made)["Speed"]
    assert speed.attributes == {"nodeId": "nsu=urn:acme:press;s=Press.Speed"}
    assert speed.description == "Of the ram"
    properties = speed.properties
    assert (properties.value_type, properties.read_write, properties.units) == ("Float64", "R", "mm/s")
    assert (properties.minimum, properties.maximum) == (0.0, 120.5)
    assert [(event.source_name, event.interval) for event in made.profile.auto_events] == [("Values", "3s")]
    assert made.notes == [
        "Read only here, writable with --writable (1): Press/Speed.",
        "The server keeps the history of 1 values.",
    ]
    written = await described(server, writable=True)
    assert resources(written)["Speed"].properties.read_write == "RW"


@pytest.mark.parametrize(
    ("number", "rank", "expected"),
    [
        (1, -1, "Bool"), (2, -1, "Int8"), (3, -1, "Uint8"), (4, -1, "Int16"), (9, -1, "Uint64"), (10, -1, "Float32"),
        (12, -1, "String"), (13, -1, "String"), (15, -1, "Binary"), (21, -1, "String"), (22, -1, "Object"),
        (29, -1, "Int32"), (290, -1, "Float64"), (884, -1, "Object"), (11, 1, "Float64Array"), (12, 0, "StringArray"),
        (22, 1, "ObjectArray"), (11, 2, "Float64Array"), (15, 1, ""), (23, -1, ""), (24, -1, ""),
    ],
)  # fmt: skip
async def test_types(number: int, rank: int, expected: str) -> None:
    server = press()
    server.supertypes({290: 11, 884: 22})
    server.variable("ns=2;s=Press", "ns=2;s=V", DataType=base(number), ValueRank=rank, ArrayDimensions=[3, 0])
    made = await described(server)
    found = resources(made)
    if not expected:
        assert not found
        assert made.notes[0].startswith("Left out, since no value type carries ")
        return
    assert found["V"].properties.value_type == expected
    assert (found["V"].description == "3 x ? values") == expected.endswith("Array")


async def test_where_only_the_value_says_its_type() -> None:
    server = press()
    server.variable("ns=2;s=Press", "ns=2;s=A", DataType=base(24), Value=ua.Variant(7, ua.VariantType.UInt16))
    server.variable("ns=2;s=Press", "ns=2;s=B", DataType=base(26), ValueRank=-2, Value=[1.5])
    server.variable("ns=2;s=Press", "ns=2;s=C", ValueRank=-3, Value=1.5)
    found = resources(await described(server))
    types = {name: str(resource.properties.value_type) for name, resource in found.items()}
    assert types == {"A": "Uint16", "B": "Float64Array", "C": "Float64"}


def strings(*texts: str) -> list[ua.LocalizedText]:
    return [ua.LocalizedText(text) for text in texts]


def values(texts: dict[int, str]) -> list[ua.EnumValueType]:
    return [ua.EnumValueType(Value=ua.Int64(n), DisplayName=ua.LocalizedText(text)) for n, text in texts.items()]


def definition(texts: dict[int, str]) -> ua.EnumDefinition:
    return ua.EnumDefinition(Fields=[ua.EnumField(Value=ua.Int64(n), Name=ua.String(t)) for n, t in texts.items()])


async def test_numbers_with_texts_are_told_by_their_texts() -> None:
    server = press()
    for number, name in enumerate(("Strings", "Values", "Defined")):
        server.supertypes({f"ns=2;s={name}Type": 29})
        server.variable("ns=2;s=Press", f"ns=2;s={number}{name}", DataType=node(f"ns=2;s={name}Type"))
    server.about("ns=2;s=StringsType", "EnumStrings", strings("Off", "On"))
    server.about("ns=2;s=ValuesType", "EnumValues", values({10: "Idle", 20: "Running"}))
    server.define("ns=2;s=DefinedType", definition({1: "Open", 2: "Shut"}))
    server.variable("ns=2;s=Press", "ns=2;s=3Multi", DataType=base(7))
    server.about("ns=2;s=3Multi", "EnumStrings", strings("Low", "High"))
    server.variable("ns=2;s=Press", "ns=2;s=4Two", DataType=base(1))
    server.about("ns=2;s=4Two", "TrueState", ua.LocalizedText("Closed"))
    server.about("ns=2;s=4Two", "FalseState", ua.LocalizedText("Open"))
    made = await described(server)
    (command,) = made.profile.device_commands
    assert {one.device_resource: dict(one.mappings) for one in command.resource_operations} == {
        "0Strings": {"0": "Off", "1": "On"},
        "1Values": {"10": "Idle", "20": "Running"},
        "2Defined": {"1": "Open", "2": "Shut"},
        "3Multi": {"0": "Low", "1": "High"},
        "4Two": {"true": "Closed", "false": "Open"},
    }
    assert {str(one.properties.value_type) for one in made.profile.device_resources} == {"Int32", "Uint32", "Bool"}


def argument(name: str, number: int, rank: int = -1) -> ua.Argument:
    return ua.Argument(Name=ua.String(name), DataType=base(number), ValueRank=ua.Int32(rank))


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([], "Bool"),
        ([argument("Speed", 11)], "Float64"),
        ([argument("Curve", 11, 1)], "Float64Array"),
        ([argument("Speed", 11), argument("Name", 12)], "Object"),
        ([argument("File", 15)], "Object"),
    ],
)
async def test_methods_are_written_when_writing_is_asked_for(inputs: Sequence[ua.Argument], expected: str) -> None:
    server = press()
    server.add("ns=2;s=Press", "ns=2;s=Start", "2:Start", METHOD)
    server.variable("ns=2;s=Press", "ns=2;s=V")
    if inputs:
        server.about("ns=2;s=Start", "InputArguments", list(inputs))
    server.about("ns=2;s=Start", "OutputArguments", [argument("Job", 12)])
    made = await described(server)
    assert "Start" not in resources(made)
    assert "Methods, left out without --writable (1): Press/Start." in made.notes
    start = resources(await described(server, writable=True))["Start"]
    assert (start.properties.value_type, start.properties.read_write) == (expected, "W")
    assert start.attributes == {
        "methodId": "nsu=urn:acme:press;s=Start", "objectId": "nsu=urn:acme:press;s=Press"
    }  # fmt: skip
    assert start.description.endswith("gives: Job (String)")


async def test_names_are_short_readable_and_unique() -> None:
    server = press()
    server.add("ns=2;s=Press", "ns=2;s=Axis 1")
    server.add("ns=2;s=Press", "ns=2;s=Axis/2")
    for axis in ("Axis 1", "Axis/2"):
        server.variable(f"ns=2;s={axis}", f"ns=2;s={axis}.Ist-Wert", "2:Ist-Wert [°]")
    server.variable("ns=2;s=Axis 1", "ns=1;s=Other", "1:Ist-Wert (°)")
    made = await described(server)
    assert list(resources(made)) == ["Axis_1.Ist-Wert", "Axis_1.Ist-Wert-2", "Axis_2.Ist-Wert"]
    assert [command.name for command in made.profile.device_commands] == ["Axis_1", "Axis_2"]


async def test_many_values_of_one_object_are_several_commands() -> None:
    server = press()
    for number in range(250):
        server.variable("ns=2;s=Press", f"ns=2;s=V{number}")
    made = await described(server)
    sizes = {command.name: len(command.resource_operations) for command in made.profile.device_commands}
    assert sizes == {"Values": 100, "Values-2": 100, "Values-3": 50}


async def test_what_may_not_be_read_is_left_out_and_named() -> None:
    server = press()
    server.variable("ns=2;s=Press", "ns=2;s=Hidden", UserAccessLevel=0)
    server.variable("ns=2;s=Press", "ns=2;s=Set", UserAccessLevel=2)
    server.variable("ns=2;s=Press", "ns=2;s=Picture", UserAccessLevel=3, DataType=base(ObjectIds.ImagePNG))
    server.supertypes({ObjectIds.ImagePNG: 30, 30: 15})
    server.called(ObjectIds.ImagePNG, "ImagePNG")
    made = await described(server)
    assert [note.partition(":")[0] for note in made.notes] == [
        "Left out, since this user may not read them (1)",
        "Left out, since this user may only write them (1)",
        "Read only here, writable with --writable (1)",
    ]
    written = resources(await described(server, writable=True))
    assert written["Set"].properties.read_write == "W"
    picture = written["Picture"].properties
    assert (picture.read_write, picture.media_type) == ("R", "image/png")


async def test_units_without_a_name_by_their_code_and_ranges_that_are_none() -> None:
    server = press()
    cefact = "http://www.opcfoundation.org/UA/units/un/cefact"
    given: dict[str, tuple[Any, Any]] = {
        "Celsius": (ua.EUInformation(NamespaceUri=ua.String(cefact), UnitId=ua.Int32(4408652)), ua.Range(5.0, 5.0)),
        "Own": (ua.EUInformation(NamespaceUri=ua.String("urn:x"), UnitId=ua.Int32(4408652)), ua.Range(float("nan"), 1)),
        "Broken": ("no unit", "no range"),
    }
    for name, (units, limits) in given.items():
        server.variable("ns=2;s=Press", f"ns=2;s={name}")
        server.about(f"ns=2;s={name}", "EngineeringUnits", units)
        server.about(f"ns=2;s={name}", "EURange", limits)
    server.variable("ns=2;s=Press", "ns=2;s=Byte", DataType=base(3))
    server.about("ns=2;s=Byte", "EURange", ua.Range(ua.Double(-10.0), ua.Double(10.0)))
    found = resources(await described(server))
    assert {name: one.properties.units for name, one in found.items()} == {
        "Celsius": "CEL", "Own": "", "Broken": "", "Byte": ""
    }  # fmt: skip
    assert all(one.properties.minimum is None for one in found.values())


async def test_nonsense_in_attributes_is_no_type_and_no_trouble() -> None:
    server = press()
    server.variable(
        "ns=2;s=Press", "ns=2;s=V", DataType="Double", ValueRank="1", UserAccessLevel="all", Description=7,
        MinimumSamplingInterval=float("inf"), ArrayDimensions="x",
    )  # fmt: skip
    server.variable("ns=2;s=Press", "ns=2;s=Loop", DataType=node("ns=2;s=T1"))
    server.supertypes({"ns=2;s=T1": "ns=2;s=T2", "ns=2;s=T2": "ns=2;s=T1"})
    made = await described(server)
    assert not made.profile.device_resources
    assert made.notes == ["Left out, since no value type carries a type nobody knows (2): Press/V, Press/Loop."]


async def test_the_text_reads_back_equal_and_says_where_it_came_from() -> None:
    server = press()
    server.variable("ns=2;s=Press", "ns=2;s=V", Description=ua.LocalizedText("A: 'quoted'\n# text\x07"))
    made = await described(server)
    text = made.text("opc.tcp://127.0.0.1:4840", "2026-11-21")
    assert text.startswith("# Found by southgate discover opcua at opc.tcp://127.0.0.1:4840, 2026-11-21.\n")
    loaded: DeviceProfile = load_profile(text, "press.yaml").value
    assert loaded == made.profile
    assert loaded.device_resources[0].description == "A: 'quoted' # text"


def test_names_of_profiles() -> None:
    assert profile_name(PRODUCT) == "Press-Server"
    assert profile_name(Product("  /// ")) == "OPC-UA-Server"


async def test_what_a_server_calls_things_breaks_no_comment_and_no_terminal() -> None:
    server = press()
    server.variable("ns=2;s=Press", "ns=2;s=V", "2:Evil\u2028deviceResources: []\x1b[2J\n# x", UserAccessLevel=0)
    server.variable("ns=2;s=Press", "ns=2;s=W", "2:\x07")
    made = await described(server)
    text = made.text("opc.tcp://127.0.0.1:4840", "2026-11-21")
    assert load_profile(text, "press.yaml").value == made.profile
    assert "\x1b" not in text
    assert "\u2028" not in text
    assert list(resources(made)) == ["Value"]
