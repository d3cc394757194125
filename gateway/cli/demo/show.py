"""The show itself: devices, broker, gateway, then values and commands until it is ended."""

import argparse
import asyncio
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path

from gateway.cli.demo.actuate import DemoCloud, cloud
from gateway.cli.demo.broker import DemoBroker, broker
from gateway.cli.demo.rows import Rows
from gateway.cli.demo.screen import Screen, screen
from gateway.cli.demo.stage import START_S, free_port, gateway, prepare, write_settings
from gateway.cli.output import Output
from gateway.cli.remote import Remote
from gateway.model.errors import ConfigError, GatewayError, NotConnected
from simulators.world import Running, World, serve

LOOK_S = 0.5
COMMAND_S = 5.0


async def show(folder: Path, output: Output) -> int:
    """Runs until cancelled; 1 when the gateway ends by itself."""
    api = free_port(8080)
    world = World.from_file(files("gateway.cli.demo") / "world.yaml")
    async with AsyncExitStack() as stack:
        devices = await stack.enter_async_context(serve(world))
        prepare(folder, devices.device_list())
        middle = await stack.enter_async_context(broker(folder, free_port(1883)))
        settings = write_settings(folder, api, middle)
        running = await stack.enter_async_context(gateway(settings, folder / "gateway.log"))
        remote = Remote(argparse.Namespace(url=f"http://127.0.0.1:{api}", config=None, token_file=None))
        await _up(remote, running, folder)
        commands = await stack.enter_async_context(cloud(middle.port, "demo"))
        view = stack.enter_context(screen(output.terminal, _head(devices, middle, remote.url, folder)))
        await _look(Rows(remote), view, commands)
    return 1


def _head(devices: Running, middle: DemoBroker, url: str, folder: Path) -> list[str]:
    return [
        *(
            f"device   {name:10} {d.address} unit {d.entry.unit}: {d.profile.name}"
            for name, d in devices.devices.items()
        ),
        f"broker   {middle.name} on 127.0.0.1:{middle.port}{': ' + middle.remark if middle.remark else ''}",
        f"topics   mosquitto_sub -p {middle.port} -v -t 'southgate/v1/demo/#'",
        f"API      {url}/docs   health: {url}/gateway/api/v1/health",
        f"data     {folder}/data   log: {folder}/gateway.log   settings: {folder}/gateway.yaml",
    ]


async def _up(remote: Remote, running: asyncio.subprocess.Process, folder: Path) -> None:
    """Returns when the gateway answers."""
    try:
        async with asyncio.timeout(START_S):
            while True:
                if running.returncode is not None:
                    raise ConfigError(f"the gateway ended at once; {folder}/gateway.log says why")
                try:
                    await asyncio.to_thread(remote.get, "/gateway/api/v1/live")
                except NotConnected:
                    await asyncio.sleep(0.05)
                    continue
                return
    except TimeoutError:
        raise ConfigError(f"the gateway did not answer within {START_S:.0f} s; see {folder}/gateway.log") from None


async def _look(rows: Rows, view: Screen, commands: DemoCloud) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_values(rows, view))
        tasks.create_task(_switches(view, commands))


async def _values(rows: Rows, view: Screen) -> None:
    while True:
        try:
            view.show(await rows.all())
        except GatewayError as error:
            view.say(f"the gateway does not answer: {error}")
        await asyncio.sleep(LOOK_S)


async def _switches(view: Screen, commands: DemoCloud) -> None:
    while True:
        await asyncio.sleep(COMMAND_S)
        view.say(await commands.switch())
