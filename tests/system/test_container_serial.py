"""T16: a serial adapter that comes back under another number is found again inside a container that goes on running.

Without USB hardware, /sys/class/tty is a mounted folder of ours; the ports are ptys of the host, whose /dev/pts is
mounted. What udev does in a shared /dev, a command inside does here.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from simulators.world import Running, World, serve
from tests.support.container import Container, Image, build, running
from tests.support.ports import free_port
from tests.support.usb import Machine
from tests.system.test_container import KEPT, ROOT, UID

WORLD = """
devices:
  - { profile: xy-md02, name: climate, rtu: bus, unit: 1, autoEvents: { Climate: 200ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays, rtu: other, unit: 1, autoEvents: { Relays: 200ms } }
lines:
  bus: { baud: 19200 }
  other: { baud: 19200 }
"""
GROUP = 4321
"""That is not the gateway's."""
ADAPTER = "0403:6001:A50285BI"
BY_ID = "usb-1a86_USB_Serial-if00-port0"

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def image() -> Image:
    return build(ROOT, "localhost/southgate:test")


async def test_an_adapter_that_comes_back_is_found_by_its_usb_name_and_by_its_link(
    image: Image, tmp_path: Path
) -> None:
    (tmp_path / "world.yaml").write_text(WORLD)
    machine = Machine(tmp_path / "machine")
    (tmp_path / "by-id").mkdir()
    async with serve(World.from_file(tmp_path / "world.yaml")) as world:
        settings = _settings(tmp_path, world)
        machine.plug("ttyUSB0", ADAPTER, "1-1")
        async with running(image, f"southgate-test-serial-{os.getpid()}", _options(tmp_path)) as container:
            gateway = _Gateway(container, settings["api"]["listen"])
            await gateway.says("climate", "it is plugged in, but there is no such file in this container")
            said = await container.exec("southgate", "ports", f"usb:{ADAPTER}")
            assert said[0] == 0, said[1]
            assert "-v /dev:/dev --device-cgroup-rule='c 188:* rw' --group-add $(stat -c %g /dev/ttyUSB0)" in said[1]
            _of_another_group(_path(world, "relays"))
            (tmp_path / "by-id" / BY_ID).symlink_to(_path(world, "relays"))
            await gateway.says(
                "relays", f"no permission: it belongs to group {GROUP}. Start the container with -v /dev"
            )
            (tmp_path / "by-id" / BY_ID).unlink()
            await _plugged(container, tmp_path, world, "ttyUSB0")
            await gateway.flows(world, 20.0)
            taken = []
            for before, name, socket in (("ttyUSB0", "ttyUSB4", "2-1.3"), ("ttyUSB4", "ttyUSB1", "1-1")):
                machine.unplug(before)
                (tmp_path / "by-id" / BY_ID).unlink()
                await container.podman("exec", "--user=0", container.name, "rm", f"/dev/{before}")
                for device in ("climate", "relays"):
                    await world.unplug(device)
                await gateway.says(
                    "climate", "no serial adapter 0403:6001 with the serial number A50285BI is plugged in"
                )
                await gateway.says("relays", "there is no such port: is it plugged in?")
                taken += os.openpty()  # the number it had is somebody else's now
                for device in ("climate", "relays"):
                    await world.plug(device)
                machine.plug(name, ADAPTER, socket)
                await _plugged(container, tmp_path, world, name)
                await gateway.flows(world, 20.0 + len(taken))
            assert await container.stop(10) == 0, await container.logs()
            for end in taken:
                os.close(end)


def _of_another_group(path: str) -> None:
    os.chown(path, 0, GROUP)
    Path(path).chmod(0o660)


async def _plugged(container: Container, folder: Path, world: Running, name: str) -> None:
    """As udev does it: the node of one adapter, the stable link of the other; whose group is the gateway's."""
    for device in ("climate", "relays"):
        os.chown(_path(world, device), UID, UID)
    (folder / "by-id" / BY_ID).symlink_to(_path(world, "relays"))
    link = ("ln", "-s", _path(world, "climate"), f"/dev/{name}")
    code, said = await container.podman("exec", "--user=0", container.name, *link)
    assert code == 0, said


class _Gateway:
    """The one in the container, over REST."""

    def __init__(self, container: Container, listen: str) -> None:
        self._container, self._url = container, f"http://{listen}/gateway/api/v1"

    async def says(self, device: str, reason: str) -> None:
        """As soon as the device's state is explained with these words."""
        await self._until(device, lambda twin: reason in twin["reason"])

    async def flows(self, world: Running, temperature: float) -> None:
        """As soon as both devices have new values."""
        world.set("climate", "Temperature", temperature)
        await self._until("climate", lambda twin: twin["values"]["Temperature"]["value"] == temperature)
        for device in ("climate", "relays"):
            await self._until(device, lambda twin: twin["state"] == "online")

    async def _until(self, device: str, holds: Callable[[Any], bool]) -> None:
        twin: Any = None
        try:
            async with asyncio.timeout(60), httpx.AsyncClient() as client:
                while True:
                    with contextlib.suppress(httpx.TransportError, KeyError):
                        twin = (await client.get(f"{self._url}/twin/{device}")).json()
                        if holds(twin):
                            return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{device} is as it is: {twin}\n{await self._container.logs()}") from None


def _settings(folder: Path, world: Running) -> Any:
    """gateway.yaml, and a folder with a device list that names both ports by what does not change."""
    settings = {
        "gateway": {"name": "plant-7", "profiles": [], "devices": f"{KEPT}/devices", "data": f"{KEPT}/data"},
        "api": {"listen": f"127.0.0.1:{free_port()}"},
    }
    (folder / "gateway.yaml").write_text(yaml.safe_dump(settings))
    kept = folder / "kept"
    (kept / "devices").mkdir(parents=True)
    devices = world.device_list().replace(_path(world, "climate"), f"usb:{ADAPTER}")
    devices = devices.replace(_path(world, "relays"), f"/dev/serial/by-id/{BY_ID}")
    (kept / "devices" / "line.yaml").write_text(devices)
    for path in (kept, *kept.rglob("*")):
        os.chown(path, UID, UID)
    return settings


def _options(folder: Path) -> list[str]:
    return [
        "--network=host", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        f"--volume={folder}/gateway.yaml:/etc/southgate/gateway.yaml:ro", f"--volume={folder}/kept:{KEPT}",
        f"--volume={folder}/machine/tty:/sys/class/tty:ro", "--volume=/dev/pts:/dev/pts",
        f"--volume={folder}/by-id:/dev/serial/by-id:ro",
    ]  # fmt: skip


def _path(world: Running, device: str) -> str:
    """The port that a device is at now."""
    return world.devices[device].endpoint.address
