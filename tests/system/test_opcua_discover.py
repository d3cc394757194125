"""`southgate discover opcua` as a user starts it, against asyncua's server: what it says, what it writes, what the
gateway makes of that."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.common.structures104 import new_enum

from gateway.model.device import Device
from gateway.model.dump import dump_devices
from gateway.model.load import load_devices, load_profile
from simulators.library import find_profile
from simulators.world import World, serve
from tests.support.house import Said, furnish, house, southgate, surroundings
from tests.support.nodeopcua import PASSWORD, USER, NodeOpcua
from tests.support.opcua import plain_server
from tests.support.ports import free_port

URI = "urn:acme:press"


@asynccontextmanager
async def press(port: int | None = None) -> AsyncIterator[tuple[str, Server]]:
    """A machine with what discovery has to see."""
    server = plain_server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{port or free_port()}"
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("urn:moves:indexes")
    index = await server.register_namespace(URI)
    state = await new_enum(server, index, "PressState", ["Idle", "Running", "Faulted"])
    machine = await server.nodes.objects.add_object(ua.NodeId("Press", index), f"{index}:Press")
    speed = await machine.add_variable(ua.NodeId("Press.Speed", index), f"{index}:Speed", 12.5)
    await speed.set_writable()
    await speed.add_property(ua.NodeId("r", index), "0:EURange", ua.Range(0.0, 60.0))
    units = ua.EUInformation(DisplayName=ua.LocalizedText("mm/s"), UnitId=4403255)
    await speed.add_property(ua.NodeId("u", index), "0:EngineeringUnits", units)
    await machine.add_variable(ua.NodeId("State", index), f"{index}:State", 1, ua.VariantType.Int32, state.nodeid)
    axis = await machine.add_object(ua.NodeId("Axis", index), f"{index}:Axis")
    await axis.add_variable(ua.NodeId("Axis.Curve", index), f"{index}:Curve", [1.0, 2.0], ua.VariantType.Double)
    await axis.add_property(ua.NodeId("Axis.Serial", index), f"{index}:SerialNumber", "S-77")
    await machine.add_method(ua.NodeId("Start", index), f"{index}:Start", _start, [ua.VariantType.Double], [])
    await server.start()
    try:
        yield url, server
    finally:
        await server.stop()


async def _start(_: Any, speed: ua.Variant) -> list[ua.Variant]:
    return []


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def discover(url: str, *arguments: str | Path, cwd: Path) -> Said:
    return await southgate("discover", "opcua", url, "--allow-none", *arguments, cwd=cwd)


async def test_a_server_is_described_and_the_gateway_takes_what_was_written(tmp_path: Path) -> None:
    async with press() as (url, _):
        said = await discover(url, "--out", "found", cwd=tmp_path)
        assert said.code == 0, said.err
        assert f"{url}: no security; lets in anybody" in said.out
        assert "Methods, left out without --writable (1): Press/Start." in said.out
        checked = await southgate("check", "found", cwd=tmp_path)
        assert checked.code == 0, checked.err + checked.out
    (path,) = files(tmp_path / "found/profiles")
    profile = load_profile(path.read_text("utf-8"), path.name).value
    found = {one.name: one for one in profile.device_resources}
    assert {name: f"{one.properties.value_type} {one.properties.read_write}" for name, one in found.items()} == {
        "Speed": "Float64 R", "State": "Int32 R", "Axis.Curve": "Float64Array R", "Axis.SerialNumber": "String R"
    }  # fmt: skip
    speed = found["Speed"]
    assert speed.attributes == {"nodeId": f"nsu={URI};s=Press.Speed"}
    assert (speed.properties.units, speed.properties.minimum, speed.properties.maximum) == ("mm/s", 0.0, 60.0)
    mappings = [one.mappings for command in profile.device_commands for one in command.resource_operations]
    assert {"0": "Idle", "1": "Running", "2": "Faulted"} in [dict(one) for one in mappings]
    (device,) = load_devices((tmp_path / "found/devices/discovered.yaml").read_text("utf-8"), "d.yaml").value
    assert device.protocols["opcua"] == {"Endpoint": url, "AllowNone": True}
    again = await discover(url, "--out", "found", cwd=tmp_path)
    assert again.code == 2
    assert "is not empty" in again.err


async def test_paths_nodes_and_writing(tmp_path: Path) -> None:
    async with press() as (url, _):
        narrow = await discover(url, "--path", "/Press/*/*urve", "--json", cwd=tmp_path)
        assert next(iter(narrow.body["profiles"].values())).count("nodeId") == 1, narrow.body
        node = await discover(url, "--node", f"nsu={URI};s=Axis", "--writable", "--json", cwd=tmp_path)
        assert node.body["resources"] == 2
        writable = await discover(url, "--writable", "--name", "Press", "--json", cwd=tmp_path)
        text = writable.body["profiles"]["Press"]
        assert "methodId: nsu=urn:acme:press;s=Start" in text
        assert "readWrite: RW" in text
        own = await discover(url, "--path", "/Server/ServerStatus/*", "--json", cwd=tmp_path)
        assert "nodeId: i=2258" in next(iter(own.body["profiles"].values()))
        nothing = await discover(url, "--path", "/Oven/**", cwd=tmp_path)
        assert nothing.code == 1
        assert "no value was found" in nothing.err


async def test_only_the_endpoints(tmp_path: Path) -> None:
    async with press() as (url, _):
        said = await southgate("discover", "opcua", url, "--endpoints", "--json", cwd=tmp_path)
    assert said.code == 0
    assert {(one["policy"], one["mode"]) for one in said.body["endpoints"]} == {("None", "None")}
    assert any(url in server["urls"] for server in said.body["servers"])


async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    nobody = await discover(f"opc.tcp://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert nobody.code == 3
    assert "refused" in nobody.err
    wrong = await discover("http://127.0.0.1", cwd=tmp_path)
    assert wrong.code == 2
    assert "expected opc.tcp://HOST:PORT/PATH" in wrong.err
    async with press() as (url, _):
        path = await discover(url, "--path", "/a//b", cwd=tmp_path)
        assert path.code == 2
        assert "a name is empty" in path.err
        node = await discover(url, "--node", f"nsu={URI};s=Nobody", cwd=tmp_path)
        assert node.code == 2
        assert "no such object, variable or method" in node.err
        namespace = await discover(url, "--node", "nsu=urn:other;s=Nobody", cwd=tmp_path)
        assert namespace.code == 2
        assert "has no namespace urn:other" in namespace.err
    assert not files(tmp_path)


async def test_ctrl_c_keeps_what_is_known(tmp_path: Path) -> None:
    async with press() as (url, server):
        index = await server.get_namespace_index(URI)
        machine = server.get_node(ua.NodeId("Press", index))
        for folder in range(30):
            parent = await machine.add_object(ua.NodeId(f"F{folder}", index), f"{index}:F{folder}")
            for number in range(100):
                await parent.add_variable(ua.NodeId(f"F{folder}.{number}", index), f"{index}:V{number}", 1.0)
        arguments = ("discover", "opcua", url, "--allow-none", "--out", "found")
        master, slave = os.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments, cwd=tmp_path, env=surroundings(),
            stdout=asyncio.subprocess.PIPE, stderr=slave,
        )  # fmt: skip
        os.close(slave)
        try:
            async with asyncio.timeout(40):
                while not re.search(rb"found, [1-9]\d* described", await asyncio.to_thread(os.read, master, 4096)):
                    assert process.returncode is None
                process.send_signal(signal.SIGINT)
                out, _ = await process.communicate()
                shown = await asyncio.to_thread(os.read, master, 65_536)
        finally:
            os.close(master)
    assert process.returncode == 130, out
    assert b"interrupted after " in shown
    assert b"written: found/devices/discovered.yaml" in out
    (path,) = files(tmp_path / "found/profiles")
    count = len(load_profile(path.read_text("utf-8"), path.name).value.device_resources)
    assert 400 < count < 3005


async def test_a_profile_scan_over_rest_gives_a_device_its_values(tmp_path: Path) -> None:
    """EdgeX's discovery routes on a running gateway (contract, 7.5)."""
    async with press() as (url, _):
        device = {"Endpoint": url, "SecurityPolicy": "None", "AllowNone": True}
        named = Device(name="press", service_name="device-opcua", protocols={"opcua": device})
        furnish(tmp_path / "plant", dump_devices([named]))
        async with house(tmp_path, discovery={"device-opcua": [url]}) as gateway:
            own = "/device-opcua/api/v3"
            body = {"deviceName": "press", "profileName": "Found", "options": {"path": "/Press/**", "writable": True}}
            answer = await gateway.ask("POST", f"{own}/profilescan", json=body)
            assert answer.status_code == 202, answer.text

            async def ended() -> Any:
                (run,) = (await gateway.own("discovered"))["scans"]
                return run if run["state"] != "running" else None

            run = await gateway.until(ended)
            assert run["state"] == "done", run
            await gateway.until_value("press", "Speed", 12.5)
            event = (await gateway.get(f"{own}/device/name/press/Speed"))["event"]
            assert event["readings"][0]["units"] == "mm/s"
            assert event["profileName"] == "Found"
            again = await gateway.ask("POST", f"{own}/profilescan", json=body)
            assert again.status_code == 409
            assert (await gateway.ask("POST", f"{own}/discovery")).status_code == 202

            async def listed() -> Any:
                return (await gateway.own("discovered"))["devices"]

            (found,) = await gateway.until(listed)
            assert found["protocols"] == {"opcua": {"Endpoint": url}}
            unknown = {"deviceName": "press", "options": {"deep": 3}}
            refused = await gateway.ask("POST", f"{own}/profilescan", json=unknown)
            assert refused.status_code == 400
            assert "deep" in refused.json()["message"]
            await gateway.stop()  # asyncua's server keeps what a killed client left


@pytest.mark.timeout(180)  # npm may have to install it first
async def test_a_server_of_another_make_with_security_and_a_user(tmp_path: Path) -> None:
    """node-opcua: its limits of a call, its continuation points, its certificates, its types."""
    async with NodeOpcua.started(tmp_path) as peer:
        (tmp_path / "password").write_text(PASSWORD)
        user = ("--user", USER, "--password-file", tmp_path / "password")
        for number in range(60):
            await peer.tell("add", node=f"More{number}", type="Double", value=1.5)
        refused = await southgate("discover", "opcua", peer.url, *user, cwd=tmp_path)
        assert refused.code == 3
        assert "southgate opcua trust" in refused.err
        trusted = await southgate("opcua", "trust", peer.url, "--yes", cwd=tmp_path)
        assert trusted.code == 0, trusted.err
        wrong = await southgate("discover", "opcua", peer.url, "--user", "nobody", *user[2:], cwd=tmp_path)
        assert wrong.code == 3
        assert "nobody" in wrong.err
        said = await southgate("discover", "opcua", peer.url, *user, "--writable", "--out", "found", cwd=tmp_path)
        assert said.code == 0, said.err
        assert "SignAndEncrypt; lets in a user with a password" in said.out
        own = await southgate("discover", "opcua", peer.url, *user, "--path", "/Server/**", "--json", cwd=tmp_path)
        assert own.body["resources"] > 100, own.body["notes"]
        checked = await southgate("check", "found", cwd=tmp_path)
        assert checked.code == 0, checked.out + checked.err
    (path,) = files(tmp_path / "found/profiles")
    profile = load_profile(path.read_text("utf-8"), path.name).value
    found = {one.name: one for one in profile.device_resources}
    assert sum(name.startswith("More") for name in found) == 60
    temperature, mode, limits, start = (found[name] for name in ("Temperature", "Mode", "Limits", "Start"))
    assert temperature.properties.units
    assert temperature.properties.maximum is not None
    assert (str(mode.properties.value_type), str(limits.properties.value_type)) == ("Int32", "Object")
    assert start.properties.read_write == "W"
    mappings = {one.device_resource: one.mappings for c in profile.device_commands for one in c.resource_operations}
    assert dict(mappings["Mode"]) == {"0": "Off", "1": "Manual", "2": "Automatic"}


async def test_a_simulated_server_is_described_as_the_profile_it_was_made_of(tmp_path: Path) -> None:
    """Node ids, types, units and texts of a shipped profile, over the wire and back."""
    shipped = find_profile("siemens-s7-1500-training-factory")
    async with serve(World.from_profiles([shipped])) as running:
        (served,) = running.devices.values()
        said = await discover(
            served.address, "--policy", "None", "--writable", "--name", "Again", "--json", cwd=tmp_path
        )
    assert said.code == 0, said.err
    profile = load_profile(said.body["profiles"]["Again"], "again.yaml").value
    made = {one.attributes["nodeId"]: one.properties for one in profile.device_resources}
    for one in shipped.device_resources:
        found = made[one.attributes["nodeId"]]
        assert (found.value_type, found.units) == (one.properties.value_type, one.properties.units), one.name
