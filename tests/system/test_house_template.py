"""One profile for many like devices, as a user has it: a folder, a simulator, a gateway, REST, and a table out and in.

Asks 18, 38 and 39 of users: typed parameters, classes of rates, what they come to is visible, overrides for one device,
CSV with verdicts."""

import re
from pathlib import Path

from simulators.world import World, serve
from tests.support.house import house, southgate
from tests.support.ports import free_port

PROFILE = """\
name: Multi-Circuit
manufacturer: Test
parameters:
  circuit: { valueType: Uint8, minimum: 1, maximum: 12, description: number of the circuit }
  ct_ratio: { valueType: Float64, defaultValue: 1, minimum: 1 }
deviceResources:
  - name: Current
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: $(1000 + 100 * (circuit - 1)) }
    properties: { valueType: Float32, readWrite: R, scale: $(ct_ratio), units: A }
  - name: Limit
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: $(1002 + 100 * (circuit - 1)) }
    properties: { valueType: Uint16, readWrite: RW, minimum: 0, maximum: $(100 * ct_ratio), units: A }
deviceCommands:
  - { name: All, readWrite: R, resourceOperations: [{ deviceResource: Current }, { deviceResource: Limit }] }
"""
WORLD = """\
devices:
  - { profile: multi.yaml, name: c1, tcp: PORT, parameters: { circuit: 1, ct_ratio: 80 }, autoEvents: { All: 200ms } }
  - { profile: multi.yaml, name: c2, tcp: PORT, parameters: { circuit: 2 }, autoEvents: { All: 200ms } }
  - { profile: multi.yaml, name: c3, tcp: PORT, parameters: { circuit: 3 }, autoEvents: { All: 200ms },
      overrides: { Current: { properties: { units: mA, scale: 1000 } } } }
"""
META = "/core-metadata/api/v3"
CSV = "/gateway/api/v1/devices.csv"


async def test_three_circuits_of_one_meter(tmp_path: Path) -> None:
    """T28: the table that comes out goes in again without a change, and a wrong row is named and changes nothing."""
    (tmp_path / "multi.yaml").write_text(PROFILE)
    (tmp_path / "world.yaml").write_text(WORLD.replace("PORT", str(free_port())))
    async with serve(World.from_file(tmp_path / "world.yaml")) as world:
        for name, amperes in (("c1", 40.0), ("c2", 2.5), ("c3", 1500.0)):
            world.set(name, "Current", amperes)
        async with house(tmp_path, world, profiles=[PROFILE]) as gateway:
            await gateway.until_value("c1", "Current", 40.0)
            await gateway.until_value("c2", "Current", 2.5)
            await gateway.until_value("c3", "Current", 1500.0)

            shown = await gateway.cli("effective", "c1")
            assert "scale: 80.0  # $(ct_ratio): ct_ratio 80 (device)\n" in shown.out
            assert "units: mA  # override of the device\n" in (await gateway.cli("effective", "c3")).out
            planned = await southgate("plan", gateway.folder)
            assert re.findall(r"FC3 holding registers (\S+)", planned.out) == ["1000-1002", "1100-1102", "1200-1202"]

            assert (await gateway.command("c1", "Limit", {"Limit": 7000}))["outcome"] == "confirmed"
            assert world.get("c1", "Limit") == 7000
            assert (await gateway.command("c2", "Limit", {"Limit": 7000}))["outcome"] == "rejected"

            text = (await gateway.ask("GET", CSV)).content
            head = text.decode("utf-8-sig").splitlines()[0]
            assert "parameters.circuit,parameters.ct_ratio" in head
            same = (await gateway.ask("POST", CSV, content=text)).json()
            assert (same["unchanged"], same["applied"]) == (3, False)
            wrong = "name;parameters.ct_ratio\nc1;0\nc2;5\n"
            refused = (await gateway.ask("POST", CSV, content=wrong)).json()
            assert [row["verdict"] for row in refused["rows"]] == ["refused", "changed"]
            assert refused["rows"][0]["column"] == "parameters.ct_ratio"
            assert await gateway.value("c2", "Current") == 2.5

            reads = (await gateway.flow("c1"))["reads"]
            changed = (await gateway.ask("POST", CSV, content="name;parameters.ct_ratio\nc2;5\n")).json()
            assert (changed["changed"], changed["applied"]) == (1, True)
            await gateway.until_value("c2", "Current", 12.5)
            assert (await gateway.flow("c1"))["reads"] >= reads  # its neighbour's flow is the one it was

            change = {"name": "c2", "properties": {"parameters": {"circuit": 3}}}
            body = [{"apiVersion": "v3", "requestId": "", "device": change}]
            assert (await gateway.ask("PATCH", f"{META}/device", json=body)).json()[0]["statusCode"] == 200
            await gateway.until_value("c2", "Current", 1.5)
            assert await gateway.value("c3", "Current") == 1500.0

            body[0]["device"] = {"name": "c2", "properties": {"parameters": {"circuit": 20}}}
            (wrong,) = (await gateway.ask("PATCH", f"{META}/device", json=body)).json()
            assert wrong["statusCode"] == 400
            assert "parameters.circuit: expected a whole number of 1 to 12, got 20" in wrong["message"]

            profile = (await gateway.get(f"{META}/deviceprofile/name/Multi-Circuit"))["profile"]
            put = [{"apiVersion": "v3", "requestId": "", "profile": {**profile, "description": "edited"}}]
            assert (await gateway.ask("PUT", f"{META}/deviceprofile", json=put)).json()[0]["statusCode"] == 200
            (file,) = [p for p in gateway.folder.joinpath("profiles").rglob("*.yaml") if "edited" in p.read_text()]
            assert "scale: $(ct_ratio)" in file.read_text()
            assert await gateway.stop() == 0
            await gateway.start()
            await gateway.until_value("c1", "Current", 40.0)
            await gateway.until_value("c2", "Current", 1.5)


RATES = """\
name: Rated
parameters:
  fast: { valueType: String, defaultValue: 500ms }
  slow: { valueType: String, defaultValue: 30s }
deviceResources:
  - name: Power
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 0 }
    properties: { valueType: Uint16, readWrite: R }
  - name: Limit
    attributes: { primaryTable: HOLDING_REGISTERS, startingAddress: 10 }
    properties: { valueType: Uint16, readWrite: RW }
autoEvents:
  - { sourceName: Power, interval: $(fast) }
  - { sourceName: Limit, interval: $(slow) }
"""
RATED = """\
devices:
  - { profile: rated.yaml, name: usual, tcp: 0 }
  - { profile: rated.yaml, name: quick, tcp: 0, parameters: { fast: 200ms } }
"""


async def test_classes_of_rates_of_one_profile(tmp_path: Path) -> None:
    """Ask 18: two devices of one profile, one at its default classes, one with a class of its own."""
    (tmp_path / "rated.yaml").write_text(RATES)
    (tmp_path / "world.yaml").write_text(RATED)
    async with serve(World.from_file(tmp_path / "world.yaml")) as world:
        assert "autoEvents" not in world.device_list()
        for name, power in (("usual", 7), ("quick", 8)):
            world.set(name, "Power", power)
            world.set(name, "Limit", 100 + power)
        async with house(tmp_path, world, profiles=[RATES]) as gateway:
            for name, power in (("usual", 7), ("quick", 8)):
                await gateway.until_value(name, "Power", power)
                await gateway.until_value(name, "Limit", 100 + power)

            async def asked() -> dict[str, list[float]]:
                lines = (await gateway.own("lines"))["lines"]
                devices = [device for line in lines for device in line["devices"]]
                return {d["device"]: sorted(poll["requested_s"] for poll in d["polls"]) for d in devices}

            assert await asked() == {"usual": [0.5, 30], "quick": [0.2, 30]}
            said = await gateway.cli("lines")
            assert all(period in said.out for period in ("0.2", "0.5", "30"))
            shown = await gateway.cli("effective", "quick")
            assert "interval: 200ms  # $(fast): fast 200ms (device)\n" in shown.out

            profile = (await gateway.get(f"{META}/deviceprofile/name/Rated"))["profile"]
            assert [event["interval"] for event in profile["autoEvents"]] == ["$(fast)", "$(slow)"]
            profile["autoEvents"][0]["sourceName"] = "Pover"
            put = [{"apiVersion": "v3", "requestId": "", "profile": profile}]
            (refused,) = (await gateway.ask("PUT", f"{META}/deviceprofile", json=put)).json()
            assert refused["statusCode"] == 400
            assert refused["message"].count("did you mean Power?") == 1

            change = {"name": "usual", "autoEvents": []}
            body = [{"apiVersion": "v3", "requestId": "", "device": change}]
            assert (await gateway.ask("PATCH", f"{META}/device", json=body)).json()[0]["statusCode"] == 200
            assert await asked() == {"usual": [], "quick": [0.2, 30]}
            assert await gateway.stop() == 0
            await gateway.start()
            await gateway.until_value("quick", "Power", 8)
            assert await asked() == {"usual": [], "quick": [0.2, 30]}, "the file says so, too"
