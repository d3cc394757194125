"""OPC UA against node-opcua, which shares no code with us: secured, with a user, as somebody commissions it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.broker import Broker
from tests.support.house import Gateway, house
from tests.support.nodeopcua import NAMESPACE, PASSWORD, USER, NodeOpcua

pytestmark = pytest.mark.timeout(180)
"""npm may have to install it first."""

SCALARS = {
    "Running": ("Bool", True), "I8": ("Int8", 7), "U8": ("Uint8", 7), "I16": ("Int16", 7), "U16": ("Uint16", 7),
    "I32": ("Int32", 70000), "U32": ("Uint32", 70000), "I64": ("Int64", -2), "U64": ("Uint64", 2**63 - 1),
    "F32": ("Float32", 26.53), "F64": ("Float64", 0.1), "Name": ("String", "grün"),
    "At": ("String", "2026-01-02T03:04:05.678"), "Id": ("String", "09087e75-8e5e-499b-954f-f2a9603db28a"),
    "Label": ("String", "Presse 1"), "Mode": ("Int32", 2), "Speeds": ("Float64Array", [1.5, 2.5, 3.5]),
    "Limits": ("Object", {"Low": -1.5, "High": 99}),
}  # fmt: skip
"""Resource → its type here, and what the server holds."""


def resource(name: str, kind: str, direction: str = "R", node: str = "", **more: Any) -> dict[str, Any]:
    attributes = {"nodeId": f"nsu={NAMESPACE};s=Press.{node or name}", **more}
    return {"name": name, "properties": {"valueType": kind, "readWrite": direction}, "attributes": attributes}


def method(name: str) -> dict[str, Any]:
    attributes = {"methodId": f"nsu={NAMESPACE};s=Press.{name}", "objectId": f"nsu={NAMESPACE};s=Press"}
    return {"name": name, "properties": {"valueType": "Object", "readWrite": "W"}, "attributes": attributes}


def profile() -> str:
    resources = [resource(name, kind) for name, (kind, _) in SCALARS.items()]
    resources += [
        resource("Speed", "Float64", samplingInterval="50ms"),
        resource("Setpoint", "Float64", "RW"),
        resource("Temperature", "Float64", "RW"),
        resource("Low", "Float64", node="Limits", field="Low"),
        resource("Locked", "Int32", "RW"),
        resource("Blind", "Int32"),
        resource("Gone", "Int32"),
        method("Start"),
        {
            "name": "Alarms",
            "properties": {"valueType": "Object", "readWrite": "R"},
            "attributes": {"nodeId": "i=2253", "eventType": "i=2915"},
        },
        {
            "name": "Acknowledge",
            "properties": {"valueType": "Object", "readWrite": "W"},
            "attributes": {"condition": "acknowledge"},
        },
    ]
    all_ = [{"deviceResource": name} for name in (*SCALARS, "Temperature", "Low", "Locked", "Setpoint")]
    commands = [{"name": "All", "readWrite": "R", "resourceOperations": all_}]
    return yaml.safe_dump({"name": "press", "deviceResources": resources, "deviceCommands": commands})


def device(url: str, name: str = "press", **more: Any) -> dict[str, Any]:
    sources = ("All", "Speed", "Alarms", "Blind", "Gone")
    return {
        "name": name,
        "profileName": "press",
        "protocols": {"opcua": {"Endpoint": url, "UserName": USER, "PasswordFile": "secrets/opcua", **more}},
        "autoEvents": [{"sourceName": source, "interval": "200ms"} for source in sources],
    }


@asynccontextmanager
async def commissioned(
    folder: Path, peer: NodeOpcua, broker: Broker | None = None, trusted: bool = True
) -> AsyncIterator[Gateway]:
    """A gateway that knows the press; its certificate is trusted by hand, as a person does."""
    async with house(folder, broker=broker, profiles=[profile()], start=False) as gateway:
        (gateway.folder / "secrets").mkdir()
        (gateway.folder / "secrets" / "opcua").write_text(PASSWORD + "\n")
        (gateway.folder / "devices" / "press.yaml").write_text(yaml.safe_dump({"deviceList": [device(peer.url)]}))
        await gateway.start()
        await gateway.until_reason("press", "southgate opcua trust ")
        if trusted:
            reason = (await gateway.twin("press"))["reason"]
            thumbprint = reason.split("southgate opcua trust ")[1].split()[0].strip(".,;'\"")
            said = await gateway.cli("opcua", "trust", thumbprint)
            assert said.code == 0, said.err
            await gateway.until(partial(_flows, gateway), seconds=45)
        yield gateway


async def _flows(gateway: Gateway) -> bool:
    return (await gateway.value("press", "F64")) is not None


async def test_from_an_unknown_certificate_to_every_kind_of_value(tmp_path: Path) -> None:
    async with NodeOpcua.started(tmp_path) as peer, commissioned(tmp_path, peer) as gateway:
        for name, (_, value) in SCALARS.items():
            got = await gateway.value("press", name)
            assert str(got).startswith(value) if name == "At" else got == value, name
        twin = await gateway.twin("press")
        assert await gateway.value("press", "Low") == -1.5
        assert twin["values"]["Blind"]["quality"][:2] == ["bad", "refused"], "nobody may read it"
        assert twin["values"]["Gone"]["quality"] == ["bad", "refused", "BadNodeIdUnknown"]
        assert twin["state"] == "degraded", "two of its sources have no good values"
        await peer.tell("set", node="Speed", value=77.25)
        await gateway.until_value("press", "Speed", 77.25)
        await peer.tell("bad", node="I16")
        await gateway.until(partial(_quality, gateway, "I16", ["bad", "device", "BadSensorFailure"]))
        await peer.tell("add", node="Gone", type="Int32", value=5)
        await gateway.until_value("press", "Gone", 5)


async def _quality(gateway: Gateway, name: str, wanted: list[str]) -> bool:
    return bool((await gateway.twin("press"))["values"][name]["quality"] == wanted)


async def test_commands_are_confirmed_or_say_why_not(tmp_path: Path) -> None:
    async with NodeOpcua.started(tmp_path) as peer, commissioned(tmp_path, peer) as gateway:
        result = await gateway.command("press", "Setpoint", {"Setpoint": 42.5})
        assert (result["outcome"], result["code"]) == ("confirmed", 200), result
        result = await gateway.command("press", "Locked", {"Locked": 3})
        assert (result["outcome"], result["code"]) == ("failed", 502), result
        assert "BadNotWritable" in result["error"] or "BadUserAccessDenied" in result["error"]
        result = await gateway.command("press", "Start", {"Start": {"Recipe": "lid", "Count": 3}})
        assert (result["outcome"], result["code"]) == ("confirmed", 200), result
        assert result["outputs"]["Start"] == {"Job": 1, "Text": "lid x 3"}
        for wrong, said in (({"Recipe": "lid"}, "Count"), ({"Recipe": "lid", "Count": "many"}, "Count")):
            result = await gateway.command("press", "Start", {"Start": wrong})
            assert result["outcome"] == "rejected", result
            assert said in result["error"]
        result = await gateway.command("press", "Start", {"Start": {"Recipe": "lid", "Count": 0}})
        assert (result["outcome"], result["code"]) == ("failed", 502), result
        assert "BadInvalidArgument" in result["error"]


async def test_an_alarm_comes_and_is_acknowledged(tmp_path: Path) -> None:
    async with NodeOpcua.started(tmp_path) as peer, commissioned(tmp_path, peer) as gateway:
        await peer.tell("set", node="Temperature", value=95.0)

        async def raised() -> Any:
            alarm = await gateway.value("press", "Alarms")
            return alarm if alarm and alarm["ConditionName"] == "TooHot" and alarm["ActiveState"] else None

        alarm = await gateway.until(raised)
        assert alarm["Severity"] > 0
        assert alarm["Message"]
        assert alarm["SourceName"].endswith("Press")
        wish = {"ConditionId": alarm["ConditionId"], "EventId": alarm["EventId"], "Comment": "seen"}
        result = await gateway.command("press", "Acknowledge", {"Acknowledge": wish})
        assert (result["outcome"], result["code"]) == ("confirmed", 200), result

        async def acknowledged() -> bool:
            return bool((await gateway.value("press", "Alarms"))["AckedState"])

        await gateway.until(acknowledged)


async def test_it_comes_back_by_itself_after_its_server_was_killed(tmp_path: Path) -> None:
    """T14: server restart, session lost."""
    async with NodeOpcua.started(tmp_path) as peer, commissioned(tmp_path, peer) as gateway:
        await peer.tell("set", node="Speed", value=1.0)
        await gateway.until_value("press", "Speed", 1.0)
        gateway.quiet = True
        await peer.kill()
        await gateway.until_state("press", "offline")
        await peer.start()
        await peer.tell("set", node="Speed", value=2.0)
        await asyncio.wait_for(gateway.until_value("press", "Speed", 2.0), 40)
        await gateway.until_state("press", "degraded")


async def test_a_wrong_password_says_so(tmp_path: Path) -> None:
    async with NodeOpcua.started(tmp_path) as peer, commissioned(tmp_path, peer, trusted=False) as gateway:
        (gateway.folder / "secrets" / "opcua").write_text("wrong\n")
        reason = (await gateway.twin("press"))["reason"]
        await gateway.cli("opcua", "trust", reason.split("southgate opcua trust ")[1].split()[0].strip(".,;'\""))
        await gateway.until_reason("press", USER)
        assert "wrong" not in "\n".join(gateway.log)
