"""A device with a hole in its map: every value comes all the same, what was learned is shown, kept and forgotten."""

from pathlib import Path
from typing import Any

from simulators.modbus.faults import hole
from simulators.world import World, serve
from tests.support.house import Gateway, house

WORLD = """
devices:
  - { profile: eastron-sdm230, name: meter, autoEvents: { Instantaneous: 500ms } }
"""


async def test_a_hole_costs_no_value_and_is_known_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "world.yaml"
    folder.write_text(WORLD)
    async with serve(World.from_file(folder)) as world:
        world.fault("meter", holes=(hole("input:2-5"),))
        async with house(tmp_path, world) as gateway:
            await gateway.until_state("meter", "online")

            async def learned() -> Any:
                return (await _facts(gateway)).get("apart")

            assert await gateway.until(learned) == {"INPUT_REGISTERS": [6]}
            asked = await gateway.cli("facts", "meter")
            assert "no request reaches across INPUT_REGISTERS 6" in asked.out
            assert "profile Eastron-SDM230, resource Current: attributes barrier: true" in asked.out
            await gateway.kill()
            await gateway.start()
            assert (await _facts(gateway))["apart"] == {"INPUT_REGISTERS": [6]}
            forgotten = await gateway.cli("facts", "meter", "--forget")
            assert (forgotten.code, forgotten.out) == (0, "meter: forgotten; it is learned anew\n")
            assert await gateway.until(learned) == {"INPUT_REGISTERS": [6]}


async def _facts(gateway: Gateway) -> Any:
    return (await gateway.ask("GET", "/gateway/api/v1/facts/meter")).json()["facts"]
