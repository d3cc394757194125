"""What devices show while they run: answer times become facts, at ease, and only when they changed."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.model.health import FlowReport
from gateway.model.plan import Facts
from gateway.runtime.configuration.learning import Learning
from tests.support.clock import MovingClock, settle
from tests.unit.runtime.house import planned, profile, resource

PROFILE = profile(resource("Fast"), resource("Slow"))


class Plan:
    requests = ()


class Registry:
    def __init__(self) -> None:
        device = planned(PROFILE, polls={"Fast": 1.0, "Slow": 5.0})
        polls = tuple(replace(poll, plan=Plan()) for poll in device.polls)  # type: ignore[arg-type]
        self.planned = {"d1": replace(device, polls=polls)}
        self.told: list[Facts] = []

    async def learned(self, device: str, facts: Facts) -> None:
        self.told.append(facts)
        self.planned[device].facts.update(facts)


class Lanes:
    def __init__(self, **answers: float) -> None:
        self.answers = answers

    def flows(self) -> list[FlowReport]:
        return [FlowReport("d1", (name,), 1.0, 1.0, 1, 1, 0, 0, ms) for name, ms in self.answers.items()]


async def learn(registry: Any, lanes: Any, clock: MovingClock, seconds: float) -> None:
    task = asyncio.create_task(Learning(registry, lanes, clock).run())
    await clock.advance(seconds)
    task.cancel()
    await asyncio.wait([task])


async def test_a_steady_device_with_two_polls_is_learned_once(clock: MovingClock) -> None:
    registry = Registry()
    await learn(registry, Lanes(Fast=8.0, Slow=60.0), clock, 3600)
    assert registry.told == [{"answer_ms": 34.0}]


async def test_another_answer_time_is_learned_anew(clock: MovingClock) -> None:
    registry, lanes = Registry(), Lanes(Fast=8.0)
    await learn(registry, lanes, clock, 60)
    lanes.answers["Fast"] = 9.0
    await learn(registry, lanes, clock, 60)
    lanes.answers["Fast"] = 40.0
    await learn(registry, lanes, clock, 60)
    assert registry.told == [{"answer_ms": 8.0}, {"answer_ms": 40.0}]


async def test_what_reads_found_out_is_learned_and_told_at_once_and_once(
    clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    registry = Registry()
    learning = Learning(registry, Lanes(), clock)  # type: ignore[arg-type]
    task = asyncio.create_task(learning.run())
    for facts in ({"apart": {"HOLDING_REGISTERS": [7]}}, {"max_registers": 60}, {"max_registers": 60}):
        learning.tell("d1", facts)
        learning.tell("nobody", facts)
        await settle()
    assert registry.told == [
        {"apart": {"HOLDING_REGISTERS": [7]}},
        {"apart": {"HOLDING_REGISTERS": [7]}, "max_registers": 60},
    ]
    assert [record.getMessage().partition("from now on ")[2].partition(". ")[0] for record in caplog.records] == [
        "no request reaches across HOLDING_REGISTERS 7",
        "at most 60 registers a request",
    ]
    task.cancel()
    await asyncio.wait([task])
