"""`southgate run`: the gateway, until SIGTERM or Ctrl-C; SIGHUP reads profiles and devices again."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.output import Output

if TYPE_CHECKING:
    from gateway.api.server import Listener
    from gateway.config import Settings

EXAMPLES = """  southgate run                            gateway.yaml in this folder
  southgate run --config /etc/southgate/gateway.yaml
  kill -HUP $(pidof southgate)             take over changed files, like southgate apply"""

SWITCH_S = 0.001
"""The journal's thread gives the interpreter back to the loop after so long (Python's default: 5 ms)."""

log = logging.getLogger(__name__)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("gateway.yaml"), help="settings file")
    parser.add_argument("--log", default="info", choices=["debug", "info", "warning", "error"], help="what is logged")


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when it was asked to stop."""
    from gateway.config import load_settings, missing_folders

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it means "read the files again": they are read anyway
    logging.basicConfig(
        stream=sys.stderr, level=options.log.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    settings = load_settings(options.config)
    for problem in missing_folders(settings.gateway):
        log.warning("%s", problem)
    sys.setswitchinterval(SWITCH_S)
    _loop(_run(settings, output))
    return 0


async def _run(settings: "Settings", output: Output) -> None:
    from gateway.app import build

    def ready(listeners: "list[Listener]") -> None:
        addresses = {listener.service: listener.address for listener in listeners}
        output.line(f"southgate {settings.gateway.name}: API on http://{listeners[0].address}/docs")
        output.result({"api": addresses})
        sys.stdout.flush()

    async with build(settings) as house:
        await house.run(ready, ends=True)


def _loop(work: "asyncio.Future[None] | object") -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)  # type: ignore[arg-type]
    else:
        uvloop.run(work)  # type: ignore[arg-type]
