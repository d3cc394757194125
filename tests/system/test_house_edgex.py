"""EdgeX's read, write and query routes against real polls, and the history after a restart."""

from pathlib import Path
from typing import Any

from simulators.world import World, serve
from tests.support.house import Gateway, house

WORLD = """
devices:
  - { profile: moxa-iologik-e1214, name: io, autoEvents: { Inputs: 100ms } }
  - { profile: eastron-sdm230, name: meter, autoEvents: { Power: 100ms } }
"""
COMMAND = "/core-command/api/v3/device/name"
DATA = "/core-data/api/v3"


async def test_reads_and_writes_now(tmp_path: Path) -> None:
    async with serve(_world(tmp_path)) as world, house(tmp_path, world) as gateway:
        await gateway.until_state("io", "online")
        world.set("meter", "Voltage", 231.5)
        event = (await gateway.get(f"{COMMAND}/meter/Voltage"))["event"]
        assert (event["deviceName"], event["sourceName"]) == ("meter", "Voltage")
        (reading,) = event["readings"]
        assert (float(reading["value"]), reading["valueType"]) == (231.5, "Float32")
        every = (await gateway.get(f"{COMMAND}/io/Relay%5B01%5D"))["event"]["readings"]
        assert {one["resourceName"]: one["value"] for one in every} == {"Relay0": "false", "Relay1": "false"}
        put = await gateway.ask(
            "PUT", f"{COMMAND}/io/Relays", json={f"Relay{n}": str(n == 1).lower() for n in range(6)}
        )
        assert put.status_code == 200, put.text
        assert [world.get("io", f"Relay{n}") for n in range(6)] == [n == 1 for n in range(6)]
        put = await gateway.ask("PUT", f"{COMMAND}/io/Relay0", json={"Relay0": "maybe"})
        assert put.status_code == 400, put.text
        assert (await gateway.ask("PUT", f"{COMMAND}/io/DI0", json={"DI0": "true"})).status_code == 405
        assert (await gateway.ask("GET", f"{COMMAND}/io/None")).status_code == 404
        assert (await gateway.ask("GET", f"{COMMAND}/none/DI0")).status_code == 404


async def test_what_is_read_goes_its_way_up_and_comes_back_only_where_wanted(tmp_path: Path) -> None:
    async with serve(_world(tmp_path)) as world, house(tmp_path, world) as gateway:
        await gateway.until_state("meter", "online")
        silent = await gateway.ask("GET", f"{COMMAND}/meter/Frequency?ds-returnevent=false")
        assert silent.status_code == 200
        assert "event" not in silent.text
        event = (await gateway.get(f"{COMMAND}/meter/Frequency?ds-pushevent=true"))["event"]

        async def kept() -> Any:
            found = await gateway.get(f"{DATA}/reading/device/name/meter/resourceName/Frequency")
            return found["readings"] if found["totalCount"] == 2 else None

        newest, _ = await gateway.until(kept)
        assert (newest["origin"], newest["value"]) == (event["origin"], event["readings"][0]["value"])
        assert (await gateway.get(f"{DATA}/event/id/{event['id']}"))["event"]["origin"] == event["origin"]
        wrong = await gateway.ask("GET", f"{COMMAND}/meter/Frequency?ds-returnevent=no")
        assert wrong.status_code == 400


async def test_history_by_device_resource_time_and_page_also_after_a_restart(tmp_path: Path) -> None:
    async with serve(_world(tmp_path)) as world, house(tmp_path, world) as gateway:
        await gateway.until(lambda: _at_least(gateway, "io", 12))
        await gateway.until(lambda: _at_least(gateway, "meter", 12))
        assert await gateway.stop() == 0
        await gateway.start()
        first = await gateway.get(f"{DATA}/event/device/name/io?limit=5")
        origins = [event["origin"] for event in first["events"]]
        assert origins == sorted(origins, reverse=True)
        assert first["totalCount"] >= 12
        start, end = origins[4], origins[0]
        path = f"{DATA}/event/start/{start}/end/{end}"
        found = [e["origin"] for e in (await gateway.get(f"{path}?limit=-1"))["events"] if e["deviceName"] == "io"]
        assert found == origins
        inputs = await gateway.get(f"{DATA}/reading/device/name/io/resourceName/DI3/start/{start}/end/{end}")
        assert [reading["origin"] for reading in inputs["readings"]] == origins
        assert inputs["totalCount"] == 5
        paged = []
        for offset in range(0, 5, 2):
            query = f"{DATA}/reading/device/name/io/resourceName/DI3/start/{start}/end/{end}?offset={offset}&limit=2"
            paged += [reading["origin"] for reading in (await gateway.get(query))["readings"]]
        assert paged == origins
        assert (await gateway.ask("GET", f"{path}?offset=100000")).status_code == 416
        assert (await gateway.ask("GET", f"{DATA}/event/start/{end}/end/{start}")).status_code == 400


async def _at_least(gateway: Gateway, device: str, count: int) -> bool:
    return bool((await gateway.get(f"{DATA}/event/count/device/name/{device}"))["count"] >= count)


def _world(folder: Path) -> World:
    file = folder / "world.yaml"
    file.write_text(WORLD)
    return World.from_file(file)
