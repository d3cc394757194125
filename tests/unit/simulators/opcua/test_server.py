"""A simulated server as an independent client sees it: asyncua's own."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import Client, ua

from gateway.model.errors import ConfigError
from gateway.model.load import load_devices
from simulators.behaviour import ramp
from simulators.world import World, serve
from tests.support.clock import MovingClock
from tests.unit.simulators.opcua.profiles import NAME, Heard, at, node, served, simulated
from tests.unit.simulators.profiles import profile

V = ua.VariantType
SCALARS = [
    ("Bool", True, V.Boolean), ("Int8", -128, V.SByte), ("Int16", -32768, V.Int16), ("Int32", -(2**31), V.Int32),
    ("Int64", -(2**63), V.Int64), ("Uint8", 255, V.Byte), ("Uint16", 65535, V.UInt16), ("Uint32", 2**32 - 1, V.UInt32),
    ("Uint64", 2**64 - 1, V.UInt64), ("Float32", -0.015625, V.Float), ("Float64", 1e300, V.Double),
    ("String", "Größe", V.String),
]  # fmt: skip


BYTE = "valueType: Int8, readWrite: R"


@pytest.mark.parametrize(("maker", "model"), [("Acme", "P1"), ("", "")])
async def test_it_says_whose_device_it_is(maker: str, model: str) -> None:
    made = profile(node("X", "X", BYTE)).model_copy(update={"manufacturer": maker, "model": model})
    wanted = [maker or "Southgate", model or "Southgate simulator"]
    async with simulated(made) as running, Client(running.devices[NAME].address) as client:
        build = await client.get_node(ua.ObjectIds.Server_ServerStatus_BuildInfo).read_value()
        assert [build.ManufacturerName, build.ProductName] == wanted
        name = client.get_node(ua.ObjectIds.Server_ServerStatus_BuildInfo_ManufacturerName)
        assert await name.read_value() == wanted[0]


async def test_every_type_is_served_as_set_and_kept_as_written() -> None:
    resources = [node(kind, kind, f"valueType: {kind}, readWrite: RW") for kind, _, _ in SCALARS]
    async with served(*resources) as (running, client):
        for kind, value, variant in SCALARS:
            running.set(NAME, kind, value)
            found = await at(client, kind).read_data_value()
            assert (found.Value.Value, found.Value.VariantType) == (value, variant)
            assert await at(client, kind).read_data_type() == ua.NodeId(variant.value)
            other = type(value)()
            await at(client, kind).write_value(ua.Variant(other, variant))
            assert running.get(NAME, kind) == other


async def test_bytes_are_a_byte_string() -> None:
    async with served(node("X", "X", "valueType: Binary, readWrite: R")) as (running, client):
        running.set(NAME, "X", b"\0\xff")
        assert await at(client, "X").read_value() == b"\0\xff"


async def test_arrays_have_as_many_elements_as_are_set_or_written() -> None:
    kind = "valueType: Int16Array, readWrite: RW, defaultValue: '[4, 5]'"
    async with served(node("List", "L", kind)) as (running, client):
        assert await at(client, "L").read_value() == [4, 5]
        assert await at(client, "L").read_value_rank() == ua.ValueRank.OneDimension
        running.set(NAME, "List", [1, 2, 3])
        assert await at(client, "L").read_value() == [1, 2, 3]
        await at(client, "L").write_value(ua.Variant([], V.Int16, is_array=True))
        assert running.get(NAME, "List") == []


HINTED = [
    ("DateTime", "2026-11-21T20:00:00.123456000Z", datetime(2026, 11, 21, 20, 0, 0, 123456, UTC)),
    ("Guid", "09087e75-8e5e-499b-954f-f2a9603db28a", uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a")),
    ("LocalizedText", "warm", ua.LocalizedText("warm")),
    ("NodeId", "ns=3;s=x", ua.NodeId("x", 3)),
    ("QualifiedName", "2:x", ua.QualifiedName("x", 2)),
]


@pytest.mark.parametrize(("hint", "text", "value"), HINTED)
async def test_types_that_are_text_here_are_themselves_on_the_server(hint: str, text: str, value: Any) -> None:
    kind = f"valueType: String, readWrite: RW, optional: {{dataType: {hint}}}"
    async with served(node("X", "X", kind)) as (running, client):
        running.set(NAME, "X", text)
        assert await at(client, "X").read_value() == value
        running.set(NAME, "X", HINTED[0][1] if hint == "DateTime" else text)
        await at(client, "X").write_value(ua.Variant(value, V[hint]))
        assert running.get(NAME, "X") == text


async def test_a_structure_has_the_fields_that_resources_name_and_a_definition_of_its_own() -> None:
    double = "valueType: Float64, readWrite: RW"
    resources = [
        node("X", "nodeId: ns=2;s=P, field: Position.X", double),
        node("Y", "nodeId: ns=2;s=P, field: Position.Y", double),
        node("Label", "nodeId: ns=2;s=P, field: Label", "valueType: String, readWrite: RW"),
        node("Whole", "P", "valueType: Object, readWrite: RW"),
    ]
    async with served(*resources) as (running, client):
        running.set(NAME, "X", 1.5)
        running.set(NAME, "Y", -2.5)
        running.set(NAME, "Label", "here")
        assert running.get(NAME, "Whole") == {"Position": {"X": 1.5, "Y": -2.5}, "Label": "here"}
        raw = await at(client, "P").read_value()
        assert isinstance(raw, ua.ExtensionObject)
        assert raw.Body == bytes.fromhex("000000000000f83f 00000000000004c0 04000000") + b"here"  # by hand
        data_type = client.get_node(await at(client, "P").read_data_type())
        definition = await data_type.read_data_type_definition()
        assert (await data_type.read_attribute(ua.AttributeIds.IsAbstract)).Value.Value is False
        assert [field.Name for field in definition.Fields] == ["Position", "Label"]
        assert raw.TypeId == definition.DefaultEncodingId
        inner = await client.get_node(definition.Fields[0].DataType).read_data_type_definition()
        assert [(field.Name, field.DataType.Identifier) for field in inner.Fields] == [("X", 11), ("Y", 11)]
        changed = ua.ExtensionObject(raw.TypeId, raw.Body.replace(b"here", b"gone"))
        await at(client, "P").write_value(ua.Variant(changed, V.ExtensionObject))
        assert (running.get(NAME, "Label"), running.get(NAME, "X")) == ("gone", 1.5)


async def test_an_object_has_the_fields_of_its_hint_or_default_value() -> None:
    hint = "valueType: ObjectArray, readWrite: R, optional: {dataType: [{Id: UInt16, Names: 'String[]'}]}"
    default = 'valueType: Object, readWrite: RW, defaultValue: \'{"Low": 1.5, "Deep": {"On": true}}\''
    async with served(node("Jobs", "J", hint), node("Limits", "L", default)) as (running, client):
        assert running.get(NAME, "Limits") == {"Low": 1.5, "Deep": {"On": True}}
        running.set(NAME, "Jobs", [{"Id": 7, "Names": ["a", "b"]}, {"Id": 8, "Names": []}])
        first, second = await at(client, "J").read_value()
        assert first.Body == bytes.fromhex("0700 02000000 01000000 61 01000000 62")
        assert second.Body == bytes.fromhex("0800 00000000")
        with pytest.raises(ValueError, match="an object with Id, Names"):
            running.set(NAME, "Jobs", [{"Id": 7}])


async def test_nodes_are_where_browse_paths_and_namespaces_say() -> None:
    resources = [
        node("Speed", "browsePath: /2:Press/nsu=urn:acme;Speed", "valueType: Float64, readWrite: R"),
        node("Load", "browsePath: /2:Press/nsu=urn:acme;Drive/Load", "valueType: Float64, readWrite: R"),
        node("Id", "nodeId: nsu=urn:other;i=7", "valueType: Uint16, readWrite: R, units: °C, minimum: 0, maximum: 9"),
    ]
    async with served(*resources) as (running, client):
        uris = await client.get_namespace_array()
        acme, other = uris.index("urn:acme"), uris.index("urn:other")
        assert {acme, other}.isdisjoint({0, 1, 2})
        running.set(NAME, "Load", 3.25)
        found = await client.nodes.objects.get_child(["2:Press", f"{acme}:Drive", "0:Load"])
        assert await found.read_value() == 3.25
        assert await (await client.nodes.objects.get_child(["2:Press", f"{acme}:Speed"])).read_value() is not None
        numeric = client.get_node(ua.NodeId(7, other))
        unit = await (await numeric.get_child("0:EngineeringUnits")).read_value()
        assert (unit.UnitId, unit.DisplayName.Text) == (4408652, "°C")  # UNECE CEL
        assert await (await numeric.get_child("0:EURange")).read_value() == ua.Range(0, 9)
        assert await numeric.read_type_definition() == ua.NodeId(ua.ObjectIds.AnalogItemType)


async def test_what_cannot_be_read_or_written_is_refused_with_the_right_code() -> None:
    resources = [
        node("R", "R", "valueType: Int16, readWrite: R"),
        node("W", "W", "valueType: Int16, readWrite: W"),
        node("Limited", "L", "valueType: Int16, readWrite: RW, minimum: 0, maximum: 10, scale: 0.1"),
    ]
    async with served(*resources) as (running, client):
        with pytest.raises(ua.uaerrors.BadNotWritable):
            await at(client, "R").write_value(ua.Variant(1, V.Int16))
        with pytest.raises(ua.uaerrors.BadNotReadable):
            await at(client, "W").read_value()
        with pytest.raises(ua.uaerrors.BadTypeMismatch):
            await at(client, "W").write_value(ua.Variant(1, V.Int32))
        with pytest.raises(ua.uaerrors.BadOutOfRange):
            await at(client, "L").write_value(ua.Variant(101, V.Int16))
        await at(client, "L").write_value(ua.Variant(99, V.Int16))
        assert running.get(NAME, "Limited") == pytest.approx(9.9)
        assert running.get(NAME, "Limited", raw=True) == 99
        assert running.requests(NAME) == 5


async def test_subscribers_hear_what_is_set_and_what_moves() -> None:
    kind = "valueType: Float64, readWrite: R"
    async with served(node("X", "X", kind), refresh="20ms") as (running, client):
        running.set(NAME, "X", 1.0)
        heard = Heard()
        subscription = await client.create_subscription(10, heard)
        await subscription.subscribe_data_change(at(client, "X"))
        assert await heard.values.get() == 1.0
        running.set(NAME, "X", 2.0)
        assert await heard.values.get() == 2.0
        running.behave(NAME, "X", ramp(10, 1000, 600))
        values = [await heard.values.get() for _ in range(5)]
        assert values == sorted(values)
        assert values[0] >= 10
        await subscription.delete()


async def test_values_move_with_the_clock_and_carry_the_time_of_their_step(clock: MovingClock) -> None:
    async with served(node("X", "X", "valueType: Float64, readWrite: R"), clock=clock) as (running, client):
        running.behave(NAME, "X", ramp(0, 100, 100))
        clock._monotonic += 10.05
        clock._now += 10_050_000_000
        found = await at(client, "X").read_data_value()
        assert found.Value.Value == pytest.approx(10.0)
        assert found.SourceTimestamp is not None
        now = await client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
        assert now.replace(tzinfo=UTC).timestamp() == pytest.approx(clock.now() / 1e9, abs=1e-3)
        assert clock.now() / 1e9 - found.SourceTimestamp.replace(tzinfo=UTC).timestamp() == pytest.approx(
            0.05, abs=1e-3
        )


async def test_unplugged_and_plugged_again_it_holds_what_it_held() -> None:
    async with simulated(profile(node("X", "X", "valueType: Int16, readWrite: RW"))) as running:
        address = running.devices[NAME].address
        async with Client(address) as client:
            await at(client, "X").write_value(ua.Variant(7, V.Int16))
        await running.unplug(NAME)
        with pytest.raises(ConnectionRefusedError):
            await Client(address, timeout=1).connect()
        await running.plug(NAME)
        assert running.devices[NAME].address == address
        async with Client(address) as client:
            assert await at(client, "X").read_value() == 7


async def test_the_device_list_says_how_it_is_reached() -> None:
    async with simulated(profile(node("X", "X", "valueType: Int16, readWrite: R"))) as running:
        (device,) = load_devices(running.device_list(), "devices.yaml", strict=True).value
        assert device.service_name == "device-opcua"
        wanted = {"Endpoint": running.devices[NAME].address, "SecurityPolicy": "None", "AllowNone": True}
        assert device.protocols == {"opcua": wanted}
        assert [event.source_name for event in device.auto_events or []] == ["X"]


@pytest.mark.parametrize(
    ("resources", "what"),
    [
        ([node("X", "X", "valueType: String, readWrite: R, optional: {dataType: Time}")], "X: dataType 'Time' cannot"),
        ([node("X", "X", "valueType: Int16, readWrite: R, optional: {dataType: Guid}")], "X: dataType Guid is a"),
        ([node("X", "X", "valueType: Object, readWrite: R, optional: {dataType: Double}")], "X: dataType does not fit"),
        ([node("X", "X", "valueType: Int8Array, readWrite: RW, defaultValue: '[300]'")], "X: no value .* fits: 300"),
        (
            [node("X", "X", BYTE), node("Y", "X", "valueType: Int16, readWrite: R")],
            "Y and X are one node with two types",
        ),
        (
            [node("X", "X", BYTE), node("Y", "nodeId: ns=2;s=X, field: A", BYTE)],
            "Y is a field of X, which is no structure",
        ),
    ],
)  # fmt: skip
async def test_a_profile_that_cannot_be_served_is_told(resources: list[str], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        async with simulated(profile(*resources)):
            pass


async def test_a_port_that_is_taken_is_told() -> None:
    made = profile(node("X", "X", "valueType: Int16, readWrite: R"))
    async with simulated(made) as running:
        port = int(running.devices[NAME].address.rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: .*choose another port"):
            async with serve(World.from_profiles([made], port=port)):
                pass
