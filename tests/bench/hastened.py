"""The gateway as `southgate run` starts it, but for its clock, which runs many times as fast: back-offs, polls and
journal of hours in minutes, over real sockets and on a real disk.

For each line on standard input it prints one with what is alive in it and what it has done, as JSON."""

import argparse
import asyncio
import gc
import json
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from gateway.app import House, build
from gateway.config import load_settings
from gateway.runtime.clock import SystemClock
from gateway.runtime.twin.flow import Flow


class HastenedClock(SystemClock):
    """Both clocks run `rate` times as fast as the machine's, from now on; so do sleeps and time-outs."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate
        self._began = time.monotonic()
        self._wall = time.time_ns()

    def monotonic(self) -> float:
        return self._began + (time.monotonic() - self._began) * self._rate

    def now(self) -> int:
        return self._wall + int((time.monotonic() - self._began) * self._rate * 1e9)

    def trusted(self) -> bool:
        return True

    def look(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self._rate)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Any]:
        return super().timeout(None if seconds is None else seconds / self._rate)


def state(house: House, began: float) -> dict[str, Any]:
    lanes = house.lanes.lanes()
    return {
        "clock_s": house.clock.monotonic() - began,
        "tasks": len(asyncio.all_tasks()),
        "objects": len(gc.get_objects()),
        "online": sum(house.twins.state(name).state is Flow.ONLINE for name in house.registry.planned),
        "connects": sum(lane.connects for lane in lanes),
        "reads": sum(flow.reads for flow in house.lanes.flows()),
        "journal": house.memory.journal.report().state,
    }


async def run(path: Path, rate: float) -> None:
    clock = HastenedClock(rate)
    began = clock.monotonic()
    async with build(load_settings(path), clock) as house:

        def answer() -> None:
            if sys.stdin.readline():
                print(json.dumps(state(house, began)), flush=True)

        asyncio.get_running_loop().add_reader(sys.stdin, answer)
        await house.run(ends=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    import uvloop

    from gateway.cli.run import SWITCH_S

    sys.setswitchinterval(SWITCH_S)
    uvloop.run(run(options.config, options.rate))


if __name__ == "__main__":
    main()
