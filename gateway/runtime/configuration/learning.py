"""What devices show while they run becomes facts for their plans: how long they take to answer, and what their reads
found out about holes and limits."""

import asyncio
import logging
from statistics import median
from typing import NoReturn

from gateway.model.contracts import Clock, Lanes
from gateway.model.facts import in_words
from gateway.model.plan import Facts
from gateway.runtime.configuration.budget import own_answer_ms
from gateway.runtime.configuration.registry import FileRegistry

FIRST_S = 30.0
EVERY_S = 600.0
"""Answer times are written down soon after the start, then now and then …"""
ANEW = 0.25
ANEW_MS = 5.0
"""… only when they changed by this share and so much …"""
LEISURE = 20
"""… and at ease: planning hundreds of devices at once would make the polls late."""

log = logging.getLogger(__name__)


class Learning:
    """Hands facts to the registry. `tell` may be called from anywhere on the loop; `run` does the work."""

    def __init__(self, registry: FileRegistry, lanes: Lanes, clock: Clock) -> None:
        self._registry, self._lanes, self._clock = registry, lanes, clock
        self._told: dict[str, Facts] = {}
        self._any = asyncio.Event()

    def tell(self, device: str, facts: Facts) -> None:
        """What was found out about a device, besides what is known."""
        self._told[device] = {**self._told.get(device, {}), **facts}
        self._any.set()

    async def run(self) -> NoReturn:
        """Until cancelled."""
        look_at = self._clock.monotonic() + FIRST_S
        while True:
            try:
                async with self._clock.timeout(max(0.0, look_at - self._clock.monotonic())):
                    await self._any.wait()
            except TimeoutError:
                look_at = self._clock.monotonic() + EVERY_S
                await self._answer_times()
            self._any.clear()
            await self._take()

    async def _take(self) -> None:
        """Until it is learned, every poll searches again."""
        while self._told:
            await self._learn(*self._told.popitem())

    async def _learn(self, device: str, facts: Facts) -> None:
        planned = self._registry.planned.get(device)
        news = {key: fact for key, fact in facts.items() if planned and planned.facts.get(key) != fact}
        if planned is None or not news:
            return
        text = "%s was read in other requests than planned; from now on %s. southgate facts shows how to keep it"
        log.info(text, device, in_words(news))
        await self._registry.learned(device, {**planned.facts, **news})

    async def _answer_times(self) -> None:
        for device, answer_ms in self._medians().items():
            await self._take()
            planned = self._registry.planned.get(device)
            if planned is None:
                continue
            known = planned.facts.get("answer_ms")
            if known is None or abs(known - answer_ms) > max(ANEW * known, ANEW_MS):
                began = self._clock.monotonic()
                await self._registry.learned(device, {**planned.facts, "answer_ms": round(answer_ms, 2)})
                await self._clock.sleep(LEISURE * (self._clock.monotonic() - began))

    def _medians(self) -> dict[str, float]:
        """By device, of its polls."""
        found: dict[str, list[float]] = {}
        for flow in self._lanes.flows():
            planned = self._registry.planned.get(flow.device)
            answer_ms = own_answer_ms(planned, flow) if planned else None
            if answer_ms is not None:
                found.setdefault(flow.device, []).append(answer_ms)
        return {device: median(times) for device, times in found.items()}
