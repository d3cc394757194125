"""A serial adapter pulled out and plugged in again while `southgate run` goes on: T16, but for the container."""

import os
from pathlib import Path

from simulators.world import Running, World, serve
from tests.support.house import Gateway, house

WORLD = """
devices:
  - { profile: xy-md02, name: climate, rtu: bus, unit: 1, autoEvents: { Climate: 200ms } }
  - { profile: waveshare-modbus-rtu-relay, name: relays, rtu: bus, unit: 2, autoEvents: { Relays: 200ms } }
  - { profile: xy-md02, name: neighbour, autoEvents: { Climate: 200ms } }
lines:
  bus: { baud: 19200 }
"""
TIMES = 3


async def test_a_stable_path_is_followed_at_every_opening(tmp_path: Path) -> None:
    """T16: the link under /dev/serial/by-id leads elsewhere each time; nothing is restarted, nothing is left open."""
    (tmp_path / "world.yaml").write_text(WORLD)
    port = tmp_path / "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"
    taken = []
    async with serve(World.from_file(tmp_path / "world.yaml")) as world:
        port.symlink_to(_path(world))
        async with house(tmp_path, world, start=False) as gateway:
            for file in (gateway.folder / "devices").iterdir():
                file.write_text(file.read_text().replace(_path(world), str(port)))
            await gateway.start()
            for number in range(TIMES):
                await _flows(gateway, world, 20.0 + number)
                port.unlink()
                await world.unplug("climate")
                for device in ("climate", "relays"):
                    lost = await gateway.until_state(device, "offline")
                    assert str(port) in lost["reason"]
                await gateway.until_reason("climate", "there is no such port: is it plugged in?")
                assert await gateway.state("neighbour") == "online"
                assert str(port) not in " ".join(_open_files(gateway.pid))
                taken.append(os.openpty())  # the number it had is somebody else's now
                await world.plug("climate")
                port.symlink_to(_path(world))
            await _flows(gateway, world, 30.0)
            assert sum("is lost" in line for line in gateway.log) == TIMES
            assert sum("is back" in line for line in gateway.log) == TIMES
            mine = [file for file in _open_files(gateway.pid) if file == _path(world)]
            assert len(mine) == 1
    for ends in taken:
        for end in ends:
            os.close(end)


async def _flows(gateway: Gateway, world: Running, temperature: float) -> None:
    world.set("climate", "Temperature", temperature)
    await gateway.until_value("climate", "Temperature", temperature)
    await gateway.until_state("climate", "online")
    await gateway.until_state("relays", "online")


def _path(world: Running) -> str:
    """The port that the line is at now."""
    return world.devices["climate"].endpoint.address


def _open_files(pid: int) -> list[str]:
    return [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()]
