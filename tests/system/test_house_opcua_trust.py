"""A gateway and a server that do not know each other yet: refused, told, trusted, logged in, without a restart (ask 25,
T35, T37)."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.support.certificates import NOW, Recipe, key, put
from tests.support.house import house
from tests.support.opcua import SECRET, Users, secured

PROFILE = """
name: Server
deviceResources:
  - name: State
    attributes: { nodeId: "i=2259" }
    properties: { valueType: Int32, readWrite: R }
"""
DEVICE = """
deviceList:
  - name: press
    profileName: Server
    protocols: {{ opcua: {{ Endpoint: "{url}", UserName: operator, PasswordFile: secret{more} }} }}
    autoEvents: [{{ sourceName: State, interval: 200ms }}]
"""


async def test_from_two_strangers_to_values_without_a_restart(tmp_path: Path) -> None:
    recipe = Recipe()
    async with (
        secured(recipe, users=Users({"operator": SECRET}, anonymous=False)) as server,
        house(tmp_path, profiles=[PROFILE], start=False) as gateway,
    ):
        url = server.endpoint.geturl()
        devices = gateway.folder / "devices" / "press.yaml"
        devices.write_text(DEVICE.format(url=url, more=""))
        (gateway.folder / "secret").write_text("not this one, " + SECRET)
        put(gateway.folder / "data" / "pki" / "own", _ours())
        await gateway.start()

        await gateway.until_reason("press", "not trusted")
        reason = (await gateway.twin("press"))["reason"]
        command = re.search(r"southgate (opcua) (trust) ([0-9A-F]{40})", reason)
        assert command is not None, reason
        said = await gateway.cli(*command.groups())
        assert said.code == 0, said.err

        await gateway.until_reason("press", "does not let the user operator in (BadUserAccessDenied)")
        (gateway.folder / "secret").write_text(SECRET + "\n")
        await gateway.until_value("press", "State", 0)
        await gateway.until_logged("alarm certificate-ends raised: our own certificate")

        listed = await gateway.cli("opcua", "certificates")
        assert "ends in 30 days" in listed.out
        rows = (await gateway.own("certificates"))["certificates"]
        assert [(row["standing"], row["shown_by"]) for row in rows] == [("own", ""), ("trusted", url)]
        told = [said.out, listed.out, str(await gateway.own("lines")), str(await gateway.own("config")), *gateway.log]
        told.append((await gateway.ask("GET", "/metrics")).text)
        assert not [text for text in told if SECRET in text], "T37"

        assert (await gateway.ask("DELETE", f"/gateway/api/v1/certificates/{command[3]}")).status_code == 204
        assert await gateway.state("press") == "online", "it takes hold at the next connection"
        devices.write_text(DEVICE.format(url=url, more=", Timeout: 4s"))
        gateway.reload()
        await gateway.until_reason("press", f"southgate opcua trust {command[3]}")


def _ours() -> Recipe:
    return replace(Recipe(), key=key("ours"), uri="urn:plant", ends=NOW + timedelta(days=30, hours=1), purposes=None)
