"""One write to all units of a serial line, as a user sends it over REST."""

from pathlib import Path

import yaml

from simulators.world import World, serve
from tests.support.house import house

UNITS = ("relays-1", "relays-2", "relays-7")
WORLD = """
devices:
  - { profile: waveshare-modbus-rtu-relay, name: relays-1, rtu: bus, unit: 1, autoEvents: { Relays: 200ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays-2, rtu: bus, unit: 2, autoEvents: { Relays: 200ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays-7, rtu: bus, unit: 7, autoEvents: { Relays: 200ms } }
lines:
  bus: { baud: 19200 }
"""


def everybody(listed: str) -> str:
    """A device that stands for all units of the line of the first one."""
    first = yaml.safe_load(listed)["deviceList"][0]
    first["protocols"]["modbus-rtu"]["UnitID"] = 0
    return yaml.safe_dump({"deviceList": [{**first, "name": "everybody", "autoEvents": []}]})


async def test_a_put_to_the_broadcast_device_reaches_every_unit_and_says_who_confirms_it(
    tmp_path: Path,
) -> None:
    """Ask 15."""
    file = tmp_path / "world.yaml"
    file.write_text(WORLD)
    async with serve(World.from_file(file)) as world, house(tmp_path, world, start=False) as gateway:
        (gateway.folder / "devices" / "everybody.yaml").write_text(everybody(world.device_list()))
        await gateway.start()
        for name in UNITS:
            await gateway.until_state(name, "online")
            world.set(name, "Relay3", False)
        for name in UNITS:
            await gateway.until_value(name, "Relay3", False)
        answer = await gateway.ask("PUT", "/core-command/api/v3/device/name/everybody/Relay3", json={"Relay3": "true"})
        assert (answer.status_code, answer.json()["statusCode"]) == (202, 202)
        assert "nobody confirms it" in answer.json()["message"]
        for name in UNITS:
            await gateway.until_value(name, "Relay3", True)
        result = await gateway.command("everybody", "Relay3", {"Relay3": False})
        assert (result["outcome"], result["code"], result["readback"]) == ("unconfirmed", 202, {})
        for name in UNITS:
            await gateway.until_value(name, "Relay3", False)
        refused = await gateway.ask("GET", "/core-command/api/v3/device/name/everybody/Relay3")
        assert refused.status_code == 405
        assert "broadcast address" in refused.json()["message"]
        twin = await gateway.twin("everybody")
        assert (twin["state"], "never answers" in twin["reason"]) == ("unknown", True)
        (lane,) = (await gateway.own("lanes"))["lanes"]
        assert (lane["quarantined"], lane["errors"]) == ({}, {})
        assert (await gateway.own("health"))["healthy"] is True
