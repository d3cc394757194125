"""The demo's broker: mosquitto where it is installed, otherwise amqtt (see docs/decisions/0005)."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import ConfigError

MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
persistence false
"""
AMQTT = """import asyncio
from amqtt.broker import Broker

async def serve():
    broker = Broker({{
        "listeners": {{"default": {{"type": "tcp", "bind": "127.0.0.1:{port}"}}}},
        "plugins": {{"amqtt.plugins.authentication.AnonymousAuthPlugin": {{"allow_anonymous": True}}}},
    }})
    await broker.start()
    await asyncio.Event().wait()

asyncio.run(serve())
"""
START_S = 10.0


@dataclass(frozen=True, slots=True)
class DemoBroker:
    """A running broker on loopback."""

    port: int
    name: str
    remark: str
    """What this broker cannot do, in plain words; empty for mosquitto."""
    version: str = "auto"
    """`cloud.mqtt.version` for a gateway that talks to it."""


@contextlib.asynccontextmanager
async def broker(folder: Path, port: int) -> AsyncIterator[DemoBroker]:
    """Starts a broker on 127.0.0.1 and ends it at the end. Raises ConfigError when there is none to start."""
    command, found = _choose(folder, port)
    running = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        await _answers(running, port)
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.terminate()
        await running.wait()


def _choose(folder: Path, port: int) -> tuple[list[str], DemoBroker]:
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if mosquitto:
        config = folder / "mosquitto.conf"
        config.write_text(MOSQUITTO.format(port=port))
        return [mosquitto, "-c", str(config)], DemoBroker(port, "mosquitto", "")
    import importlib.util

    if importlib.util.find_spec("amqtt") is None:
        raise ConfigError("the demo needs a broker: apt install mosquitto, or pip install 'southgate[demo]'")
    remark = "no MQTT 5 and not fit for production; apt install mosquitto for the real thing"
    return [sys.executable, "-c", AMQTT.format(port=port)], DemoBroker(port, "amqtt", remark, "3.1.1")


async def _answers(running: asyncio.subprocess.Process, port: int) -> None:
    """Returns when the port takes connections."""
    async with asyncio.timeout(START_S):
        while True:
            if running.returncode is not None:
                raise ConfigError(f"the broker ended at once with exit code {running.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return
