"""Read now, for the cloud: beside everything else, a bounded number at a time."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from gateway.model.contracts import Clock, Commands
from gateway.model.errors import CommandRejected, DeviceError, NoAnswer, NotConnected
from gateway.northbound.answers import Answers
from gateway.northbound.telemetry import columns

MAX_RUNNING = 32
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Request:
    """Who asked, and where the answer goes."""

    default_topic: str
    received: int
    reply_to: str = ""
    """Response topic, allowed; empty: none."""
    correlation: bytes = b""
    id: str = ""

    @property
    def topic(self) -> str:
        return self.reply_to or self.default_topic

    def refused(self, error: CommandRejected, finished: int) -> dict[str, Any]:
        """A result in the contract's shape."""
        status = {410: "expired", 502: "failed", 504: "failed"}.get(error.code, "rejected")
        return self.result(status, error.code, finished) | {"error": str(error)}

    def result(self, status: str, code: int, finished: int) -> dict[str, Any]:
        return {
            "id": self.id or None,
            "status": status,
            "code": code,
            "started": self.received,
            "finished": finished,
            "attempt": 1,
        }


class Reads:
    """Running reads."""

    def __init__(self, commands: Commands, answers: Answers, clock: Clock) -> None:
        self._commands, self._answers, self._clock = commands, answers, clock
        self._running: set[asyncio.Task[None]] = set()

    def start(self, device: str, source: str, request: Request) -> None:
        if len(self._running) >= MAX_RUNNING:
            self._say(request, CommandRejected(429, f"{MAX_RUNNING} reads are running already; try again later"))
            return
        task = asyncio.get_running_loop().create_task(self._run(device, source, request), name=f"read {device}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, device: str, source: str, request: Request) -> None:
        try:
            event = await self._commands.read(device, source, regex=False)
        except CommandRejected as error:
            self._say(request, error)
        except NotConnected as error:
            self._say(request, CommandRejected(503, str(error)))
        except NoAnswer as error:
            self._say(request, CommandRejected(504, str(error)))
        except DeviceError as error:
            self._say(request, CommandRejected(502, str(error)))
        except Exception:
            log.exception("Reading %s of %s for the cloud failed by our own fault", source, device)
            self._say(request, CommandRejected(500, "an internal error; the gateway's log has the details"))
        else:
            body = request.result("confirmed", 200, self._clock.now())
            body["result"] = {"ts": event.origin, **columns(event)}
            self._answers.put(request.topic, body, request.correlation)

    def _say(self, request: Request, error: CommandRejected) -> None:
        self._answers.put(request.topic, request.refused(error, self._clock.now()), request.correlation)
