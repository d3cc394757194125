"""The command line against a running gateway: what people see, and the exit codes that scripts see."""

from pathlib import Path

from simulators.world import World, serve
from tests.support.house import house, southgate
from tests.support.ports import free_port

WORLD = """
devices:
  - { profile: xy-md02, name: climate, autoEvents: { Climate: 200ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays, autoEvents: { Relays: 200ms } }
"""


async def test_devices_read_and_write(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, house(tmp_path, world) as gateway:
        world.set("climate", "Temperature", 21.5)
        await gateway.until_value("climate", "Temperature", 21.5)
        await gateway.until_state("relays", "online")
        listed = await gateway.cli("devices")
        assert listed.code == 0, listed.err
        assert {line.split()[0]: line.split()[1] for line in listed.out.splitlines()[1:]} == {
            "climate": "online",
            "relays": "online",
        }
        one = await gateway.cli("devices", "climate", "--json")
        assert one.body["values"]["Temperature"]["value"] == 21.5
        read = await gateway.cli("read", "climate", "Temperature")
        assert (read.code, read.out.splitlines()[1].split()) == (0, ["Temperature", "21.5", "°C", "Float32", "215"])
        written = await gateway.cli("write", "relays", "Relay2=true")
        assert (written.code, world.get("relays", "Relay2")) == (0, True), written.err
        assert "confirmed (200)" in written.out
        assert "Relay2 reads True" in written.out or "Relay2 reads true" in written.out
        out_of_range = await gateway.cli("write", "climate", "TemperatureCorrection=11", "--json")
        assert (out_of_range.code, out_of_range.body["outcome"], out_of_range.body["code"]) == (1, "rejected", 422)
        world.devices["relays"].unit._handlers[5] = lambda pdu: pdu  # says yes and does nothing
        ignored = await gateway.cli("write", "relays", "Relay3=true")
        assert ignored.code == 1
        assert "unconfirmed (409)" in ignored.out
        twice = [await gateway.cli("write", "relays", "Relay2=false", "--id", "once", "--json") for _ in range(2)]
        assert twice[0].body["started"] == twice[1].body["started"]
        assert (await gateway.cli("read", "relays", "None")).code == 1
        world.fault("climate", silence=True)
        await gateway.until_state("climate", "offline")
        assert (await gateway.cli("devices")).code == 1


async def test_nobody_answers() -> None:
    for command in (("devices",), ("read", "a", "b"), ("write", "a", "b=1"), ("apply",)):
        said = await southgate(*command, "--url", f"http://127.0.0.1:{free_port()}")
        assert said.code == 3
        assert "Is it running" in said.err
