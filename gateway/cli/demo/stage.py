"""What the demo needs on disk and as processes: settings, device list, the gateway."""

import asyncio
import contextlib
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.cli.demo.broker import DemoBroker
from gateway.model.errors import ConfigError

MARK = ".southgate-demo"
SETTINGS = """# The demo's settings; yours would look the same.
gateway:
  name: demo
  profiles: [profiles]
  devices: devices
  data: data
api:
  listen: 127.0.0.1:{api}
cloud:
  mqtt:
    url: mqtt://127.0.0.1:{mqtt}
    version: {version}
"""
START_S = 20.0


def free_port(wanted: int = 0) -> int:
    """The wanted port of 127.0.0.1 if it is free, else any."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise ConfigError("no free port on 127.0.0.1")


def prepare(folder: Path, devices: str) -> None:
    """A fresh folder with the device list. A folder that is not a demo's is left alone: ConfigError."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise ConfigError(f"{folder} is not empty and not a demo's folder; give another one with --dir")
        shutil.rmtree(folder)
    for name in ("profiles", "devices", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    (folder / "devices" / "simulated.yaml").write_text(devices)


def write_settings(folder: Path, api: int, broker: DemoBroker) -> Path:
    """gateway.yaml for a gateway whose API is on port `api`; gives its path."""
    settings = folder / "gateway.yaml"
    settings.write_text(SETTINGS.format(api=api, mqtt=broker.port, version=broker.version))
    return settings


@contextlib.asynccontextmanager
async def gateway(settings: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The gateway as a user starts it, in a session of its own so that Ctrl-C reaches only the demo, which then ends it
    in order. Its log goes to a file."""
    with log.open("wb") as out:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "run", "--config", str(settings),
            stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.terminate()
        await running.wait()
