"""Configuration of a running gateway, through EdgeX's routes and through files: all or nothing, nobody disturbed."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulators.world import Running, World, serve
from tests.support.house import Gateway, house

META = "/core-metadata/api/v3"
PROFILE: dict[str, Any] = {
    "apiVersion": "v3",
    "name": "Tank",
    "manufacturer": "Nobody",
    "deviceResources": [
        {
            "name": name,
            "attributes": {"primaryTable": "HOLDING_REGISTERS", "startingAddress": address},
            "properties": {"valueType": "Uint16", "readWrite": "RW"},
        }
        for address, name in enumerate(("Level", "Limit"))
    ],
}
WORLD = """
devices:
  - { profile: moxa-iologik-e1214, name: io, autoEvents: { Inputs: 200ms } }
  - { profile: tank.yaml, name: tank, autoEvents: { Level: 200ms } }
"""


@contextlib.asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[tuple[Running, Gateway, dict[str, Any]]]:
    """A gateway that knows of `io` only, and how it would be told of `tank`."""
    (folder / "tank.yaml").write_text(yaml.safe_dump(PROFILE))
    (folder / "world.yaml").write_text(WORLD)
    async with serve(World.from_file(folder / "world.yaml")) as world, house(folder, start=False) as gateway:
        devices = {entry["name"]: entry for entry in yaml.safe_load(world.device_list())["deviceList"]}
        (gateway.folder / "devices" / "io.yaml").write_text(yaml.safe_dump({"deviceList": [devices["io"]]}))
        await gateway.start()
        await gateway.until_state("io", "online")
        tank = {**devices["tank"], "adminState": "UNLOCKED", "operatingState": "UP"}
        yield world, gateway, tank


@pytest.mark.parametrize("how", ["json", "upload"])
async def test_onboarded_through_rest_polled_at_once_and_still_there_after_a_restart(tmp_path: Path, how: str) -> None:
    async with plant(tmp_path) as (world, gateway, tank):
        world.set("tank", "Level", 77)
        await _add_profile(gateway, how)
        added = await gateway.ask("POST", f"{META}/device", json=[{"apiVersion": "v3", "device": tank}])
        assert [one["statusCode"] for one in added.json()] == [201], added.text
        await gateway.until_value("tank", "Level", 77)
        assert (await gateway.flow("io"))["overruns"] == 0
        assert await gateway.stop() == 0
        written = "\n".join(file.read_text() for file in gateway.folder.rglob("*.yaml"))
        assert "Tank" in written
        assert "name: tank" in written
        world.set("tank", "Level", 78)
        await gateway.start()
        await gateway.until_value("tank", "Level", 78)


async def test_patched_locked_and_deleted(tmp_path: Path) -> None:
    async with plant(tmp_path) as (world, gateway, tank):
        await _add_profile(gateway, "json")
        await gateway.ask("POST", f"{META}/device", json=[{"apiVersion": "v3", "device": tank}])
        await gateway.until_state("tank", "online")
        await _patch(gateway, {"name": "tank", "autoEvents": [{"interval": "100ms", "sourceName": "Level"}]})
        assert (await gateway.flow("tank"))["requested_s"] == 0.1
        await _patch(gateway, {"name": "tank", "adminState": "LOCKED"})
        await gateway.until_state("tank", "unknown")
        asked = world.requests("tank")
        refused = await gateway.ask("GET", "/core-command/api/v3/device/name/tank/Level")
        assert refused.status_code == 423
        refused = await gateway.ask("PUT", "/core-command/api/v3/device/name/tank/Limit", json={"Limit": "5"})
        assert refused.status_code == 423
        assert world.requests("tank") == asked
        in_use = await gateway.ask("DELETE", f"{META}/deviceprofile/name/Tank")
        assert in_use.status_code == 409
        assert (await gateway.ask("DELETE", f"{META}/device/name/tank")).status_code == 200
        assert (await gateway.ask("DELETE", f"{META}/deviceprofile/name/Tank")).status_code == 200
        assert (await gateway.ask("GET", f"{META}/device/name/tank")).status_code == 404
        assert await gateway.stop() == 0
        await gateway.start()
        assert (await gateway.own("config"))["devices"] == ["io"]


async def test_a_bad_change_is_refused_whole(tmp_path: Path) -> None:
    async with plant(tmp_path) as (_, gateway, tank):
        before, files = await gateway.own("config"), _files(gateway)
        bad = {
            **PROFILE,
            "name": "Bad",
            "deviceResources": [{**PROFILE["deviceResources"][0], "attributes": {"primaryTable": "COILS"}}],
        }
        body = {"profiles": [PROFILE, bad], "devices": [tank, {**tank, "name": "second", "profileName": "Bad"}]}
        refused = await gateway.ask("POST", "/gateway/api/v1/config/apply", json=body)
        assert refused.status_code in (400, 422), refused.text
        assert "startingAddress" in refused.text
        (gateway.folder / "devices" / "broken.yaml").write_text(
            "deviceList:\n  - name: broken\n    profileName: None-such\n"
        )
        said = await gateway.cli("apply")
        assert said.code == 2
        assert "broken.yaml:" in said.err
        gateway.reload()
        gateway.quiet = False
        line = await gateway.until_logged("the files were not taken over")
        assert "what ran goes on" in line
        assert "None-such" in "\n".join(gateway.log)
        (gateway.folder / "devices" / "broken.yaml").unlink()
        assert await gateway.own("config") == before
        assert _files(gateway) == files
        assert (await gateway.flow("io"))["overruns"] == 0


async def test_files_are_taken_over_and_who_is_not_touched_misses_no_poll(tmp_path: Path) -> None:
    async with plant(tmp_path) as (_, gateway, tank):
        reads = (await gateway.flow("io"))["reads"]
        (gateway.folder / "profiles" / "tank.yaml").write_text(yaml.safe_dump(PROFILE))
        (gateway.folder / "devices" / "tank.yaml").write_text(yaml.safe_dump({"deviceList": [tank]}))
        dry = await gateway.cli("apply", "--dry-run", "--json")
        assert (dry.code, dry.body["changed"], dry.body["added_devices"]) == (0, True, ["tank"])
        assert (await gateway.own("config"))["devices"] == ["io"]
        said = await gateway.cli("apply")
        assert said.code == 0, said.err
        assert "added    device tank" in said.out
        await gateway.until_state("tank", "online")
        again = await gateway.cli("apply")
        assert "nothing changed" in again.out
        (gateway.folder / "devices" / "tank.yaml").unlink()
        start = len(gateway.log)
        gateway.reload()
        await gateway.until_logged("changes applied", start)
        assert (await gateway.own("config"))["devices"] == ["io"]
        flow = await gateway.flow("io")
        assert flow["reads"] > reads
        assert (flow["failures"], flow["overruns"]) == (0, 0)
        assert flow["achieved_s"] < 0.3


async def _add_profile(gateway: Gateway, how: str) -> None:
    if how == "json":
        added = await gateway.ask("POST", f"{META}/deviceprofile", json=[{"apiVersion": "v3", "profile": PROFILE}])
        assert [one["statusCode"] for one in added.json()] == [201], added.text
    else:
        file = {"file": ("tank.yaml", yaml.safe_dump(PROFILE).encode())}
        added = await gateway.ask("POST", f"{META}/deviceprofile/uploadfile", files=file)
        assert added.status_code == 201, added.text


async def _patch(gateway: Gateway, changes: dict[str, Any]) -> None:
    answer = await gateway.ask("PATCH", f"{META}/device", json=[{"apiVersion": "v3", "device": changes}])
    assert [one["statusCode"] for one in answer.json()] == [200], answer.text


def _files(gateway: Gateway) -> dict[str, str]:
    return {str(file): file.read_text() for file in gateway.folder.rglob("*.yaml")}
