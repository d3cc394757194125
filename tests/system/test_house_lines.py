"""Asks 6 and 17: a serial line as a thing one can look at, on the command line and over REST."""

import asyncio
from pathlib import Path
from typing import Any

from simulators.world import World, serve
from tests.support.house import house, southgate

WORLD = """
devices:
  - { profile: xy-md02, name: climate, rtu: bus, unit: 1, autoEvents: { Climate: 500ms } }
  - { profile: xy-md02, name: cellar, rtu: bus, unit: 2, autoEvents: { Climate: 500ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays, rtu: bus, unit: 7, autoEvents: { Relays: 1s } }
lines:
  bus: { baud: 9600 }
"""


async def test_a_line_and_everything_on_it_in_one_look(tmp_path: Path) -> None:
    (tmp_path / "world.yaml").write_text(WORLD, "utf-8")
    async with serve(World.from_file(tmp_path / "world.yaml")) as world, house(tmp_path, world) as gateway:
        await asyncio.gather(*(gateway.until_state(device, "online") for device in world.devices))

        async def seen() -> Any:
            (line,) = (await gateway.own("lines"))["lines"]
            polls = [poll for device in line["devices"] for poll in device["polls"]]
            return line if line["busy"] and all(poll["achieved_s"] for poll in polls) else None

        line = await gateway.until(seen)
        assert (line["state"], line["problems"]) == ("connected", [])
        assert 0.05 < line["busy_planned"] < 0.8
        assert {d["device"]: d["unit"] for d in line["devices"]} == {"climate": 1, "cellar": 2, "relays": 7}
        shares = [poll["share"] for device in line["devices"] for poll in device["polls"]]
        assert abs(sum(shares) - line["busy_planned"]) < 1e-6
        world.fault("relays", silence=True)
        await gateway.until_reason("relays", "did not answer")
        said = await southgate("lines", "--url", gateway.url)
        assert said.code == 1, "one on it is silent"
        title, _, *rows = said.out.splitlines()
        assert title.startswith(f"{line['connection']}: connected, ")
        assert "no_answer" in title
        by_device = {row.split()[0]: row for row in rows if row}
        assert by_device["climate"].split()[1:6] == ["1", "online", "read", "0.5", "s"]
        assert "silent" in by_device["relays"]
        assert "waiting for it takes" in by_device["relays"]
        assert "next probe in" in by_device["relays"]
