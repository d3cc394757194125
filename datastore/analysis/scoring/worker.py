"""The loop's side of a model: its process, started, asked one thing at a time, ended when it takes too long, started
again with a growing pause."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datastore.analysis.scoring.frames import packed, read
from gateway.model.contracts import Clock

FIRST_S, LONGEST_S = 1.0, 60.0
START_S = 60.0
"""A model that is not loaded by then never will be."""
ROOT = Path(__file__).parents[3]

log = logging.getLogger(__name__)


class Worker:
    """One model in a process of its own, for as long as `run` runs."""

    def __init__(self, name: str, order: Mapping[str, Any], patience: float, clock: Clock) -> None:
        """`name`: of the rule. `order`: see the worker's `Order`. `patience`: seconds for one answer."""
        self._name, self._order, self._patience, self._clock = name, {**order, "doubt": ""}, patience, clock
        self._asked: tuple[int, Callable[[], Any]] | None = None
        self._come = asyncio.Event()
        self.answered: Callable[[Mapping[str, Any], Mapping[str, Any]], None] = lambda _asked, _answer: None
        """Called with what was asked, `{at, window}`, and what the model said: `{score, label, hard, version}` or
        `{error}`."""
        self.failing: Callable[[str], None] = lambda _why: None
        """Called with the reason when no model runs any more."""
        self.state = "starting"
        """`starting`, `running`, `rolled back` or `failed`."""
        self.why = ""
        self.version = ""
        self.skipped = 0
        """Windows that were not scored, because the model was busy with the one before."""
        self._proven = False
        """Some window has been scored."""

    def ask(self, at: int, window: Callable[[], list[list[float]] | None]) -> None:
        """The newest window is the one that counts; it is made when the model is free."""
        if self._asked is not None:
            self.skipped += 1
        self._asked = at, window
        self._come.set()

    async def run(self) -> None:
        """Until cancelled; no process is left behind."""
        pause = FIRST_S
        while True:
            since = self._clock.monotonic()
            try:
                await self._live()
            except (EOFError, OSError, ValueError) as error:
                self._failed(str(error) or "it ended by itself", isinstance(error, (EOFError, TimeoutError)))
            if self._clock.monotonic() - since > LONGEST_S:
                pause = FIRST_S
            await self._clock.sleep(pause)
            pause = min(LONGEST_S, 2 * pause)

    def _failed(self, why: str, crashed: bool) -> None:
        """One that hung or ended its process before it scored anything is not tried at once again: the one before it
        is, if there is one."""
        if (self.state, self.why) != ("failed", why):
            log.warning("the model of rule %s does not run: %s", self._name, why)
        self.state, self.why = "failed", why
        if not self._proven:
            self._order["doubt"] = why if crashed and not self._order["doubt"] else ""
        self.failing(why)

    async def _live(self) -> None:
        """One process, from its start to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "datastore.analysis.scoring", env=_surroundings(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            said = await self._exchange(process, self._order, START_S)
            if "failed" in said:
                raise OSError(said["failed"])
            self._runs(said)
            while True:
                await self._come.wait()
                self._come.clear()
                asked, self._asked = self._asked, None
                if asked is not None and (window := asked[1]()) is not None:
                    await self._score(process, {"at": asked[0], "window": window})
        finally:
            await _end(process)

    async def _score(self, process: asyncio.subprocess.Process, asked: Mapping[str, Any]) -> None:
        answer = await self._exchange(process, asked, self._patience)
        if "rolled_back" in answer:
            self._runs(answer["rolled_back"])
        self._proven = self._proven or "error" not in answer
        self.answered(asked, answer)

    def _runs(self, said: Mapping[str, Any]) -> None:
        self.version, self.why = said["version"], said["why"]
        self.state = "rolled back" if self.why else "running"
        if self.why:
            log.warning("rule %s goes on with model %s, the one before: %s", self._name, self.version, self.why)

    async def _exchange(self, process: asyncio.subprocess.Process, message: Any, patience: float) -> Mapping[str, Any]:
        """Raises EOFError, OSError, TimeoutError."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with self._clock.timeout(patience):
                process.stdin.write(packed(message))
                await process.stdin.drain()
                answer: Mapping[str, Any] = await read(process.stdout)
                return answer
        except TimeoutError:
            raise TimeoutError(f"it gave no answer in {patience:g} s") from None
        except EOFError:
            code = await process.wait()
            raise EOFError(f"its process ended with code {code}") from None


def _surroundings() -> dict[str, str]:
    """Of the worker: our packages are where they are here, wherever the gateway was started."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    transport = process._transport  # type: ignore[attr-defined]  # noqa: SLF001  closes its pipes now
    transport.close()
