"""The keeper's process, as the gateway sees it: started, asked one thing at a time, ended."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from datastore.history import pipe
from gateway.model.contracts import Clock

PATIENCE_S = 600.0
"""A step takes seconds; a process that answers nothing for so long is hung."""
STOP_S = 10.0
"""How long a stop waits for the step that is under way; whatever is cut off is done again."""


class Ended(Exception):
    """The process is gone; why, in words."""


class Refused(Exception):
    """It answered that it could not, and goes on; why, in words."""


class Process:
    """`await start()`, `await ask(…)`, `await close()`; may be started again."""

    def __init__(self, orders: Mapping[str, Any], clock: Clock) -> None:
        self._orders = json.dumps(orders)
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._number = 0

    @property
    def pid(self) -> int:
        """0: it does not run."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> dict[str, Any]:
        """What it says first. Raises Ended."""
        await self.close()
        path = os.pathsep.join(filter(None, sys.path))
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "datastore.history",
                self._orders,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise Ended(f"it cannot be started: {error}") from error
        said = await self._answer()
        if "error" in said:
            raise Ended(said["error"])
        return said

    async def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Raises Ended, Refused."""
        async with self._turn:
            if self._process is None or self._process.stdin is None:
                raise Ended("it does not run")
            self._number += 1
            with suppress(ConnectionError):  # then there is no answer either
                self._process.stdin.write(pipe.pack({"do": do, "number": self._number} | more))
                await self._process.stdin.drain()
            said = await self._answer()
            while said.get("number") != self._number:  # to somebody who did not wait for it
                said = await self._answer()
        if "error" in said:
            raise Refused(said["error"])
        return said

    async def _answer(self) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdout is None:
            raise Ended("it was stopped")
        try:
            async with self._clock.timeout(PATIENCE_S):
                return await pipe.receive(process.stdout)
        except TimeoutError:
            raise Ended(f"it did not answer for {PATIENCE_S:g} s") from None
        except (EOFError, ConnectionError, msgspec.MsgspecError):
            await self.close()
            raise Ended(f"it ended with {await process.wait()}") from None

    async def close(self) -> None:
        """Lets it end by itself, then ends it. Idempotent, never raises."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with self._clock.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
