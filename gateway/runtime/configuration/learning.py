"""What a device shows while it runs becomes facts for its plans: so far how long it takes to answer."""

from statistics import median
from typing import NoReturn

from gateway.model.contracts import Clock, Lanes
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


async def learn(registry: FileRegistry, lanes: Lanes, clock: Clock) -> NoReturn:
    """Looks now and then, until cancelled."""
    pause = FIRST_S
    while True:
        await clock.sleep(pause)
        pause = EVERY_S
        for name, answer_ms in _answers(registry, lanes).items():
            planned = registry.planned.get(name)
            if planned is None:
                continue
            known = planned.facts.get("answer_ms")
            if known is None or abs(known - answer_ms) > max(ANEW * known, ANEW_MS):
                began = clock.monotonic()
                await registry.learned(name, {**planned.facts, "answer_ms": round(answer_ms, 2)})
                await clock.sleep(LEISURE * (clock.monotonic() - began))


def _answers(registry: FileRegistry, lanes: Lanes) -> dict[str, float]:
    """By device, the median of its polls."""
    found: dict[str, list[float]] = {}
    for flow in lanes.flows():
        planned = registry.planned.get(flow.device)
        answer_ms = own_answer_ms(planned, flow) if planned else None
        if answer_ms is not None:
            found.setdefault(flow.device, []).append(answer_ms)
    return {name: median(times) for name, times in found.items()}
