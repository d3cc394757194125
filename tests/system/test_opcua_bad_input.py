"""OPC UA, everything wrong that a file can be: each device says in a sentence what is wrong and what to do, and the
others go on; a wrong resource takes nobody with it."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from asyncua import Server, ua

from tests.support.certificates import NOW, Recipe
from tests.support.house import Gateway, house
from tests.support.opcua import NONE, Users, secured
from tests.support.ports import free_port

PROFILE = """
name: tank
deviceResources:
  - { name: Level, properties: { valueType: Float64, readWrite: R }, attributes: { nodeId: "ns=2;s=Level" } }
  - { name: Valve, properties: { valueType: Float64, readWrite: RW, minimum: 0, maximum: 100 },
      attributes: { nodeId: "ns=2;s=Valve" } }
  - { name: Small, properties: { valueType: Int32, readWrite: RW }, attributes: { nodeId: "ns=2;s=Small" } }
  - { name: NoNode, properties: { valueType: Float64, readWrite: R }, attributes: { nodeId: "ns=2;s=Nowhere" } }
  - { name: NoPath, properties: { valueType: Float64, readWrite: R }, attributes: { browsePath: "/2:No/2:Where" } }
  - { name: NoType, properties: { valueType: Float64, readWrite: R }, attributes: { nodeId: "ns=2;s=Text" } }
"""
RESOURCES = {
    "NoNode": ["bad", "refused", "BadNodeIdUnknown"],
    "NoPath": ["bad", "refused", "BadNoMatch"],
    "NoType": ["bad", "config"],
}
"""What their values say; the others of the same device are good."""
SENTENCES = {
    "closed-port": "nothing listens there; look at address and port",
    "no-host": "look at how the name is written",
    "not-opcua": "something listens there, but does not answer within 2 s: is it an OPC UA server? Look at the port",
    "only-none": "AllowNone: true",
    "stranger": "southgate opcua trust ",
    "expired": "it ended on ",
    "password": "operator",
}


async def test_each_says_what_is_wrong_and_what_to_do_and_the_others_go_on(tmp_path: Path) -> None:
    """T35 and the list of bad input."""
    async with AsyncExitStack() as stack:
        open_ = await stack.enter_async_context(secured(policies=NONE))
        await _tank(open_)
        stranger = await stack.enter_async_context(secured(Recipe()))
        old = replace(Recipe(), begins=NOW - timedelta(days=9), ends=NOW - timedelta(days=2))
        expired = await stack.enter_async_context(secured(old))
        users = Users({"operator": "right"}, anonymous=False)
        guarded = await stack.enter_async_context(secured(policies=NONE, users=users))
        await _tank(guarded)
        gateway = await stack.enter_async_context(house(tmp_path, profiles=[PROFILE], start=False))
        (gateway.folder / "password").write_text("wrong")
        api = gateway.url.removeprefix("http://")
        devices = [
            _device("well", open_, AllowNone=True),
            _device("closed-port", f"opc.tcp://127.0.0.1:{free_port()}", AllowNone=True),
            _device("no-host", "opc.tcp://no-such-host.invalid:4840", AllowNone=True),
            _device("not-opcua", f"opc.tcp://{api}", AllowNone=True),
            _device("only-none", f"opc.tcp://localhost:{open_.endpoint.port}"),
            _device("stranger", stranger),
            _device("expired", expired),
            _device("password", guarded, AllowNone=True, UserName="operator", PasswordFile="password"),
        ]
        (gateway.folder / "devices" / "wrong.yaml").write_text(yaml.safe_dump({"deviceList": devices}))
        await gateway.start()
        for name, sentence in SENTENCES.items():
            await gateway.until_reason(name, sentence)
        await gateway.until(partial(_told, gateway))
        twin = await gateway.twin("well")
        for name, wanted in RESOURCES.items():
            assert twin["values"][name]["quality"][: len(wanted)] == wanted, name
        assert twin["values"]["Level"]["quality"] == ["good"]
        assert twin["state"] == "degraded"
        await open_.get_node("ns=2;s=Level").write_value(7.25)
        await gateway.until_value("well", "Level", 7.25)
        await _commands(gateway)
        assert await gateway.stop() == 0


async def _told(gateway: Gateway) -> bool:
    values = (await gateway.twin("well"))["values"]
    return all(name in values for name in ("Level", *RESOURCES))


async def _commands(gateway: Gateway) -> None:
    """Refused before the wire where the profile says so, else in the server's words with a hint."""
    too_much = await gateway.command("well", "Valve", {"Valve": 101})
    assert (too_much["outcome"], too_much["code"]) == ("rejected", 422)
    assert "maximum" in too_much["error"]
    no_number = await gateway.command("well", "Valve", {"Valve": "half"})
    assert (no_number["outcome"], no_number["code"]) == ("rejected", 422)
    too_large = await gateway.command("well", "Small", {"Small": 70000})
    assert (too_large["outcome"], too_large["code"]) == ("rejected", 422), "its node is an Int16"
    assert "Int16" in too_large["error"]
    fine = await gateway.command("well", "Valve", {"Valve": 50})
    assert (fine["outcome"], fine["code"]) == ("confirmed", 200)


def _device(name: str, server: Server | str, **more: Any) -> dict[str, Any]:
    url = server if isinstance(server, str) else server.endpoint.geturl()
    events = [{"sourceName": source, "interval": "200ms"} for source in ("Level", "Valve", *RESOURCES)]
    protocols = {"opcua": {"Endpoint": url, "Timeout": "2s", **more}}
    return {"name": name, "profileName": "tank", "protocols": protocols, "autoEvents": events}


async def _tank(server: Server) -> None:
    await server.register_namespace("urn:tank")
    for name, value in {"Level": 1.5, "Text": "full"}.items():
        await server.nodes.objects.add_variable(ua.NodeId(name, 2), name, value)  # type: ignore[arg-type]
    valve = await server.nodes.objects.add_variable(ua.NodeId("Valve", 2), "Valve", 0.0)  # type: ignore[arg-type]
    await valve.set_writable()
    small = ua.NodeId("Small", 2)  # type: ignore[arg-type]
    node = await server.nodes.objects.add_variable(small, "Small", 0, ua.VariantType.Int16)
    await node.set_writable()
